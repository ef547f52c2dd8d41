"""The pages for second entry: signing in and out, what can be entered, and the blueprint with all of them.

A clerk signs in with the key of a source, as a department's system would use it; until there are accounts, who has the
key is the department. The key is posted once and kept nowhere.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, request, url_for

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.credentials import hash_of
from node.departments.entry.drafts import Draft, list_drafts, save_draft
from node.departments.entry.fields import form_of
from node.errors import StateConflictError
from node.standard.families import RECORD_TYPES
from node.web.entry.desk import CARRIED, TOKEN, Desk, see
from node.web.entry.form_views import FormViews, draft_title, is_draft_id
from node.web.entry.sessions import COOKIE, SIGN_IN_COOKIE, Sessions
from node.web.entry.upload_views import UploadViews

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.web.rate_limits import RateLimits

FIRST_TYPES: Final = ("Application", "Acceptance", "Conclusion")
"""What a window hands in most; every other type that departments hand in has a form as well."""

_log = logging.getLogger(__name__)


def create_entry(node: Node, rates: RateLimits) -> Blueprint:
    """Return the pages for second entry of a node; ``rates`` counts what its sources use of their limits."""
    desk = Desk(node=node, sessions=Sessions(clock=node.clock, randomness=node.randomness), rates=rates)
    blueprint = Blueprint("entry", __name__, url_prefix="/entry")
    blueprint.before_request(desk.guard)
    blueprint.after_request(_with_referrer)
    blueprint.record_once(lambda state: state.app.extensions.update({"yizhan.entry": desk}))
    door, forms, uploads = _DoorViews(desk), FormViews(desk), UploadViews(desk)
    rules: tuple[tuple[str, str, object, str], ...] = (
        ("/", "home", door.home, "GET"),
        ("/sign-in", "sign_in", door.sign_in, "GET"),
        ("/sign-in", "take_key", door.take_key, "POST"),
        ("/sign-out", "sign_out", door.sign_out, "POST"),
        ("/new/<record_type>", "new", forms.new, "GET"),
        ("/draft/<draft_id>", "draft", forms.draft, "GET"),
        ("/draft/<draft_id>/discard", "discard", forms.discard, "POST"),
        ("/form", "form", forms.take, "POST"),
        ("/done/<draft_id>", "done", forms.done, "GET"),
        ("/import", "upload", uploads.show, "GET"),
        ("/import", "take_upload", uploads.take, "POST"),
        ("/import/confirm", "confirm", uploads.confirm, "POST"),
        ("/import/discard", "discard_upload", uploads.discard, "POST"),
        ("/import/failed-rows", "failed_rows", uploads.failed_rows, "GET"),
        ("/import/results", "results", uploads.results, "GET"),
    )
    for rule, endpoint, view, method in rules:
        blueprint.add_url_rule(rule, endpoint, view, methods=[method])  # type: ignore[arg-type] # Views of one kind.
    return blueprint


def _with_referrer(answer: Response) -> Response:
    """Let browsers tell these pages of each other: without, a form sent in plain HTTP does not say where it is from."""
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


class _DoorViews:
    """Signing in and out, and the page to begin at."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def sign_in(self) -> Response:
        """Show the page to sign in."""
        return self._desk.sign_in_page()

    def take_key(self) -> Response:
        """Sign a clerk in with the key of a source; what was carried over becomes a draft."""
        desk, sessions = self._desk, self._desk.sessions
        address = request.remote_addr or ""
        carried = {name: value for name, value in request.form.items() if name.startswith(CARRIED)}
        # The cookie and the field were given out together: a form of another site has the one without the other.
        ours = sessions.unsigned(request.cookies.get(SIGN_IN_COOKIE, ""))
        if ours is None or ours != request.form.get(TOKEN, ""):
            return desk.sign_in_page(carried=carried if desk.sent_from_here() else None, wrong="page")
        key_hash = hash_of(request.form.get("key", "").strip())
        source = desk.source_of_key(key_hash)
        if source is None:
            often = sessions.failed(address)
            if not often:
                _log.info("sign-in refused", extra={"peer": address})
            return desk.sign_in_page(carried=carried, wrong="often" if often else "key")
        _, cookie = sessions.begin(key_hash)
        _log.info("clerk signed in", extra={"source": source.name, "peer": address})
        answer = see(self._carried_on(source.name, {name.removeprefix(CARRIED): v for name, v in carried.items()}))
        desk.set_cookie(answer, COOKIE, cookie)
        desk.drop_cookie(answer, SIGN_IN_COOKIE)
        return answer

    def sign_out(self) -> Response:
        """End the session."""
        self._desk.sessions.end(self._desk.session)
        answer = see(url_for("entry.sign_in"))
        self._desk.drop_cookie(answer, COOKIE)
        return answer

    def home(self) -> str:
        """Show what can be entered, and the drafts."""
        with self._desk.node.store.reading() as connection:
            drafts = list_drafts(connection, self._desk.source.name)
        forms = {name: form_of(name) for name in RECORD_TYPES if name in DEPARTMENT_TYPES}
        first = [forms[name] for name in FIRST_TYPES]
        others = [form for name, form in forms.items() if name not in FIRST_TYPES]
        return self._desk.page("home.html", first=first, others=others, drafts=drafts, forms=forms)

    def _carried_on(self, source: str, values: dict[str, str]) -> str:
        """Keep what was carried over as a draft; return where to go on."""
        record_type, draft_id = values.pop("record_type", ""), values.pop("draft", "")
        values.pop("action", None)
        if record_type not in DEPARTMENT_TYPES or not is_draft_id(draft_id):
            return url_for("entry.home")
        draft = Draft(id=draft_id, record_type=record_type, values=values, title=draft_title(values))
        try:
            save_draft(self._desk.node.store, source, draft, at=self._desk.node.clock.now())
        except StateConflictError:
            return url_for("entry.home")
        return url_for("entry.draft", draft_id=draft_id)
