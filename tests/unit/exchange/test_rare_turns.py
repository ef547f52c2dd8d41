"""Turns that a link rarely takes: races, thinned checkpoints, packages that are full, threads whose work fails."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from node.errors import PackageRefusedError, PeerUnavailableError, StoreUnavailableError
from node.exchange.asking import Progress
from node.exchange.limits import Limits
from node.exchange.links import LinkWorker
from node.exchange.receiver import JUDGED_MAX, Receiver
from node.journal import alarms, checkpoints, cursors
from node.journal.wakeups import Wakeups
from node.standard.seals import ANCESTORS, StreamName
from tests.support.exchanging import ExchangeNode, carrier_to, settle, settled_nodes
from tests.support.journals import alarm_body

if TYPE_CHECKING:
    from collections.abc import Callable

PROVINCE, CITY, EAST = "360000", "360100", "360102"
STREAM = StreamName(EAST, ANCESTORS)


def sent(nodes: dict[str, ExchangeNode], count: int = 3) -> Any:
    county = nodes[EAST]
    county.exchange.open_conversation(CITY, carrier_to(nodes[CITY], county))
    county.write(count)
    outgoing = county.exchange.next_package(CITY)
    assert outgoing is not None
    return outgoing


# --- races ---------------------------------------------------------------------------------------------------------


def test_a_slice_whose_stream_moved_meanwhile_is_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = settled_nodes()
    outgoing = sent(nodes)
    judge_all = Receiver._judge_all
    judged: list[int] = []

    def judge_and_be_overtaken(self: Receiver, *arguments: Any, **named: Any) -> Any:
        found = judge_all(self, *arguments, **named)
        judged.append(1)
        if len(judged) == 1:
            # Another process of the home takes the same package just before our commit.
            nodes[CITY].exchange.accept_package(outgoing.data, EAST)
        return found

    monkeypatch.setattr(Receiver, "_judge_all", judge_and_be_overtaken)
    accepted = nodes[CITY].exchange.accept_package(outgoing.data, EAST)
    assert [one.word for one in accepted.verdicts] == ["HELD"]
    assert nodes[CITY].size(STREAM) == 3


def test_what_the_process_before_has_sent_late_is_refused_without_an_alarm_on_either_side() -> None:
    # The county was killed with a package under way; the package arrives only after its new process has opened.
    nodes = settled_nodes()
    county, city = nodes[EAST], nodes[CITY]
    outgoing = sent(nodes)
    county.started().open_conversation(CITY, carrier_to(city, county))
    with pytest.raises(PackageRefusedError, match="has begun since"):
        city.exchange.answer(outgoing.data, EAST)
    for node in (county, city):
        with node.store.reading() as connection:
            assert alarms.alarms(connection) == []


def test_a_slice_whose_stream_keeps_moving_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = settled_nodes()
    outgoing = sent(nodes)
    tries: list[int] = []

    def take_all(_: Receiver, __: object, ___: object, changing: dict[int, object]) -> list[int]:
        tries.append(1)
        return list(changing)

    monkeypatch.setattr(Receiver, "_take_all", take_all)
    accepted = nodes[CITY].exchange.accept_package(outgoing.data, EAST)
    assert [(one.word, one.reason) for one in accepted.verdicts] == [("BUSY", "moved")]
    assert len(tries) == JUDGED_MAX


def test_a_failing_store_raises_and_signs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = settled_nodes()
    outgoing = sent(nodes)

    def fail(*_: object) -> bool:
        raise StoreUnavailableError("The disk is full.")

    monkeypatch.setattr(Receiver, "_take_all", fail)
    with pytest.raises(StoreUnavailableError):
        nodes[CITY].exchange.accept_package(outgoing.data, EAST)
    monkeypatch.undo()
    settle(nodes)
    assert nodes[PROVINCE].size(STREAM) == 0
    nodes[EAST].exchange.failed(CITY, outgoing)
    settle(nodes)
    assert nodes[PROVINCE].size(STREAM) == 3


# --- what is sealed, cut and packed --------------------------------------------------------------------------------


def test_records_that_are_not_sealed_are_neither_stated_nor_sent() -> None:
    nodes = settled_nodes()
    nodes[EAST].write(3)
    nodes[EAST].append([alarm_body(9)])
    settle(nodes)
    assert nodes[CITY].size(STREAM) == 3
    nodes[EAST].started()
    settle(nodes)
    with nodes[EAST].store.reading() as connection:
        assert cursors.cursor(connection, CITY, STREAM) == 3
    nodes[EAST].seal()
    settle(nodes)
    assert nodes[CITY].size(STREAM) == 4


def test_a_stream_whose_checkpoint_is_missing_is_not_stated() -> None:
    nodes = settled_nodes()
    nodes[EAST].write(3)
    nodes[EAST].append([alarm_body(9)])
    with nodes[EAST].store.writer.begin() as connection:
        connection.execute(text("DELETE FROM checkpoint"))
    said = nodes[EAST].exchange._asking._opening.statement(CITY, [EAST])
    assert [line for line in said.lines if line.stream == STREAM] == []


def sizes_at(node: ExchangeNode) -> list[int]:
    with node.store.reading() as connection:
        return [one.size for one in checkpoints.between(connection, STREAM, 0, 10_000)]


def test_a_relay_gets_the_checkpoints_inside_a_long_slice() -> None:
    nodes = settled_nodes()
    # Sealed at 500 and 700 (one commit), 1100 and 1200.
    for first, count in ((1, 700), (1_001, 400), (2_001, 100)):
        nodes[EAST].write(count, first=first)
    nodes[EAST].exchange.open_conversation(CITY, carrier_to(nodes[CITY], nodes[EAST]))
    outgoing = nodes[EAST].exchange.next_package(CITY)
    assert outgoing is not None
    (one,) = outgoing.head.slices
    # 500, because 700 is too far behind 0; 700, because 1100 is too far behind 500; not 1100: 1200 is 500 behind 700.
    assert (one.last, [checkpoint.size for checkpoint in one.announced]) == (1_200, [500, 700])
    nodes[EAST].exchange.failed(CITY, outgoing)
    settle(nodes)
    assert sizes_at(nodes[CITY]) == sizes_at(nodes[PROVINCE]) == [500, 700, 1_200]


def test_a_slice_ends_earlier_rather_than_bring_too_many_checkpoints() -> None:
    nodes = settled_nodes(limits=Limits(announced_max=2))
    nodes[EAST].write(1_800)
    nodes[EAST].exchange.open_conversation(CITY, carrier_to(nodes[CITY], nodes[EAST]))
    outgoing = nodes[EAST].exchange.next_package(CITY)
    assert outgoing is not None
    (one,) = outgoing.head.slices
    assert (one.last, [checkpoint.size for checkpoint in one.announced]) == (1_000, [500, 1_800])
    nodes[EAST].exchange.failed(CITY, outgoing)
    settle(nodes)
    assert sizes_at(nodes[PROVINCE]) == [500, 1_000, 1_500, 1_800]


def test_a_stream_whose_checkpoints_were_taken_away_is_not_sent_and_alarms() -> None:
    nodes = settled_nodes(limits=Limits(slice_records_max=2))
    nodes[EAST].write(7)
    other = nodes[EAST].write(1, CITY, first=900)
    settle(nodes)
    assert (nodes[CITY].size(STREAM), nodes[CITY].size(other)) == (0, 1)
    with nodes[EAST].store.reading() as connection:
        (alarm,) = alarms.alarms(connection)
    assert "No checkpoint of 360102/ancestors stands within reach of record 1" in alarm.text


def test_a_slice_that_fits_into_no_package_is_not_sent_and_stops_nothing() -> None:
    limits = Limits(package_bytes_max=120_000)
    nodes = settled_nodes(limits=limits)
    nodes[EAST].write(400)
    other = nodes[EAST].write(1, CITY, first=900)
    settle(nodes)
    assert nodes[CITY].size(STREAM) == 0
    assert nodes[CITY].size(other) == 1


def test_newer_seals_of_many_silent_streams_are_shown_over_several_packages() -> None:
    nodes = settled_nodes(limits=Limits(slices_max=1))
    streams = [nodes[EAST].write(2), nodes[EAST].write(2, CITY, first=20), nodes[EAST].write(2, PROVINCE, first=30)]
    settle(nodes)
    nodes[EAST].clock.advance(90_000)
    renewed = {one.stream: one for one in nodes[EAST].seal()}
    settle(nodes)
    with nodes[EAST].store.reading() as connection:
        shown = {stream: cursors.shown_at(connection, CITY, stream) for stream in streams}
    assert shown == {stream: renewed[stream].sealed_at for stream in streams}


def test_receipts_that_do_not_fit_are_handed_down_with_the_next_package() -> None:
    nodes = settled_nodes(limits=Limits(receipts_max=3))
    streams = [nodes[EAST].write(1), nodes[EAST].write(1, CITY, first=20), nodes[EAST].write(1, PROVINCE, first=30)]
    settle(nodes)
    assert [nodes[PROVINCE].size(stream) for stream in streams] == [1, 1, 1]


# --- the threads of a link -----------------------------------------------------------------------------------------


class Doubtful:
    """An exchange whose steps do what a test says; counts the steps."""

    def __init__(self, node: ExchangeNode, step: Callable[[int], None]) -> None:
        self.context = node.exchange.context
        self.links = node.exchange.links
        self.steps = 0
        self.done = threading.Event()
        self._step = step

    def must_open(self, _: str) -> bool:
        return False

    def push_once(self, *_: object, **__: object) -> Progress:
        return Progress()

    def poll_once(self, *_: object, **__: object) -> Progress:
        self.steps += 1
        if self.steps >= 3:
            self.done.set()
        self._step(self.steps)
        return Progress(asked=True)


class NoCarrier:
    """Carries nothing."""

    def exchange(self, package: bytes, *, wait_s: float) -> bytes:
        raise PeerUnavailableError(f"{len(package)} {wait_s}")

    def close(self) -> None:
        """Hold nothing."""


def run_link(
    step: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, node: ExchangeNode | None = None
) -> Doubtful:
    monkeypatch.setattr("node.exchange.links.UNFORESEEN_S", 0.0)
    monkeypatch.setattr("node.exchange.links.REST_S", 0.01)
    monkeypatch.setattr("node.exchange.links.POLL_REST_S", 0.01)
    node = node or settled_nodes()[EAST]
    doubtful = Doubtful(node, step)
    wakeups = Wakeups(node.store)
    # Waiting for news returns at once, as it does while a node stops: nobody must spin.
    wakeups.close()
    worker = LinkWorker(doubtful, CITY, NoCarrier(), wakeups)  # type: ignore[arg-type]
    worker.start()
    try:
        assert doubtful.done.wait(10)
        lived = worker.alive
    finally:
        worker.stop()
    assert (lived, worker.alive) == (True, False)
    return doubtful


def test_a_defect_in_a_step_is_logged_and_the_link_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(number: int) -> None:
        if number == 1:
            raise ZeroDivisionError

    run_link(fail, monkeypatch)
    (said,) = [one for one in caplog.records if one.message == "link step failed"]
    assert said.exc_info is not None


def test_a_store_that_cannot_even_note_the_failure_stops_no_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = settled_nodes()[EAST]

    def unwritable(*_: object, **__: object) -> float:
        raise StoreUnavailableError("The disk is full.")

    def fail(number: int) -> None:
        node.clock.advance(1.0)
        if number < 3:
            raise PeerUnavailableError("no answer")

    monkeypatch.setattr(node.exchange.links, "failed", unwritable)
    monkeypatch.setattr(node.exchange.links, "stopped", unwritable)
    run_link(fail, monkeypatch, node)
    assert [one.message for one in caplog.records].count("link state not written") >= 2
