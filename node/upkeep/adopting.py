"""Adopting: what was made anew takes the place of what differs from it, under the journal's lock, a short time each.

Rows that are equal stay untouched, so the lock is held for what was wrong and not for what a node holds. A case is the
unit: its rows, its findings and what its records did to it are written together. Up to ``CASES_MAX`` cases everything
is one transaction; beyond, cases go in parts, and the figures that they add up to are set with the last part.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select

from node.journal import records
from node.journal.settings import save_setting, setting
from node.journal.statements import in_parameter, insert_sql, select_in_sql, update_sql
from node.journal.tables import QUARANTINED, REDACTED, record, stream
from node.statistics.counters import mark_days
from node.statistics.tables import counter, dimension
from node.trust.tables import node_tree
from node.trust.tree import DIGEST_SETTING
from node.upkeep.catching_up import carry, changed
from node.upkeep.comparing import listed
from node.upkeep.projected import KINDS, PLAIN
from node.upkeep.workshop import highest_dimension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from node.cases.tables import CaseTables
    from node.journal.store import Store, Transaction
    from node.upkeep.catching_up import Follower
    from node.upkeep.projected import Plain

CASES_MAX: Final = 2_000
"""Cases that one transaction writes: well below a second. Chosen by us."""
_FIXED: Final = QUARANTINED | REDACTED
"""Flags of a record that no projection sets: if they are not those of the workshop, the record changed meanwhile."""

Place = tuple[int, str]
"""A case by its stream's id and its number."""


def adopt_all(store: Store, follower: Follower) -> int:
    """Put everything that differs right, and return how many rows were written.

    Raises RebuildOvertakenError when something changed that cannot be followed; what was written until then is right.
    """
    connection = follower.workshop.connection
    for kind in KINDS:
        _list_cases(connection, kind)
    written = 0
    for kind in KINDS:
        for places in _pages(connection, kind):
            whole = kind is KINDS[-1] and len(places) < CASES_MAX
            written += store.write(
                lambda transaction, kind=kind, places=places, whole=whole: _adopt(  # type: ignore[misc]
                    transaction, follower, kind, places, whole=whole
                )
            )
    return written


def _adopt(
    transaction: Transaction, follower: Follower, kind: CaseTables, places: Sequence[Place], *, whole: bool
) -> int:
    """Write one page of cases; with ``whole``, the last one, everything else too."""
    while follower.follow(transaction.connection):
        pass
    source = follower.workshop.connection
    written = 0
    if follower.made_dimensions:
        highest = highest_dimension(transaction.connection)
        written += carry(source, transaction.connection, dimension, 'WHERE "id" > ?', (highest,))
    written += sum(_adopt_case(transaction, source, kind, place) for place in places)
    if whole:
        written += sum(_drop_stray(transaction, source, one) for one in KINDS)
        written += _adopt_caseless(transaction, source)
        written += sum(_adopt_plain(transaction, source, plain) for plain in PLAIN)
    if written:
        transaction.announce()
    return written


def _list_cases(connection: Connection, kind: CaseTables) -> None:
    """Make the table of the cases of one kind to be written, in order."""
    fact, finding = kind.fact.name, kind.finding.name
    connection.exec_driver_sql(
        f'CREATE TABLE "mending_{fact}" AS SELECT "stream_id", "case_no" FROM "differing_{fact}" '  # noqa: S608
        f'UNION SELECT "stream_id", "case_no" FROM "differing_{finding}" '
        f'UNION SELECT f."stream_id", f."case_no" FROM "differing_record" r JOIN "{fact}" f ON f."id" = r."rebuilt_id" '
        f'UNION SELECT f."stream_id", f."case_no" FROM "differing_record" r '
        f'JOIN "standing_{fact}" f ON f."id" = r."standing_id"'
    )


def _pages(connection: Connection, kind: CaseTables) -> list[list[Place]]:
    """Return the cases to be written, page by page; at least one page, which may be empty."""
    query = f'SELECT "stream_id", "case_no" FROM "mending_{kind.fact.name}" ORDER BY "stream_id", "case_no"'  # noqa: S608
    places = [(number, case_no) for number, case_no in connection.exec_driver_sql(query)]
    return [places[low : low + CASES_MAX] for low in range(0, len(places) + 1, CASES_MAX)]


