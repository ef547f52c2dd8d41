"""Evidence in a long stream: how long a node takes to prove one record among ten million.

The stream is real in everything that proving reads, but for the records that it does not read: leaf hashes stand where
a proof needs single ones, tiles for all others. The checkpoint over it is signed by its origin.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from node.evidence.making import make_evidence
from node.evidence.verifying import verify_evidence
from node.journal import checkpoints, holdings
from node.journal.cutting import Part
from node.journal.merkle import TILE_BITS, subtree_root
from node.journal.roots import frontier_at
from node.journal.statements import insert_sql
from node.journal.tables import record, record_key, tile
from node.standard.codec import leaf_hash
from node.standard.compression import compress_record
from node.standard.seals import ANCESTORS, Checkpoint, StreamName
from tests.bench.homes import found, open_node
from tests.bench.mix import CaseMix
from tests.bench.origins import PROVINCE, bench_identities

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Table

    from node.bootstrap import Node
    from node.clock import Clock
    from node.journal.store import Transaction

SIZE = 10_000_000
PROVED = 40
"""Records that are proved, spread over the stream."""
_BLOCK = 1 << TILE_BITS
_ROWS = 20_000


def measure_proving(folder: Path, clock: Clock, size: int = SIZE) -> float:
    """Return the median of seconds that making evidence of one record takes; each is verified, apart from the time."""
    identities = bench_identities(clock)
    with open_node(folder, identities[PROVINCE], clock) as node:
        found(node, identities)
        bodies = CaseMix(division=PROVINCE, seed=6, open_cases=50).records(PROVED)
        positions = [max(1, number * size // PROVED) for number in range(1, PROVED + 1)]
        stream = StreamName(PROVINCE, ANCESTORS)
        node.store.write(lambda one: _load(one, node, stream, size, dict(zip(positions, bodies, strict=True))))
        taken_s = []
        for position in positions:
            begun_s = perf_counter()
            with node.store.reading() as connection:
                made = make_evidence(
                    connection, node.journal, node.book, node.identity, stream=stream, position=position
                )
            taken_s.append(perf_counter() - begun_s)
            assert verify_evidence(made).position == position
    return median(taken_s)


def _load(transaction: Transaction, node: Node, stream: StreamName, size: int, bodies: dict[int, bytes]) -> None:
    """Fill the tables with a stream of ``size`` records of which ``bodies`` are there, and seal it."""
    held = holdings.opened(transaction, stream, own=True)
    blocks = {(position - 1) // _BLOCK for position in bodies} | {size // _BLOCK}
    level: list[bytes] = []
    for block in range(size // _BLOCK):
        if block in blocks:
            leaves = _write_block(transaction, held.stream_id, block, _BLOCK, bodies)
            level.append(subtree_root(leaves))
        else:
            level.append(hashlib.sha256(block.to_bytes(8, "big")).digest())
    _write_block(transaction, held.stream_id, size // _BLOCK, size % _BLOCK, bodies)
    for number, roots in enumerate(_levels(level), start=1):
        _insert(transaction, tile, [(held.stream_id, number, at, root) for at, root in enumerate(roots)])
    frontier = frontier_at(transaction.connection, held.stream_id, size)
    end = Part(entries=[], size=size, frontier=frontier.to_bytes(), total_bytes=size * 1_000, tiles=[])
    holdings.move(transaction, [(held, 0, end)])
    checkpoint = Checkpoint(
        stream=stream,
        size=size,
        root=frontier.root(),
        sealed_at=node.clock.now().replace(microsecond=0),
        signer=node.identity.fingerprint,
    )
    signed = replace(checkpoint, signature=node.identity.sign(checkpoint.text(node.identity.tree)))
    checkpoints.save(transaction, holdings.known(transaction.connection, stream), [signed], total_bytes={})


def _levels(level: list[bytes]) -> Iterator[list[bytes]]:
    """Yield the complete tiles of each level, from the first on."""
    while level:
        yield level
        level = [subtree_root(level[start : start + _BLOCK]) for start in range(0, len(level) - _BLOCK + 1, _BLOCK)]


def _write_block(
    transaction: Transaction, stream_id: int, block: int, count: int, bodies: dict[int, bytes]
) -> list[bytes]:
    """Insert the records of one block and return their leaf hashes."""
    rows, leaves = [], []
    for position in range(block * _BLOCK + 1, block * _BLOCK + count + 1):
        body = bodies.get(position, b"<x/>")
        leaves.append(leaf_hash(body if position in bodies else position.to_bytes(8, "big")))
        rows.append(
            (record_key(stream_id, position), 1, len(body), compress_record(body), leaves[-1], None, None, None, 0)
        )
    _insert(transaction, record, rows)
    return leaves


def _insert(transaction: Transaction, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    for start in range(0, len(rows), _ROWS):
        transaction.connection.exec_driver_sql(
            insert_sql(table, transaction.dialect), list(rows[start : start + _ROWS])
        )
