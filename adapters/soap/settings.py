"""The settings of the kind ``soap``, and what they come to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from adapters.contract import Form, Setting, SourceNeedsPersonError
from adapters.pulling.http_settings import ADDRESS_LENGTH_MAX, HTTP_SETTINGS, HttpPlan, checked_address, http_plan_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from adapters.contract import Opening

PULL_WORDS: Final = frozenset({"from", "to", "page"})
DELIVER_WORDS: Final = frozenset({"content", "key", "record_type", "organisation", "text"})
ANSWER_WORDS: Final = frozenset(
    {"delivery_key", "offered", "accepted", "repeated", "refused", "received", "reason", "problems"}
)
_PATH: Final = re.compile(r"[^.\s]{1,80}(\.[^.\s]{1,80}){0,7}\Z")

SETTINGS: Final = (
    Setting(
        name="wsdl",
        zh="WSDL 的地址，或本机上的文件",
        en="address of the WSDL, or a file on this machine",
        length_max=ADDRESS_LENGTH_MAX,
    ),
    Setting(
        name="endpoint",
        default="",
        zh="服务地址；留空用 WSDL 中的",
        en="address of the service; empty for the one in the WSDL",
        length_max=ADDRESS_LENGTH_MAX,
    ),
    Setting(name="service", default="", zh="WSDL 中的服务名；留空取第一个", en="service in the WSDL; empty: the first"),
    Setting(name="port", default="", zh="WSDL 中的端口名；留空取第一个", en="port in the WSDL; empty: the first"),
    Setting(name="operation", zh="取数据的操作", en="operation that hands out data", length_max=200),
    Setting(
        name="arguments",
        form=Form.TABLE,
        default={},
        zh="操作的参数；可写 {from}、{to}（时间窗口）与 {page}（页码），嵌套参数用点号：query.begin",
        en="its arguments; {from} and {to} (a window of time) and {page} may stand in them; parts of an argument with "
        "a dot: query.begin",
    ),
    Setting(
        name="result",
        default="",
        zh="数据在返回值中的位置，如 data.xml；留空即返回值本身",
        en="where the data stand in what comes back, such as data.xml; empty: all of it",
        length_max=200,
    ),
    Setting(
        name="result_form",
        form=Form.CHOICE,
        choices=("text", "base64"),
        default="text",
        zh="数据是文本（含 CDATA 与转义的 XML），还是其中又以 base64 编码（可再经 gzip 压缩）",
        en="whether the data are text (CDATA and escaped XML too), or base64 within it (gzip in that too)",
    ),
    Setting(
        name="begin_at",
        default="",
        zh="{from} 首次的值，如 2026-01-01",
        en="first value of {from}, such as 2026-01-01",
        length_max=40,
    ),
    Setting(
        name="window_s",
        form=Form.NUMBER,
        default=86_400,
        lowest=60,
        highest=366 * 86_400,
        zh="一个时间窗口最长多少秒",
        en="seconds of one window of time at most",
    ),
    Setting(
        name="overlap_s",
        form=Form.NUMBER,
        default=600,
        highest=30 * 86_400,
        zh="每轮向前重取多少秒，以取得较晚出现的数据",
        en="seconds that are asked again each round, for what appears late",
    ),
    Setting(
        name="time_form",
        default="%Y-%m-%d %H:%M:%S",
        zh="{from} 与 {to} 的写法（strftime）",
        en="how {from} and {to} are written (strftime)",
        length_max=60,
    ),
    Setting(
        name="time_zone",
        default="Asia/Shanghai",
        zh="{from} 与 {to} 所在时区",
        en="zone of {from} and {to}",
        length_max=60,
    ),
    Setting(
        name="page_first",
        form=Form.NUMBER,
        default=1,
        highest=1_000_000,
        zh="{page} 的首个值",
        en="first value of {page}",
    ),
    Setting(
        name="calls_max",
        form=Form.NUMBER,
        default=200,
        lowest=1,
        highest=10_000,
        zh="一轮最多调用多少次",
        en="calls of one round at most",
    ),
    Setting(
        name="check_calls",
        form=Form.FLAG,
        default=True,
        zh="检查时是否调用该操作；取一次即消失的接口应设为 false",
        en="whether the check calls the operation; false for one that hands everything out only once",
    ),
    Setting(
        name="remembered_max",
        form=Form.NUMBER,
        default=20_000,
        lowest=100,
        highest=1_000_000,
        zh="最多记住多少份已应答的数据，用于识别重复",
        en="answered data that are remembered at most, by which repeats are known",
    ),
    Setting(
        name="security",
        form=Form.CHOICE,
        choices=("none", "text", "digest"),
        default="none",
        zh="WS-Security 用户名令牌：text 明文口令，digest 摘要",
        en="WS-Security UsernameToken: with the password as text, or as a digest",
    ),
    Setting(
        name="security_user",
        default="",
        zh="WS-Security 的用户名",
        en="user of the WS-Security token",
        length_max=200,
    ),
    Setting(
        name="security_password",
        default="",
        secret=True,
        zh="WS-Security 的口令",
        en="password of the WS-Security token",
    ),
    Setting(
        name="deliver_operation",
        default="",
        zh="下达文书所调用的操作，如 setDataXmlToFocus",
        en="operation that takes documents that go down, such as setDataXmlToFocus",
        length_max=200,
    ),
    Setting(
        name="deliver_arguments",
        form=Form.TABLE,
        default={"xml": "{content}", "key": "{key}"},
        zh="其参数；可写 {content}、{key}、{record_type}、{organisation}、{text}",
        en="its arguments; {content}, {key}, {record_type}, {organisation}, {text} may stand in them",
    ),
    Setting(
        name="deliver_result",
        default="",
        zh="结果代码在返回值中的位置；留空即返回值本身",
        en="where its result stands in what comes back; empty: all of it",
        length_max=200,
    ),
    Setting(
        name="deliver_success",
        form=Form.LIST,
        default=(),
        zh="表示成功的结果代码；留空则不出错即为成功",
        en="results that mean that it was taken; none: everything but a fault does",
    ),
    Setting(
        name="answer_operation",
        default="",
        zh="反馈来件处理结果所调用的操作",
        en="operation that is told what became of deliveries",
        length_max=200,
    ),
    Setting(
        name="answer_arguments",
        form=Form.TABLE,
        default={"key": "{delivery_key}", "reason": "{reason}"},
        zh="其参数；可写 {delivery_key}、{offered}、{accepted}、{repeated}、{refused}、{received}、"
        "{reason}、{problems}",
        en="its arguments; {delivery_key}, {offered}, {accepted}, {repeated}, {refused}, {received}, {reason} and "
        "{problems} may stand in them",
    ),
    *HTTP_SETTINGS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the settings come to. ``is_file``: the WSDL is a file; ``begin_at`` is aware, None without one."""

    http: HttpPlan
    settings: Mapping[str, Any]
    security_password: str
    is_file: bool
    zone: ZoneInfo
    begin_at: datetime | None
    words: frozenset[str]

    @property
    def timed(self) -> bool:
        """True when the operation is asked for windows of time."""
        return bool(self.words & {"from", "to"})

    @property
    def paged(self) -> bool:
        """True when the operation is asked for pages."""
        return "page" in self.words

    def __getitem__(self, name: str) -> Any:
        """Return a setting."""
        return self.settings[name]


