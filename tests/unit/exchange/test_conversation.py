"""One link between city and county: receipts, statements, what is under way, long polls, and what may go wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from node.errors import PackageRefusedError, PeerUnavailableError
from node.exchange.accepting import Accepting
from node.exchange.carriers.memory import MemoryCarrier
from node.exchange.head import ANSWER, PUSH, Head, Statement, Verdict, write_head
from node.exchange.limits import Limits
from node.exchange.package import read_package, write_package
from node.journal import alarms, checkpoints, cursors, links, receipts
from node.journal.cursors import put_back
from node.standard.seals import ANCESTORS, DESCENDANTS, Receipt, StreamName
from tests.support.exchanging import ExchangeNode, settle, settled_nodes, step
from tests.support.identities import identities

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.exchange.accepting import Accepted
    from node.exchange.composing import Outgoing
    from node.standard.seals import Checkpoint

PROVINCE, CITY, EAST, WEST = "360000", "360100", "360102", "360103"
STREAM = StreamName(EAST, ANCESTORS)


@dataclass
class Link:
    """The county, the city, and what carries between them."""

    county: ExchangeNode
    city: ExchangeNode
    carrier: MemoryCarrier

    def open(self) -> None:
        self.county.exchange.open_conversation(CITY, self.carrier)

    def cursor(self, stream: StreamName = STREAM) -> int:
        with self.county.store.reading() as connection:
            return cursors.cursor(connection, CITY, stream)

    def settle(self) -> None:
        settle({CITY: self.city, EAST: self.county})

    def alarms(self) -> list[str]:
        with self.county.store.reading() as connection:
            return [one.kind for one in alarms.alarms(connection)]

    def receipt(self, size: int, *, holder: str = CITY, stream: StreamName = STREAM, **changes: Any) -> Receipt:
        """Return a receipt with the right root, signed by its holder, unless changed."""
        with self.county.store.reading() as connection:
            held = self.county.journal.held(connection, stream)
            root = self.county.journal.root_at(connection, stream, size) if held and size <= held.size else b"x" * 32
        identity = identities()[holder]
        unsigned = Receipt(
            holder=holder,
            stream=stream,
            size=size,
            root=changes.pop("root", root),
            received_at=self.county.clock.now().replace(microsecond=0),
            signer=identity.fingerprint,
        )
        return replace(unsigned, **({"signature": identity.sign(unsigned.text(identity.tree))} | changes))

    def bring(self, *brought: Receipt, verdicts: tuple[Verdict, ...] = ()) -> None:
        """Let the county accept a package of the city with these receipts."""
        self.county.exchange.accept_package(self.from_city(receipts=brought, verdicts=verdicts), CITY)

    def from_city(self, **parts: Any) -> bytes:
        identity = identities()[CITY]
        head = Head(
            tree=identity.tree,
            sender=CITY,
            receiver=EAST,
            start_id=self.city.exchange.context.start_id,
            sent_at=self.city.clock.now(),
            purpose=ANSWER,
        )
        return write_package(replace(head, **parts), [], identity.private_key)


@pytest.fixture
def link() -> Link:
    nodes = settled_nodes()
    return linked(nodes)


def linked(nodes: dict[str, ExchangeNode]) -> Link:
    return Link(county=nodes[EAST], city=nodes[CITY], carrier=MemoryCarrier(nodes[CITY].exchange, EAST))


def head_of(link: Link, data: bytes, sender: str) -> Head:
    return read_package(data, identities()[sender].certificate.parsed, link.city.clock.now()).head


# --- receipts ------------------------------------------------------------------------------------------------------


def sent_and_unanswered(link: Link, count: int = 5) -> Outgoing:
    """Let the county have one package under way."""
    link.open()
    link.county.write(count)
    outgoing = link.county.exchange.next_package(CITY)
    assert outgoing is not None
    return outgoing


def test_a_receipt_for_what_was_sent_moves_the_cursor(link: Link) -> None:
    sent_and_unanswered(link)
    link.bring(link.receipt(5))
    assert link.cursor() == 5
    assert link.alarms() == []


def test_a_receipt_again_or_a_lower_one_changes_nothing(link: Link) -> None:
    sent_and_unanswered(link)
    link.bring(link.receipt(5))
    link.county.write(3, first=20)
    assert link.county.exchange.next_package(CITY) is not None
    link.bring(link.receipt(8))
    for again in (link.receipt(8), link.receipt(5), link.receipt(8)):
        link.bring(again)
        assert link.cursor() == 8
    with link.county.store.reading() as connection:
        assert [one.size for one in receipts.all_receipts(connection, STREAM)] == [5, 8]
    assert link.alarms() == []


def refused(link: Link, receipt: Receipt) -> None:
    before = link.cursor(receipt.stream) if receipt.stream == STREAM else 0
    link.bring(receipt)
    assert link.cursor() == before
    assert link.alarms() == ["RECEIPT"]


def test_a_receipt_beyond_what_was_sent_moves_nothing_and_alarms(link: Link) -> None:
    sent_and_unanswered(link)
    link.county.write(2, first=20)
    refused(link, link.receipt(7))


def test_a_receipt_beyond_what_exists_moves_nothing_and_alarms(link: Link) -> None:
    sent_and_unanswered(link)
    refused(link, link.receipt(900))


def test_a_receipt_with_another_root_moves_nothing_and_alarms(link: Link) -> None:
    sent_and_unanswered(link)
    refused(link, link.receipt(5, root=b"z" * 32))


def test_a_receipt_between_two_checkpoints_moves_nothing_and_alarms(link: Link) -> None:
    sent_and_unanswered(link)
    refused(link, link.receipt(4))


def test_a_receipt_that_does_not_verify_moves_nothing_and_alarms(link: Link) -> None:
    sent_and_unanswered(link)
    refused(link, link.receipt(5, signature=b"forged"))


def test_a_receipt_of_somebody_who_does_not_answer_for_the_link_is_refused(link: Link) -> None:
    sent_and_unanswered(link)
    refused(link, link.receipt(5, holder=WEST))


def test_a_receipt_for_a_stream_that_is_not_sent_over_the_link_is_refused(link: Link) -> None:
    sent_and_unanswered(link)
    refused(link, link.receipt(1, stream=StreamName(PROVINCE, "trust")))


def test_refused_receipts_are_kept_as_evidence(tmp_path: Path) -> None:
    nodes = settled_nodes()
    nodes[EAST].evidence_folder = tmp_path
    nodes[EAST].started()
    link = linked(nodes)
    sent_and_unanswered(link)
    link.bring(link.receipt(5, root=b"z" * 32))
    (kept,) = (tmp_path / CITY).iterdir()
    assert kept.read_bytes().startswith(b"yizhan.receipt/1\n")
    assert ".root." in kept.name


def test_a_receipt_for_what_an_earlier_process_sent_is_believed_at_the_opening(link: Link) -> None:
    outgoing = sent_and_unanswered(link)
    link.city.exchange.accept_package(outgoing.data, EAST)
    link.county.started()
    link.open()
    assert link.cursor() == 5
    with link.county.store.reading() as connection:
        assert [one.holder for one in receipts.receipts_for(connection, STREAM)] == [CITY]


# --- what is under way ---------------------------------------------------------------------------------------------


def test_nothing_travels_before_the_conversation_is_open(link: Link) -> None:
    link.county.write(3)
    assert link.county.exchange.next_package(CITY) is None
    link.open()
    assert link.county.exchange.next_package(CITY) is not None


def test_two_packages_may_be_under_way_and_the_second_begins_behind_the_first(link: Link) -> None:
    first = sent_and_unanswered(link)
    link.county.write(2, first=20)
    second = link.county.exchange.next_package(CITY)
    assert second is not None
    assert [(one.head.slices[0].first, one.head.slices[0].last) for one in (first, second)] == [(1, 5), (6, 7)]
    link.county.write(1, first=30)
    assert link.county.exchange.next_package(CITY) is None


def test_an_unanswered_package_is_sent_again_after_a_minute(link: Link) -> None:
    sent_and_unanswered(link)
    assert link.county.exchange.next_package(CITY) is None
    link.county.clock.advance(61)
    again = link.county.exchange.next_package(CITY)
    assert again is not None
    assert again.head.slices[0].first == 1


def test_a_failed_request_is_sent_again_after_a_new_opening(link: Link) -> None:
    link.open()
    link.county.write(3)
    down = MemoryCarrier(link.city.exchange, EAST, is_up=lambda: False)
    with pytest.raises(PeerUnavailableError):
        link.county.exchange.push_once(CITY, down)
    assert link.county.exchange.must_open(CITY)
    link.settle()
    assert link.city.size(STREAM) == 3


def test_packages_in_the_wrong_order_all_arrive(link: Link) -> None:
    first = sent_and_unanswered(link)
    link.county.write(2, first=20)
    second = link.county.exchange.next_package(CITY)
    assert second is not None
    gap = link.city.exchange.answer(second.data, EAST)
    assert [one.word for one in head_of(link, gap, CITY).verdicts] == ["GAP"]
    held = link.city.exchange.answer(first.data, EAST)
    link.county.exchange.accept_answer(held, CITY, first)
    link.county.exchange.accept_answer(gap, CITY, second)
    assert link.cursor() == 5
    link.county.clock.advance(1.1)
    link.settle()
    assert (link.city.size(STREAM), link.cursor()) == (7, 7)


def test_a_verdict_on_nothing_that_is_under_way_changes_nothing(link: Link) -> None:
    outgoing = sent_and_unanswered(link)
    link.bring(verdicts=(Verdict(stream=STREAM, first=1, last=4, word="REFUSED", reason="seal"),))
    assert link.county.exchange.conversation(CITY).flights == [outgoing.flight]


@pytest.mark.parametrize(("word", "reason", "rest_s"), [("BUSY", "unknown node", 1.0), ("REFUSED", "signer", 30.0)])
def test_a_stream_that_is_busy_or_refused_rests_and_comes_again(
    link: Link, word: str, reason: str, rest_s: float
) -> None:
    sent_and_unanswered(link)
    link.bring(verdicts=(Verdict(stream=STREAM, first=1, last=5, word=word, reason=reason),))
    assert link.county.exchange.next_package(CITY) is None
    other = link.county.write(1, CITY, first=40)
    beside = link.county.exchange.next_package(CITY)
    assert beside is not None
    assert [one.stream for one in beside.head.slices] == [other]
    link.county.clock.advance(rest_s)
    again = link.county.exchange.next_package(CITY)
    assert again is not None
    assert [one.stream for one in again.head.slices] == [STREAM]
    # After a refusal the chains are given again, in case one got lost.
    assert bool(beside.head.certificates) == (word == "REFUSED")


def test_certificate_chains_are_given_once_in_a_conversation(link: Link) -> None:
    link.open()
    conversation = link.county.exchange.conversation(CITY)
    # The opening has brought our own chain already, with our receipts.
    assert conversation.told == {link.county.identity.fingerprint}
    conversation.told.clear()
    link.county.write(5)
    outgoing = link.county.exchange.next_package(CITY)
    assert outgoing is not None
    assert len(outgoing.head.certificates) == 2
    link.county.write(1, first=20)
    second = link.county.exchange.next_package(CITY)
    assert second is not None
    assert second.head.certificates == ()


def test_a_package_keeps_within_its_bytes_and_says_that_more_waits() -> None:
    link = linked(settled_nodes(limits=Limits(package_bytes_max=400_000)))
    link.open()
    link.county.write(2_400)
    outgoing = link.county.exchange.next_package(CITY)
    assert outgoing is not None
    assert outgoing.head.more
    assert len(outgoing.data) <= 400_000
    link.county.exchange.failed(CITY, outgoing)
    link.settle()
    assert link.city.size(STREAM) == 2_400


def test_a_package_has_only_as_many_slices_as_it_may() -> None:
    link = linked(settled_nodes(limits=Limits(slices_max=1, certificates_max=3)))
    link.open()
    link.county.write(1)
    link.county.write(1, CITY, first=40)
    outgoing = link.county.exchange.next_package(CITY)
    assert outgoing is not None
    assert (len(outgoing.head.slices), outgoing.head.more) == (1, True)
    link.county.exchange.failed(CITY, outgoing)
    link.settle()
    assert link.city.size(StreamName(EAST, CITY)) == 1


def test_a_slice_whose_chain_has_no_room_waits() -> None:
    link = linked(settled_nodes(limits=Limits(certificates_max=1)))
    link.open()
    link.county.write(1)
    assert link.county.exchange.next_package(CITY) is None


def test_a_damaged_record_is_not_sent_and_alarms_while_others_go_on(link: Link) -> None:
    link.open()
    link.county.write(2)
    other = link.county.write(1, CITY, first=40)
    with link.county.store.writer.begin() as connection:
        connection.execute(
            text(
                "UPDATE record SET leaf = zeroblob(32) WHERE key = (SELECT min(key) FROM record r "
                "WHERE r.key >> 40 = (SELECT id FROM stream WHERE audience = 'ancestors' "
                "AND origin = '360102'))"
            )
        )
    outgoing = link.county.exchange.next_package(CITY)
    assert outgoing is not None
    assert [one.stream for one in outgoing.head.slices] == [other]
    assert link.alarms() == ["OTHER"]
    assert link.county.exchange.next_package(CITY) is None


def test_a_record_that_cannot_even_be_expanded_is_damaged_too(link: Link) -> None:
    link.open()
    link.county.write(2)
    with link.county.store.writer.begin() as connection:
        connection.execute(
            text(
                "UPDATE record SET body = x'00' WHERE key >> 40 = "
                "(SELECT id FROM stream WHERE audience = 'ancestors' AND origin = '360102')"
            )
        )
    assert link.county.exchange.next_package(CITY) is None
    assert link.alarms() == ["OTHER"]


# --- statements ----------------------------------------------------------------------------------------------------


def test_a_neighbour_that_returns_with_less_gets_what_it_lacks(link: Link) -> None:
    link.open()
    link.county.write(6)
    link.settle()
    fresh = settled_nodes()[CITY]
    fresh.started()
    link = Link(county=link.county, city=fresh, carrier=MemoryCarrier(fresh.exchange, EAST))
    # Nobody has told the county yet: its cursor says that all is held. The next long-poll does, by the start id.
    assert not link.county.exchange.push_once(CITY, link.carrier).asked
    link.settle()
    assert (fresh.size(STREAM), link.cursor()) == (6, 6)


def test_a_receipt_from_before_the_neighbour_returned_moves_nothing(link: Link) -> None:
    link.open()
    link.county.write(6)
    link.settle()
    fresh = settled_nodes()[CITY]
    fresh.started()
    link.county.exchange.open_conversation(CITY, MemoryCarrier(fresh.exchange, EAST))
    with link.county.store.reading() as connection:
        (old,) = receipts.all_receipts(connection, STREAM)
    link.bring(old)
    assert link.cursor() == 0
    assert link.county.exchange.settling.doubt() is None


def test_a_returned_neighbour_is_shown_on_the_link(link: Link) -> None:
    link.open()
    link.county.write(6)
    link.settle()
    link.county.exchange.links.heard(CITY, links.PARENT)
    fresh = settled_nodes()[CITY]
    fresh.started()
    link.county.exchange.open_conversation(CITY, MemoryCarrier(fresh.exchange, EAST))
    assert link.cursor() == 0
    with link.county.store.reading() as connection:
        row = links.link_to(connection, CITY)
    assert row is not None
    assert row.note == "neighbour returned"


def test_a_cursor_that_is_too_high_by_itself_is_put_back_by_the_gap(link: Link) -> None:
    link.open()
    link.county.write(3)
    link.county.write(3, first=20)
    link.county.store.write(lambda transaction: put_back(transaction, CITY, STREAM, 3))
    assert link.county.exchange.push_once(CITY, link.carrier).asked
    assert link.cursor() == 0
    link.settle()
    assert link.city.size(STREAM) == 6


def test_a_statement_with_another_root_moves_no_cursor_and_its_tail_is_asked_for(link: Link) -> None:
    link.open()
    link.county.write(4)
    other = settled_nodes()
    other[EAST].write(4, first=500)
    settle(other)
    with pytest.raises(PackageRefusedError):
        link.county.exchange.open_conversation(CITY, MemoryCarrier(other[CITY].exchange, WEST))
    carrier = MemoryCarrier(other[CITY].exchange, EAST)
    link.county.exchange.open_conversation(CITY, carrier)
    assert link.cursor() == 0
    assert link.county.exchange.settling.doubt() is None
    link.county.exchange.push_once(CITY, carrier)
    # The county's own signature is what convinces it.
    assert link.county.exchange.settling.doubt() is not None


def test_a_neighbour_that_proves_to_hold_more_than_we_do_puts_us_in_doubt(link: Link) -> None:
    other = settled_nodes()
    other[EAST].write(9)
    settle(other)
    link.county.write(4)
    carrier = MemoryCarrier(other[CITY].exchange, EAST)
    link.county.exchange.open_conversation(CITY, carrier)
    assert link.cursor() == 4
    assert link.county.exchange.settling.doubt() is None
    link.county.exchange.push_once(CITY, carrier)
    doubt = link.county.exchange.settling.doubt()
    assert doubt is not None
    assert CITY in doubt.reason


def test_an_answer_to_an_opening_without_a_statement_is_refused(link: Link) -> None:
    class Mute:
        def exchange(self, package: bytes, *, wait_s: float) -> bytes:
            assert package
            assert wait_s == 0.0
            return link.from_city()

        def close(self) -> None: ...

    with pytest.raises(PackageRefusedError):
        link.county.exchange.open_conversation(CITY, Mute())
    assert link.county.exchange.must_open(CITY)


def test_a_conversation_is_opened_again_after_a_day(link: Link) -> None:
    link.open()
    assert not link.county.exchange.must_open(CITY)
    link.county.clock.advance(86_401)
    assert link.county.exchange.must_open(CITY)


def test_a_parent_that_started_again_is_noticed_by_its_start_id(link: Link) -> None:
    link.open()
    link.city.started()
    again = MemoryCarrier(link.city.exchange, EAST)
    link.county.exchange.poll_once(CITY, again, 0.0)
    assert link.county.exchange.must_open(CITY)
    assert step(link.county, link.city)
    assert not link.county.exchange.must_open(CITY)


def test_an_unsettled_statement_is_read_as_such() -> None:
    written = write_head(
        Head(
            tree="a" * 64,
            sender=CITY,
            receiver=EAST,
            start_id="0" * 32,
            sent_at=identities()[CITY].certificate.not_before,
            purpose="OPEN",
            statement=Statement(digests=(), unsettled=True),
        )
    )
    assert b"<Statement><Unsettled>true</Unsettled></Statement>" in written


# --- answers -------------------------------------------------------------------------------------------------------


def waits(link: Link, during: Callable[[], None] | None = None) -> tuple[list[float], Callable[[float], bool]]:
    """Return what was waited for, and a wait in which time passes and ``during`` happens once."""
    asked: list[float] = []
    pending = [during] if during else []

    def wait(seconds: float) -> bool:
        if seconds == 0.0:
            return False
        asked.append(seconds)
        if pending:
            pending.pop()()
            link.city.clock.advance(0.1)
            return True
        link.city.clock.advance(seconds)
        return False

    return asked, wait


def poll(link: Link) -> bytes:
    with link.county.exchange.conversation(CITY).lock:
        return link.county.exchange._composer.compose_poll(link.county.exchange.conversation(CITY)).data


def test_a_long_poll_is_answered_as_soon_as_there_is_something(link: Link) -> None:
    link.settle()
    asked, wait = waits(link, lambda: (link.city.write(1, DESCENDANTS), None)[1])
    answer = head_of(link, link.city.exchange.answer(poll(link), EAST, wait=wait, wait_s=25.0), CITY)
    assert [str(one.stream) for one in answer.slices] == ["360100/descendants"]
    assert len(asked) == 1


def test_a_long_poll_without_news_is_answered_empty_after_25_seconds_at_most(link: Link) -> None:
    link.settle()
    asked, wait = waits(link)
    answer = head_of(link, link.city.exchange.answer(poll(link), EAST, wait=wait, wait_s=900.0), CITY)
    assert answer.slices == ()
    assert sum(asked) == pytest.approx(25.0)
    assert max(asked) <= 5.0


def test_a_newer_long_poll_ends_the_older_one_which_carries_nothing(link: Link) -> None:
    link.settle()

    def come_again() -> None:
        link.city.exchange.answer(poll(link), EAST)
        link.city.write(1, DESCENDANTS)

    _, wait = waits(link, come_again)
    answer = head_of(link, link.city.exchange.answer(poll(link), EAST, wait=wait, wait_s=25.0), CITY)
    assert answer.slices == ()


def test_a_long_poll_ends_when_nobody_waits_any_more(link: Link) -> None:
    link.settle()
    answer = head_of(link, link.city.exchange.answer(poll(link), EAST, wait=lambda _: False, wait_s=25.0), CITY)
    assert answer.slices == ()


def test_a_push_is_answered_with_the_receipt_and_the_next_package(link: Link) -> None:
    link.settle()
    down = link.city.write(1, DESCENDANTS)
    link.county.write(2)
    outgoing = link.county.exchange.next_package(CITY, PUSH)
    assert outgoing is not None
    answer = head_of(link, link.city.exchange.answer(outgoing.data, EAST), CITY)
    assert [one.size for one in answer.receipts] == [2]
    assert [one.word for one in answer.verdicts] == ["HELD"]
    assert [one.stream for one in answer.slices] == [down]


def test_an_early_package_waits_for_its_predecessor(link: Link) -> None:
    first = sent_and_unanswered(link)
    link.county.write(2, first=20)
    second = link.county.exchange.next_package(CITY)
    assert second is not None
    asked, wait = waits(link, lambda: (link.city.exchange.accept_package(first.data, EAST), None)[1])
    answer = head_of(link, link.city.exchange.answer(second.data, EAST, wait=wait), CITY)
    assert [(one.word, one.held) for one in answer.verdicts] == [("HELD", 7)]
    assert len(asked) == 1


def test_an_early_package_is_a_gap_after_two_seconds(link: Link) -> None:
    sent_and_unanswered(link)
    link.county.write(2, first=20)
    second = link.county.exchange.next_package(CITY)
    assert second is not None
    asked, wait = waits(link)
    answer = head_of(link, link.city.exchange.answer(second.data, EAST, wait=wait), CITY)
    assert [(one.word, one.held) for one in answer.verdicts] == [("GAP", 0)]
    assert sum(asked) == pytest.approx(2.0)


def test_no_more_early_packages_of_a_link_are_held_than_can_be_under_way(link: Link) -> None:
    sent_and_unanswered(link)
    link.county.write(2, first=20)
    second = link.county.exchange.next_package(CITY)
    assert second is not None
    conversation = link.city.exchange.conversation(EAST)
    places = 3
    assert [conversation.begin_early(places) for _ in range(places + 1)] == [True] * places + [False]
    asked, wait = waits(link)
    link.city.exchange.answer(second.data, EAST, wait=wait)
    assert asked == []
    for _ in range(places):
        conversation.end_early()
    link.city.exchange.answer(second.data, EAST, wait=lambda _: False)
    assert not conversation.early_held


def test_an_early_package_that_is_judged_leaves_its_place_to_its_successor(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sent_and_unanswered(link)
    link.county.write(2, first=20)
    second = link.county.exchange.next_package(CITY)
    assert second is not None
    conversation = link.city.exchange.conversation(EAST)
    taken: list[int] = []
    honest = Accepting.judge

    def judge(self: Accepting, accepted: Accepted) -> None:
        taken.append(conversation.early_held)
        honest(self, accepted)

    def come() -> None:
        assert conversation.early_held
        link.city.exchange.accept_package(first.data, EAST)

    monkeypatch.setattr(Accepting, "judge", judge)
    _, wait = waits(link, come)
    answer = head_of(link, link.city.exchange.answer(second.data, EAST, wait=wait), CITY)
    assert [one.word for one in answer.verdicts] == ["HELD"]
    assert taken[-1:] == [0]


def test_what_came_after_an_early_package_was_judged_is_not_slept_through(link: Link) -> None:
    first = sent_and_unanswered(link)
    link.county.write(2, first=20)
    second = link.county.exchange.next_package(CITY)
    assert second is not None
    slept: list[float] = []

    def wait(timeout_s: float) -> bool:
        if timeout_s:
            slept.append(timeout_s)
        elif not link.city.size(STREAM):
            link.city.exchange.accept_package(first.data, EAST)
        return False

    answer = head_of(link, link.city.exchange.answer(second.data, EAST, wait=wait), CITY)
    assert [one.word for one in answer.verdicts] == ["HELD"]
    assert slept == []


def test_a_newer_signature_of_a_silent_stream_is_shown_with_its_last_record(link: Link) -> None:
    link.county.write(3)
    link.settle()
    link.county.clock.advance(90_000)
    (later,) = [one for one in link.county.seal() if one.stream == STREAM]
    link.settle()
    assert newest_of(link.city) == later


def newest_of(node: ExchangeNode) -> Checkpoint | None:
    with node.store.reading() as connection:
        return checkpoints.newest(connection, STREAM)


# --- states of a link ----------------------------------------------------------------------------------------------


def row_of(node: ExchangeNode, peer: str) -> links.Link:
    with node.store.reading() as connection:
        found = links.link_to(connection, peer)
    assert found is not None
    return found


def test_a_child_that_was_heard_is_up_and_one_that_fell_silent_is_down(
    link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    link.open()
    assert (row_of(link.city, EAST).state, row_of(link.city, EAST).role) == ("up", "child")
    assert link.city.exchange.links.mark_silent() == []
    link.city.clock.advance(136)
    assert EAST in link.city.exchange.links.mark_silent()
    assert row_of(link.city, EAST).state == "down"
    assert link.city.exchange.links.mark_silent() == []
    link.open()
    assert row_of(link.city, EAST).state == "up"
    said = [one.__dict__["peer"] for one in caplog.records if one.message == "link down"]
    assert said.count(EAST) == 1


def test_failures_are_kept_as_data_and_survive_a_restart(link: Link) -> None:
    states = link.county.exchange.links
    assert states.opened(CITY, links.PARENT) == 0.0
    assert row_of(link.county, CITY).state == "new"
    assert states.failed(CITY, links.PARENT, "no route") == 0.0
    assert states.failed(CITY, links.PARENT, "told to wait", retry_after_s=20.0) >= 20.0
    row = row_of(link.county, CITY)
    assert (row.state, row.failures, row.note) == ("down", 2, "told to wait")
    link.county.started()
    assert 19.0 < link.county.exchange.links.opened(CITY, links.PARENT) <= 21.0
    link.county.clock.advance(30)
    assert link.county.exchange.links.opened(CITY, links.PARENT) == 0.0
    link.county.exchange.links.heard(CITY, links.PARENT)
    assert (row_of(link.county, CITY).failures, row_of(link.county, CITY).note) == (0, "")


def test_a_quiet_link_costs_no_commits(link: Link) -> None:
    states = link.county.exchange.links
    states.heard(CITY, links.PARENT)
    before = link.county.store.commits
    for _ in range(5):
        states.heard(CITY, links.PARENT)
    assert link.county.store.commits == before
    link.county.clock.advance(61)
    states.heard(CITY, links.PARENT)
    assert link.county.store.commits == before + 1


def test_a_link_that_is_closed_says_so(link: Link) -> None:
    link.county.exchange.links.stopped(CITY, links.PARENT)
    assert row_of(link.county, CITY).state == "stopped"
