"""The scrub: everything that is stored is read again and compared with its seals, some of it every hour.

One pass goes through all streams, then through the tables beside them, then compares what is derived by a rebuild in a
copy. A running node reads on every hour, as much as brings a pass to its end in ``PASS_DAYS``; ``yizhan scrub --all``
makes a whole pass at once. What is found raises an alarm, stands in the status until it is mended, and is mended at
once where what is held here suffices; the bytes of a record come back from a neighbour (``node.exchange.fetching``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError

from node.errors import IntegrityError, NeedsPersonError, RebuildOvertakenError, YizhanError
from node.journal.merkle import CompactRange
from node.journal.statements import upsert_sql
from node.journal.tables import checkpoint as checkpoint_table
from node.journal.tables import stream as stream_table
from node.standard.seals import ANCESTORS, DESCENDANTS, TRUST, Checkpoint, StreamName
from node.upkeep.certificate_rows import check_certificates
from node.upkeep.damages import (
    PROJECTION,
    RECORD,
    Damage,
    executing,
    keep,
    note_begun,
    note_done,
    note_mended,
    open_damages,
)
from node.upkeep.table_rows import check_tables
from node.upkeep.tables import scrub_place
from node.upkeep.walking import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy.engine import Connection

    from node.journal.store import Store, Transaction
    from node.upkeep.rebuilding import Rebuilt
    from node.upkeep.replaying import Tell
    from node.upkeep.seal_rows import SealReader

SCHEMA: Final = "yizhan.scrub/1"
PASS_DAYS: Final = 20
"""Days in which the hourly slices read everything once: well within the 30 that are promised."""
SLICE_RECORDS_MIN: Final = 20_000
"""Records of one slice at least: a second or two of work."""
SNAPSHOT_RECORDS: Final = 20_000
"""Records read in one snapshot, which a database keeps alive: chosen by us."""
_ORDER: Final = ("stream", "row", "leaf", "tile", "receipt", "checkpoint", "cursor")
"""What is mended first: a checkpoint is signed again over leaves and tiles that are mended already."""
_NAMED_MAX: Final = 3
_TROUBLE: Final = (DBAPIError, IntegrityError, ValueError, LookupError)
"""What reading a damaged row may raise: the damage is told, and the others are read all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """What one call read and found; ``done``: a pass came to its end. ``mended`` counts what was put right."""

    records: int
    found: tuple[Damage, ...]
    mended: int
    done: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "schema": SCHEMA,
            "records": self.records,
            "done": self.done,
            "found": [{"kind": one.kind, "subject": one.subject, "text": one.text} for one in self.found],
            "mended": self.mended,
        }


