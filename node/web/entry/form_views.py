"""Forms and drafts: showing one, taking what was typed, and what became of it.

Everything typed is kept: a form with mistakes comes back as it was, with what is wrong at its fields, and is saved as a
draft. A form that was taken in is answered by another page, so that reloading it sends nothing again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flask import Response, abort, request, url_for

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.entry.drafts import Draft, drop_draft, load_draft, save_draft
from node.departments.entry.fields import ROW_MARK, Form, Group, form_of
from node.departments.entry.filling import (
    BY_NODE,
    CASE_NUMBER,
    NUMBERING,
    ROWS_PREFIX,
    FieldProblem,
    Filled,
    read_form,
    rows_of,
)
from node.departments.entry.submitting import problems_of, submit, submitted_before
from node.departments.report import REFUSED
from node.errors import StateConflictError, TryLaterError, YizhanError
from node.web.entry.desk import TOKEN, limit_words, see
from node.web.refusals import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.web.entry.desk import Desk

SUBMIT, SAVE, ADD, DROP = "submit", "save", "add:", "drop:"
"""What a button of a form does; the last two name a group, or a row of one."""
BEGINNINGS: Final = frozenset({"Application", "PenaltyClue"})
"""Records with which a case begins, so that the node is asked for its number unless somebody gives one."""
REMEMBERED: Final = (
    "DivisionCode",
    "OrgCode",
    "OrgName",
    "TaskCode",
    "TaskName",
    "Actor/Name",
    "Actor/Role",
    "Actor/Unit",
)
"""Fields that the next form of the session begins with."""
REMEMBERED_LENGTH_MAX: Final = 200
"""Characters of such a field: none of them may have more."""
VALUES_MAX: Final = 5_000
"""Fields of one form: more than any record type has with all its rows. Our own choice."""
_TITLES: Final = (CASE_NUMBER, "OrigCaseNo", "RecordKey", "TaskName", "TaskCode")
_PROTOCOL: Final = frozenset({TOKEN, "action", "draft", "record_type"})
_DRAFT_ID: Final = re.compile(r"[A-Z2-7]{16,64}\Z")
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?\Z")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_KEPT: Final = "所填内容未丢失，请稍后再提交"
_AGAIN: Final = FieldProblem(
    name="", label="", text=("上次提交未被接收，请再提交一次", "It was refused: hand it in once more")
)


class FormViews:
    """Views of forms, drafts, and what became of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def new(self, record_type: str) -> str:
        """Show an empty form, filled with what the session remembers; ``?case=`` goes on with a case handed in."""
        form = _form(record_type)
        values = {"Sequence": "1", "DataVersion": "1", NUMBERING: BY_NODE if record_type in BEGINNINGS else "own"}
        source = self._desk.source
        if len(source.divisions) == 1:
            values["DivisionCode"] = source.divisions[0]
        if len(source.organisations) == 1:
            values["OrgCode"] = source.organisations[0]
        values |= self._desk.session.defaults
        case = self._case_of(request.args.get("case", ""))
        if case:
            values |= {CASE_NUMBER: case, NUMBERING: "own"}
        return self._shown(form, values, self._desk.sessions.new_token())

    def draft(self, draft_id: str) -> str:
        """Show a draft, to go on with."""
        with self._desk.node.store.reading() as connection:
            found = load_draft(connection, self._desk.source.name, draft_id)
        if found is None:
            self._desk.refuse(
                404,
                "没有这份草稿：可能已提交、已删除，或 30 天未保存",
                "No such draft: handed in, deleted, or 30 days old",
            )
        return self._shown(_form(found.record_type), found.values, draft_id)

    def discard(self, draft_id: str) -> Response:
        """Delete a draft."""
        source = self._desk.source.name
        self._desk.node.store.write(lambda transaction: drop_draft(transaction, source, draft_id))
        return see(url_for("entry.home"))

    def done(self, draft_id: str) -> str:
        """Show what became of a form that was handed in."""
        with self._desk.node.store.reading() as connection:
            found = submitted_before(connection, self._desk.source, draft_id)
        if found is None:
            self._desk.refuse(
                404, "没有这次提交的结果，或已过数日", "No form was handed in here under this number lately"
            )
        following = [form_of(name) for name in ("Acceptance", "Conclusion") if name != found.record_type]
        title = form_of(found.record_type).title
        return self._desk.page("done.html", found=found, title=title, following=following, draft_id=draft_id)

    def take(self) -> Response | str | tuple[str, int]:
        """Take what was typed: hand it in, save it, or show the form with one row more or less."""
        form = _form(request.form.get("record_type", ""))
        draft_id = request.form.get("draft", "")
        if not is_draft_id(draft_id):
            self._desk.refuse(400, "表单不完整，请重新打开", "The form has no number of its own; open it again")
        values = typed()
        if self._desk.stale:
            words = ("登录已更新，请再提交一次", "You signed in anew: hand the form in once more")
            problem = FieldProblem(name="", label="", text=words)
            return self._shown(form, values, draft_id, problems=(problem,)), 403
        self._remember(values)
        action = request.form.get("action", SUBMIT)
        if action.startswith((ADD, DROP)):
            return self._shown(form, with_rows(form, values, action), draft_id)
        if action == SAVE:
            return self._saved(form, values, draft_id)
        return self._submitted(form, values, draft_id)

    def _submitted(self, form: Form, values: dict[str, str], draft_id: str) -> Response | str | tuple[str, int]:
        filled = read_form(form, values)
        try:
            with self._desk.node.store.reading() as connection:
                before = submitted_before(connection, self._desk.source, draft_id)
            problems = () if before is not None else problems_of(self._desk.intake, self._desk.source, filled, draft_id)
            if problems:
                return self._wrong(filled, problems, draft_id)
            with self._desk.counted(0 if before is not None else 1):
                found = submit(self._desk.intake, self._desk.source, filled, draft_id)
        except RequestRefusedError as error:
            problem = FieldProblem(name="", label="", text=limit_words(error))
            return self._wrong(filled, (problem,), draft_id, status=error.status)
        except YizhanError as error:
            return self._failed(filled, error, draft_id)
        if found.outcome == REFUSED:
            # It was refused between the look and the taking: its answer stands, so the next try needs another id.
            return self._wrong(filled, found.problems or (_AGAIN,), self._desk.sessions.new_token())
        if found.outcome == "received":
            return self._desk.page("waiting.html", title=form.title)
        return see(url_for("entry.done", draft_id=draft_id))

    def _saved(self, form: Form, values: dict[str, str], draft_id: str) -> Response | tuple[str, int]:
        try:
            self._save(form, values, draft_id)
        except YizhanError as error:
            return self._failed(read_form(form, values), error, draft_id)
        return see(url_for("entry.home", _anchor="drafts"))

    def _wrong(
        self, filled: Filled, problems: tuple[FieldProblem, ...], draft_id: str, *, status: int = 422
    ) -> tuple[str, int]:
        """Show a form with what is wrong with it, and keep it as a draft where there is room."""
        try:
            self._save(filled.form, filled.values, draft_id)
            kept = True
        except (StateConflictError, TryLaterError):
            kept = False
        return self._shown(filled.form, filled.values, draft_id, problems=problems, kept=kept), status

    def _failed(self, filled: Filled, error: YizhanError, draft_id: str) -> tuple[str, int]:
        """Show a form that could not be handed in, or saved, for a reason that is not in it."""
        zh = f"本节点现在不能办理。{_KEPT}" if isinstance(error, TryLaterError) else f"未能办理。{_KEPT}"
        problem = FieldProblem(name="", label="", text=(zh, f"{error.what}: {error.why}. {error.action}"))
        status = 503 if isinstance(error, TryLaterError) else 409
        return self._shown(filled.form, filled.values, draft_id, problems=(problem,)), status

    def _save(self, form: Form, values: Mapping[str, str], draft_id: str) -> None:
        draft = Draft(id=draft_id, record_type=form.record_type, values=values, title=draft_title(values))
        save_draft(self._desk.node.store, self._desk.source.name, draft, at=self._desk.node.clock.now())

    def _remember(self, values: Mapping[str, str]) -> None:
        typed = {name: values.get(name, "") for name in REMEMBERED}
        known = {name: text for name, text in typed.items() if 0 < len(text) <= REMEMBERED_LENGTH_MAX}
        self._desk.session.defaults.update(known)

    def _case_of(self, draft_id: str) -> str:
        with self._desk.node.store.reading() as connection:
            found = submitted_before(connection, self._desk.source, draft_id) if draft_id else None
        return "" if found is None else found.case_no

    def _shown(
        self,
        form: Form,
        values: Mapping[str, str],
        draft_id: str,
        *,
        problems: tuple[FieldProblem, ...] = (),
        kept: bool = False,
    ) -> str:
        wrong: dict[str, list[FieldProblem]] = {}
        for problem in problems:
            wrong.setdefault(problem.name, []).append(problem)
        context: dict[str, Any] = {
            "form": form,
            "values": values,
            "draft_id": draft_id,
            "problems": problems,
            "wrong": wrong,
            "kept": kept,
            "rows_of": lambda entry, name: rows_of(entry, name, values),
            "is_group": lambda entry: isinstance(entry, Group),
            "fits": lambda control, text: not text or bool((_TIME if control == "time" else _DATE).match(text)),
            "anchor": anchor,
        }
        return self._desk.page("form.html", **context)


