"""Counters: sums of what records contribute, kept in the transaction that appends the records.

A counter's key is (stream, day, dimension, indicator): what an origin's records count, apart from every other
origin's, so that a holder can compare them with what the origin says. Dimensions are interned. Sums of a batch are
written once. What a case has contributed is stored with the case as bytes that ``StreamBook.take_back`` understands.

A database adds in 64 bits, which a thousand of the largest amounts exceed: SQLite would go on in floating point and
PostgreSQL would refuse. So a large amount is split over two rows whose sums stay small, exact, and independent of the
order of adding and taking back; only the figure that is read is cut to what a record can carry, the same everywhere.
"""

from __future__ import annotations

import struct
from datetime import date
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from node.journal.statements import insert_sql, upsert_many
from node.statistics.indicators import INDICATOR_NAMES, FigureKey, Figures, within_range
from node.statistics.tables import changed_day, counter, dimension

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.standard.facts import Facts

DIMENSIONS_CACHED_MAX = 100_000
"""How many interned keys a process remembers; beyond that it begins anew. Some 20 MB; the number is ours."""

_WORD = struct.Struct("<Q")
"""One contribution: 1 bit "an amount other than 1 follows", 8 bits indicator, 31 bits dimension, 24 bits day."""
_AMOUNT = struct.Struct("<q")

PART_BITS = 32
"""Amounts of 2^32 and more (43 million yuan) are split: 2^31 records of one key and day until a row overflows."""
UPPER = 1_000
"""Added to an indicator's number: the row that counts in units of 2^32."""

_DimensionKey = tuple[str, str, str, str]


@lru_cache(maxsize=4_096)
def day_number(day: str) -> int:
    """Return the ordinal of a date ``YYYY-MM-DD``; raises ValueError for anything else."""
    return date.fromisoformat(day).toordinal()


def day_text(number: int) -> str:
    """Return the date ``YYYY-MM-DD`` of an ordinal."""
    return date.fromordinal(number).isoformat()


class Counters:
    """Opens the counters of a stream for a transaction; remembers interned dimensions between transactions."""

    def __init__(self) -> None:
        self._known: dict[_DimensionKey, int] = {}

    def open(self, transaction: Transaction, stream_id: int, *, own: bool) -> StreamBook:
        """Return the book of one stream; ``own``: days that change are to be published by this node."""
        return StreamBook(self, transaction, stream_id, own=own)

    def close(self, transaction: Transaction, books: Iterable[StreamBook]) -> None:
        """Write the sums of books that were opened for this transaction, sorted, in one executemany.

        Notes the days of those whose stream is this node's own.
        """
        rows: list[tuple[int, int, int, int, int]] = []
        own_days: set[int] = set()
        for book in books:
            found = book.rows()
            rows += found
            if book.own:
                own_days.update(row[1] for row in found)
            if book.interned:
                transaction.after_commit(partial(self.learn, book.interned))
        upsert_many(transaction.connection, counter, sorted(rows), add=("amount",))
        if own_days:
            mark_days(transaction, own_days)

    def clear(self, transaction: Transaction) -> None:
        """Drop all counters; interned dimensions stay, since other processes may remember them."""
        transaction.connection.execute(delete(counter))

    def known(self, key: _DimensionKey) -> int | None:
        """Return the id of a dimension that is committed."""
        return self._known.get(key)

    def learn(self, interned: dict[_DimensionKey, int]) -> None:
        """Remember dimensions once the transaction that found or made them is committed."""
        if len(self._known) + len(interned) > DIMENSIONS_CACHED_MAX:
            self._known.clear()
        self._known.update(interned)


