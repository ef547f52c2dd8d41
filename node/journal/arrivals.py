"""Arrivals: the order in which this node appended records, over all streams; read by whoever follows all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import func, select

from node.journal.tables import arrival as table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

READ_MAX: Final = 10_000
"""Arrivals in memory at a time: there may be millions."""


class Arrival(NamedTuple):
    """Records ``first`` … ``last`` of one stream, appended together; ``number`` grows with every arrival."""

    number: int
    stream_id: int
    first: int
    last: int


def arrivals_after(connection: Connection, number: int) -> Iterator[Arrival]:
    """Yield everything that arrived after the arrival ``number`` (0: everything), in order."""
    query = select(table.c.number, table.c.stream_id, table.c.first, table.c.last).order_by(table.c.number)
    while page := connection.execute(query.where(table.c.number > number).limit(READ_MAX)).all():
        yield from (Arrival(*row) for row in page)
        number = page[-1].number


def newest_arrival(connection: Connection) -> int:
    """Return the number of the newest arrival, 0 when nothing ever arrived."""
    return connection.scalar(select(func.coalesce(func.max(table.c.number), 0))) or 0
