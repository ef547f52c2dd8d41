"""Proofs: the vectors of the reference implementation, the definitions of RFC 9162 word for word, and forgeries."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.journal.merkle import leaf_hash, root_of
from node.journal.proofs import consistency_proof, grows, inclusion_proof, root_of_inclusion
from tests.support.journals import OWN, append, journal_on, plain_entries

if TYPE_CHECKING:
    from node.journal.store import Store
    from node.journal.streams import Journal

SIZE = 700
"""Records in the stream that proofs are made of: two tiles and a half of level 1."""
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
# Of the reference implementation of RFC 6962 (certificate-transparency, MerkleTreeTest), which RFC 9162 keeps.
INCLUSION = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        2,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def reference_leaves(size: int) -> list[bytes]:
    return [leaf_hash(bytes.fromhex(data)) for data in LEAVES[:size]]


def split(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, over leaf hashes, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D_n) of RFC 9162, 2.1.3.1, word for word."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), tree_hash(leaves[k:])]
    return [*path(m - k, leaves[k:]), tree_hash(leaves[:k])]


def subproof(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D_n, b) of RFC 9162, 2.1.4.1, word for word."""
    if m == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), tree_hash(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), tree_hash(leaves[:k])]


@cache
def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


@pytest.fixture
def journal(memory: Store) -> Journal:
    journal = journal_on(memory)
    for low in range(1, SIZE + 1, 100):
        append(journal, plain_entries(low, 100))
    return journal


@pytest.mark.parametrize(("position", "size", "proof"), INCLUSION)
def test_inclusion_proofs_of_the_reference_implementation_lead_to_its_roots(
    position: int, size: int, proof: list[str]
) -> None:
    leaves = reference_leaves(size)
    assert [node.hex() for node in path(position - 1, leaves)] == proof
    assert root_of_inclusion(leaves[position - 1], position, size, [bytes.fromhex(one) for one in proof]) == root_of(
        leaves
    )


@pytest.mark.parametrize(("first", "second", "proof"), CONSISTENCY)
def test_consistency_proofs_of_the_reference_implementation_stand(first: int, second: int, proof: list[str]) -> None:
    assert [node.hex() for node in subproof(first, reference_leaves(second), whole=True)] == proof
    roots = root_of(reference_leaves(first)), root_of(reference_leaves(second))
    assert grows(first, roots[0], second, roots[1], [bytes.fromhex(one) for one in proof])


@given(st.data())
def test_what_the_definitions_give_is_what_the_checks_accept(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    position = data.draw(st.integers(1, size))
    leaves = leaves_of(size)
    assert root_of_inclusion(leaves[position - 1], position, size, path(position - 1, leaves)) == root_of(leaves)
    proof = subproof(position, leaves, whole=True)
    assert grows(position, root_of(leaves[:position]), size, root_of(leaves), proof)


@given(st.data())
def test_no_other_proof_is_accepted(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 200))
    position = data.draw(st.integers(1, size))
    leaves = leaves_of(size)
    good = path(position - 1, leaves)
    other = data.draw(st.integers(1, size).filter(lambda one: one != position))
    assert forged(leaves[position - 1], other, size, good) != root_of(leaves)
    assert forged(leaves[other - 1], position, size, good) != root_of(leaves)
    assert forged(leaves[position - 1], position, size, good[:-1]) != root_of(leaves)
    assert forged(leaves[position - 1], position, size, [*good, leaves[0]]) != root_of(leaves)
    first = data.draw(st.integers(1, size - 1))
    proof = subproof(first, leaves, whole=True)
    old, new = root_of(leaves[:first]), root_of(leaves)
    assert not grows(first, new, size, new, proof)
    assert not grows(first, old, size, old, proof)
    assert not grows(first, old, size, new, proof[:-1])
    assert not grows(first, old, size, new, [*proof, leaves[0]])
    assert not grows(first, old, first, new, [])
    assert not grows(size, new, first, old, proof)
    assert not grows(0, old, size, new, proof)


def forged(leaf: bytes, position: int, size: int, proof: list[bytes]) -> bytes | None:
    try:
        return root_of_inclusion(leaf, position, size, proof)
    except ValueError:
        return None


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 640, 699, SIZE])
def test_a_stream_gives_the_proofs_of_the_definition(journal: Journal, size: int) -> None:
    with journal.store.reading() as connection:
        held = journal.held(connection, OWN)
        assert held is not None
        leaves = journal.leaves(connection, OWN, 1, size)
        for position in {1, size // 2 or 1, size, min(size, 256), min(size, 257)}:
            made = inclusion_proof(connection, held.stream_id, position, size)
            assert made == path(position - 1, leaves)
            grown = consistency_proof(connection, held.stream_id, position, size)
            assert grown == subproof(position, leaves, whole=True)


@pytest.mark.parametrize(("position", "size"), [(0, 5), (6, 5), (-1, 5)])
def test_what_cannot_be_proved_is_no_proof(journal: Journal, position: int, size: int) -> None:
    with journal.store.reading() as connection:
        with pytest.raises(ValueError, match="not among"):
            inclusion_proof(connection, 1, position, size)
        with pytest.raises(ValueError, match="does not grow"):
            consistency_proof(connection, 1, position, size)
    with pytest.raises(ValueError, match="not among"):
        root_of_inclusion(b"", position, size, [])
