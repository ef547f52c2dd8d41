"""Entries, projections and signers for tests of whatever stands on the journal."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, MetaData, Table, Text, delete, insert, select

from node.clock import SetClock
from node.journal.entries import Entry, read_entry
from node.journal.merkle import leaf_hash
from node.journal.streams import Journal
from node.journal.tables import BIG_KEY
from node.standard.compose import compose
from node.standard.seals import Checkpoint, StreamName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from node.journal.entries import Batch, Projection
    from node.journal.store import Store, Transaction

NODE: Final = "360102"
OWN: Final = StreamName(NODE, "ancestors")
OTHER: Final = StreamName("360103", "ancestors")
NOON: Final = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)


class DoubleSigner:
    """Signs with a hash: enough wherever nobody verifies."""

    fingerprint = "5" * 64
    tree = "7" * 64

    def __init__(self) -> None:
        self.signed: list[bytes] = []

    def sign(self, text: bytes) -> bytes:
        self.signed.append(text)
        return hashlib.sha256(text).digest()


class TallyProjection:
    """Counts records by type, in a table of its own; keeps what it was called with."""

    def __init__(self, name: str = "tally", cuts: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.cuts = cuts
        self.batches: list[tuple[str, int, int]] = []
        self.requeued_keys: list[int] = []
        self.table = Table(name, MetaData(), Column("key", BIG_KEY, primary_key=True), Column("type", Text))

    def make_table(self, store: Store) -> None:
        store.write(lambda transaction: self.table.create(transaction.connection))

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self.batches.append((str(batch.stream), batch.first, batch.last))
            self._take(transaction, batch)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        self.requeued_keys += [entry.key for entry in batch.entries]
        self._take(transaction, batch)

    def clear(self, transaction: Transaction) -> None:
        transaction.connection.execute(delete(self.table))

    def counted(self, connection: Connection) -> list[tuple[int, str]]:
        return [(row[0], row[1]) for row in connection.execute(select(self.table).order_by(self.table.c.key))]

    def _take(self, transaction: Transaction, batch: Batch) -> None:
        for entry in batch.entries:
            if not entry.quarantine:
                entry.case_id, entry.state_after = 7, entry.position
                transaction.connection.execute(
                    insert(self.table).values(key=entry.key, type=f"{entry.record_type}@{batch.first}")
                )


def alarm_body(number: int, text: str = "t") -> bytes:
    """Return the bytes of a small valid record."""
    content = {
        "RecordKey": f"alarm-{number}",
        "EventTime": "2026-01-05T12:00:00+08:00",
        "Kind": "OTHER",
        "Subject": "s",
        "Text": text,
    }
    return compose("Alarm", content, salt=number.to_bytes(16, "big"))


def notice_body(number: int) -> bytes:
    """Return the bytes of a small valid record of another type."""
    content = {
        "RecordKey": f"return-{number}",
        "EventTime": "2026-01-05T12:00:00+08:00",
        "Stream": "360102/ancestors",
        "CommonSize": str(number),
    }
    return compose("StreamReturn", content, salt=number.to_bytes(16, "big"))


def plain_entries(first: int, count: int, *, length: int = 40, record_type: str = "Alarm") -> list[Entry]:
    """Return entries whose bytes are no XML: for whatever never reads them again."""
    bodies = [f"{number:020d}".encode().ljust(length, b".") for number in range(first, first + count)]
    return [Entry(record_type=record_type, body=body, leaf=leaf_hash(body)) for body in bodies]


def real_entries(first: int, count: int) -> list[Entry]:
    """Return entries of valid records, as a receiver reads them."""
    return [read_entry(alarm_body(number)) for number in range(first, first + count)]


def journal_on(store: Store, *projections: Projection, node_code: str = NODE, clock: SetClock | None = None) -> Journal:
    """Return a journal whose clock stands at NOON, unless one is given."""
    return Journal(store, node_code=node_code, clock=clock or SetClock(NOON), projections=projections)


def append(journal: Journal, entries: Sequence[Entry], stream: StreamName = OWN) -> tuple[int, int]:
    """Append in a transaction of its own."""
    return journal.store.write(lambda transaction: journal.append(transaction, stream, entries))


def checkpoint(size: int, root: bytes, stream: StreamName = OTHER, *, sealed_at: datetime = NOON) -> Checkpoint:
    """Return a checkpoint whose signature nobody verifies."""
    return Checkpoint(stream=stream, size=size, root=root, sealed_at=sealed_at, signer="5" * 64, signature=b"s")
