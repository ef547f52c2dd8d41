"""Streams: how a record comes to stand at a position, for ever.

This is step 4 of a record's journey, and the only place that writes records. Intake (``node.departments``) and the jobs
of the node append to the node's own streams; the receiver (``node.exchange``) extends the streams of others. Both bring
entries that are parsed and validated already.

What a stream is
    An append-only, numbered sequence of records, named by its origin and its audience. Positions are 1, 2, 3 … without
    a gap. The row of a stream holds its ``size`` and its *frontier*: the roots of the perfect subtrees of its Merkle
    tree, at most 40 hashes, from which the root at ``size`` follows and to which new leaves are added. Nothing of this
    is remembered between transactions: every process of the home may append, so each reads size and frontier inside
    the transaction that holds the journal's lock, and moves them with ``WHERE size = :read``.

How records are appended
    1. The caller opens ``store.write``; that takes the lock. Compressing (``entries.pack``) was done before.
    2. The entries are cut where a projection asks for it (``Projection.cuts``): such a record becomes a batch of its
       own, so that everything derived is exact just before it. A day's summary, for instance, must count exactly the
       records before it, at its origin and at every holder, however packages were cut on the way.
    3. Per batch: positions and keys are given, projections are called in order, rows are inserted, completed tiles are
       saved, an ``arrival`` row says that this batch came now, and the stream's row moves. The first batches of all
       slices of a package go together, then the second ones: what a statement costs is paid once for all of them.
    4. The transaction commits (durably: ``synchronous=FULL``), and only then is anybody told.

How a received slice differs
    ``extend_all`` computes the root at the slice's end before anything is written and compares it with the origin's
    checkpoint, whose signature the caller has verified. If they differ, nothing of the slice is kept. So no node ever
    holds a record that its origin has not signed for. Announced checkpoints on the way are checked against the same
    computation; one that does not fit, validly signed as it is, is evidence of a fork: it raises an alarm and is not
    stored.

How a stream is sealed
    Appending does not sign: the command line may append beside a running node, and only ``run`` holds the key. The
    sealer (``node.journal.seal``) asks ``unsealed`` and ``seal_points``, signs outside the lock, and saves checkpoints.
    Until then the records are committed but leave the node to nobody.

Quarantine
    A record that cannot be applied holds its position all the same: its bytes are stored, flagged, and listed in
    ``quarantine`` with one of four reasons. Projections see it (to hold back what follows in the same case) and do not
    apply it. ``requeue`` reads it again, after an upgrade for instance, and hands it to ``Projection.requeued``.

What can go wrong
    - An exception in a projection, a full disk, a killed process: the transaction never happened. Positions have no gap
      because size moved in the same transaction; the source offers again, and its keys make that harmless.
    - Two processes append at once: one waits for the lock, a few seconds at most, then gets ``StoreBusyError`` ("try
      later"), never a wrong position. The ``WHERE size = :read`` would catch a store whose lock does not lock.
    - A slice arrives twice, or in part: the caller cuts off what is held; ``extend_all`` takes only what follows the
      held size directly.
    - The frontier was damaged on disk: the next root does not match its checkpoint, or ``root_at`` (which computes from
      tiles and leaf hashes, not from the frontier) differs; both stop the stream loudly, none repairs in silence.
    - A projection was wrong: ``rebuild`` drops everything derived and replays all records in order of arrival; while a
      node serves, ``node.upkeep`` does it in a copy.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from node.errors import SealMismatchError
from node.journal import checkpoints, erasing, holdings, quarantine, records, replay, returning, roots, sealing
from node.journal.cutting import Part, Standing, plan
from node.journal.doubt import Returned, check_no_doubt, in_doubt
from node.journal.entries import Batch
from node.journal.extensions import Extension, Planned, audience_of
from node.journal.high_water import HighWaterMemory
from node.journal.holdings import Held
from node.journal.merkle import root_of
from node.journal.readback import read_tails_back
from node.journal.statements import insert_sql
from node.journal.tables import arrival, moment_number, record_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.journal.entries import Entry, Projection
    from node.journal.high_water import HighWater
    from node.journal.quarantine import Quarantined
    from node.journal.records import StoredRecord
    from node.journal.returning import Comeback
    from node.journal.store import Store, Transaction
    from node.standard.seals import Checkpoint, StreamName


__all__ = ["Extension", "Held", "Journal"]

_ARRIVAL: Final = ("stream_id", "first", "last", "arrived_at")


class Journal:
    """The streams that one node holds.

    ``projections`` are called in the order given; ``tree`` is the fingerprint of the tree, for what is signed. The
    journal remembers nothing but its arguments: all state is in the store, and several journals (processes) may work on
    one store.
    """

    def __init__(
        self,
        store: Store,
        *,
        node_code: str,
        clock: Clock,
        projections: Sequence[Projection] = (),
        high_water: HighWater | None = None,
        tree: str = "",
    ) -> None:
        self.store = store
        self.node_code = node_code
        self.clock = clock
        self.projections = tuple(projections)
        self.high_water: HighWater = high_water or HighWaterMemory()
        self.tree = tree
        store.read_back(read_tails_back)

    # --- writing -------------------------------------------------------------------------------------------------

    def append(self, transaction: Transaction, stream: StreamName, entries: Sequence[Entry]) -> tuple[int, int]:
        """Append entries (at least one) to an own stream, which is made when it is new; return first and last position.

        Raises ValueError for another node's stream or for no entries, InDoubtError when the database is behind what was
        shown to others, or may be. What a projection raises comes out unchanged.
        """
        if stream.origin != self.node_code or not entries:
            message = f"node {self.node_code} cannot append {len(entries)} entries to {stream}"
            raise ValueError(message)
        check_no_doubt(transaction.connection)
        held = self._opened(transaction, stream)
        if held.size < (self.high_water.sizes() or {}).get(stream, 0):
            raise in_doubt(f"{stream} holds {held.size} records, fewer than were shown to others")
        parts, _ = plan(held.compact_range(), held.total_bytes, entries, self._cuts())
        self._write_all(transaction, [(held, parts)])
        return held.size + 1, held.size + len(entries)

    def extend(
        self,
        transaction: Transaction,
        stream: StreamName,
        entries: Sequence[Entry],
        checkpoint: Checkpoint,
        announced: Sequence[Checkpoint] = (),
    ) -> None:
        """Take one received slice; see ``Extension`` and ``extend_all``."""
        one = Extension(stream=stream, entries=entries, checkpoint=checkpoint, announced=announced)
        self.extend_all(transaction, [one])

    def extend_all(self, transaction: Transaction, extensions: Sequence[Extension]) -> None:
        """Take received slices, each of another stream, together; save their checkpoints.

        Raises SealMismatchError, with nothing written, when one does not end at its checkpoint's size with its root.
        """
        connection = transaction.connection
        helds = [one.held or self._opened(transaction, one.stream) for one in extensions]
        beyond = checkpoints.beyond_many(connection, helds)
        planned = [
            self._planned(one, held, beyond.get(held.stream_id, ()))
            for one, held in zip(extensions, helds, strict=True)
        ]
        for _, some in itertools.groupby(sorted(planned, key=audience_of), key=audience_of):
            self._write_all(transaction, [(one.held, one.parts) for one in some])
        for one in planned:
            for said in one.signed:
                if said.size <= one.held.size:
                    one.standings[said.size] = self._standing(connection, one.held, said.size)
        settled = [(one.held, one.end, one.signed, one.standings) for one in planned]
        checkpoints.settle(transaction, settled, tree=self.tree)

    def _planned(self, one: Extension, held: Held, beyond: Iterable[Checkpoint]) -> Planned:
        if one.stream.origin == self.node_code or not one.entries:
            message = f"node {self.node_code} cannot extend {one.stream} by {len(one.entries)} entries"
            raise ValueError(message)
        signed = [one.checkpoint, *one.announced, *beyond]
        points = {said.size for said in signed}
        parts, standings = plan(held.compact_range(), held.total_bytes, one.entries, self._cuts(), points)
        end = held.size + len(one.entries)
        if one.checkpoint.size != end or standings[end].root != one.checkpoint.root:
            raise SealMismatchError(
                f"A slice of {one.stream} does not end at its checkpoint.",
                why=f"records {held.size + 1} to {end}, checkpoint at {one.checkpoint.size}",
            )
        return Planned(held=held, end=end, parts=parts, signed=signed, standings=standings)

    def adopt(
        self,
        transaction: Transaction,
        stream: StreamName,
        first: int,
        entries: Sequence[Entry],
        checkpoint: Checkpoint,
        comeback: Comeback,
    ) -> Returned | None:
        """Take back what others hold of a stream: a slice that begins at ``first``, at most the held size plus 1.

        The stream is our own and we are in doubt, or the root has decided that this version stands (02, R7). The caller
        has verified that its origin signed ``checkpoint``, at which the slice ends. Records
        that contradict the slice leave the stream; those that it repeats stay. Returns what came back, None when all
        was held. Raises SealMismatchError, with nothing written, when the slice does not fit its checkpoint.
        """
        held = self._opened(transaction, stream)
        end = first + len(entries) - 1
        common = returning.common_size(transaction.connection, held, first, [entry.leaf for entry in entries])
        abandoned: tuple[Checkpoint, ...] = ()
        if common < min(end, held.size):
            held, abandoned = returning.cut_back(transaction, held, common, self.projections, comeback)
        fresh = entries[common - first + 1 :]
        parts, standings = plan(held.compact_range(), held.total_bytes, fresh, self._cuts()) if fresh else ([], {})
        root = standings[end].root if fresh else self._standing(transaction.connection, held, end).root
        if checkpoint.size != end or root != checkpoint.root:
            raise SealMismatchError(f"A slice of {stream} does not end at its checkpoint.", why=f"{first} to {end}")
        self._write_all(transaction, [(held, parts)])
        if held.own and held.sealed < end:
            holdings.set_sealed(transaction, held, end)
        checkpoints.save(transaction, held, [checkpoint], total_bytes={})
        if held.own:
            comeback.adopted(transaction, fresh)
        return Returned(common=common, abandoned=abandoned) if fresh else None

    def learn_announced(self, transaction: Transaction, stream: StreamName, announced: Iterable[Checkpoint]) -> None:
        """Take checkpoints of another node's stream that came without records; the caller verified the signatures.

        Those at a held size must have the root held (else: alarm, not stored); those beyond are kept as announced.
        """
        held = self._opened(transaction, stream)
        signed = list(announced)
        standings = {
            one.size: self._standing(transaction.connection, held, one.size) for one in signed if one.size <= held.size
        }
        checkpoints.settle(transaction, [(held, held.size, signed, standings)], tree=self.tree)

    def requeue(self, transaction: Transaction, keys: Iterable[int]) -> list[int]:
        """Read quarantined records again and apply those that can be applied now; return their keys.

        The caller has decided that nothing else stands against them (authority). The others stay, with the reason found
        this time.
        """
        return replay.requeue(transaction, self.projections, keys)

    def fill(self, transaction: Transaction, stream: StreamName, found: Sequence[Entry]) -> int:
        """Take in the bytes of held records that came without them; return how many were missing.

        ``found`` (at least one) have their positions, were read like records of a slice, and have the leaf hashes held.
        """
        held = holdings.known(transaction.connection, stream)
        return erasing.fill(transaction, self.projections, held, found, at=self.clock.now())

    def rebuild(self) -> int:
        """Drop everything derived and replay every record in order of arrival.

        All projections together: what a record did stands in its own row, which is written anew.

        One transaction: readers see the old figures until it commits. Returns the number of records replayed.
        """
        return self.store.write(lambda transaction: replay.rebuild(transaction, self.projections))

    # --- reading -------------------------------------------------------------------------------------------------

    def held(self, connection: Connection, stream: StreamName) -> Held | None:
        """Return the stream as held, None when nothing of it is known."""
        return holdings.find(connection, stream)

    def held_many(self, connection: Connection, streams: Iterable[StreamName]) -> dict[StreamName, Held]:
        """Return those of ``streams`` of which something is known, as held, with one statement."""
        return holdings.find_many(connection, streams)

    def streams(self, connection: Connection) -> list[Held]:
        """Return every stream as held, sorted by name."""
        return holdings.all_held(connection)

    def own_streams(self, connection: Connection) -> list[Held]:
        """Return every stream of which this node is the origin, sorted by name."""
        return holdings.all_own(connection)

    def unsealed(self, connection: Connection) -> list[Held]:
        """Return the own streams that hold records beyond their newest checkpoint."""
        return [held for held in self.own_streams(connection) if held.sealed < held.size]

    def seal_points(self, connection: Connection, stream: StreamName) -> list[tuple[int, bytes]]:
        """Return size and root of each checkpoint due: 500 records and 1 MB apart at most, the last at the size."""
        held = holdings.known(connection, stream)
        return [(point.size, point.root) for point in sealing.points(connection, held)]

    def extended_root(self, connection: Connection, stream: StreamName, leaves: Sequence[bytes]) -> bytes:
        """Return the root that the stream would have with these leaf hashes appended; writes nothing."""
        held = holdings.find(connection, stream)
        return root_of(leaves) if held is None else held.extended_root(leaves)

    def root_at(self, connection: Connection, stream: StreamName, size: int) -> bytes:
        """Return the root at a held size (0 … size), from tiles and leaf hashes; LookupError when it is not held."""
        held = holdings.known(connection, stream)
        if not 0 <= size <= held.size:
            message = f"{stream} holds {held.size} records, not {size}"
            raise LookupError(message)
        return roots.frontier_at(connection, held.stream_id, size).root()

    def stored(self, connection: Connection, stream: StreamName, first: int, last: int) -> list[StoredRecord]:
        """Return the held records among positions ``first`` … ``last``, in order; LookupError for an unknown stream."""
        return records.stored(connection, holdings.known(connection, stream).stream_id, first, last)

    def leaves(self, connection: Connection, stream: StreamName, first: int, last: int) -> list[bytes]:
        """Return the leaf hashes of the held records among ``first`` … ``last``."""
        return records.leaves(connection, holdings.known(connection, stream).stream_id, first, last)

    def leaves_many(self, connection: Connection, ranges: Sequence[tuple[Held, int, int]]) -> list[list[bytes]]:
        """Return the leaf hashes of several ranges (held stream, first, last), in order, with one statement for all."""
        return records.leaves_many(connection, [(held.stream_id, first, last) for held, first, last in ranges])

    def record_at(self, connection: Connection, key: int) -> StoredRecord:
        """Return the record with this key; LookupError when it is not held."""
        return records.record_at(connection, key)

    def history(self, connection: Connection, case_id: int, last: int | None = None) -> list[StoredRecord]:
        """Return a case's records, oldest first; ``last`` (key of its newest record) makes it a walk by key."""
        return records.history(connection, case_id, last)

    def quarantined(
        self,
        connection: Connection,
        *,
        stream: StreamName | None = None,
        reasons: Sequence[str] = (),
        limit: int = quarantine.LISTED_MAX,
    ) -> list[Quarantined]:
        """Return quarantined records, oldest key first, of one stream or all, with one of ``reasons`` (none: any)."""
        return quarantine.listed(connection, stream=stream, reasons=reasons, limit=limit)

    # --- inside --------------------------------------------------------------------------------------------------

    def _opened(self, transaction: Transaction, stream: StreamName) -> Held:
        return holdings.opened(transaction, stream, own=stream.origin == self.node_code)

    def _standing(self, connection: Connection, held: Held, size: int) -> Standing:
        return Standing(root=roots.frontier_at(connection, held.stream_id, size).root(), total_bytes=None)

    def _cuts(self) -> frozenset[str]:
        return frozenset().union(*(projection.cuts for projection in self.projections))

    def _write_all(self, transaction: Transaction, planned: Sequence[tuple[Held, Sequence[Part]]]) -> None:
        """Write the parts of several streams of one audience: the first ones together, then the second ones."""
        sizes = {held.stream_id: held.size for held, _ in planned}
        for round_ in itertools.count():
            turn = [(held, parts[round_]) for held, parts in planned if round_ < len(parts)]
            if not turn:
                break
            self._write(transaction, [(held, sizes[held.stream_id], part) for held, part in turn])
            sizes.update((held.stream_id, part.size) for held, part in turn)
        transaction.announce()

    def _write(self, transaction: Transaction, turn: Sequence[tuple[Held, int, Part]]) -> None:
        """Write one part of each stream, which holds as many records as the number beside it."""
        at = self.clock.now()
        batches = [_numbered(held, size, part) for held, size, part in turn]
        for projection in self.projections:
            projection.apply(transaction, batches)
        records.insert_entries(transaction, [entry for batch in batches for entry in batch.entries], at)
        roots.save_tiles(transaction, [(held.stream_id, tile) for held, _, part in turn for tile in part.tiles])
        transaction.connection.exec_driver_sql(
            insert_sql(arrival, transaction.dialect, _ARRIVAL),
            [(batch.stream_id, batch.first, batch.last, moment_number(at)) for batch in batches],
        )
        holdings.move(transaction, turn)


def _numbered(held: Held, size: int, part: Part) -> Batch:
    """Give positions and keys to a part's entries, which follow ``size`` records."""
    key = record_key(held.stream_id, size)
    for offset, entry in enumerate(part.entries, start=1):
        entry.position = size + offset
        entry.key = key + offset
    return Batch(
        stream=held.stream,
        stream_id=held.stream_id,
        own=held.own,
        entries=part.entries,
        first=size + 1,
        last=part.size,
    )