def typed() -> dict[str, str]:
    """Return the values of the form that this request sends; of several under one name one a line."""
    names = [name for name in request.form if name not in _PROTOCOL]
    if len(names) > VALUES_MAX:
        abort(413, f"a form has at most {VALUES_MAX} fields; hand the record in with fewer rows, or as a table")
    return {name: "\n".join(request.form.getlist(name)) for name in names}


def with_rows(form: Form, values: dict[str, str], action: str) -> dict[str, str]:
    """Return the values with one row more of a group, or without one of its rows; others move up."""
    name, _, row = action.removeprefix(ADD).removeprefix(DROP).rpartition(ROW_MARK)
    name = name or row
    group = next((one for one in form.entries if isinstance(one, Group) and one.element == name), None)
    if group is None:
        return values
    count = rows_of(group, name, values)
    if action.startswith(ADD):
        return {**values, f"{ROWS_PREFIX}{name}": str(min(count + 1, group.rows_max))}
    gone = int(row) if row.isascii() and row.isdecimal() else count
    kept = {key: text for key, text in values.items() if not key.startswith(f"{name}{ROW_MARK}")}
    for number in range(count):
        if number == gone:
            continue
        before, after = f"{name}{ROW_MARK}{number}/", f"{name}{ROW_MARK}{number - (number > gone)}/"
        kept |= {after + key.removeprefix(before): text for key, text in values.items() if key.startswith(before)}
    return {**kept, f"{ROWS_PREFIX}{name}": str(max(1, count - (gone < count)))}


def draft_title(values: Mapping[str, str]) -> str:
    """Return what a list calls a draft: a number of its case, or what it is about; never a person."""
    return next((values[name] for name in _TITLES if values.get(name)), "")


def is_draft_id(text: str) -> bool:
    """Tell whether a text can be the id of a draft."""
    return _DRAFT_ID.match(text) is not None


def anchor(name: str) -> str:
    """Return the id that a field has on its page."""
    return f"f-{re.sub('[^A-Za-z0-9]', '-', name)}" if name else "form"


def _form(record_type: str) -> Form:
    if record_type not in DEPARTMENT_TYPES:
        abort(404, "departments hand in no record of this type")
    return form_of(record_type)
