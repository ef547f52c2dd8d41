"""What every page for second entry shares: the node, who is signed in, and the guard before each request.

Nothing is shown without a session, and nothing is changed without the session's token in the form. A form that was sent
after its session ended is not lost: the page to sign in carries what was typed on.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Response, abort, g, redirect, render_template, request, url_for

from node.departments.callers import Callers
from node.errors import TryLaterError
from node.web.entry.sessions import COOKIE, LIFE_S, SIGN_IN_COOKIE, Session, Sessions
from node.web.rate_limits import MINUTE_S, RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from werkzeug.datastructures import MultiDict

    from node.bootstrap import Node
    from node.departments.accept import Intake
    from node.departments.entry.fields import Words
    from node.departments.sources import Source
    from node.web.rate_limits import RateLimits
    from node.web.refusals import RequestRefusedError

TOKEN: Final = "token"  # noqa: S105 - the name of the field, not what it holds.
"""Name of the hidden field that proves that a form is ours."""
CARRIED: Final = "carried:"
"""Begins the names of hidden fields that carry a form over signing in again."""
KEEPING_ENDPOINT: Final = "entry.form"
"""Takes forms that were opened in an earlier session too: it shows them again, and does nothing else."""
OPEN_ENDPOINTS: Final = frozenset({"entry.sign_in", "entry.take_key"})
SEE_OTHER: Final = 303


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Desk:
    """The node that records are handed to, the clerks who are signed in, and what sources use of their limits."""

    node: Node
    sessions: Sessions
    rates: RateLimits

    @property
    def intake(self) -> Intake:
        """The one way in."""
        return self.node.intake

    @property
    def session(self) -> Session:
        """The session of this request; only pages behind the guard ask."""
        found: Session = g.entry_session
        return found

    @property
    def source(self) -> Source:
        """The source for which the clerk of this request types."""
        found: Source = g.entry_source
        return found

    def guard(self) -> Response | str | None:
        """Let nobody in who is not signed in, and no form that is not ours; None: go on."""
        if request.endpoint in OPEN_ENDPOINTS:
            return None
        session = self.sessions.find(request.cookies.get(COOKIE, ""))
        source = self._source_of(session)
        if session is None or source is None:
            if request.method == "POST" and self.sent_from_here():
                return self.sign_in_page(carried=carried_from(request.form), ended=True)
            return see(url_for("entry.sign_in"))
        g.entry_session, g.entry_source = session, source
        g.entry_stale = request.method == "POST" and not session.owns(request.form.get(TOKEN, ""))
        if g.entry_stale and not (request.endpoint == KEEPING_ENDPOINT and self.sent_from_here()):
            self.refuse(403, "表单不属于本次登录，请重新打开", "The form is not one of this session; open it again")
        return None

    @property
    def stale(self) -> bool:
        """Whether the form of this request was opened in an earlier session: it is shown again, and nothing else."""
        return bool(g.entry_stale)

    def _source_of(self, session: Session | None) -> Source | None:
        """Return the source of a session, None when it was closed or its key ended meanwhile: the session ends then."""
        if session is None:
            return None
        source = self.source_of_key(session.key_hash)
        if source is None:
            self.sessions.end(session)
        return source

    def source_of_key(self, key_hash: bytes) -> Source | None:
        """Return the open source that a key belongs to, by the key's SHA-256, or None."""
        with self.node.store.reading() as connection:
            return Callers(connection, self.node.clock.now()).by_key_hash(key_hash)

    def sign_in_page(
        self, *, carried: Mapping[str, str] | None = None, ended: bool = False, wrong: str = ""
    ) -> Response:
        """Return the page to sign in; ``wrong`` says why again: ``key``, ``often``, or ``page`` (an old one)."""
        # The same for every page that is open, so that none of them spoils another.
        token = self.sessions.unsigned(request.cookies.get(SIGN_IN_COOKIE, "")) or self.sessions.new_token()
        page = self.page(
            "sign_in.html", sign_in_token=token, carried=dict(carried or {}), ended=ended, wrong=wrong, session=None
        )
        answer = Response(page, status=429 if wrong == "often" else 403 if wrong else 200)
        self.set_cookie(answer, SIGN_IN_COOKIE, self.sessions.signed(token))
        return answer

    def page(self, template: str, **context: Any) -> str:
        """Return a page with what all of them show."""
        zone = ZoneInfo(self.node.config.time_zone)
        with self.node.store.reading() as connection:
            tree = self.node.tree(connection)
        known = {"session": g.get("entry_session"), "source": g.get("entry_source")}
        return render_template(
            f"entry/{template}",
            **{
                **known,
                "code": self.node.code,
                "name": tree.name(self.node.code),
                "token_name": TOKEN,
                "moment": lambda at: at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
                **context,
            },
        )

    def set_cookie(self, answer: Response, name: str, value: str) -> None:
        """Put a cookie that no script reads, no other site sends, and only these pages get."""
        answer.set_cookie(
            name, value, max_age=int(LIFE_S), path=url_for("entry.home"), secure=self._over_tls(),
            httponly=True, samesite="Strict",
        )  # fmt: skip

    def _over_tls(self) -> bool:
        """Tell whether browsers reach these pages over TLS, a proxy's included."""
        return request.is_secure or self.node.config.face.public_url.startswith("https://")

    def sent_from_here(self) -> bool:
        """Tell whether a form was sent by one of our own pages, as far as browsers say."""
        said = request.headers.get("Sec-Fetch-Site")
        if said is not None:
            return said == "same-origin"
        origin = request.headers.get("Origin", "")
        return bool(origin) and (origin == self.node.config.face.public_url or urlsplit(origin).netloc == request.host)

    def refuse(self, status: int, zh: str, en: str) -> NoReturn:
        """End this request with a page that says why, in words for clerks."""
        abort(Response(self.page("refused.html", words=(zh, en)), status=status))

    @contextmanager
    def counted(self, records: int) -> Iterator[None]:
        """Take records from the limits of the source, and give them back when the node cannot write.

        Raises RequestRefusedError when the source may not hand in so many now.
        """
        use = self.rates.use_of(self.source)
        use.take(RECORDS, records)
        try:
            yield
        except TryLaterError:
            use.give_back()
            raise

    def drop_cookie(self, answer: Response, name: str) -> None:
        """Take a cookie back."""
        answer.delete_cookie(name, path=url_for("entry.home"), httponly=True, samesite="Strict")


def see(address: str) -> Response:
    """Send the browser to another page, so that reloading it repeats nothing."""
    answer = redirect(address, code=SEE_OTHER)
    assert isinstance(answer, Response)  # noqa: S101 - Flask's own class, as for every view.
    return answer


def carried_from(form: MultiDict[str, str]) -> dict[str, str]:
    """Return what has to be carried over signing in: the values of a form, and which record type it was of."""
    values = {name: "\n".join(form.getlist(name)) for name in form if name != TOKEN}
    return {f"{CARRIED}{name}": value for name, value in values.items()} if "record_type" in values else {}


def limit_words(error: RequestRefusedError) -> Words:
    """Return what a clerk is told whose source has reached a limit."""
    wait_s = error.headers.get("Retry-After")
    english = f"{error.what} {error.why}"
    if wait_s is None:
        return ("条数超过本来源的限额，请减少条数，或请管理员调整限额", english)
    minutes = -(-int(wait_s) // MINUTE_S)
    return (f"本来源的报送已达限额，请 {minutes} 分钟后再试", f"{english}. Try again in {minutes} min.")
