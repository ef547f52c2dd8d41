"""Records that come by their leaf hash alone: taken, awaited, and filled in as soon as somebody brings the bytes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.journal import alarms, hash_only
from node.journal.merkle import leaf_hash, root_of
from node.standard.seals import TRUST, StreamName
from tests.support.exchanging import settled_node
from tests.unit.exchange.test_receiver import CITY, PROVINCE, STREAM, Bench, bodies_of, quarantined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from node.exchange.head import Slice


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(city=settled_node(CITY, evidence_folder=tmp_path), evidence=tmp_path)


def without(bench: Bench, bodies: Sequence[bytes], *gone: int) -> tuple[Slice, list[bytes]]:
    """Return the slice of ``bodies`` in which the positions ``gone`` are redacted, and its records."""
    numbered = list(enumerate(bodies, start=1))
    one = bench.slice(
        bodies,
        lengths=tuple(0 if at in gone else len(body) for at, body in numbered),
        redacted=tuple((at, leaf_hash(bodies[at - 1])) for at in gone),
    )
    return one, [body for at, body in numbered if at not in gone]


def awaited(bench: Bench) -> list[int]:
    held = bench.city.held(STREAM)
    assert held is not None
    with bench.city.store.reading() as connection:
        return sorted(hash_only.among(connection, held.stream_id, 1, held.size))


def test_a_record_may_come_by_its_leaf_hash_alone(bench: Bench) -> None:
    bodies = bodies_of(1, 3)
    one, records = without(bench, bodies, 2)
    assert bench.words(one, records=records) == [("HELD", None)]
    held = bench.city.held(STREAM)
    assert held is not None
    assert (held.size, held.root) == (3, root_of([leaf_hash(body) for body in bodies]))
    assert awaited(bench) == [2]
    with bench.city.store.reading() as connection:
        assert [one.body for one in bench.city.journal.stored(connection, STREAM, 1, 3)] == [bodies[0], None, bodies[2]]


def test_a_slice_that_begins_with_a_redacted_record_raises_no_alarm(bench: Bench) -> None:
    one, records = without(bench, bodies_of(1, 3), 1)
    assert bench.words(one, records=records) == [("HELD", None)]
    with bench.city.store.reading() as connection:
        assert alarms.alarms(connection) == []


def test_a_leaf_hash_that_the_origin_did_not_sign_is_refused(bench: Bench) -> None:
    one, records = without(bench, bodies_of(1, 3), 2)
    other = leaf_hash(b"other")
    leaves = [leaf_hash(records[0]), other, leaf_hash(records[1])]
    forged = replace(one, redacted=((2, other),), leaves_hash=hashlib.sha256(b"".join(leaves)).digest())
    assert bench.words(forged, records=records) == [("REFUSED", "root")]
    assert bench.city.held(STREAM) is None


def test_nothing_of_trust_is_redacted(bench: Bench) -> None:
    bodies = bodies_of(1, 1)
    trust = StreamName(PROVINCE, TRUST)
    one = bench.slice(bodies, stream=trust, lengths=(0,), redacted=((1, leaf_hash(bodies[0])),))
    assert bench.words(one, records=[], sender=PROVINCE) == [("REFUSED", "redacted")]


def test_bytes_that_were_kept_back_are_taken_when_they_are_offered(bench: Bench) -> None:
    bodies = bodies_of(1, 3)
    one, records = without(bench, bodies, 1, 2)
    bench.words(one, records=records)
    half, some = without(bench, bodies, 2)
    assert bench.words(half, records=some) == [("HELD", None)]
    assert awaited(bench) == [2]
    assert bench.words(bench.slice(bodies), records=bodies) == [("HELD", None)]
    assert awaited(bench) == []
    with bench.city.store.reading() as connection:
        stored = bench.city.journal.stored(connection, STREAM, 1, 3)
        assert [(one.body, one.flags) for one in stored] == [(body, 0) for body in bodies]


def test_they_are_taken_from_a_slice_that_goes_on_behind_them_too(bench: Bench) -> None:
    bodies = bodies_of(1, 4)
    one, records = without(bench, bodies[:2], 2)
    bench.words(one, records=records)
    assert bench.words(bench.slice(bodies, 2), records=bodies[1:]) == [("HELD", None)]
    assert (awaited(bench), bench.city.size(STREAM)) == ([], 4)


def test_other_bytes_in_their_place_are_passed_over(bench: Bench) -> None:
    bodies = bodies_of(1, 3)
    one, records = without(bench, bodies, 2)
    bench.words(one, records=records)
    forged = [bodies[0], bodies_of(9, 9)[0], bodies[2]]
    lengths = tuple(map(len, forged))
    assert bench.words(bench.slice(bodies, lengths=lengths), records=forged) == [("HELD", None)]
    assert awaited(bench) == [2]


def test_bytes_that_cannot_be_applied_are_quarantined_when_they_come(bench: Bench) -> None:
    bodies = [*bodies_of(1, 1), b"<Alarm>"]
    one, records = without(bench, bodies, 2)
    bench.words(one, records=records)
    assert bench.words(bench.slice(bodies), records=bodies) == [("HELD", None)]
    assert quarantined(bench) == [(2, "invalid")]
