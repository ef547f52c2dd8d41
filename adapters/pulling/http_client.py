"""Requests to a department's system over HTTP: bounded in bytes and time, to one origin, errors sorted by who acts.

Whatever is sent as an answer costs at most ``answer_bytes_max`` bytes and ``request_timeout_s`` seconds, however slowly
it drips. A redirect is followed within the origin that the administrator named, and nowhere else.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.pulling.http_values import basic, joined, origin_of, retry_after_s
from adapters.pulling.oauth_tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from adapters.contract import Opening
    from adapters.pulling.http_settings import HttpPlan

REDIRECTS_MAX: Final = 3
CONNECT_S: Final = 10.0
KEPT_S: Final = 2.0
"""How long a connection is kept for the next page: less than servers usually wait before they close it themselves."""
_UNAUTHORISED: Final = 401
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEPING_METHOD: Final = frozenset({307, 308})
_PASSING: Final = frozenset({408, 409, 425, 429})
_CODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""How an answer may be packed: once, by what expands it at most a thousandfold, piece by piece."""
_CREDENTIALS: Final = "check auth, and the secret credential; then ask the source's administrator what it may do"
_CERTIFICATE: Final = "check tls_ca_file, the name in the server's certificate, and tls_certificate_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer that came whole: its status, headers (names in any case), content expanded, and its address."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    address: str

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case; "" where none is named."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient:
    """One origin's client, used by one thread; nothing is opened before the first request."""

    def __init__(self, plan: HttpPlan, opening: Opening) -> None:
        self._plan = plan
        self._opening = opening
        self._tokens = Tokens(plan, opening)
        self._client: httpx.Client | None = None
        self._watch = _Watch()

    def ask(
        self,
        method: str,
        address: str,
        *,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        taken: Collection[int] = (),
    ) -> HttpAnswer:
        """Send a request and return its answer: one of 2xx, 304, or of the statuses ``taken``.

        Raises SourceUnavailableError and SourceNeedsPersonError for every other.
        """
        full = address if not parameters else _with(address, parameters)
        answer = self._authenticated(method, full, headers or {}, content)
        if answer.status == _UNAUTHORISED and self._tokens.used:
            # A token may be taken back before it ends: one new one is tried.
            self._tokens.forget()
            answer = self._authenticated(method, full, headers or {}, content)
        if 200 <= answer.status < 300 or answer.status == 304 or answer.status in taken:  # noqa: PLR2004 - RFC 9110.
            return answer
        raise self._refusal(answer)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _authenticated(
        self, method: str, address: str, headers: Mapping[str, str], content: bytes | None
    ) -> HttpAnswer:
        return self._followed(method, address, {**self._plan["headers"], **headers, **self._credentials()}, content)

    def _credentials(self) -> dict[str, str]:
        plan = self._plan
        if plan["auth"] == "header":
            return {plan["auth_header"]: plan.credential}
        if plan["auth"] == "bearer":
            return {"Authorization": f"Bearer {plan.credential}"}
        if plan["auth"] == "basic":
            return {"Authorization": basic(plan["user"], plan.credential)}
        if plan["auth"] == "oauth2":
            return {"Authorization": f"Bearer {self._tokens.token(self._followed)}"}
        return {}

    def _followed(self, method: str, address: str, headers: Mapping[str, str], content: bytes | None) -> HttpAnswer:
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._sent(method, address, headers, content)
            if answer.status not in _REDIRECTS:
                return answer
            address = self._target(answer, method)
        raise SourceNeedsPersonError(f"more than {REDIRECTS_MAX} redirects: put the last address into the settings")

    def _target(self, answer: HttpAnswer, method: str) -> str:
        target = joined(answer.address, answer.headers.get("location", ""))
        scheme, host, port = origin_of(target)
        if (scheme, host, port) != origin_of(answer.address):
            shown = f"{scheme}://{host[:100]}:{port}"
            raise SourceNeedsPersonError(
                f"redirected to another place ({shown}): check it, and put it into the settings"
            )
        if method != "GET" and answer.status not in _KEEPING_METHOD:
            raise SourceNeedsPersonError("a request that hands something over was redirected: correct its address")
        return target

    def _sent(self, method: str, address: str, headers: Mapping[str, str], content: bytes | None) -> HttpAnswer:
        limit_s = self._plan["request_timeout_s"]
        client = self._opened()
        with self._watch.within(limit_s) as late, self._told(limit_s, late):
            request = client.build_request(
                method, address, headers=headers, content=content, extensions={"trace": self._watch.trace}
            )
            response = client.send(request, stream=True)
            try:
                body = self._body(response)
            finally:
                response.close()
        return HttpAnswer(status=response.status_code, headers=response.headers, content=body, address=address)

    def _body(self, response: httpx.Response) -> bytes:
        coding = response.headers.get("content-encoding", "").strip().lower()
        if coding not in _CODINGS:
            raise SourceNeedsPersonError(f"an answer is packed as {coding[:40]!r}, and only gzip was asked for")
        bytes_max = int(self._plan["answer_bytes_max"])
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > bytes_max:
                raise SourceNeedsPersonError(
                    f"an answer has more than {bytes_max} bytes: ask for smaller pages, or raise answer_bytes_max"
                )
            parts.append(part)
        return b"".join(parts)

    def _opened(self) -> httpx.Client:
        if self._client is None:
            # It tells every address, and an address may hold what is nobody's business.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            limit_s = float(self._plan["request_timeout_s"])
            self._client = httpx.Client(
                verify=tls_context(self._plan),
                timeout=httpx.Timeout(limit_s, connect=min(CONNECT_S, limit_s)),
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_S),
                follow_redirects=False,
                trust_env=False,
                headers={"User-Agent": "yizhan", "Accept-Encoding": "gzip"},
            )
        return self._client

    @contextmanager
    def _told(self, limit_s: float, late: threading.Event) -> Iterator[None]:
        try:
            yield
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError) as error:
            raise SourceNeedsPersonError(f"the address cannot be asked ({type(error).__name__})") from error
        except (httpx.HTTPError, OSError) as error:
            if late.is_set() or isinstance(error, httpx.TimeoutException):
                raise SourceUnavailableError(f"no whole answer within {limit_s:g} seconds") from error
            if reason := _certificate_fault(error):
                raise SourceNeedsPersonError(f"no encrypted connection ({reason}): {_CERTIFICATE}") from error
            said = str(error.__cause__ or error)[:100] if isinstance(error, httpx.ConnectError) else "broken off"
            raise SourceUnavailableError(f"the server does not answer ({type(error).__name__}: {said})") from error

    def _refusal(self, answer: HttpAnswer) -> SourceUnavailableError | SourceNeedsPersonError:
        status = answer.status
        if status in {_UNAUTHORISED, 403, 407}:
            return SourceNeedsPersonError(f"the server does not let us in ({status}): {_CREDENTIALS}")
        if status in _PASSING or status >= 500:  # noqa: PLR2004 - RFC 9110, 15.6.
            wait_s = retry_after_s(answer.headers.get("retry-after", ""), self._opening.now())
            return SourceUnavailableError(f"the server cannot answer now ({status})", retry_after_s=wait_s)
        return SourceNeedsPersonError(f"the server refuses the request ({status}): check address and parameters")


