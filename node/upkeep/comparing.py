"""Comparing what was made anew with what stands, in the workshop: by content, both ways, on names instead of row ids.

Each comparison leaves a table ``differing_…`` with the keys, however many; ``Compared`` tells their number and the
first few. Cases are named by (stream, number), records by key: these do not depend on the order of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.journal import holdings
from node.journal.tables import position_of, stream_id_of
from node.statistics.tables import summary
from node.upkeep.projected import KINDS, PLAIN, SUMMARIES, SUMMARY_JUDGED
from node.upkeep.workshop import standing_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from node.cases.tables import CaseTables
    from node.standard.seals import StreamName
    from node.upkeep.projected import Plain

SHOWN_MAX: Final = 5
"""How many differing keys are told of each table; chosen by us."""
_FACTS: Final = ("task", "organisation", "division", "channel", "began_at")
_STATES: Final = ("state", "flags", "last_key", "memory", "contribution")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What was found of one table: rows that stand, how many keys differ, and the first of these in words."""

    name: str
    rows: int
    differing: int
    first: tuple[str, ...]


def compare_all(connection: Connection) -> list[Compared]:
    """Compare every table of the workshop and return what was found, ``records`` last."""
    names = holdings.stream_names(connection)
    found = [_compare_plain(connection, plain, names) for plain in PLAIN]
    _match_cases(connection)
    for kind in KINDS:
        found += [_compare_cases(connection, kind, names), _compare_findings(connection, kind, names)]
    return [*found, _compare_records(connection, names)]


def differs(dialect: str) -> str:
    """Return the operator that tells whether two values differ, NULL being a value."""
    return "IS NOT" if dialect == "sqlite" else "IS DISTINCT FROM"


def listed(names: Sequence[str], prefix: str = "") -> str:
    """Return columns as a list of SQL."""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def _compare_plain(connection: Connection, plain: Plain, names: dict[int, StreamName]) -> Compared:
    table, standing = plain.table.name, standing_name(plain.table)
    columns = listed((*plain.key, *plain.compared))
    new, old = (f'SELECT {columns} FROM "{name}" {plain.where}' for name in (table, standing))  # noqa: S608 - ours.
    _keep_differing(connection, table, listed(plain.key), new, old)
    if plain is SUMMARIES:
        _add_judged(connection)
    return _told(connection, table, plain.key, _count(connection, f'"{standing}" {plain.where}'), names)


def _keep_differing(connection: Connection, name: str, key: str, new: str, old: str) -> None:
    connection.exec_driver_sql(
        f'CREATE TABLE "differing_{name}" AS SELECT DISTINCT {key} FROM '  # noqa: S608 - constants.
        f"(SELECT * FROM ({new} EXCEPT {old}) a UNION ALL SELECT * FROM ({old} EXCEPT {new}) b) c"
    )


def _add_judged(connection: Connection) -> None:
    """Add the summaries that were judged otherwise; one that waits for something on either side is not compared."""
    unequal = differs(connection.dialect.name)
    judged = " OR ".join(f'n."{name}" {unequal} s."{name}"' for name in SUMMARY_JUDGED)
    connection.exec_driver_sql(
        f'INSERT INTO "differing_summary" SELECT n."last_key" FROM "summary" n '  # noqa: S608 - constants.
        f'JOIN "{standing_name(summary)}" s ON s."last_key" = n."last_key" WHERE n."recorded" AND s."recorded" '
        f'AND ({judged}) AND n."last_key" NOT IN (SELECT "last_key" FROM "differing_summary")'
    )


def _match_cases(connection: Connection) -> None:
    """Make the table that leads from the id of a case made anew to the one that stands."""
    pairs = " UNION ALL ".join(
        f'SELECT n."id" AS "rebuilt_id", s."id" AS "standing_id" FROM "{kind.fact.name}" n '  # noqa: S608 - constants.
        f'JOIN "{standing_name(kind.fact)}" s ON s."stream_id" = n."stream_id" AND s."case_no" = n."case_no"'
        for kind in KINDS
    )
    for kind in KINDS:
        for table, column in ((kind.fact, '"stream_id", "case_no"'), (kind.state, '"id"')):
            name = standing_name(table)
            connection.exec_driver_sql(f'CREATE INDEX "{name}_key" ON "{name}" ({column})')
    connection.exec_driver_sql(f'CREATE TABLE "same_case" AS {pairs}')
    connection.exec_driver_sql('CREATE INDEX "same_case_id" ON "same_case" ("rebuilt_id")')


