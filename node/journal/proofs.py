"""Proofs after RFC 9162, 2.1.3 and 2.1.4, over the stored tree of a stream: made from tiles, checked from nothing.

An *inclusion proof* shows that a record stands at a position of the stream whose root a checkpoint names. A
*consistency proof* shows that the stream with one root grew into the stream with another, and was not rewritten.

Making one reads at most some forty runs of at most 255 nodes, whatever the size of the stream. Checking one needs the
hashes in it alone (section 2.1.3.2 and 2.1.4.2, step by step).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.journal.merkle import TILE_BITS, node_hash, subtree_root
from node.journal.roots import nodes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection


def inclusion_proof(connection: Connection, stream_id: int, position: int, size: int) -> list[bytes]:
    """Return the hashes that lead from the leaf at ``position`` (from 1) to the root at ``size``, both held.

    Raises ValueError when the position is not among the first ``size``, IntegrityError when a part of the tree is
    missing.
    """
    if not 1 <= position <= size:
        message = f"position {position} is not among the first {size}"
        raise ValueError(message)
    return _path(connection, stream_id, position - 1, 0, size)


def consistency_proof(connection: Connection, stream_id: int, first: int, second: int) -> list[bytes]:
    """Return the hashes by which the root at size ``first`` grows into that at ``second``, both held.

    Empty when both are equal. Raises ValueError unless 1 <= first <= second, IntegrityError as above.
    """
    if not 1 <= first <= second:
        message = f"size {first} does not grow into size {second}"
        raise ValueError(message)
    return _growth(connection, stream_id, first, 0, second, whole=True)


def root_of_inclusion(leaf: bytes, position: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root to which a proof leads (RFC 9162, 2.1.3.2); ValueError when it has the wrong length."""
    if not 1 <= position <= size:
        message = f"position {position} is not among the first {size}"
        raise ValueError(message)
    at, last, root = position - 1, size - 1, leaf
    for node in proof:
        if last == 0:
            raise ValueError(_TOO_LONG)
        if at & 1 or at == last:
            root = node_hash(node, root)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            root = node_hash(root, node)
        at >>= 1
        last >>= 1
    if last:
        raise ValueError(_TOO_SHORT)
    return root


def grows(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that ``first_root`` at size ``first`` grows into the other (RFC 9162, 2.1.4.2)."""
    if not 1 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    nodes = list(proof) if first & (first - 1) else [first_root, *proof]
    if not nodes:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at >>= 1
        last >>= 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new = node_hash(new, node)
        at >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


_TOO_LONG = "the proof has more hashes than the tree has levels"
_TOO_SHORT = "the proof does not reach the root"


def _path(connection: Connection, stream_id: int, leaf: int, low: int, high: int) -> list[bytes]:
    """Return PATH(leaf, D[low:high]); ``low`` is where a complete subtree may begin."""
    path: list[bytes] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if leaf < middle:
            path.append(_range_root(connection, stream_id, middle, high))
            high = middle
        else:
            path.append(_range_root(connection, stream_id, low, middle))
            low = middle
    return path[::-1]


def _growth(connection: Connection, stream_id: int, first: int, low: int, high: int, *, whole: bool) -> list[bytes]:
    """Return SUBPROOF(first - low, D[low:high], whole)."""
    proof: list[bytes] = []
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            proof.append(_range_root(connection, stream_id, middle, high))
            high = middle
        else:
            proof.append(_range_root(connection, stream_id, low, middle))
            low, whole = middle, False
    if not whole:
        proof.append(_range_root(connection, stream_id, low, high))
    return proof[::-1]


def _split(count: int) -> int:
    """Return the largest power of two below ``count`` (at least 2)."""
    return 1 << (count - 1).bit_length() - 1


def _range_root(connection: Connection, stream_id: int, low: int, high: int) -> bytes:
    """Return the root over leaves ``low`` to ``high`` (without), a range into which the definition splits a tree."""
    count = high - low
    if count & (count - 1):
        middle = low + _split(count)
        left = _range_root(connection, stream_id, low, middle)
        return node_hash(left, _range_root(connection, stream_id, middle, high))
    level = (count.bit_length() - 1) // TILE_BITS
    shift = level * TILE_BITS
    return subtree_root(nodes_of(connection, stream_id, level, low >> shift, high >> shift))
