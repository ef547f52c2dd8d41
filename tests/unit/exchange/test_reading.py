"""Reading records with the help of another process: the same comes out as here, whatever happens to it."""

from __future__ import annotations

import signal
import threading
from multiprocessing.connection import Pipe
from typing import TYPE_CHECKING, Any

import pytest

from node.beside import Beside, Line
from node.exchange import exchange, reading
from node.exchange.reading import RecordReader, serve
from node.journal.entries import read_entry
from node.journal.merkle import leaf_hash
from node.standard.compression import expand_record
from node.standard.facts import Facts
from node.standard.seals import ANCESTORS, StreamName
from tests.support.exchanging import ExchangeNode, carrier_to, settled_nodes
from tests.support.identities import identities
from tests.support.journals import alarm_body
from tests.support.samples import record

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from node.journal.entries import Entry

READY_WITHIN_S = 20.0
CITY, EAST = "360100", "360102"


def fresh_of_all_kinds() -> list[tuple[bytes, bytes]]:
    """Return records of cases and others, of an unknown type, invalid ones, and bytes that are no XML."""
    bodies = [
        record("Fee"),
        alarm_body(1),
        record("Application"),
        record("Fee", FeeState="9"),
        record("Fee").replace(b"Fee ", b"Levy ").replace(b"</Fee>", b"</Levy>"),
        b"no xml",
        record("Conclusion"),
        alarm_body(2),
    ]
    return [(body, leaf_hash(body)) for body in bodies * 2]


def plain(entries: Sequence[Entry]) -> list[Any]:
    return [
        (
            one.record_type,
            one.body,
            one.leaf,
            one.quarantine,
            one.detail,
            one.element is None,
            one.facts and {name: getattr(one.facts, name) for name in Facts.__slots__},
        )
        for one in entries
    ]


def expected() -> list[Any]:
    return plain(RecordReader().read(fresh_of_all_kinds()))


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordReader]:
    """Give a reader that shares every package, whose process is there."""
    monkeypatch.setattr(reading, "SHARED_RECORDS_MIN", 2)
    monkeypatch.setattr(reading, "PIECE_RECORDS", 3)
    made = RecordReader()
    made.shares = True
    made.read(fresh_of_all_kinds())
    assert made._helper is not None
    line = made._helper._line
    assert line is not None
    assert line.has_news(READY_WITHIN_S)
    yield made
    made.close()


