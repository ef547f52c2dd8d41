"""The pure parts: back-off, packing, statements, evidence's bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.exchange.evidence import Evidence
from node.exchange.head import Standing, Statement
from node.exchange.limits import Limits
from node.exchange.packing import Packing, Taken
from node.exchange.retry import BOUND_S_MAX, RETRY_AFTER_S_MAX, retry_delay_s
from node.exchange.statements import compare, differing, digests_of, statement_of
from node.randomness import SeededRandomness
from node.standard.seals import ANCESTORS, TRUST, StreamName

if TYPE_CHECKING:
    from pathlib import Path

EAST, WEST, LAST = (StreamName(code, ANCESTORS) for code in ("360102", "360103", "360104"))
DIRECTED = StreamName("360000", "360102")
TRUSTED = StreamName("360000", TRUST)


# --- back-off ------------------------------------------------------------------------------------------------------


def test_the_first_failure_is_tried_again_at_once() -> None:
    assert retry_delay_s(1, SeededRandomness(1)) == 0.0


@given(st.integers(min_value=2, max_value=10_000), st.integers())
def test_later_failures_wait_within_a_bound_that_doubles_up_to_a_minute(failures: int, seed: int) -> None:
    delay_s = retry_delay_s(failures, SeededRandomness(seed))
    assert 0.0 <= delay_s <= min(BOUND_S_MAX, 2.0 ** min(failures - 2, 60))


@pytest.mark.parametrize(("asked", "least"), [(0.0, 0.0), (30.0, 30.0), (-5.0, 0.0), (1e9, RETRY_AFTER_S_MAX)])
def test_what_the_neighbour_asks_for_is_obeyed_within_an_hour(asked: float, least: float) -> None:
    assert least <= retry_delay_s(1, SeededRandomness(1), retry_after_s=asked) <= least + 1.0


# --- packing -------------------------------------------------------------------------------------------------------


class Queues:
    """Streams with slices of given sizes waiting; ``take`` gives as many as fit."""

    def __init__(self, slices: dict[StreamName, list[int]], slices_max: int = 64) -> None:
        self.slices = {stream: list(sizes) for stream, sizes in slices.items()}
        self.taken: list[tuple[StreamName, int]] = []
        self.slices_max = slices_max

    def __call__(self, stream: StreamName, bytes_max: int) -> Taken:
        if len(self.taken) >= self.slices_max:
            return Taken(used_bytes=0, emptied=False, full=True)
        waiting = self.slices[stream]
        used = 0
        while waiting and used + waiting[0] <= bytes_max:
            used += waiting.pop(0)
        if used:
            self.taken.append((stream, used))
        return Taken(used_bytes=used, emptied=not waiting)

    def waiting(self) -> list[StreamName]:
        return [stream for stream, sizes in self.slices.items() if sizes]


def test_trust_goes_first_then_directed_then_the_rest() -> None:
    queues = Queues({EAST: [10], DIRECTED: [10], TRUSTED: [10]})
    assert Packing().fill(queues.waiting(), 1_000, queues) is False
    assert [stream for stream, _ in queues.taken] == [TRUSTED, DIRECTED, EAST]


def test_directed_streams_take_at_most_half_while_others_wait() -> None:
    queues = Queues({DIRECTED: [100] * 20, EAST: [100] * 20})
    assert Packing(quantum_bytes=100).fill(queues.waiting(), 1_000, queues) is True
    assert dict(queues.taken) == {DIRECTED: 500, EAST: 500}


def test_directed_streams_take_all_when_nothing_else_waits() -> None:
    queues = Queues({DIRECTED: [100] * 20})
    Packing(quantum_bytes=100).fill(queues.waiting(), 1_000, queues)
    assert dict(queues.taken) == {DIRECTED: 1_000}


def test_a_long_queue_does_not_keep_a_short_one_waiting() -> None:
    queues = Queues({EAST: [100] * 1_000, WEST: [100]})
    packing = Packing(quantum_bytes=100)
    packing.fill(queues.waiting(), 1_000, queues)
    assert (WEST, 100) in queues.taken


def test_the_next_package_goes_on_behind_the_stream_that_was_served_last() -> None:
    streams = [StreamName(f"36010{number}", ANCESTORS) for number in range(1, 6)]
    queues = Queues({stream: [100] * 3 for stream in streams})
    packing = Packing(quantum_bytes=100)
    for _ in range(5):
        packing.fill(queues.waiting(), 200, queues)
    served = [stream for stream, _ in queues.taken]
    assert served[:5] == streams
    assert served[5:10] == streams


def test_a_slice_that_does_not_fit_lets_others_pass_and_is_the_next_packages_first() -> None:
    queues = Queues({EAST: [100], WEST: [900, 900], LAST: [100, 100]})
    packing = Packing(quantum_bytes=1_000)
    assert packing.fill(queues.waiting(), 1_000, queues) is True
    assert queues.taken == [(EAST, 100), (WEST, 900)]
    queues.slices[EAST] = [200]
    assert packing.fill(queues.waiting(), 1_000, queues) is True
    assert queues.taken[2:] == [(LAST, 200), (EAST, 200)]
    assert packing.fill(queues.waiting(), 1_000, queues) is False
    assert queues.taken[4:] == [(WEST, 900)]


def test_directed_streams_that_found_no_room_go_first_next_time() -> None:
    others = [StreamName("360000", code) for code in ("360102", "360103", "360104")]
    queues = Queues({stream: [300] * 9 for stream in others} | {EAST: [10] * 900})
    packing = Packing(quantum_bytes=100)
    for _ in range(3):
        packing.fill(queues.waiting(), 800, queues)
    assert [stream for stream, _ in queues.taken if stream in others] == others


def test_a_package_that_may_hold_no_more_slices_ends() -> None:
    streams = {StreamName(f"3601{number:02d}", ANCESTORS): [10] for number in range(9)}
    queues = Queues(streams, slices_max=4)
    assert Packing(quantum_bytes=10).fill(queues.waiting(), 1_000, queues) is True
    assert len(queues.taken) == 4


def test_nothing_waiting_fills_nothing() -> None:
    queues = Queues({})
    assert Packing().fill([], 1_000, queues) is False


@given(
    st.lists(st.lists(st.integers(1, 100), min_size=1, max_size=20), min_size=1, max_size=6),
    st.integers(min_value=100, max_value=500),
)
def test_everything_is_sent_in_the_end_and_no_package_is_too_large(sizes: list[list[int]], bytes_max: int) -> None:
    queues = Queues({StreamName(f"36010{at}", ANCESTORS): one for at, one in enumerate(sizes)})
    packing = Packing(quantum_bytes=100)
    total = sum(map(sum, sizes))
    for _ in range(total):
        before = len(queues.taken)
        more = packing.fill(queues.waiting(), bytes_max, queues)
        assert sum(used for _, used in queues.taken[before:]) <= bytes_max
        assert more == bool(queues.waiting())
        if not more:
            break
    assert queues.waiting() == []
    assert sum(used for _, used in queues.taken) == total


# --- statements ----------------------------------------------------------------------------------------------------


def line(stream: StreamName, size: int, root: bytes = b"r" * 32) -> Standing:
    return Standing(stream, size, root)


def test_a_digest_is_over_the_sorted_lines_of_one_origin() -> None:
    # printf '360102/360000 2 %s\\n360102/ancestors 5 %s\\n' with roots of 32 times 72 hex, through sha256sum.
    lines = [line(EAST, 5), line(StreamName("360102", "360000"), 2), line(WEST, 0)]
    assert digests_of(lines) == {"360102": "24334a77534ad4e51696a3184950eecb3da9d89c6baff2830049027efee19304"}
    assert digests_of(reversed(lines)) == digests_of(lines)
    assert set(digests_of(lines)) == {"360102"}


def test_equal_digests_say_that_the_neighbour_holds_what_we_hold() -> None:
    lines = [line(EAST, 5), line(WEST, 3)]
    found = compare(lines, {EAST}, statement_of(lines))
    assert found.stated == {EAST: line(EAST, 5)}
    assert found.unlisted == frozenset()


def test_an_origin_that_the_neighbour_does_not_name_is_held_by_it_in_nothing() -> None:
    found = compare([line(EAST, 5)], {EAST}, statement_of([line(WEST, 3)]))
    assert found.stated[EAST].size == 0


def test_a_differing_origin_needs_its_list() -> None:
    mine, theirs = [line(EAST, 5)], [line(EAST, 4)]
    first = statement_of(theirs)
    assert differing(mine, first) == {"360102"}
    assert compare(mine, {EAST}, first).unlisted == {"360102"}
    assert compare(mine, {EAST}, first).stated == {}
    second = statement_of(theirs, listed=["360102"])
    assert compare(mine, {EAST}, second).stated == {EAST: line(EAST, 4)}
    assert compare(mine, {EAST}, second).unlisted == frozenset()


def test_a_stream_missing_from_a_list_is_held_in_nothing() -> None:
    directed = StreamName("360102", "360000")
    mine = [line(EAST, 5), line(directed, 2)]
    found = compare(mine, {EAST, directed}, statement_of([line(EAST, 5)], listed=["360102"]))
    assert found.stated[directed].size == 0


def test_origins_beyond_the_limit_are_not_listed_in_part() -> None:
    lines = [line(EAST, 5), line(StreamName("360102", "360000"), 2), line(WEST, 3)]
    said = statement_of(lines, listed=["360102", "360103"], lines_max=4)
    assert [one.stream for one in said.lines] == [StreamName("360102", "360000"), EAST]
    assert statement_of(lines, lines_max=1) == Statement(digests=said.digests[:1])


# --- evidence ------------------------------------------------------------------------------------------------------


def test_the_oldest_evidence_goes_when_there_is_too_much(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, Limits(evidence_files_max=3, evidence_bytes_max=1_000))
    for number in range(6):
        assert evidence.keep("360102", bytes([number]) * 100, "frame") is not None
    assert len(list((tmp_path / "360102").iterdir())) == 3
    assert evidence.keep("360102", b"\5" * 100, "frame") is None
    assert evidence.keep("360102", bytes(2_000), "frame") is None
    evidence.keep("360102", b"y" * 900, "too many")
    assert sum(file.stat().st_size for file in (tmp_path / "360102").iterdir()) <= 1_000


def test_a_node_without_a_home_keeps_no_evidence() -> None:
    assert Evidence(None, Limits()).keep("360102", b"x", "frame") is None


def test_a_disk_that_takes_no_evidence_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "360102").write_text("a file where the folder should be")
    assert Evidence(tmp_path, Limits()).keep("360102", b"x", "frame") is None
    assert "evidence not kept" in caplog.text
