"""Merkle roots and frontiers of a stream at any held size, from tiles and at most 255 leaf hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from node.errors import IntegrityError
from node.journal.merkle import TILE_BITS, CompactRange, Tile, subtree_root
from node.journal.records import leaves
from node.journal.statements import insert_sql
from node.journal.tables import tile

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction


def save_tiles(transaction: Transaction, tiles: list[tuple[int, Tile]]) -> None:
    """Insert the tiles that extensions completed, each beside the id of its stream."""
    if tiles:
        rows = [(stream_id, made.level, made.number, made.root) for stream_id, made in tiles]
        transaction.connection.exec_driver_sql(insert_sql(tile, transaction.dialect), rows)


def frontier_at(connection: Connection, stream_id: int, size: int) -> CompactRange:
    """Return the frontier at a held size: per tile level one read of at most 255 nodes.

    Raises IntegrityError when a tile or a record that must be there is missing.
    """
    parts: dict[int, bytes] = {}
    for level in range((size.bit_length() + TILE_BITS - 1) // TILE_BITS):
        low = level * TILE_BITS
        first = size >> (low + TILE_BITS) << TILE_BITS
        nodes = nodes_of(connection, stream_id, level, first, size >> low)
        # The nodes left of ``size`` at this level fall into subtrees of falling powers of two.
        for bit in range(TILE_BITS - 1, -1, -1):
            if size >> (low + bit) & 1:
                parts[low + bit] = subtree_root(nodes[: 1 << bit])
                del nodes[: 1 << bit]
    return CompactRange(size, parts)


def nodes_of(connection: Connection, stream_id: int, level: int, first: int, end: int) -> list[bytes]:
    """Return nodes ``first`` to ``end`` (without) of a tile level, which stand for ``256 ** level`` leaves each.

    Raises IntegrityError when one that must be there is missing.
    """
    if first == end:
        return []
    if level == 0:
        nodes = leaves(connection, stream_id, first + 1, end)
    else:
        query = (
            select(tile.c.root)
            .where(tile.c.stream_id == stream_id, tile.c.level == level, tile.c.number.between(first, end - 1))
            .order_by(tile.c.number)
        )
        nodes = [bytes(root) for root in connection.scalars(query)]
    if len(nodes) != end - first:
        raise IntegrityError(
            "The journal misses a part of a stream's tree.",
            why=f"stream {stream_id}, level {level}, nodes {first} to {end}: {len(nodes)} held",
            action="stop the node and put the newest backup of its home in place",
        )
    return nodes