def plan_of(opening: Opening) -> Plan:
    """Return what the settings come to; raises SourceNeedsPersonError when they do not fit together."""
    settings = opening.settings
    is_file = not settings["wsdl"].startswith(("http://", "https://"))
    if is_file and not Path(settings["wsdl"]).is_absolute():
        raise SourceNeedsPersonError("wsdl is neither https://… nor the whole path of a file")
    for name in ("wsdl", "endpoint"):
        if settings[name] and not (is_file and name == "wsdl"):
            checked_address(name, settings[name], unencrypted=settings["unencrypted"])
    words = _words("arguments", settings, PULL_WORDS)
    _words("deliver_arguments", settings, DELIVER_WORDS)
    _words("answer_arguments", settings, ANSWER_WORDS)
    for name in ("result", "deliver_result"):
        if settings[name] and not _PATH.match(settings[name]):
            raise SourceNeedsPersonError(f"{name} is {settings[name][:80]!r}: write names with a dot between them")
    password = opening.secrets.get("security_password", "")
    if settings["security"] != "none" and not (settings["security_user"] and password):
        raise SourceNeedsPersonError("security needs security_user and the secret security_password")
    zone = _zone(settings["time_zone"])
    begin_at = _beginning(settings["begin_at"], zone)
    if words & {"from", "to"} and begin_at is None:
        raise SourceNeedsPersonError("arguments ask for windows of time: begin_at has to say where they begin")
    return Plan(
        http=http_plan_of(opening),
        settings=settings,
        security_password=password,
        is_file=is_file,
        zone=zone,
        begin_at=begin_at,
        words=words,
    )


def filled(arguments: Mapping[str, str], values: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments with their words filled in; ``query.begin`` becomes a part of ``query``."""
    whole: dict[str, Any] = {}
    for name, text in arguments.items():
        *outer, last = name.split(".")
        place = whole
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = "".join(fixed + (values[word] if word else "") for fixed, word, _, _ in Formatter().parse(text))
    return whole


def _words(name: str, settings: Mapping[str, Any], known: Collection[str]) -> frozenset[str]:
    try:
        found = {
            word for text in settings[name].values() for _, word, _, _ in Formatter().parse(text) if word is not None
        }
        filled(settings[name], dict.fromkeys(known, ""))
    except (ValueError, KeyError, AttributeError, TypeError):
        found = None
    if found is None or found - set(known):
        listed = ", ".join(f"{{{word}}}" for word in sorted(known))
        raise SourceNeedsPersonError(f"{name} has other words than {listed}; a brace itself is written {{{{ or }}}}")
    return frozenset(found)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise SourceNeedsPersonError(f"time_zone is {name!r}; write for example Asia/Shanghai") from None


def _beginning(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SourceNeedsPersonError(f"begin_at is {text!r}; write 2026-11-03 or 2026-11-03 09:12:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
