"""Restoring: the bytes of records that are lost here, fetched from a neighbour and believed by their hashes alone.

A record whose row is there is believed when its leaf hash is the row's, which the scrub has compared with the seals. A
record whose row is missing is believed when the records up to the next checkpoint lead to the root that it signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from node.errors import IntegrityError
from node.exchange.fetching import Wanted
from node.journal import holdings, records
from node.journal.roots import frontier_at
from node.journal.tables import QUARANTINED, checkpoint, quarantine, record, record_key
from node.standard.codec import leaf_hash
from node.standard.compression import compress_record
from node.upkeep.damages import RECORD, KeptDamage, note_mended, open_damages
from node.upkeep.record_rows import number_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.exchange.fetching import Ask
    from node.journal.holdings import Held
    from node.journal.store import Store, Transaction


def restore(store: Store, ask: Ask) -> int:
    """Fetch what every open damage of records misses, and return how many records were put back.

    Raises what ``ask`` raises. What a neighbour gives that does not fit is not taken.
    """
    with store.reading() as connection:
        lost = open_damages(connection, kind=RECORD)
        held = {one.stream_id: one for one in holdings.all_held(connection)}
    restored = 0
    for damage in lost:
        stream = held.get(damage.stream_id or 0)
        if stream is not None:
            restored += _restore_one(store, ask, damage, stream)
    return restored


def _restore_one(store: Store, ask: Ask, damage: KeptDamage, held: Held) -> int:
    first, put_back = damage.first, 0
    while first <= damage.last:
        bodies = ask(Wanted(stream=held.stream, first=first, last=damage.last))
        if not bodies:
            return put_back
        at = first
        taken = store.write(lambda transaction: _take(transaction, held, at, bodies))  # noqa: B023 - runs at once.
        put_back += taken
        if taken < len(bodies):
            return put_back
        first += len(bodies)
    store.write(lambda transaction: note_mended(transaction, (f"{damage.kind}|{damage.subject}",)))
    return put_back


def _take(transaction: Transaction, held: Held, first: int, bodies: list[bytes]) -> int:
    """Write the records that fit and return how many are in place."""
    connection = transaction.connection
    last = first + len(bodies) - 1
    low, high = record_key(held.stream_id, first), record_key(held.stream_id, last)
    query = select(record.c.key, record.c.leaf).where(record.c.key.between(low, high))
    leaves = {row.key: bytes(row.leaf) for row in connection.execute(query)}
    if not leaves:
        return _insert_all(connection, held, first, bodies)
    taken = 0
    for key, body in enumerate(bodies, start=low):
        if not body or leaves.get(key) != leaf_hash(body):
            continue
        values = {"body": compress_record(body), "length": len(body)}
        connection.execute(update(record).where(record.c.key == key).values(**values))
        taken += 1
    return taken


def _insert_all(connection: Connection, held: Held, first: int, bodies: list[bytes]) -> int:
    """Insert records whose rows are missing, if they are those that the next checkpoint covers; else none."""
    last = first + len(bodies) - 1
    query = select(checkpoint).where(
        checkpoint.c.stream_id == held.stream_id, checkpoint.c.size >= last, checkpoint.c.size <= held.size
    )
    seal = connection.execute(query.order_by(checkpoint.c.size).limit(1)).one_or_none()
    if seal is None or not all(bodies):
        return 0
    try:
        frontier = frontier_at(connection, held.stream_id, first - 1)
    except IntegrityError:
        return 0
    hashes = [leaf_hash(body) for body in bodies]
    frontier.extend([*hashes, *records.leaves(connection, held.stream_id, last + 1, seal.size)])
    if frontier.size != seal.size or frontier.root() != bytes(seal.root):
        return 0
    for key, (body, leaf) in enumerate(zip(bodies, hashes, strict=True), start=record_key(held.stream_id, first)):
        aside = connection.scalar(select(quarantine.c.key).where(quarantine.c.key == key)) is not None
        row = {"key": key, "type_number": number_of(body), "length": len(body), "body": compress_record(body)}
        connection.execute(insert(record).values(**row, leaf=leaf, flags=QUARANTINED if aside else 0))
    return len(bodies)