class _Watch:
    """Cuts the connection of a request that takes too long; httpx itself only bounds the wait for each single byte."""

    def __init__(self) -> None:
        self._stream: Any = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the connection that was made, as it is told to the ``trace`` extension of httpx."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._stream = info["return_value"]

    @contextmanager
    def within(self, limit_s: float) -> Iterator[threading.Event]:
        """Give an event that is set when the time is over and the connection was cut."""
        late = threading.Event()
        timer = threading.Timer(limit_s, self._cut, (late,))
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _cut(self, late: threading.Event) -> None:
        late.set()
        with suppress(OSError, AttributeError):
            number = self._stream.get_extra_info("socket").fileno()
            with socket.socket(fileno=os.dup(number)) as line:
                line.shutdown(socket.SHUT_RDWR)


def _with(address: str, parameters: Mapping[str, str]) -> str:
    try:
        return str(httpx.URL(address).copy_merge_params(dict(parameters)))
    except httpx.InvalidURL as error:
        raise SourceNeedsPersonError(f"the address cannot be asked ({str(error)[:60]})") from error


def tls_context(plan: HttpPlan) -> ssl.SSLContext:
    """Return what checks the server and shows who we are; raises SourceNeedsPersonError for a file that is no good."""
    try:
        context = ssl.create_default_context(cafile=plan["tls_ca_file"] or None)
        if plan["tls_certificate_file"]:
            context.load_cert_chain(plan["tls_certificate_file"], plan["tls_key_file"] or None)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or type(error).__name__
        raise SourceNeedsPersonError(
            f"a file of tls_ca_file, tls_certificate_file, tls_key_file cannot be read ({reason}): name PEM files"
        ) from error
    return context


def _certificate_fault(error: BaseException | None) -> str:
    """Return what is wrong with a certificate, ours or theirs; "" when something else is."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message[:100]
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            return (error.reason or "").replace("_", " ").lower()
        error = error.__cause__ or error.__context__
    return ""
