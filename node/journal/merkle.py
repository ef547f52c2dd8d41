"""Merkle trees after RFC 9162, section 2.1, computed batch by batch: pure, nothing stored.

A ``CompactRange`` is all that appending needs to know of the leaves before: the roots of the perfect subtrees of
the binary decomposition of ``size``, at most 40 hashes. It is the stream's *frontier*. Completed subtrees of
``256 ** level`` leaves come out as tiles, from which the range at any earlier size is rebuilt.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

HASH_BYTES: Final = 32
TILE_BITS: Final = 8
"""A tile stands for 2**8 nodes of the level below it."""
EMPTY_ROOT: Final = sha256(b"").digest()

_LEAF = b"\x00"
_NODE = b"\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The root of a complete subtree of ``256 ** level`` leaves: the ``number``-th from the left, counted from 0."""

    level: int
    number: int
    root: bytes


def leaf_hash(body: bytes) -> bytes:
    """Return the leaf hash of a record's exact bytes: SHA-256(0x00 ‖ bytes)."""
    return sha256(_LEAF + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(_NODE + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle root over leaf hashes; of none: SHA-256 of nothing."""
    compact = CompactRange()
    compact.extend(leaves)
    return compact.root()


class CompactRange:
    """The frontier of a stream: ``size`` leaves, held as the roots of at most 40 perfect subtrees."""

    __slots__ = ("_parts", "size")

    def __init__(self, size: int = 0, parts: dict[int, bytes] | None = None) -> None:
        """Take ``parts``: per set bit of ``size``, the root of that many leaves; ValueError when they do not fit."""
        self.size = size
        self._parts = dict(parts or {})
        if sum(1 << bit for bit in self._parts) != size:
            message = "the subtrees do not add up to the size"
            raise ValueError(message)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> CompactRange:
        """Read what ``to_bytes`` wrote for this size; ValueError when the length does not fit."""
        bits = [bit for bit in range(size.bit_length() - 1, -1, -1) if size >> bit & 1]
        if len(data) != HASH_BYTES * len(bits):
            message = "a frontier has one hash for each set bit of its size"
            raise ValueError(message)
        return cls(size, {bit: data[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at, bit in enumerate(bits)})

    def to_bytes(self) -> bytes:
        """Return the subtree roots one behind another, the largest subtree first."""
        return b"".join(self._parts[bit] for bit in sorted(self._parts, reverse=True))

    def copy(self) -> CompactRange:
        """Return an independent copy."""
        return CompactRange(self.size, self._parts)

    def root(self) -> bytes:
        """Return the Merkle root at ``size``."""
        root: bytes | None = None
        for bit in sorted(self._parts):
            root = self._parts[bit] if root is None else node_hash(self._parts[bit], root)
        return EMPTY_ROOT if root is None else root

    def extend(self, leaves: Sequence[bytes]) -> list[Tile]:
        """Append leaf hashes, all levels of one batch at a time, and return the tiles that this completed."""
        tiles: list[Tile] = []
        nodes = list(leaves)
        bit = 0
        while nodes:
            if bit and bit % TILE_BITS == 0:
                first = self.size >> bit
                tiles += [Tile(level=bit // TILE_BITS, number=first + at, root=node) for at, node in enumerate(nodes)]
            left = self._parts.pop(bit, None)
            if left is not None:
                nodes.insert(0, left)
            if len(nodes) % 2:
                self._parts[bit] = nodes.pop()
            # Written out: this line runs once a record, and a call would cost more than the hash.
            pairs = zip(nodes[::2], nodes[1::2], strict=True)
            nodes = [sha256(_NODE + first + second).digest() for first, second in pairs]
            bit += 1
        self.size += len(leaves)
        return tiles


def subtree_root(nodes: Sequence[bytes]) -> bytes:
    """Return the root above ``nodes``: complete subtrees of one size, a power of two of them; ValueError otherwise."""
    if not nodes or len(nodes) & (len(nodes) - 1):
        message = "a perfect subtree needs a power of two of nodes"
        raise ValueError(message)
    level = list(nodes)
    while len(level) > 1:
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]
