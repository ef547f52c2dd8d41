"""Reference data: items, organisations, divisions and calendars, as versions with the dates on which they hold.

What holds is chosen by the record's own date and version, never by when it arrived (02, R9). An item that arrives
after cases of its task, or the end of a division after cases under its code, touches only findings that depend on it:
these cases are queued and re-projected, at once as far
as one transaction may take (``REPAIRS_MAX``), the rest by ``repair_cases``, which a job repeats until nothing is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from node.cases.divisions import versions_of
from node.cases.findings import ItemTerms
from node.cases.tables import calendar, case_fact, case_repair, division, division_repair, item, organisation
from node.journal.statements import in_parameter, select_in_sql, upsert_sql
from node.journal.tables import record_key
from node.standard.codec import TAG_PREFIX, parse_unvalidated
from node.standard.seals import DESCENDANTS
from node.trust.notices import wake

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import Table

    from node.cases.projection import CaseProjection
    from node.journal.entries import Batch, Entry
    from node.journal.store import Store, Transaction

REPAIRS_MAX = 500
"""How many cases one transaction re-projects because an item arrived late; chosen by us to keep the lock short."""

WINDOW = 50_000
"""How many cases one transaction looks through for those of a division: no index finds them, since every new case would
have to pay for what happens once in years. Chosen by us to keep the lock short."""

EVER = ""
"""``valid_from`` of what holds since a time that is not known; sorts before every date."""

_TRUE = frozenset({"true", "1"})

Row = tuple[object, ...]


def items_of(transaction: Transaction, tasks: Collection[str]) -> dict[str, list[ItemTerms]]:
    """Return every known version of the items with these codes.

    Where two origins wrote the same version, that of the lower node code (nearer to the root) comes first and counts.
    """
    if not tasks:
        return {}
    columns = ("origin", "task", "version", "valid_from", "valid_to", "charges", "required_materials")
    sql = select_in_sql(item, transaction.dialect, columns, key="task")
    terms: dict[str, list[ItemTerms]] = {}
    found = transaction.connection.exec_driver_sql(sql, in_parameter(transaction.dialect, sorted(tasks)))
    for _, task, version, valid_from, valid_to, charges, required in sorted(found, key=lambda row: row[0]):
        terms.setdefault(task, []).append(
            ItemTerms(
                version=version,
                valid_from=valid_from,
                valid_to=valid_to,
                charges=bool(charges),
                required_materials=required,
            )
        )
    return terms


class ReferenceProjection:
    """Versions of reference data, from whichever stream carries them. Implements the journal's Projection.

    It stands after the case projection, whose cases it re-projects.
    """

    name = "reference"
    cuts: frozenset[str] = frozenset()

    def __init__(self, cases: CaseProjection) -> None:
        self._cases = cases

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Take in the reference records of batches."""
        for batch in batches:
            self._take(transaction, batch)

    def _take(self, transaction: Transaction, batch: Batch) -> None:
        entries = [entry for entry in batch.entries if entry.quarantine is None and entry.record_type in _READERS]
        if not entries:
            return
        tasks, divisions = self._write(transaction, batch, entries)
        _queue(transaction, case_repair, tasks)
        _queue(transaction, division_repair, divisions)
        # Records of a batch are not in the journal yet when it is applied; a descendants stream holds no case.
        if batch.stream.audience == DESCENDANTS:
            repair_in(transaction, self._cases, REPAIRS_MAX)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Take in reference records that can be applied now."""
        self._take(transaction, batch)

    def clear(self, transaction: Transaction) -> None:
        """Drop all reference data and what was still to be repaired for it."""
        for table in (item, organisation, division, calendar, case_repair, division_repair):
            transaction.connection.execute(delete(table))

    def _write(self, transaction: Transaction, batch: Batch, entries: list[Entry]) -> tuple[set[str], set[str]]:
        """Write versions; return the tasks whose terms, and the divisions whose ends, are others than before."""
        rows: dict[Table, list[Row]] = {}
        for entry in entries:
            element = entry.element if entry.element is not None else parse_unvalidated(entry.body)
            table, read = _READERS[entry.record_type]
            row = read(element, batch.stream.origin, entry.key)
            rows.setdefault(table, []).append(row)
        tasks = {str(row[0]) for row in rows.get(item, ())}
        codes = {str(row[0]) for row in rows.get(division, ())}
        before = items_of(transaction, tasks)
        ends_before = _ends(transaction, codes)
        for table, values in rows.items():
            transaction.connection.exec_driver_sql(_upsert(table, transaction.dialect, batch), values)
        if division in rows:
            # What the root did not let into the tree because of a division may stand now.
            wake(transaction)
        after = items_of(transaction, tasks)
        ends_after = _ends(transaction, codes)
        return (
            {task for task in tasks if before.get(task) != after.get(task)},
            {code for code in codes if ends_before.get(code) != ends_after.get(code)},
        )


def repair_cases(store: Store, cases: CaseProjection) -> int:
    """Re-project the next cases that late reference data touch; return how much was done, 0 when nothing is left.

    A job repeats it until it returns 0; each call is one transaction of at most ``REPAIRS_MAX`` cases.
    """
    with store.reading() as connection:
        queued = (select(queue.c.after_id).limit(1) for queue in (case_repair, division_repair))
        if all(connection.execute(query).first() is None for query in queued):
            return 0
    return store.write(lambda transaction: repair_in(transaction, cases, REPAIRS_MAX))


def repair_in(transaction: Transaction, cases: CaseProjection, limit: int) -> int:
    """Re-project up to ``limit`` queued cases inside an open transaction; return how many.

    Looking through ``WINDOW`` cases of which none is of a division counts as one.
    """
    done = _repair_items(transaction, cases, limit)
    return done + _repair_divisions(transaction, cases, limit - done)


def _repair_items(transaction: Transaction, cases: CaseProjection, limit: int) -> int:
    connection = transaction.connection
    done = 0
    for task, after_id in connection.execute(select(case_repair).order_by(case_repair.c.task)).all():
        query = select(case_fact.c.id).where(case_fact.c.task == task, case_fact.c.id > after_id)
        found = list(connection.execute(query.order_by(case_fact.c.id).limit(limit - done)).scalars())
        cases.re_project_all(transaction, found)
        done += len(found)
        if done >= limit:
            statement = case_repair.update().where(case_repair.c.task == task).values(after_id=found[-1])
            connection.execute(statement)
            return done
        connection.execute(delete(case_repair).where(case_repair.c.task == task))
    return done


def _repair_divisions(transaction: Transaction, cases: CaseProjection, limit: int) -> int:
    """Go one window further through the cases for each division that is queued, as far as ``limit`` allows."""
    connection = transaction.connection
    last = connection.scalar(select(func.max(case_fact.c.id))) or 0
    done = 0
    for code, after_id in connection.execute(select(division_repair).order_by(division_repair.c.division)).all():
        if done >= limit:
            break
        end = after_id + WINDOW
        here = (case_fact.c.division == code, case_fact.c.id > after_id, case_fact.c.id <= end)
        query = select(case_fact.c.id).where(*here).order_by(case_fact.c.id).limit(limit - done)
        found = list(connection.execute(query).scalars())
        cases.re_project_all(transaction, found)
        reached = found[-1] if len(found) == limit - done else end
        done += max(1, len(found))
        mine = division_repair.c.division == code
        if reached >= last:
            connection.execute(delete(division_repair).where(mine))
        else:
            connection.execute(division_repair.update().where(mine).values(after_id=reached))
    return done


def _queue(transaction: Transaction, queue: Table, keys: set[str]) -> None:
    if keys:
        sql = upsert_sql(queue, transaction.dialect, put=("after_id",))
        transaction.connection.exec_driver_sql(sql, [(key, 0) for key in sorted(keys)])


def _ends(transaction: Transaction, codes: set[str]) -> dict[str, list[tuple[str, str | None]]]:
    """Return when the versions of divisions hold, for those of which one ends: only these can have lapsed."""
    return {
        code: sorted((one.valid_from, one.valid_to) for one in versions)
        for code, versions in versions_of(transaction, codes).items()
        if any(one.valid_to is not None for one in versions)
    }


def _upsert(table: Table, dialect: str, batch: Batch) -> str:
    """Return an upsert that keeps what counts, in whatever order streams and requeued records come.

    Of one stream the record further on counts. An origin may write the same thing into two streams (a department hands
    it in, and a person publishes it); then the one to its descendants counts, which is what everyone below works by.
    """
    keys = {column.name for column in table.primary_key}
    put = tuple(column.name for column in table.columns if column.name not in keys)
    held = f'"{table.name}"."record_key"'
    here = f"{held} BETWEEN {record_key(batch.stream_id, 0)} AND {record_key(batch.stream_id + 1, 0) - 1}"
    newer = f'excluded."record_key" >= {held}'
    counts = f"(NOT {here} OR {newer})" if batch.stream.audience == DESCENDANTS else f"({here} AND {newer})"
    return f"{upsert_sql(table, dialect, put=put)} WHERE {counts}"


def _text(element: Any, name: str) -> str | None:
    found: str | None = element.findtext(TAG_PREFIX + name)
    return found or None


def _date(element: Any, name: str) -> str | None:
    """Return a date as ``YYYY-MM-DD``, without the blanks that the schema lets stand around it."""
    return (_text(element, name) or "").strip() or None


def _needed(element: Any, name: str) -> str:
    """Return the text of an element that the schema requires."""
    return _text(element, name) or ""


def _item_row(element: Any, origin: str, key: int) -> Row:
    required = [
        part for part in element.findall(f"{TAG_PREFIX}MaterialItem") if _needed(part, "Required").strip() in _TRUE
    ]
    return (
        _needed(element, "TaskCode"),
        int(_text(element, "TaskVersion") or 1),
        origin,
        key,
        _needed(element, "TaskName"),
        _needed(element, "OrgCode"),
        _needed(element, "DivisionCode"),
        _date(element, "ValidFrom") or EVER,
        _date(element, "ValidTo"),
        _needed(element, "IsFee").strip() in _TRUE,
        len(required),
        _needed(element, "TaskState"),
    )


def _organisation_row(element: Any, origin: str, key: int) -> Row:
    return (
        _needed(element, "OrgCode"),
        origin,
        _date(element, "ValidFrom") or EVER,
        key,
        _needed(element, "OrgName"),
        _needed(element, "DivisionCode"),
        _text(element, "ParentOrgCode"),
        _date(element, "ValidTo"),
    )


def _division_row(element: Any, origin: str, key: int) -> Row:  # noqa: ARG001 - divisions come from the root alone.
    return (
        _needed(element, "DivisionCode"),
        _date(element, "ValidFrom") or EVER,
        key,
        _needed(element, "DivisionName"),
        _text(element, "ParentCode"),
        int(_needed(element, "DivisionLevel")),
        _needed(element, "Kind"),
        _date(element, "ValidTo"),
        _text(element, "ReplacedBy"),
        _text(element, "BusinessParentCode"),
    )


def _calendar_row(element: Any, origin: str, key: int) -> Row:  # noqa: ARG001 - calendars come from the root alone.
    return (
        int(_needed(element, "Year")),
        int(_needed(element, "CalendarVersion")),
        key,
        _needed(element, "Status") == "OFFICIAL",
        _text(element, "SourceDocument"),
        " ".join(sorted(day.text.strip() for day in element.findall(f"{TAG_PREFIX}OffDay"))),
        " ".join(sorted(day.text.strip() for day in element.findall(f"{TAG_PREFIX}WorkDay"))),
    )


_READERS: Mapping[str, tuple[Table, Callable[[Any, str, int], Row]]] = {
    "Item": (item, _item_row),
    "Organisation": (organisation, _organisation_row),
    "Division": (division, _division_row),
    "Calendar": (calendar, _calendar_row),
}
