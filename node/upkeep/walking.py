"""Walking a stream: every record is read, the tree is computed again from the bytes, and compared with what is kept.

The leaf hashes go up to tiles and to the roots of checkpoints and receipts whose signatures verify. Where a row's leaf
hash is not that of its bytes, the next signed root tells which of the two is damaged: it fits with one of them only.
Where it fits with neither, the records below it are damaged, and the stream is *lost*: its rows are still compared for
the rest of this pass, its roots are not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select, update

from node.journal.merkle import TILE_BITS, CompactRange, Tile
from node.journal.statements import upsert_sql
from node.journal.tables import checkpoint as checkpoint_table
from node.journal.tables import position_of, record, record_key, tile
from node.journal.tables import stream as stream_table
from node.upkeep.damages import RECORD, Damage, executing
from node.upkeep.record_rows import PAGE_RECORDS, bytes_damaged, check_row, leaf_damaged, read_page
from node.upkeep.seal_rows import seals_between, sign_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.standard.seals import StreamName
    from node.upkeep.record_rows import ReadRecord
    from node.upkeep.seal_rows import SealReader, Seals

PENDING_MAX: Final = 5_000
"""Records for which a signed root is waited to tell which of bytes and leaf hash is damaged; ten spans of seals."""


class Walk:
    """One stream on its way; ``position``, ``frontier``, ``total_bytes`` and ``lost`` are what goes on in a later call.

    ``stream`` is its name as its seals say, ``row`` its row. ``step`` reads a page and returns what it found; ``done``
    tells when all was read.
    """

    def __init__(
        self,
        connection: Connection,
        reader: SealReader,
        row: Any,
        stream: StreamName,
        *,
        position: int = 0,
        frontier: CompactRange | None = None,
        total_bytes: int = 0,
        lost: bool = False,
    ) -> None:
        self.stream = stream
        self.stream_id: int = row.id
        self.frontier = frontier or CompactRange()
        self.total_bytes = total_bytes
        self.lost = lost
        self.done = False
        self._row = row
        self._connection = connection
        self._reader = reader
        self._pending: list[ReadRecord] = []
        self._next = position + 1

    @property
    def position(self) -> int:
        """The last position read."""
        return self._next - 1

    @property
    def settled(self) -> bool:
        """Whether nothing waits for a root, so that the place can be kept."""
        return not self._pending

    def step(self) -> list[Damage]:
        """Read the next page, and at the end what is said of the whole stream."""
        rows = self._belonging(read_page(self._connection, self.stream_id, self.position))
        found: list[Damage] = []
        last_page = len(rows) < PAGE_RECORDS
        high = None if last_page else position_of(rows[-1].key)
        seals = seals_between(self._connection, self._reader, self.stream, self.stream_id, self.position, high)
        tiles: list[Tile] = []
        for row in rows:
            found += self._take(row, seals, tiles)
        if not any(one.hashed for one in self._pending):
            found += self._resolve(set(), tiles)
        found += self._seal_damages(seals)
        found += self._compare_tiles(tiles)
        if last_page:
            found += self._end()
            self.done = True
        return found

    def _belonging(self, rows: list[Any]) -> list[Any]:
        """Return the rows up to the first that stands beyond the stream's size with a gap before it."""
        expected = self._next
        for at, row in enumerate(rows):
            position = position_of(row.key)
            if position != expected and position > self._row.size:
                return rows[:at]
            expected = position + 1
        return rows

    # --- records -------------------------------------------------------------------------------------------------

    def _take(self, row: Any, seals: dict[int, Seals], tiles: list[Tile]) -> Iterator[Damage]:
        position = position_of(row.key)
        if position != self._next:
            yield self._missing(self._next, position - 1)
        self._next = position + 1
        read, found = check_row(self.stream, self.stream_id, row)
        yield from found
        self._pending.append(read)
        roots = seals[position].roots if position in seals else set()
        if roots or len(self._pending) >= PENDING_MAX:
            yield from self._resolve(roots, tiles)
        if position in seals and not self.lost:
            yield from self._check_totals(seals[position])

    def _missing(self, first: int, last: int) -> Damage:
        self.lost = True
        return Damage(
            kind=RECORD,
            subject=f"{self.stream}/{first}" + (f" to {last}" if last > first else ""),
            text=f"Records {first} to {last} of {self.stream} are missing.",
            stream_id=self.stream_id,
            first=first,
            last=last,
        )

    def _resolve(self, roots: set[bytes], tiles: list[Tile]) -> Iterator[Damage]:
        """Choose for every pending record its leaf hash or that of its bytes, as a signed root says, and go on."""
        pending, self._pending = self._pending, []
        if self.lost:
            yield from (self._unreadable(one) for one in pending if one.hashed)
            return
        chosen, fits = self._chosen(pending, roots) if roots else ([one.leaf for one in pending], False)
        for one, leaf in zip(pending, chosen, strict=True):
            if one.hashed and leaf == one.hashed:
                yield leaf_damaged(self.stream, self.stream_id, one.position, leaf)
            elif one.hashed:
                yield self._unreadable(one)
        if roots and not fits and not any(one.hashed for one in pending):
            yield self._contradicting(pending)
        self.lost = self.lost or bool(roots and not fits)
        if not self.lost:
            tiles += self.frontier.extend(chosen)
            self.total_bytes += sum(one.length for one in pending)

    def _chosen(self, pending: list[ReadRecord], roots: set[bytes]) -> tuple[list[bytes], bool]:
        """Return the leaf hashes that lead to one of ``roots``, and whether any do."""
        stated = [one.leaf for one in pending]
        for leaves in self._candidates(pending, stated):
            frontier = self.frontier.copy()
            frontier.extend(leaves)
            if frontier.root() in roots:
                return leaves, True
        return stated, False

    @staticmethod
    def _candidates(pending: list[ReadRecord], stated: list[bytes]) -> Iterator[list[bytes]]:
        yield stated
        unequal = [at for at, one in enumerate(pending) if one.hashed]
        if unequal:
            yield [one.hashed or one.leaf for one in pending]
        if len(unequal) > 1:
            for at in unequal:
                yield [one.hashed or one.leaf if index == at else one.leaf for index, one in enumerate(pending)]

    def _unreadable(self, one: ReadRecord) -> Damage:
        return bytes_damaged(self.stream, self.stream_id, one.position, "they have another hash than their leaf")

    def _contradicting(self, pending: list[ReadRecord]) -> Damage:
        first, last = self._covered(pending)
        return Damage(
            kind=RECORD,
            subject=f"{self.stream}/{first} to {last}",
            text=f"Records {first} to {last} of {self.stream} are not those that the seal at {last} covers.",
            stream_id=self.stream_id,
            first=first,
            last=last,
        )

    def _covered(self, pending: list[ReadRecord]) -> tuple[int, int]:
        """Return the positions that stand between the seal before the last of ``pending`` and that one."""
        last = pending[-1].position
        before = select(func.max(checkpoint_table.c.size)).where(
            checkpoint_table.c.stream_id == self.stream_id, checkpoint_table.c.size < last
        )
        return (self._connection.scalar(before) or 0) + 1, last

    # --- what is kept beside records -----------------------------------------------------------------------------

    def _check_totals(self, seals: Seals) -> Iterator[Damage]:
        """Compare what checkpoints say of bytes."""
        total = self.total_bytes
        for row in seals.checkpoints:
            if row.bytes is not None and row.bytes != total:
                where = (checkpoint_table.c.stream_id == self.stream_id, checkpoint_table.c.size == row.size)
                statement = update(checkpoint_table).where(*where).values(bytes=total)
                yield Damage(
                    kind="checkpoint",
                    subject=f"{self.stream} at {row.size} bytes",
                    text=f"The checkpoint of {self.stream} at {row.size} counts {row.bytes} bytes; there are {total}.",
                    stream_id=self.stream_id,
                    mend=executing(statement),
                )

    def _seal_damages(self, seals: dict[int, Seals]) -> Iterator[Damage]:
        """Yield the seals that do not stand; an own checkpoint is signed again where its root is known."""
        for size, found in sorted(seals.items()):
            for one in found.damages:
                own = one.kind == "checkpoint" and self.stream.origin == self._reader.code
                if own and size <= self.position:
                    mend = None if self.lost else sign_again(self._reader, self.stream, self.stream_id, size)
                    yield replace(one, mend=mend)
                else:
                    yield one

    def _compare_tiles(self, tiles: list[Tile]) -> Iterator[Damage]:
        for made in tiles:
            where = (tile.c.stream_id == self.stream_id, tile.c.level == made.level, tile.c.number == made.number)
            stands = self._connection.scalar(select(tile.c.root).where(*where))
            if stands is None or bytes(stands) != made.root:
                yield self._tile_damaged(made)

    def _tile_damaged(self, made: Tile) -> Damage:
        def mend(transaction: Transaction) -> None:
            row = (self.stream_id, made.level, made.number, made.root)
            transaction.connection.exec_driver_sql(upsert_sql(tile, transaction.dialect, put=("root",)), row)

        subject = f"{self.stream} level {made.level} number {made.number}"
        text = f"Tile {made.number} of level {made.level} of {self.stream} is not the root of its leaves."
        return Damage(kind="tile", subject=subject, text=text, stream_id=self.stream_id, mend=mend)

    # --- the whole stream ----------------------------------------------------------------------------------------

    def _end(self) -> Iterator[Damage]:
        """Compare the stream's row and what stands beyond its records."""
        last = self.position
        made: list[Tile] = []
        if self._pending:
            yield from self._resolve({self._stated_root()}, made)
            yield from self._compare_tiles(made)
        # A size that alone is damaged leaves the frontier of the records; records that are missing do not.
        if last < self._row.size and (self.lost or self.frontier.to_bytes() != bytes(self._row.frontier)):
            yield self._missing(last + 1, self._row.size)
        yield from self._compare_row(last)
        yield from self._stray_tiles(max(last, self._row.size) if self.lost else last)
        yield from self._stray_records(max(last, self._row.size) if self.lost else last)

    def _compare_row(self, last: int) -> Iterator[Damage]:
        """Compare the stream's row with what was computed."""
        own = self.stream.origin == self._reader.code
        wanted: dict[str, Any] = {"own": own}
        if not self.lost:
            wanted |= {"size": last, "bytes": self.total_bytes, "frontier": self.frontier.to_bytes()}
            wanted["sealed"] = self._sealed(last) if own else last
        unequal = [name for name, value in wanted.items() if self._stated(name) != value]
        # Both at once cannot be told from a record that stands where it does not belong: somebody has to look.
        unsure = {"size", "frontier"} <= set(unequal)
        for name in unequal:
            made = self._column(name, wanted[name])
            yield replace(made, mend=None) if unsure else made

    def _stated(self, name: str) -> Any:
        value = self._row._mapping[name]  # noqa: SLF001 - the row's public mapping.
        return bytes(value) if name == "frontier" else value

    def _stated_root(self) -> bytes:
        """Return the root of the frontier that the stream's row keeps; of one that is none: nothing."""
        try:
            return CompactRange.from_bytes(self._row.size, bytes(self._row.frontier)).root()
        except ValueError:
            return b""

    def _sealed(self, last: int) -> int:
        newest = select(func.max(checkpoint_table.c.size)).where(
            checkpoint_table.c.stream_id == self.stream_id, checkpoint_table.c.size <= last
        )
        return self._connection.scalar(newest) or 0

    def _column(self, name: str, value: Any) -> Damage:
        size = self._row.size

        def mend(transaction: Transaction) -> None:
            # A stream that moved meanwhile is looked at again in the next pass.
            where = (stream_table.c.id == self.stream_id, stream_table.c.size == size)
            transaction.connection.execute(update(stream_table).where(*where).values({name: value}))

        text = f"The row of {self.stream} has another {name} than its records."
        return Damage(kind="stream", subject=f"{self.stream} {name}", text=text, stream_id=self.stream_id, mend=mend)

    def _stray_tiles(self, last: int) -> Iterator[Damage]:
        """Yield the tiles beyond the records."""
        query = select(tile.c.level, tile.c.number).where(tile.c.stream_id == self.stream_id)
        for level in self._connection.execute(
            select(tile.c.level).where(tile.c.stream_id == self.stream_id).distinct()
        ):
            complete = last >> (level.level * TILE_BITS) if level.level > 0 else 0
            for row in self._connection.execute(query.where(tile.c.level == level.level, tile.c.number >= complete)):
                where = (tile.c.stream_id == self.stream_id, tile.c.level == row.level, tile.c.number == row.number)
                statement = delete(tile).where(*where)
                yield Damage(
                    kind="tile",
                    subject=f"{self.stream} level {row.level} number {row.number}",
                    text=f"Tile {row.number} of level {row.level} stands beyond the records of {self.stream}.",
                    stream_id=self.stream_id,
                    mend=executing(statement),
                )

    def _stray_records(self, last: int) -> Iterator[Damage]:
        """Yield the rows that stand far behind the stream's records."""
        keys = record.c.key.between(record_key(self.stream_id, last) + 1, record_key(self.stream_id + 1, 0) - 1)
        for key in self._connection.scalars(select(record.c.key).where(keys).limit(PAGE_RECORDS)):
            statement = delete(record).where(record.c.key == key)
            yield Damage(
                kind="stray",
                subject=f"{self.stream}/{position_of(key)}",
                text=f"A record stands at {position_of(key)} of {self.stream}, far beyond its size.",
                stream_id=self.stream_id,
                mend=executing(statement),
            )
