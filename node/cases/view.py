"""Looking at cases, penalties and records: what screens and the command line show. Reading only; personal data masked.

What is masked decides the privacy mark in the schema, never a list of element names here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from node.cases.findings import FINDING_LABELS
from node.cases.history import INCOMPLETE
from node.cases.penalty_codes import PENALTY_FINDING_LABELS
from node.cases.penalty_states import PENALTY_STATE_LABELS, PenaltyState
from node.cases.states import STATE_LABELS, State
from node.cases.tables import CASE_TABLES, PENALTY_TABLES, CaseTables, finding, request
from node.errors import RecordRefusedError
from node.journal import hash_only
from node.journal.holdings import find
from node.journal.records import history, records_at, stored
from node.journal.tables import HELD_BACK, QUARANTINED, REDACTED, position_of
from node.journal.tables import stream as stream_table
from node.standard.codec import parse_record
from node.standard.compose import content_of, record_shape
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from node.cases.life_cycle import Label
    from node.journal.records import StoredRecord
    from node.standard.seals import StreamName
    from node.standard.shape import ElementShape

PAGE_MAX = 500
"""How many records one page shows at most; chosen by us."""

_MASK = "*"
_SHOWN_FIRST = 3
_SHOWN_LAST = 2
_SHOWN_LENGTH_MIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """One record: ``standing`` is ``applied``, ``quarantined``, ``held back``, ``redacted``, or ``awaited``.

    Of the last two only the leaf hash is here: by a Redaction, or until its bytes or its Redaction arrive.

    ``state`` is the case's state after it (None: it belongs to no case). ``content`` is masked, and None when the
    record does not follow the standard or its bytes are gone.
    """

    position: int
    record_type: str
    label: str
    standing: str
    state: Label | None
    content: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """One finding of a case and the position of the record at which it shows."""

    code: str
    label: Label
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case or penalty. ``incomplete``: a quarantined record holds back what follows it; nothing is derived from it.

    ``requests`` are the consultations and complaints about the case, whichever node they came from; ``also_at`` names
    other origins that hold a case with the same number.
    """

    case_no: str
    origin: str
    state: State | PenaltyState
    label: Label
    incomplete: bool
    task: str | None
    organisation: str | None
    division: str | None
    channel: str | None
    began_at: datetime | None
    records: tuple[RecordView, ...]
    findings: tuple[FindingView, ...]
    requests: tuple[RecordView, ...]
    also_at: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Where one kind of case is kept, and what its states are called."""

    tables: CaseTables
    state_of: Callable[[int], State | PenaltyState]
    has_requests: bool


_APPROVALS = _Kind(tables=CASE_TABLES, state_of=State, has_requests=True)
_PENALTIES = _Kind(tables=PENALTY_TABLES, state_of=PenaltyState, has_requests=False)
_STATE_LABELS: Mapping[int, Label] = {
    int(state): label for state, label in (*PENALTY_STATE_LABELS.items(), *STATE_LABELS.items())
}
"""Names of the states of both kinds; only ``NONE`` has the number of another one."""
_FINDING_LABELS: Mapping[str, Label] = {**FINDING_LABELS, **PENALTY_FINDING_LABELS}


def show_case(connection: Connection, case_no: str, origin: str | None = None) -> CaseView | None:
    """Return the case with this number and its history, or None when no record of it is held.

    ``origin`` is a node's code; None: where several origins used the number, the lowest code is shown.
    """
    return _show(connection, _APPROVALS, case_no, origin)


def show_penalty(connection: Connection, case_no: str, origin: str | None = None) -> CaseView | None:
    """Return the penalty with this number and its history; arguments and result as ``show_case`` has them."""
    return _show(connection, _PENALTIES, case_no, origin)


def _show(connection: Connection, kind: _Kind, case_no: str, origin: str | None) -> CaseView | None:
    fact, state = kind.tables.fact, kind.tables.state
    query = (
        select(fact, state.c.state, state.c.flags, state.c.last_key, stream_table.c.origin)
        .join(state, state.c.id == fact.c.id)
        .join(stream_table, stream_table.c.id == fact.c.stream_id)
        .where(fact.c.case_no == case_no)
        .order_by(stream_table.c.origin)
    )
    rows = connection.execute(query).all()
    row = next((row for row in rows if origin in {None, row.origin}), None)
    if row is None:
        return None
    stands = kind.state_of(row.state)
    return CaseView(
        case_no=case_no,
        origin=row.origin,
        state=stands,
        label=PENALTY_STATE_LABELS[stands] if isinstance(stands, PenaltyState) else STATE_LABELS[stands],
        incomplete=bool(row.flags & INCOMPLETE),
        task=row.task,
        organisation=row.organisation,
        division=row.division,
        channel=row.channel,
        began_at=None if row.began_at is None else datetime.fromtimestamp(row.began_at, tz=UTC),
        records=_records(connection, row),
        findings=_findings(connection, kind.tables, row.id),
        requests=_requests(connection, case_no) if kind.has_requests else (),
        also_at=tuple(other.origin for other in rows if other.origin != row.origin),
    )


def list_records(connection: Connection, stream: StreamName, *, first: int = 1, limit: int = 100) -> list[RecordView]:
    """Return up to ``limit`` (at most ``PAGE_MAX``) records of a held stream from position ``first`` on.

    Raises LookupError when nothing of the stream is held.
    """
    held = find(connection, stream)
    if held is None:
        message = f"{stream} is not held"
        raise LookupError(message)
    last = first + min(limit, PAGE_MAX) - 1
    awaited = {
        at for at, one in hash_only.among(connection, held.stream_id, first, last).items() if one.redaction is None
    }
    views = [_view(one) for one in stored(connection, held.stream_id, first, last)]
    return [replace(one, standing="awaited") if one.position in awaited else one for one in views]


def count_cases(connection: Connection) -> int:
    """Return how many cases this node knows, of all origins."""
    return _count(connection, CASE_TABLES.state)


def count_findings(connection: Connection) -> int:
    """Return how many findings stand, of all cases."""
    return _count(connection, CASE_TABLES.finding)


def count_penalties(connection: Connection) -> int:
    """Return how many penalties this node knows, of all origins."""
    return _count(connection, PENALTY_TABLES.state)


def count_penalty_findings(connection: Connection) -> int:
    """Return how many findings stand, of all penalties."""
    return _count(connection, PENALTY_TABLES.finding)


def findings_by_code(connection: Connection) -> dict[str, int]:
    """Return how many findings stand per code; codes without one are left out."""
    query = select(finding.c.code, func.count()).group_by(finding.c.code).order_by(finding.c.code)
    return dict(tuple(row) for row in connection.execute(query))


def masked(content: Mapping[str, Any], shape: ElementShape) -> dict[str, Any]:
    """Return a record's content with every value masked whose element has a privacy mark."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        child = shape.child(name)
        found[name] = value if child is None else _masked_value(value, child)
    return found


