from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.journal.merkle import CompactRange, Tile, leaf_hash, node_hash, root_of, subtree_root
from node.standard import codec

# The leaves and roots of the reference implementation of RFC 6962 (certificate-transparency, MerkleTreeTest), which
# RFC 9162, 2.1 keeps.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def _naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + _naive_root(leaves[:split]) + _naive_root(leaves[split:])).digest()


def _leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_roots_equal_the_vectors_of_the_reference_implementation(size: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(data)) for data in LEAVES[:size]]
    assert root_of(leaves).hex() == ROOTS[size]


def test_the_standard_and_the_journal_hash_a_leaf_alike() -> None:
    assert leaf_hash(b"record") == codec.leaf_hash(b"record")


@given(st.lists(st.integers(0, 70), max_size=12))
def test_any_cut_into_batches_gives_the_naive_root(counts: list[int]) -> None:
    leaves = _leaves(sum(counts))
    compact = CompactRange()
    done = 0
    for count in counts:
        compact.extend(leaves[done : done + count])
        done += count
        compact = CompactRange.from_bytes(compact.size, compact.to_bytes())
    assert compact.size == len(leaves)
    assert compact.root() == _naive_root(leaves)


@given(st.lists(st.integers(0, 700), min_size=1, max_size=5))
def test_tiles_are_the_roots_of_256_leaves_each_whatever_the_batches(counts: list[int]) -> None:
    leaves = _leaves(sum(counts))
    compact = CompactRange()
    tiles: list[Tile] = []
    done = 0
    for count in counts:
        tiles += compact.extend(leaves[done : done + count])
        done += count
    assert tiles == [
        Tile(level=1, number=number, root=_naive_root(leaves[256 * number : 256 * (number + 1)]))
        for number in range(len(leaves) // 256)
    ]


def test_65536_leaves_complete_a_tile_of_the_second_level() -> None:
    leaves = _leaves(65_600)
    compact = CompactRange()
    tiles = compact.extend(leaves[:65_000]) + compact.extend(leaves[65_000:])
    upper = [tile for tile in tiles if tile.level == 2]
    assert [(tile.number, tile.root) for tile in upper] == [(0, _naive_root(leaves[:65_536]))]
    assert len(tiles) == 257


def test_a_copy_is_independent() -> None:
    compact = CompactRange()
    compact.extend(_leaves(3))
    copied = compact.copy()
    copied.extend(_leaves(2))
    assert (compact.size, copied.size) == (3, 5)
    assert compact.root() == _naive_root(_leaves(3))


@pytest.mark.parametrize("data", [b"", b"x" * 32, b"x" * 65])
def test_a_frontier_that_does_not_fit_its_size_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="one hash for each set bit"):
        CompactRange.from_bytes(3, data)


def test_subtrees_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="add up"):
        CompactRange(3, {0: b"x" * 32})


def test_a_perfect_subtree_has_its_root() -> None:
    leaves = _leaves(4)
    assert subtree_root(leaves[:1]) == leaves[0]
    assert subtree_root(leaves) == node_hash(node_hash(*leaves[:2]), node_hash(*leaves[2:]))


@pytest.mark.parametrize("count", [0, 3])
def test_a_subtree_that_is_not_perfect_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        subtree_root(_leaves(count))
