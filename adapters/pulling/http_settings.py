"""The settings by which a kind speaks HTTP to a department's system: credentials, certificates, limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from adapters.contract import Form, Setting, SourceNeedsPersonError
from adapters.pulling.tls_settings import TLS_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.contract import Opening

ADDRESS_LENGTH_MAX: Final = 1500
"""Characters of an address: two of them fit into a cursor. Our own choice."""
HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,80}\Z")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,4000}\Z")
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "authorization"})

HTTP_SETTINGS: Final = (
    Setting(
        name="auth",
        form=Form.CHOICE,
        choices=("none", "header", "basic", "bearer", "oauth2"),
        default="none",
        zh="身份验证：none 无，header 请求头中的密钥，basic 账号口令，bearer 令牌，oauth2 客户端凭据",
        en="how we prove who we are: none, header (a key in a header), basic, bearer, oauth2 (client credentials)",
    ),
    Setting(
        name="credential",
        default="",
        secret=True,
        zh="按 auth：请求头的值、口令、令牌或 client_secret",
        en="by auth: the header's value, the password, the token, or the client secret",
    ),
    Setting(
        name="auth_header",
        default="X-Api-Key",
        zh="auth = header：密钥所在的请求头",
        en="auth = header: the header that carries the key",
        length_max=80,
    ),
    Setting(name="user", default="", zh="auth = basic：账号", en="auth = basic: the account", length_max=200),
    Setting(
        name="token_url",
        default="",
        zh="auth = oauth2：取令牌的地址",
        en="auth = oauth2: address that hands out tokens",
        length_max=ADDRESS_LENGTH_MAX,
    ),
    Setting(
        name="client_id",
        default="",
        zh="auth = oauth2：对方分配的 client_id",
        en="auth = oauth2: the client id",
        length_max=200,
    ),
    Setting(
        name="scope",
        default="",
        zh="auth = oauth2：申请的权限范围 scope",
        en="auth = oauth2: the scope",
        length_max=400,
    ),
    Setting(
        name="token_auth",
        form=Form.CHOICE,
        choices=("basic", "body"),
        default="basic",
        zh="auth = oauth2：client_id 与 client_secret 放在请求头（basic）还是表单（body）",
        en="auth = oauth2: whether client id and secret go in a header (basic) or in the form (body)",
    ),
    Setting(
        name="headers",
        form=Form.TABLE,
        default={},
        zh="每次请求附带的固定请求头",
        en="further headers of every request",
    ),
    Setting(
        name="unencrypted",
        form=Form.FLAG,
        default=False,
        zh="允许对其他机器使用 http://（不加密）",
        en="whether http:// without encryption may be spoken to other machines",
    ),
    *TLS_FILES,
    Setting(
        name="request_timeout_s",
        form=Form.NUMBER,
        default=30,
        lowest=1,
        highest=100,
        zh="一次请求从连接到收完最长多少秒",
        en="seconds that a request may take, from connecting to the last byte",
    ),
    Setting(
        name="answer_bytes_max",
        form=Form.NUMBER,
        default=33_554_432,
        lowest=1000,
        highest=268_435_456,
        zh="一个应答（解压后）最多多少字节",
        en="bytes of one answer at most, expanded",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPlan:
    """What the settings of a kind say of its requests."""

    settings: Mapping[str, Any]
    credential: str = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        """Return a setting."""
        return self.settings[name]


def http_plan_of(opening: Opening) -> HttpPlan:
    """Return what the settings come to; raises SourceNeedsPersonError when they do not fit together."""
    settings, credential = opening.settings, opening.secrets.get("credential", "")
    auth = settings["auth"]
    if auth != "none" and not credential:
        raise SourceNeedsPersonError(f"auth is {auth}: give the secret credential")
    if auth in {"header", "bearer"} and not _HEADER_VALUE.match(credential):
        raise SourceNeedsPersonError("the secret credential does not fit into a header: visible ASCII is needed")
    if auth == "basic" and not settings["user"]:
        raise SourceNeedsPersonError("auth is basic: user has to be set")
    if auth == "oauth2":
        if not settings["client_id"]:
            raise SourceNeedsPersonError("auth is oauth2: client_id has to be set")
        checked_address("token_url", settings["token_url"], unencrypted=settings["unencrypted"])
    for name, value in {**settings["headers"], settings["auth_header"]: ""}.items():
        if not _HEADER.match(name) or name.lower() in _OURS or not _HEADER_VALUE.match(value):
            raise SourceNeedsPersonError(f"the header {name[:80]!r} cannot be sent: correct headers or auth_header")
    return HttpPlan(settings=settings, credential=credential)


def checked_address(name: str, address: str, *, unencrypted: bool) -> SplitResult:
    """Return the parts of an address in a setting; raises SourceNeedsPersonError for one that cannot be used."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise SourceNeedsPersonError(f"{name} is not an address: write https://HOST/PATH") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise SourceNeedsPersonError(f"{name} is not an address: write https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise SourceNeedsPersonError(
            f"{name} holds an account: take it out; use auth = basic and the secret credential"
        )
    if parts.scheme == "http" and host not in HERE and not unencrypted:
        raise SourceNeedsPersonError(
            f"{name} is http:// to another machine: use https://, or set unencrypted = true on a closed network"
        )
    return parts