def _adopt_case(transaction: Transaction, source: Connection, kind: CaseTables, place: Place) -> int:
    """Write one case as it is in the workshop, under the id that it has here; 0 rows when there is none of its name."""
    fact = kind.fact
    same = (fact.c.stream_id == place[0], fact.c.case_no == place[1])
    here = transaction.connection.scalar(select(fact.c.id).where(*same))
    made = source.execute(select(fact).where(*same)).one_or_none()
    if here is not None:
        _drop_case(transaction, kind, here)
    if made is None:
        return int(here is not None)
    number = here or max(kind.first_id, (transaction.connection.scalar(select(func.max(fact.c.id))) or 0) + 1)
    # What stood under the id may have lost the row that named it.
    _drop_case(transaction, kind, number)
    state = source.execute(select(kind.state).where(kind.state.c.id == made.id)).one()
    findings = source.execute(select(kind.finding).where(kind.finding.c.case_id == made.id)).all()
    _insert(transaction, fact, [(number, *tuple(made)[1:])])
    _insert(transaction, kind.state, [(number, *tuple(state)[1:])])
    _insert(transaction, kind.finding, [(number, *tuple(one)[1:]) for one in findings])
    steps = records.history(source, made.id, state.last_key)
    _put_outcomes(
        transaction, [(one.key, number, one.previous, one.state_after, one.flags) for one in steps if one.case_id]
    )
    return 2 + len(findings) + len(steps)


def _drop_case(transaction: Transaction, kind: CaseTables, number: int) -> None:
    for table, column in ((kind.fact, "id"), (kind.state, "id"), (kind.finding, "case_id")):
        transaction.connection.execute(delete(table).where(table.c[column] == number))


def _drop_stray(transaction: Transaction, source: Connection, kind: CaseTables) -> int:
    """Drop rows that belong to no case."""
    dropped = 0
    known = select(kind.fact.c.id)
    for table, column in ((kind.state, "id"), (kind.finding, "case_id")):
        ids = source.exec_driver_sql(f'SELECT "id" FROM "stray_{table.name}"').scalars().all()  # noqa: S608 - ours.
        for number in ids:
            where = (table.c[column] == number, table.c[column].not_in(known))
            dropped += transaction.connection.execute(delete(table).where(*where)).rowcount
    return dropped


def _adopt_caseless(transaction: Transaction, source: Connection) -> int:
    """Write what stands on records that belong to no case."""
    found = source.exec_driver_sql(
        'SELECT r."key", r."previous", r."state_after", r."flags" FROM "record" r '
        'JOIN "differing_record" d ON d."key" = r."key" WHERE r."case_id" IS NULL'
    ).all()
    _put_outcomes(transaction, [(row[0], None, *row[1:]) for row in found])
    return len(found)


def _put_outcomes(transaction: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write (key, case, previous record, state, flags) of records that did not change otherwise."""
    if not rows:
        return
    sql = select_in_sql(record, transaction.dialect, ("key", "flags"), key="key")
    parameters = in_parameter(transaction.dialect, [row[0] for row in rows])
    flags = dict(map(tuple, transaction.connection.exec_driver_sql(sql, parameters)))
    if any((flags.get(key, ~wanted) ^ wanted) & _FIXED for key, *_, wanted in rows):
        raise changed("a record was let out of quarantine, or erased")
    statement = update_sql(record, transaction.dialect, ("case_id", "previous", "state_after", "flags"))
    transaction.connection.exec_driver_sql(statement, [(*row[1:], row[0]) for row in rows])


def _adopt_plain(transaction: Transaction, source: Connection, plain: Plain) -> int:
    """Replace the differing rows of a table by those of the workshop."""
    table, key, dialect = plain.table, plain.key, transaction.dialect
    mark = "?" if dialect == "sqlite" else "%s"
    keys = source.exec_driver_sql(f'SELECT {listed(key)} FROM "differing_{table.name}"').all()  # noqa: S608 - ours.
    if not keys:
        return 0
    match = " AND ".join(f'"{name}" = {mark}' for name in key)
    gone = [tuple(row) for row in keys]
    transaction.connection.exec_driver_sql(f'DELETE FROM "{table.name}" WHERE {match}', gone)  # noqa: S608 - ours.
    where = " AND ".join(f'd."{name}" = "{table.name}"."{name}"' for name in key)
    chosen = f'WHERE EXISTS (SELECT 1 FROM "differing_{table.name}" d WHERE {where})'  # noqa: S608 - ours.
    carry(source, transaction.connection, table, chosen)
    if table is counter:
        own = set(transaction.connection.execute(select(stream.c.id).where(stream.c.own)).scalars())
        if days := {row[1] for row in gone if row[0] in own}:
            mark_days(transaction, days)
    if table is node_tree:
        before = setting(transaction.connection, DIGEST_SETTING) or ""
        save_setting(transaction, DIGEST_SETTING, hashlib.sha256(f"{before} rebuilt".encode()).hexdigest())
    return len(gone)


def _insert(transaction: Transaction, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        transaction.connection.exec_driver_sql(insert_sql(table, transaction.dialect), list(rows))