class StreamBook:
    """The counters of one stream, open for one transaction; ``Counters.close`` writes the sums.

    ``interned`` are the dimensions that it found or made.
    """

    __slots__ = ("_owner", "_stream_id", "_sums", "_transaction", "interned", "own")

    def __init__(self, owner: Counters, transaction: Transaction, stream_id: int, *, own: bool) -> None:
        self._owner = owner
        self._transaction = transaction
        self._stream_id = stream_id
        self.own = own
        self._sums: dict[tuple[int, int, int], int] = {}
        self.interned: dict[_DimensionKey, int] = {}

    def add(self, facts: Facts, amounts: Sequence[tuple[int, int]]) -> bytes:
        """Count what a record adds on its day and return the bytes by which it can be taken back."""
        day = day_number(facts.event_day or "")
        key = (facts.division or "", facts.organisation or "", facts.task or "", facts.channel or "")
        found = self._owner.known(key)
        number = self._intern(key) if found is None else found
        packed = b""
        for indicator, amount in amounts:
            self._count((day, number, indicator), amount)
            packed += _pack(day, number, indicator, amount)
        return packed

    def take_back(self, packed: bytes) -> None:
        """Count the opposite of what one or more results of ``add`` stand for."""
        for key, amount in unpack(packed):
            self._count(key, -amount)

    def rows(self) -> list[tuple[int, int, int, int, int]]:
        """Return the sums that are not zero as rows of the table."""
        return [(self._stream_id, *key, amount) for key, amount in self._sums.items() if amount]

    def _count(self, key: tuple[int, int, int], amount: int) -> None:
        if abs(amount) >> PART_BITS:
            day, number, indicator = key
            # Rounded towards zero, so that taking back is exactly the opposite of adding.
            upper = (abs(amount) >> PART_BITS) * (1 if amount > 0 else -1)
            above = (day, number, indicator + UPPER)
            self._sums[above] = self._sums.get(above, 0) + upper
            amount -= upper << PART_BITS
        self._sums[key] = self._sums.get(key, 0) + amount

    def _intern(self, key: _DimensionKey) -> int:
        """Return the id of a dimension, made new when there is none; remembered only if the transaction commits."""
        number = self.interned.get(key)
        if number is None:
            number = _dimension_id(self._transaction, key)
            self.interned[key] = number
        return number


def unpack(packed: bytes) -> Iterator[tuple[tuple[int, int, int], int]]:
    """Give ((day, dimension id, indicator), amount) of every contribution in ``packed``."""
    offset = 0
    while offset < len(packed):
        (word,) = _WORD.unpack_from(packed, offset)
        offset += _WORD.size
        amount = 1
        if word & 1:
            (amount,) = _AMOUNT.unpack_from(packed, offset)
            offset += _AMOUNT.size
        yield (word >> 40, word >> 9 & 0x7FFF_FFFF, word >> 1 & 0xFF), amount


def _pack(day: int, number: int, indicator: int, amount: int) -> bytes:
    word = day << 40 | number << 9 | indicator << 1
    return _WORD.pack(word) if amount == 1 else _WORD.pack(word | 1) + _AMOUNT.pack(amount)


def mark_days(transaction: Transaction, days: set[int]) -> None:
    """Note that what this node published for these days may have changed."""
    sql = insert_sql(changed_day, transaction.dialect, ignore=True)
    transaction.connection.exec_driver_sql(sql, [(day,) for day in sorted(days)])


def figures_of_day(connection: Connection, stream_id: int, day: int) -> Figures:
    """Return what the counters of a stream hold for one day, each figure within the range of a record's."""
    query = (
        select(
            dimension.c.division,
            dimension.c.organisation,
            dimension.c.task,
            dimension.c.channel,
            counter.c.indicator,
            counter.c.amount,
        )
        .join(dimension, dimension.c.id == counter.c.dimension_id)
        .where(counter.c.stream_id == stream_id, counter.c.day == day, counter.c.amount != 0)
    )
    sums: Figures = {}
    for division, organisation, task, channel, indicator, amount in connection.execute(query):
        key = FigureKey(division, organisation, task, channel, INDICATOR_NAMES[indicator % UPPER])
        sums[key] = sums.get(key, 0) + (int(amount) << PART_BITS if indicator >= UPPER else int(amount))
    return {key: within_range(amount) for key, amount in sums.items() if amount}


def _dimension_id(transaction: Transaction, key: _DimensionKey) -> int:
    connection = transaction.connection
    columns = (dimension.c.division, dimension.c.organisation, dimension.c.task, dimension.c.channel)
    query = select(dimension.c.id).where(*(column == value for column, value in zip(columns, key, strict=True)))
    found: int | None = connection.execute(query).scalar()
    if found is None:
        found = (connection.execute(select(func.max(dimension.c.id))).scalar() or 0) + 1
        connection.exec_driver_sql(insert_sql(dimension, transaction.dialect), [(found, *key)])
    return found
