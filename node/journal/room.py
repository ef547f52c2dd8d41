"""Room on the disk: how much the database takes, how fast it grows, and the stop that keeps the exchange going.

A disk that is full to its last byte stops everything at once, receipts and checkpoints too. So the doors close while
there is still room: nothing new is taken in, what is held goes on to be sealed, sent and receipted, and neighbours'
records are still accepted. Sources offer again later, so nothing is lost. PostgreSQL's disk is its server's to watch.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from node.errors import DiskLowError
from node.journal.tables import arrival, stream

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from node.journal.store import Store

GROWTH_DAYS: Final = 7
"""Days over which growth is taken: a week has all its quiet days. Our own choice."""
_DAY_S: Final = 86_400
_SUFFIXES: Final = ("", "-wal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the disk of the database has left.

    ``bytes_per_day`` is the growth of the last ``GROWTH_DAYS``, None during the first day of a home; ``days_left`` is
    how long the free bytes last at that pace, None when nothing grows. ``low``: the doors are closed.
    """

    database_bytes: int
    free_bytes: int
    bytes_per_day: int | None
    days_left: int | None
    low: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "database_bytes": self.database_bytes,
            "free_bytes": self.free_bytes,
            "bytes_per_day": self.bytes_per_day,
            "days_left": self.days_left,
            "low": self.low,
        }


class DiskRoom:
    """Watches the disk of one store; ``free_bytes_min`` is what must stay free for the exchange."""

    def __init__(self, store: Store, *, free_bytes_min: int) -> None:
        self._file = store.file
        self._free_bytes_min = free_bytes_min

    def check(self) -> None:
        """Raise DiskLowError when the doors have to stay closed; nothing for a store without a file of its own."""
        if self._file is None:
            return
        free_bytes = _free_bytes(self._file)
        if free_bytes < self._free_bytes_min:
            raise DiskLowError(
                f"The disk of {self._file} is nearly full: nothing is taken in.",
                why=f"{free_bytes // 1_000_000:,} MB are free, {self._free_bytes_min // 1_000_000:,} MB are kept for "
                "the exchange, which goes on",
                action="free some space or give the disk more; what was not taken in is to be offered again then",
            )

    def check_copy(self) -> None:
        """Raise DiskLowError when the disk has no room for a copy of the database; nothing for one without a file."""
        if self._file is None:
            return
        wanted_bytes = _database_bytes(self._file)
        free_bytes = _free_bytes(self._file)
        if free_bytes - wanted_bytes < self._free_bytes_min:
            raise DiskLowError(
                f"The disk of {self._file} has no room for a copy of the database.",
                why=f"{free_bytes // 1_000_000:,} MB are free; the copy takes {wanted_bytes // 1_000_000:,} MB, and "
                f"{self._free_bytes_min // 1_000_000:,} MB are kept for the exchange",
                action="free some space or give the disk more, then run it again",
            )

    def measure(self, connection: Connection, now: datetime) -> Room | None:
        """Return what is left, None for a store without a file of its own."""
        if self._file is None:
            return None
        database_bytes = _database_bytes(self._file)
        free_bytes = _free_bytes(self._file)
        per_day = _bytes_per_day(connection, now, database_bytes)
        return Room(
            database_bytes=database_bytes,
            free_bytes=free_bytes,
            bytes_per_day=per_day,
            days_left=free_bytes // per_day if per_day else None,
            low=free_bytes < self._free_bytes_min,
        )


def _bytes_per_day(connection: Connection, now: datetime, database_bytes: int) -> int | None:
    """Return how many bytes a day the records that came lately have taken, at what a record takes in the mean."""
    begun = connection.scalar(select(arrival.c.arrived_at).order_by(arrival.c.number).limit(1))
    records = connection.scalar(select(func.sum(stream.c.size)))
    if begun is None or not records:
        return None
    span_s = min(GROWTH_DAYS * _DAY_S, (now - begun).total_seconds())
    if span_s < _DAY_S:
        return None
    came = _records_since(connection, now - timedelta(seconds=span_s))
    return int(came * (database_bytes / int(records)) / (span_s / _DAY_S))


def _records_since(connection: Connection, since: datetime) -> int:
    """Return how many records arrived since; arrivals are numbered as they came: the first one is found by halves."""
    low, high = 1, (connection.scalar(select(func.max(arrival.c.number))) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        query = select(arrival.c.arrived_at).where(arrival.c.number >= middle).order_by(arrival.c.number).limit(1)
        at = connection.scalar(query)
        if at is None or at >= since:
            high = middle
        else:
            low = middle + 1
    counted = select(func.sum(arrival.c.last - arrival.c.first + 1)).where(arrival.c.number >= low)
    return int(connection.scalar(counted) or 0)


def _database_bytes(file: Path) -> int:
    return sum(_size_of(file.with_name(file.name + suffix)) for suffix in _SUFFIXES)


def _free_bytes(file: Path) -> int:
    return shutil.disk_usage(file.parent).free


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