def test_what_two_processes_read_is_what_one_reads(reader: RecordReader) -> None:
    for _ in range(2):
        entries = reader.read(fresh_of_all_kinds())
        assert plain(entries) == expected()
        assert [expand_record(one.packed or b"") for one in entries] == [one.body for one in entries]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Give the records that the other process has read."""
    found: list[bytes] = []
    honest = reading._heard

    def hear(body: bytes, leaf: bytes, answer: Any) -> Any:
        found.append(body)
        return honest(body, leaf, answer)

    monkeypatch.setattr(reading, "_heard", hear)
    return found


def process_of(reader: RecordReader) -> subprocess.Popen[bytes]:
    assert reader._helper is not None
    assert reader._helper._process is not None
    return reader._helper._process


@pytest.mark.parametrize("count", range(2, 16))
def test_both_processes_read_until_they_meet(reader: RecordReader, heard: list[bytes], count: int) -> None:
    fresh = fresh_of_all_kinds()[:count]
    for _ in range(3):
        assert [one.body for one in reader.read(fresh)] == [body for body, _ in fresh]
    assert len(heard) <= 3 * count


def test_a_fast_process_reads_what_this_one_does_not_come_to(
    reader: RecordReader, heard: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = reading._read_here
    here: list[tuple[bytes, bytes]] = []

    def read_slowly(fresh: Sequence[tuple[bytes, bytes]]) -> list[Entry]:
        assert reader._helper is not None
        assert reader._helper._line is not None
        assert reader._helper._line.has_news(READY_WITHIN_S)
        here.extend(fresh)
        return honest(fresh)

    fresh = [one for one in fresh_of_all_kinds() if one[0].startswith((b"<Fee ", b"<Application"))] * 3
    wanted = plain(RecordReader().read(fresh))
    monkeypatch.setattr(reading, "_read_here", read_slowly)
    assert plain(reader.read(fresh)) == wanted
    assert len(heard) >= reading.PIECE_RECORDS
    assert len(here) < len(fresh)


def test_a_slow_process_is_told_in_time_that_it_is_enough(reader: RecordReader, heard: list[bytes]) -> None:
    process = process_of(reader)
    process.send_signal(signal.SIGSTOP)
    later = threading.Timer(0.3, process.send_signal, (signal.SIGCONT,))
    later.start()
    assert plain(reader.read(fresh_of_all_kinds())) == expected()
    later.join()
    assert len(heard) <= reading.PIECE_RECORDS
    assert plain(reader.read(fresh_of_all_kinds())) == expected()


def test_a_small_package_needs_no_other_process() -> None:
    small = RecordReader()
    small.shares = True
    assert plain(small.read(fresh_of_all_kinds())) == expected()
    assert small._helper is None


@pytest.mark.parametrize("count", [1, 2])
def test_one_processor_is_not_shared(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    node = ExchangeNode(identities()[CITY])
    monkeypatch.setattr(exchange, "processors", lambda: count)
    node.exchange.read_beside()
    assert node.exchange.context.reader.shares == (count > 1)
    node.exchange.close()


def test_a_package_that_comes_while_another_is_shared_is_read_here(reader: RecordReader) -> None:
    with reader._lock:
        assert plain(reader.read(fresh_of_all_kinds())) == expected()


@pytest.mark.parametrize("when", ["at work", "at rest"])
def test_what_a_lost_process_had_is_read_here(reader: RecordReader, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    assert plain(reader.read(fresh_of_all_kinds())) == expected()
    helper = reader._helper
    assert helper is not None
    process = helper._process
    assert process is not None

    def lose(request: object, wait_s: float | None = None) -> bool:
        told = type(helper).tell(helper, request, wait_s)
        process.kill()
        process.wait()
        return told

    if when == "at work":
        monkeypatch.setattr(helper, "tell", lose)
        process.send_signal(signal.SIGSTOP)
    else:
        process.kill()
        process.wait()
    assert plain(reader.read(fresh_of_all_kinds())) == expected()
    assert plain(reader.read(fresh_of_all_kinds())) == expected()
    assert reader._helper is not helper


def test_the_process_serves_until_its_input_ends() -> None:
    bodies = [body for body, _ in fresh_of_all_kinds()]
    process = Beside("node.exchange.reading")
    assert process.hear() == "ready"
    assert process.tell([bodies[:8], bodies[:1]])
    told = process.hear()
    assert [one is not None for one in told[:8]] == [True, False, True, False, False, False, True, False]
    assert len(process.hear()) == 1
    process.leave()
    assert process.has_left()
    assert not process.tell(bodies)


def test_the_process_leaves_when_nobody_asks() -> None:
    (requests, _outgoing), (incoming, answers) = Pipe(duplex=False), Pipe(duplex=False)
    serve(Line(requests, answers), 0.01)
    assert Line(incoming, answers).hear() == "ready"


def test_what_is_read_ahead_is_read_once(reader: RecordReader, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[bytes] = []
    honest = read_entry

    def read_here(body: bytes, *, leaf: bytes) -> Any:
        here.append(body)
        return honest(body, leaf=leaf)

    fresh = fresh_of_all_kinds()
    wanted = expected()
    ahead = reader.read_ahead([body for body, _ in fresh], 0.0)
    assert ahead is not None
    assert ahead._helper._line is not None
    assert ahead._helper._line.has_news(READY_WITHIN_S)
    monkeypatch.setattr(reading, "read_entry", read_here)
    assert plain(reader.read(fresh, ahead)) == wanted
    # What belongs to no case is read here in any case.
    answered = [body for body, _ in fresh if body.startswith((b"<Fee ", b"<Application", b"<Conclusion"))]
    assert len([body for body in here if body in answered]) < len(answered)
    assert not ahead.waits_for([body for body, _ in fresh])
    assert plain(reader.read(fresh, ahead)) == wanted


def test_what_was_read_ahead_for_nothing_harms_nobody(reader: RecordReader) -> None:
    fresh = fresh_of_all_kinds()
    bodies = [body for body, _ in fresh]
    ahead = reader.read_ahead(bodies, 0.0)
    assert ahead is not None
    # Nobody else has the process now, and other records are read here.
    assert reader.read_ahead(bodies, 0.01) is None
    assert plain(reader.read(fresh[:8], ahead)) == expected()[:8]
    ahead.drop()
    ahead.drop()
    assert plain(reader.read(fresh)) == expected()


def test_few_records_are_not_read_ahead() -> None:
    small = RecordReader()
    small.shares = True
    assert small.read_ahead([body for body, _ in fresh_of_all_kinds()], 0.0) is None
    assert small._helper is None


@pytest.mark.parametrize("comes", [True, False])
def test_an_early_package_is_read_while_it_waits(
    reader: RecordReader, monkeypatch: pytest.MonkeyPatch, *, comes: bool
) -> None:
    nodes = settled_nodes()
    county, city = nodes[EAST], nodes[CITY]
    city.exchange.context.reader.read_ahead = reader.read_ahead  # type: ignore[method-assign]
    county.exchange.open_conversation(CITY, carrier_to(city, county))
    packages = []
    for first in (1, 31):
        county.write(30, first=first)
        outgoing = county.exchange.next_package(CITY)
        assert outgoing is not None
        packages.append(outgoing.data)
    given: list[bool] = []
    honest = reading.Sharing.read

    def read_shared(sharing: reading.Sharing, leaves: Sequence[bytes]) -> list[Entry]:
        given.append(sharing._begun)
        return honest(sharing, leaves)

    def wait(seconds: float) -> bool:
        city.clock.advance(seconds)
        if seconds and comes:
            city.exchange.accept_package(packages[0], EAST)
        return comes

    monkeypatch.setattr(reading.Sharing, "read", read_shared)
    city.exchange.answer(packages[1], EAST, wait=wait)
    assert city.size(StreamName(EAST, ANCESTORS)) == (60 if comes else 0)
    # It was given away before it was judged; whatever became of it, the process is free again.
    assert given == ([True] if comes else [])
    assert plain(reader.read(fresh_of_all_kinds())) == expected()


def test_a_process_that_does_not_answer_is_given_up(reader: RecordReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ANSWER_S", 0.05)
    helper = reader._helper
    assert helper is not None
    process = helper._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr("node.beside.LEAVE_S", 0.05)
    assert plain(reader.read(fresh_of_all_kinds())) == expected()
    assert process.wait(10) == -signal.SIGKILL
    assert plain(reader.read(fresh_of_all_kinds())) == expected()


def test_a_process_that_takes_nothing_is_given_up(reader: RecordReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ANSWER_S", 0.05)
    process = process_of(reader)
    process.send_signal(signal.SIGSTOP)
    # More than a pipe holds.
    fresh = fresh_of_all_kinds() * 150
    assert sum(len(body) for body, _ in fresh) > 1_048_576
    assert len(reader.read(fresh)) == len(fresh)
    assert process.wait(10) == -signal.SIGKILL
    assert plain(reader.read(fresh_of_all_kinds())) == expected()


def test_more_than_a_pipe_holds_goes_both_ways(reader: RecordReader) -> None:
    fresh = [one for one in fresh_of_all_kinds() if one[0].startswith(b"<Fee ")] * 600
    assert len(reader.read(fresh)) == len(fresh)
    ahead = reader.read_ahead([body for body, _ in fresh], 0.0)
    assert ahead is not None
    assert [one.body for one in reader.read(fresh, ahead)] == [body for body, _ in fresh]


def test_what_cannot_be_told_leaves_the_process_free(reader: RecordReader, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = [body for body, _ in fresh_of_all_kinds()]

    def fail(_: reading.Sharing) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(reading.Sharing, "begin", fail)
        with pytest.raises(MemoryError):
            reader.read_ahead(bodies, 0.0)
    ahead = reader.read_ahead(bodies, 0.0)
    assert ahead is not None
    ahead.drop()


def test_a_package_of_nothing_but_redacted_records_is_not_read_ahead(reader: RecordReader) -> None:
    assert reader.read_ahead([], 0.0) is None
    assert reader.read([]) == []