def mask_text(text: str, privacy: str) -> str:
    """Return a text with its inside hidden: a name keeps its first character, a number its first 3 and last 2."""
    if privacy == "name":
        return text[:1] + _MASK * max(1, len(text) - 1)
    if len(text) < _SHOWN_LENGTH_MIN:
        return _MASK * len(text)
    hidden = len(text) - _SHOWN_FIRST - _SHOWN_LAST
    return text[:_SHOWN_FIRST] + _MASK * hidden + text[-_SHOWN_LAST:]


def _masked_value(value: Any, shape: ElementShape) -> Any:
    if isinstance(value, Mapping):
        return masked(value, shape)
    if isinstance(value, str):
        return mask_text(value, shape.privacy) if shape.privacy and value else value
    return [_masked_value(one, shape) for one in value] if isinstance(value, Sequence) else value


def _records(connection: Connection, row: Any) -> tuple[RecordView, ...]:
    """Return the history of a case, with the records that were redacted in it at their places."""
    gone = [one.key for one in hash_only.of_case(connection, row.stream_id, row.case_no)]
    found = [*history(connection, row.id, row.last_key), *records_at(connection, gone)]
    return tuple(_view(one) for one in sorted(found, key=lambda one: one.key))


def _view(record: StoredRecord) -> RecordView:
    known = RECORD_TYPES.get(record.record_type)
    return RecordView(
        position=record.position,
        record_type=record.record_type,
        label=known.label if known else "",
        standing=_standing(record.flags),
        state=None if record.state_after is None else _STATE_LABELS[record.state_after],
        content=_content(record),
    )


def _standing(flags: int) -> str:
    for flag, word in ((REDACTED, "redacted"), (QUARANTINED, "quarantined"), (HELD_BACK, "held back")):
        if flags & flag:
            return word
    return "applied"


def _content(record: StoredRecord) -> Mapping[str, Any] | None:
    if record.body is None:
        return None
    try:
        element = parse_record(record.body)
    except RecordRefusedError:
        return None
    return masked(content_of(element), record_shape(record.record_type))


def _findings(connection: Connection, tables: CaseTables, case_id: int) -> tuple[FindingView, ...]:
    table = tables.finding
    query = select(table).where(table.c.case_id == case_id).order_by(table.c.record_key, table.c.code)
    return tuple(
        FindingView(code=row.code, label=_FINDING_LABELS[row.code], position=position_of(row.record_key))
        for row in connection.execute(query)
    )


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _requests(connection: Connection, case_no: str) -> tuple[RecordView, ...]:
    """Return the consultations and complaints that name a case, oldest first, at most ``PAGE_MAX``."""
    query = select(request.c.record_key).where(request.c.case_no == case_no)
    keys = connection.execute(query.order_by(request.c.asked_at, request.c.record_key).limit(PAGE_MAX)).scalars()
    return tuple(_view(one) for one in records_at(connection, list(keys)))