class Scrub:
    """Reads, tells and mends. ``rebuild`` compares what is derived and puts it right (``check``: only compares)."""

    def __init__(self, store: Store, reader: SealReader, rebuild: Callable[[bool], Rebuilt]) -> None:
        self._store = store
        self._reader = reader
        self._rebuild = rebuild

    def slice(self) -> Scrubbed:
        """Read the next part of a pass: what an hour needs so that a pass ends in ``PASS_DAYS``."""
        with self._store.reading() as connection:
            total = connection.scalar(select(func.sum(stream_table.c.size))) or 0
        return self.run(max(SLICE_RECORDS_MIN, int(total) // (PASS_DAYS * 24)), lambda _done, _total: None)

    def all(self, tell: Tell) -> Scrubbed:
        """Make one whole pass, from the beginning."""
        self._store.write(_forget_places)
        return self.run(None, tell)

    def run(self, records_max: int | None, tell: Tell) -> Scrubbed:
        """Read up to ``records_max`` records (None: all), then, at the end of a pass, everything beside them."""
        found: list[Damage] = []
        records = mended = 0
        self._store.write(self._begin)
        with self._store.reading() as connection:
            uncertain = any(True for _ in check_certificates(connection, self._reader))
            query = select(stream_table.c.id, stream_table.c.size).order_by(stream_table.c.id)
            streams = connection.execute(query).all()
        reader = replace(self._reader, certain=not uncertain)
        total = sum(row.size for row in streams)
        for row in streams:
            whole = False
            while not whole and (records_max is None or records < records_max):
                taken, read, whole = self._walk(reader, row.id)
                records += read
                found += taken
                mended += self._settle(taken)
                tell(records, max(total, records))
        done = self._all_done()
        if done:
            for check in (self._compare_tables, self._compare_derived):
                taken = list(check())
                found += taken
                mended += self._settle(taken)
            self._store.write(self._finish)
        return Scrubbed(records=records, found=tuple(found), mended=mended, done=done)

    # --- streams -------------------------------------------------------------------------------------------------

    def _walk(self, reader: SealReader, stream_id: int) -> tuple[list[Damage], int, bool]:
        """Read on in one stream; return what was found, how many records were read, and whether it is read whole."""
        found: list[Damage] = []
        with self._store.reading() as connection:
            place = connection.execute(select(scrub_place).where(scrub_place.c.stream_id == stream_id)).one_or_none()
            if place is not None and place.done:
                return [], 0, True
            try:
                walk = self._begun(connection, reader, stream_id, place, found)
                begun = walk.position
                while not walk.done and not (walk.settled and walk.position - begun >= SNAPSHOT_RECORDS):
                    found += walk.step()
            except _TROUBLE as error:
                name = type(error).__name__
                said = f"Stream {stream_id} cannot be read: {error.why if isinstance(error, YizhanError) else name}."
                found.append(Damage(kind="stream", subject=f"{stream_id} {name}", text=said))
                walk = None
        if walk is None:
            self._store.write(lambda transaction: _keep_unread(transaction, stream_id))
            return found, 0, True
        self._store.write(lambda transaction: _keep_place(transaction, walk))
        return found, walk.position - begun, walk.done

    def _begun(
        self, connection: Connection, reader: SealReader, stream_id: int, place: Any, found: list[Damage]
    ) -> Walk:
        row = connection.execute(select(stream_table).where(stream_table.c.id == stream_id)).one()
        stated = StreamName(row.origin, row.audience)
        name = self._name(connection, row.id, stated)
        if name != stated:
            found.append(_misnamed(row.id, stated, name))
        if place is None:
            return Walk(connection, reader, row, name)
        size = place.position if not place.lost else 0
        frontier = CompactRange.from_bytes(size, bytes(place.frontier)) if size else CompactRange()
        return Walk(
            connection,
            reader,
            row,
            name,
            position=place.position,
            frontier=frontier,
            total_bytes=place.bytes,
            lost=bool(place.lost),
        )

    def _name(self, connection: Connection, stream_id: int, stated: StreamName) -> StreamName:
        """Return the name under which the stream's checkpoints verify; the stated one where none does."""
        query = select(checkpoint_table).where(checkpoint_table.c.stream_id == stream_id)
        rows = connection.execute(query.order_by(checkpoint_table.c.size.desc()).limit(_NAMED_MAX)).all()
        names = [stated]
        for row in rows:
            certificate = self._reader.certificate(connection, row.signer)
            if certificate is not None:
                codes = connection.scalars(select(stream_table.c.origin).distinct()).all()
                audiences = (stated.audience, ANCESTORS, DESCENDANTS, TRUST, *codes)
                names += [StreamName(certificate.code, one) for one in audiences]
        for name in dict.fromkeys(names):
            if any(self._reader.is_signed(connection, _seal(name, row), name.origin) for row in rows):
                return name
        return stated

    # --- the end of a pass ---------------------------------------------------------------------------------------

    def _all_done(self) -> bool:
        with self._store.reading() as connection:
            streams = connection.scalar(select(func.count()).select_from(stream_table)) or 0
            query = select(func.count()).select_from(scrub_place).where(scrub_place.c.done)
            return (connection.scalar(query) or 0) >= streams

    def _compare_tables(self) -> Iterator[Damage]:
        """Yield what is damaged in the tables beside the streams."""
        try:
            with self._store.reading() as connection:
                yield from list(check_tables(connection, self._reader))
        except _TROUBLE as error:
            said = f"A table cannot be read: {type(error).__name__}."
            yield Damage(kind="file", subject=f"table {type(error).__name__}", text=said)

    def _compare_derived(self) -> Iterable[Damage]:
        """Return what is damaged of everything that is derived; nothing while bytes of records are missing for it."""
        with self._store.reading() as connection:
            if open_damages(connection, kind=RECORD):
                return []
        try:
            compared = self._rebuild(True)  # noqa: FBT003 - a check.
        except _TROUBLE as error:
            said = f"What is derived cannot be compared: {type(error).__name__}."
            return [Damage(kind=PROJECTION, subject=type(error).__name__, text=said)]
        return [
            Damage(
                kind=PROJECTION,
                subject=one.name,
                text=f"{one.differing} keys of {one.name} are not what the records say: {'; '.join(one.first)}",
            )
            for one in compared.tables
            if one.differing
        ]

    def _settle(self, found: list[Damage]) -> int:
        """Tell what was found, mend what can be mended here, and return how much was."""
        if not found:
            return 0
        now = self._reader.clock.now()
        self._store.write(lambda transaction: keep(transaction, found, now))
        mended: list[str] = []
        for one in sorted(found, key=_rank):
            if one.mend is not None:
                self._store.write(one.mend)
                mended.append(one.key)
        derived = [one.key for one in found if one.kind == PROJECTION]
        if derived and self._is_rebuilt():
            mended += derived
        self._store.write(lambda transaction: note_mended(transaction, mended))
        return len(mended)

    def _is_rebuilt(self) -> bool:
        """Put right what is derived; False where that needs a person: the node must be stopped for it."""
        try:
            self._rebuild(False)  # noqa: FBT003 - not only a check.
        except (NeedsPersonError, RebuildOvertakenError):
            return False
        return True

    def _begin(self, transaction: Transaction) -> None:
        """Note when a pass begins."""
        if transaction.connection.execute(select(scrub_place.c.stream_id).limit(1)).first() is None:
            note_begun(transaction, self._reader.clock.now())

    def _finish(self, transaction: Transaction) -> None:
        _forget_places(transaction)
        note_done(transaction, self._reader.clock.now())


def _rank(one: Damage) -> int:
    return _ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER)


def _seal(name: StreamName, row: Any) -> Checkpoint:
    return Checkpoint(
        stream=name,
        size=row.size,
        root=bytes(row.root),
        sealed_at=row.sealed_at,
        signer=row.signer,
        signature=bytes(row.signature),
    )


def _misnamed(stream_id: int, stated: StreamName, name: StreamName) -> Damage:
    statement = (
        stream_table.update().where(stream_table.c.id == stream_id).values(origin=name.origin, audience=name.audience)
    )
    return Damage(
        kind="stream",
        subject=f"{stated} name",
        text=f"The seals of the stream called {stated} are those of {name}.",
        stream_id=stream_id,
        mend=executing(statement),
    )


def _keep_place(transaction: Transaction, walk: Walk) -> None:
    put = ("position", "frontier", "bytes", "lost", "done")
    row = (walk.stream_id, walk.position, walk.frontier.to_bytes(), walk.total_bytes, walk.lost, walk.done)
    transaction.connection.exec_driver_sql(upsert_sql(scrub_place, transaction.dialect, put=put), row)


def _keep_unread(transaction: Transaction, stream_id: int) -> None:
    """Leave a stream that cannot be read to the next pass."""
    put = ("position", "frontier", "bytes", "lost", "done")
    row = (stream_id, 0, b"", 0, True, True)
    transaction.connection.exec_driver_sql(upsert_sql(scrub_place, transaction.dialect, put=put), row)


def _forget_places(transaction: Transaction) -> None:
    transaction.connection.execute(delete(scrub_place))
