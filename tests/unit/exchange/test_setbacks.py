"""What a setback costs: a stream that rests longer each time, a slice that cannot be digested, a failed composition."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from node.errors import PackageRefusedError, StoreBusyError
from node.exchange.conversation import Wanted
from node.exchange.head import Verdict
from node.exchange.links import LinkWorker
from node.exchange.package import BODY_END, BODY_START, write_package
from node.exchange.settling import CLAIM_ALARM
from node.exchange.tails import TIMES_MAX
from node.journal import alarms, cursors, links
from node.journal.memory import image_of, memory_store
from node.journal.wakeups import Wakeups
from node.standard.seals import ANCESTORS, DESCENDANTS, StreamName
from tests.support.exchanging import ExchangeNode, carrier_to, settle, settled_nodes
from tests.support.identities import AT, FOUR, child_of, root_identity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from node.exchange.composing import Outgoing
    from node.exchange.exchange import Exchange
    from node.journal.entries import Batch
    from node.journal.store import Transaction

PROVINCE, CITY, EAST = "360000", "360100", "360102"
STREAM = StreamName(EAST, ANCESTORS)


def opened() -> tuple[ExchangeNode, ExchangeNode]:
    """Return county and city with an open conversation and nothing waiting."""
    nodes = settled_nodes()
    settle(nodes, only=[EAST])
    return nodes[EAST], nodes[CITY]


def sent(exchange: Exchange) -> Outgoing:
    outgoing = exchange.next_package(CITY)
    assert outgoing is not None
    return outgoing


def answered(county: ExchangeNode, outgoing: Outgoing, word: str) -> None:
    """Let the county hear ``word`` for every slice of ``outgoing``."""
    verdicts = [Verdict(stream=one.stream, first=one.first, last=one.last, word=word) for one in outgoing.head.slices]
    county.exchange._accepting._sender.verdicts(county.exchange.conversation(CITY), verdicts)


# --- rests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "rests_s"), [("BUSY", [1, 2, 4, 8, 16, 30, 30]), ("REFUSED", [30, 60, 120, 240])])
def test_a_stream_rests_twice_as_long_each_time(word: str, rests_s: list[float]) -> None:
    county, _ = opened()
    county.write(2)
    for rest_s in rests_s:
        answered(county, sent(county.exchange), word)
        county.clock.advance(rest_s - 0.1)
        assert county.exchange.next_package(CITY) is None
        county.clock.advance(0.2)
    answered(county, sent(county.exchange), "HELD")
    # What was held once is trusted again.
    answered(county, sent(county.exchange), word)
    county.clock.advance(rests_s[0])
    assert county.exchange.next_package(CITY) is not None


def test_a_slice_behind_a_lost_package_is_not_sent_again_without_pause() -> None:
    """The package before it went as the answer to a copy of a request, so nobody ever tells that it was lost."""
    county, city = opened()
    county.write(2)
    lost = sent(county.exchange)
    county.write(2, first=9)
    later = sent(county.exchange)
    assert (lost.head.slices[0].first, later.head.slices[0].first) == (1, 3)
    gap = city.exchange.answer(later.data, EAST)
    county.exchange.accept_answer(gap, CITY, later)
    assert county.exchange.next_package(CITY) is None
    county.clock.advance(1.1)
    assert sent(county.exchange).head.slices[0].first == 3
    # Forgotten after a minute: now all of it goes again.
    county.clock.advance(61)
    assert sent(county.exchange).head.slices[0].first == 1


def test_a_tail_that_comes_when_it_was_asked_for_too_often_is_taken() -> None:
    """The requests before it got lost on the way, and the answer arrives before anybody is told."""
    county, city = opened()
    county.write(3)
    outgoing = sent(county.exchange)
    county.exchange.accept_answer(city.exchange.answer(outgoing.data, EAST), CITY, outgoing)
    old = image_of(county.store)
    county.write(5, first=20)
    outgoing = sent(county.exchange)
    city.exchange.answer(outgoing.data, EAST)
    # Its machine is set back, high-water file and all: only its parent can tell it what it has signed.
    county = ExchangeNode(county.identity, store=memory_store(old), clock=county.clock)
    county.exchange.open_conversation(CITY, carrier_to(city, county))
    wanted = county.exchange.conversation(CITY).wanted
    assert list(wanted) == [STREAM]
    wanted[STREAM] = Wanted(times=TIMES_MAX)
    county.exchange.push_once(CITY, carrier_to(city, county))
    assert county.exchange.settling.doubt() is not None
    with county.store.reading() as connection:
        assert CLAIM_ALARM not in [one.kind for one in alarms.alarms(connection)]


def test_a_tail_that_an_opening_asks_for_comes_without_another_request() -> None:
    county, city = opened()
    county.write(3)
    outgoing = sent(county.exchange)
    city.exchange.answer(outgoing.data, EAST)
    conversation = county.exchange.conversation(CITY)
    conversation.wanted[STREAM] = Wanted()
    conversation.reopen = "a reason of its own"
    county.exchange.open_conversation(CITY, carrier_to(city, county))
    assert conversation.wanted[STREAM].times == 1
    assert list(city.exchange.conversation(EAST).asked) == [STREAM]


def test_a_refused_slice_that_comes_again_is_kept_once(tmp_path: Path) -> None:
    nodes = settled_nodes()
    county, city = nodes[EAST], nodes[CITY]
    city.evidence_folder = tmp_path
    city.started()
    settle(nodes, only=[EAST])
    county.write(3)
    outgoing = sent(county.exchange)
    one = outgoing.head.slices[0]
    forged = replace(outgoing.head, slices=(replace(one, checkpoint=replace(one.checkpoint, root=b"x" * 32)),))
    for minute in range(5):
        later = replace(forged, sent_at=forged.sent_at.replace(minute=minute))
        data = write_forged(county, later, outgoing)
        assert [v.reason for v in city.exchange.accept_package(data, EAST).verdicts] == ["seal"]
    (kept,) = (tmp_path / EAST).iterdir()
    assert kept.name == "360102-ancestors-1.seal.package.xml"


def write_forged(county: ExchangeNode, head: Any, outgoing: Outgoing) -> bytes:
    """Return ``outgoing`` with another Head, signed by the county."""
    body = outgoing.data[outgoing.data.index(BODY_START) + len(BODY_START) : outgoing.data.rindex(BODY_END)]
    return write_package(head, [body], county.identity.private_key)


def test_newer_seals_of_a_silent_stream_that_rests_are_not_shown_meanwhile() -> None:
    county, _ = opened()
    county.write(2)
    answered(county, sent(county.exchange), "HELD")
    county.store.write(lambda transaction: cursors.advance(transaction, CITY, {STREAM: 2}))
    county.clock.advance(90_000)
    county.seal()
    for _ in range(3):
        refreshing = sent(county.exchange)
        assert [(one.stream, one.first) for one in refreshing.head.slices] == [(STREAM, 2)]
        answered(county, refreshing, "REFUSED")
        assert county.exchange.next_package(CITY) is None
        county.exchange.conversation(CITY).refreshed_at_s = None
        assert county.exchange.next_package(CITY) is None
        county.clock.advance(3_601)


# --- digestion -----------------------------------------------------------------------------------------------------


class Picky:
    """A projection that fails on one stream."""

    def __init__(self, refused: StreamName) -> None:
        self.name = "picky"
        self.cuts: frozenset[str] = frozenset()
        self.refused: StreamName | None = refused

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        assert transaction.connection
        if any(batch.stream == self.refused for batch in batches):
            raise ZeroDivisionError

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        self.apply(transaction, [batch])

    def clear(self, transaction: Transaction) -> None:
        """Hold nothing."""


def test_a_slice_that_cannot_be_digested_waits_and_holds_back_no_other(caplog: pytest.LogCaptureFixture) -> None:
    nodes = settled_nodes()
    picky = Picky(STREAM)
    nodes[CITY] = ExchangeNode(nodes[CITY].identity, store=nodes[CITY].store, projections=(picky,))
    county, city = nodes[EAST], nodes[CITY]
    county.write(2)
    other = county.write(1, CITY, first=9)
    settle(nodes, only=[EAST])
    assert (city.size(STREAM), city.size(other)) == (0, 1)
    with city.store.reading() as connection:
        (alarm,) = alarms.alarms(connection)
    assert (alarm.kind, str(alarm.stream)) == ("OTHER", "360102/ancestors")
    assert "Records 1 to 2 cannot be taken" in alarm.text
    said = [one for one in caplog.records if one.message == "slice not digested"]
    assert said
    assert all(one.exc_info for one in said)
    # The next release can.
    picky.refused = None
    county.clock.advance(31)
    settle(nodes)
    assert city.size(STREAM) == 2


# --- what is lost and what is not ------------------------------------------------------------------------------------


def test_replies_survive_a_package_that_could_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    county, city = opened()
    down = city.write(2, DESCENDANTS)
    given = city.exchange.next_package(EAST)
    assert given is not None
    accepted = county.exchange.accept_package(given.data, CITY)
    conversation = county.exchange.conversation(CITY)
    conversation.replies.add(county.exchange._accepting.replies(accepted))
    conversation.news.add(STREAM)

    def busy(*_: object) -> None:
        raise StoreBusyError("locked")

    with monkeypatch.context() as patch:
        patch.setattr("node.exchange.composing.write_package", busy)
        with pytest.raises(StoreBusyError):
            county.exchange.next_package(CITY)
        with pytest.raises(StoreBusyError):
            county.exchange._composer.compose_poll(conversation)
    assert conversation.news == {STREAM}
    head = sent(county.exchange).head
    assert [(one.stream, one.word) for one in head.verdicts] == [(down, "HELD")]
    assert [one.size for one in head.receipts] == [2]


def test_only_the_early_slices_of_a_package_are_judged_again() -> None:
    county, city = opened()
    county.write(2)
    first = sent(county.exchange)
    county.write(2, first=9)
    county.write(1, CITY, first=20)
    second = sent(county.exchange)
    judged: list[list[int]] = []
    receiver = city.exchange._accepting._receiver
    accept = receiver.accept

    def accept_and_note(package: Any, peer: str, numbers: Any, **named: Any) -> Any:
        judged.append(list(numbers))
        return accept(package, peer, judged[-1], **named)

    receiver.accept = accept_and_note  # type: ignore[method-assign]
    accepted = city.exchange.accept_package(second.data, EAST)
    assert [one.word for one in accepted.verdicts] == ["HELD", "EARLY"]
    city.exchange.accept_package(first.data, EAST)
    assert [one.word for one in city.exchange.offer_again(accepted).verdicts] == ["HELD", "HELD"]
    assert judged == [[0, 1], [0], [1]]


def test_who_waits_for_a_receipt_is_woken_when_it_can_be_handed_down() -> None:
    nodes = settled_nodes()
    settle(nodes)
    nodes[EAST].write(1)
    settle(nodes, only=[EAST])
    city = nodes[CITY]
    news: list[set[StreamName]] = []
    city.store.listen(lambda: news.append(set(city.exchange.conversation(EAST).news)))
    city.exchange.push_once(PROVINCE, carrier_to(nodes[PROVINCE], city))
    assert news[-1] == {STREAM}


def test_a_statement_older_than_a_receipt_of_the_same_process_puts_nothing_back() -> None:
    county, city = opened()
    county.write(3)
    said = city.exchange._answering._opening.statement(EAST, [EAST])
    county.exchange.push_once(CITY, carrier_to(city, county))
    conversation = county.exchange.conversation(CITY)
    opening = county.exchange._asking._opening

    def cursor() -> int:
        with county.store.reading() as connection:
            return cursors.cursor(connection, CITY, STREAM)

    assert cursor() == 3
    opening.apply(conversation, said, city.exchange.context.start_id)
    assert cursor() == 3
    # Another process may have lost what this one has receipted.
    opening.apply(conversation, said, "f" * 32)
    assert cursor() == 0


# --- certificates ----------------------------------------------------------------------------------------------------


def test_a_certificate_of_a_stranger_keeps_no_other_from_being_learned() -> None:
    county, city = opened()
    stranger, _ = child_of(root_identity(), EAST, FOUR[EAST])
    renewed, _ = child_of(city.identity, EAST, FOUR[EAST], at=AT.replace(day=9))
    county.write(1)
    outgoing = sent(county.exchange)
    brought = (renewed.certificate.der, stranger.certificate.der)
    data = write_forged(county, replace(outgoing.head, certificates=brought), outgoing)
    city.exchange.accept_package(data, EAST)
    with city.store.reading() as connection:
        assert city.book.known(connection, [renewed.certificate.fingerprint, stranger.certificate.fingerprint]) == {
            renewed.certificate.fingerprint
        }
    assert city.exchange.counted[EAST, "certificates"] == 1


def test_a_neighbour_that_signs_with_another_key_is_told_to_people() -> None:
    """A child whose parent was made anew could not learn it otherwise: trust comes in the packages that it refuses."""
    county, city = opened()
    anew, _ = child_of(root_identity(), CITY, FOUR[CITY])
    head = replace(sent_down(city).head, slices=())
    with pytest.raises(PackageRefusedError, match="signature"):
        county.exchange.accept_package(write_package(head, [], anew.private_key), CITY)
    with county.store.reading() as connection:
        (alarm,) = alarms.alarms(connection)
    assert (alarm.kind, alarm.subject) == ("PACKAGE", "signature of 360100")
    assert "its own home must come back from a backup" in alarm.text


def sent_down(city: ExchangeNode) -> Outgoing:
    city.write(1, DESCENDANTS)
    outgoing = city.exchange.next_package(EAST)
    assert outgoing is not None
    return outgoing


# --- the link's own notes --------------------------------------------------------------------------------------------


def test_what_a_neighbour_answers_is_noted_without_characters_that_no_database_takes() -> None:
    county, _ = opened()
    county.exchange.links.failed(CITY, links.PARENT, "HTTP 500: a\0b")
    with county.store.reading() as connection:
        row = links.link_to(connection, CITY)
    assert row is not None
    assert row.note == "HTTP 500: a b"


def test_a_contact_that_could_not_be_noted_is_noted_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    county, _ = opened()
    county.exchange.links.failed(CITY, links.PARENT, "no answer")

    def busy(*_: object) -> None:
        raise StoreBusyError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(county.store, "write", busy)
        with pytest.raises(StoreBusyError):
            county.exchange.links.heard(CITY, links.PARENT)
    county.exchange.links.heard(CITY, links.PARENT)
    with county.store.reading() as connection:
        row = links.link_to(connection, CITY)
    assert row is not None
    assert row.state == "up"


def test_a_defect_in_noting_a_failure_costs_a_rest_and_no_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    county, city = opened()

    def fail(*_: object, **__: object) -> float:
        raise ZeroDivisionError

    monkeypatch.setattr(county.exchange.links, "failed", fail)
    worker = LinkWorker(county.exchange, CITY, carrier_to(city, county), Wakeups(county.store))
    with caplog.at_level(logging.ERROR):
        worker._failed(StoreBusyError("locked"), 0)
    assert worker._rest_until_s == county.clock.monotonic_s() + 5.0
    assert "link state not written" in caplog.text
