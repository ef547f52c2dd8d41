"""Catching up: bringing into a workshop what its node has taken in since the snapshot was copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError as DuplicateError

from node.errors import RebuildOvertakenError
from node.journal.replay import REPLAY_RECORDS_MAX, requeue
from node.journal.statements import insert_sql
from node.journal.tables import arrival, quarantine, record, record_key, stream
from node.statistics.tables import dimension
from node.trust.tables import certificate
from node.upkeep.replaying import fill
from node.upkeep.workshop import highest_dimension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from node.upkeep.projected import Derived
    from node.upkeep.workshop import Workshop

ARRIVALS_PULLED: Final = 1_000
"""Arrivals taken over at once; chosen by us so that memory stays flat."""
_ROWS: Final = 500


class Follower:
    """Keeps a workshop at what its node holds; ``reached`` is the last arrival that was replayed in it."""

    def __init__(self, workshop: Workshop, derived: Derived, reached: int) -> None:
        self.workshop = workshop
        self.reached = reached
        self._derived = derived
        self._dimensions = workshop.dimensions

    @property
    def made_dimensions(self) -> bool:
        """Whether the workshop had to intern keys that its node does not know: a row of theirs is damaged there."""
        return self._highest_dimension() > self._dimensions

    def follow(self, connection: Connection) -> int:
        """Take over and replay the next arrivals, as ``connection`` sees them; return how many, 0 when none is left.

        Raises RebuildOvertakenError when what changed cannot be followed: the whole rebuild is to be done again.
        """
        query = select(arrival).where(arrival.c.number > self.reached).order_by(arrival.c.number)
        arrivals = connection.execute(query.limit(ARRIVALS_PULLED)).all()
        if arrivals:
            self._take_over(connection, arrivals)
            _, self.reached = fill(self.workshop, self._derived, lambda _done, _total: None, after=self.reached)
        self._requeue(connection)
        return len(arrivals)

    def _take_over(self, connection: Connection, arrivals: Sequence[Any]) -> None:
        target = self.workshop.connection
        target.execute(delete(stream))
        carry(connection, target, stream)
        before = self._dimensions
        if not self.made_dimensions:
            carry(connection, target, dimension, 'WHERE "id" > ?', (before,))
            self._dimensions = self._highest_dimension()
        elif highest_dimension(connection) > before:
            raise changed("new keys of figures came")
        carry(connection, target, certificate, ignore=True)
        first, last = arrivals[0].number, arrivals[-1].number
        for one in arrivals:
            for low in range(one.first, one.last + 1, REPLAY_RECORDS_MAX):
                high = min(one.last, low + REPLAY_RECORDS_MAX - 1)
                keys = (record_key(one.stream_id, low), record_key(one.stream_id, high))
                carry(connection, target, record, 'WHERE "key" BETWEEN ? AND ?', keys)
                carry(connection, target, quarantine, 'WHERE "key" BETWEEN ? AND ?', keys)
        carry(connection, target, arrival, 'WHERE "number" BETWEEN ? AND ?', (first, last))

    def _requeue(self, connection: Connection) -> None:
        """Apply in the workshop too what was let out of quarantine meanwhile."""
        known = set(self.workshop.connection.execute(select(quarantine.c.key)).scalars())
        released = known.difference(connection.execute(select(quarantine.c.key)).scalars()) if known else known
        if released:
            requeue(self.workshop.transaction, self._derived.projections, sorted(released))

    def _highest_dimension(self) -> int:
        return highest_dimension(self.workshop.connection)


def carry(
    source: Connection,
    target: Connection,
    table: Table,
    where: str = "",
    parameters: tuple[object, ...] = (),
    *,
    ignore: bool = False,
) -> int:
    """Copy rows of a table from one database to another of the same kind; return how many.

    Raises RebuildOvertakenError when one is there already, unless ``ignore``.
    """
    dialect = target.dialect.name
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    where = where if dialect == "sqlite" else where.replace("?", "%s")
    found = source.exec_driver_sql(f'SELECT {columns} FROM "{table.name}" {where}', parameters)  # noqa: S608 - ours.
    count = 0
    while rows := found.fetchmany(_ROWS):
        count += len(rows)
        try:
            target.exec_driver_sql(insert_sql(table, dialect, ignore=ignore), [tuple(row) for row in rows])
        except DuplicateError as error:
            raise changed(f"a row of {table.name} is there already") from error
    return count


def changed(why: str) -> RebuildOvertakenError:
    """Return the error that sends a rebuild back to its beginning."""
    return RebuildOvertakenError("The node changed in a way that the rebuild could not follow.", why=why)