def _compare_cases(connection: Connection, kind: CaseTables, names: dict[int, StreamName]) -> Compared:
    fact, state = kind.fact.name, kind.state.name
    key = ("stream_id", "case_no")
    columns = f"{listed((*key, *_FACTS), 'f.')}, {listed(_STATES, 's.')}"
    new, old = (
        f'SELECT {columns} FROM "{prefix}{fact}" f LEFT JOIN "{prefix}{state}" s ON s."id" = f."id"'  # noqa: S608
        for prefix in ("", "standing_")
    )
    _keep_differing(connection, fact, listed(key), new, old)
    _keep_stray(connection, state, "id", fact)
    rows = _count(connection, f'"standing_{fact}"')
    return _told(connection, fact, key, rows, names, stray=_count(connection, f'"stray_{state}"'))


def _compare_findings(connection: Connection, kind: CaseTables, names: dict[int, StreamName]) -> Compared:
    fact, finding = kind.fact.name, kind.finding.name
    key = ("stream_id", "case_no", "code", "record_key")
    new, old = (
        f'SELECT f."stream_id", f."case_no", g."code", g."record_key" FROM "{prefix}{finding}" g '  # noqa: S608
        f'JOIN "{prefix}{fact}" f ON f."id" = g."case_id"'
        for prefix in ("", "standing_")
    )
    _keep_differing(connection, finding, listed(key), new, old)
    _keep_stray(connection, finding, "case_id", fact)
    rows = _count(connection, f'"standing_{finding}"')
    return _told(connection, finding, key, rows, names, stray=_count(connection, f'"stray_{finding}"'))


def _keep_stray(connection: Connection, table: str, column: str, fact: str) -> None:
    """Keep the ids of standing rows that belong to no case."""
    connection.exec_driver_sql(
        f'CREATE TABLE "stray_{table}" AS SELECT DISTINCT "{column}" AS "id" FROM "standing_{table}" '  # noqa: S608
        f'WHERE "{column}" NOT IN (SELECT "id" FROM "standing_{fact}")'
    )


def _compare_records(connection: Connection, names: dict[int, StreamName]) -> Compared:
    unequal = differs(connection.dialect.name)
    others = " OR ".join(f'r."{name}" {unequal} o."{name}"' for name in ("previous", "state_after", "flags"))
    connection.exec_driver_sql(
        'CREATE TABLE "differing_record" AS SELECT r."key", r."case_id" AS "rebuilt_id", '  # noqa: S608 - constants.
        'o."case_id" AS "standing_id" FROM "record" r JOIN "standing_outcome" o ON o."key" = r."key" '
        'LEFT JOIN "same_case" m ON m."rebuilt_id" = r."case_id" '
        f'WHERE {others} OR m."standing_id" {unequal} o."case_id" '
        'OR (r."case_id" IS NOT NULL AND m."standing_id" IS NULL)'
    )
    return _told(connection, "record", ("key",), _count(connection, '"record"'), names)


def _told(
    connection: Connection,
    table: str,
    key: Sequence[str],
    rows: int,
    names: dict[int, StreamName],
    *,
    stray: int = 0,
) -> Compared:
    differing = _count(connection, f'"differing_{table}"')
    query = f'SELECT {listed(key)} FROM "differing_{table}" ORDER BY {listed(key)} LIMIT {SHOWN_MAX}'  # noqa: S608
    first = tuple(" ".join(_words(key, row, names)) for row in connection.exec_driver_sql(query))
    return Compared(name=table, rows=rows, differing=differing + stray, first=first)


def _words(key: Sequence[str], row: Any, names: dict[int, StreamName]) -> Iterator[str]:
    """Yield the parts of a key as people know them: streams and positions by name."""
    for name, value in zip(key, row, strict=True):
        if name == "stream_id":
            yield str(names.get(value, value))
        elif name in {"key", "last_key", "record_key"} and isinstance(value, int):
            yield f"{names.get(stream_id_of(value), stream_id_of(value))}/{position_of(value)}"
        else:
            yield str(value)


def _count(connection: Connection, of: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {of}").scalar() or 0)  # noqa: S608 - constants.
