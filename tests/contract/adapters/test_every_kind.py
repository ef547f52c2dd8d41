"""The promises of adapters/contract.py, kept by every kind that we ship towards a real source of its own."""

from __future__ import annotations

import logging
import re
import time
import traceback
from datetime import timedelta
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from adapters.contract import (
    CURSOR_LENGTH_MAX,
    GROUP,
    KEY_LENGTH_MAX,
    AdapterError,
    Document,
    SourceNeedsPersonError,
    SourceUnavailableError,
)
from node.clock import MachineClock
from node.demo.raising import wait_until
from tests.contract.adapters.doors import texts_in
from tests.contract.adapters.sources import SOURCES
from tests.support.adapter_fetching import fetching, told
from tests.support.adapter_openings import SOURCE_ID, gather, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.contract import Adapter
    from tests.contract.adapters.doors import Door

NOTICED_WITHIN_S = 10.0
TEXTS = ("case-a1", "case-b2", "case-c3", "case-d4", "case-e5")
NOTICE = Document(
    content=b"<SupervisionNotice>first</SupervisionNotice>", record_type="SupervisionNotice", text="first"
)
OTHER = Document(content=b"<SupervisionNotice>other</SupervisionNotice>", record_type="SupervisionNotice", text="other")


def test_every_kind_that_we_ship_has_a_real_source() -> None:
    ours = {one.name for one in entry_points(group=GROUP) if one.value.startswith("adapters.")}
    assert ours == {name.partition(".")[0] for name in SOURCES}


def test_a_check_passes_and_changes_nothing(door: Door) -> None:
    door.source.offer(TEXTS[:2])
    before = door.source.snapshot()
    adapter = door.open()
    adapter.check()
    adapter.check()
    assert door.source.snapshot() == before
    assert door.take(TEXTS[:2]) == list(TEXTS[:2])


def test_what_is_offered_comes_oldest_first_and_once(door: Door) -> None:
    door.source.offer(TEXTS)
    door.open()
    # gather() fails when a round brings more than its limit.
    assert door.take(TEXTS, limit=2) == list(TEXTS)
    assert door.nothing_comes()


def test_nothing_is_offered_and_nothing_comes(door: Door) -> None:
    door.open()
    assert door.nothing_comes()


def test_the_key_is_the_same_by_whichever_opening_until_answered(door: Door) -> None:
    door.source.offer(TEXTS[:2])
    first = gather(door.open(), bool, limit=1)[0]
    keys = [told(first)]
    keys.append(told(gather(door.open(), bool, limit=1)[0]))
    (again,) = gather(door.open(), bool, limit=1)
    keys.append(told(again))
    assert keys == [keys[0]] * 3
    door.acknowledge(again)
    assert texts_in(gather(door.open(), bool, limit=1)[0], TEXTS) == [TEXTS[1]]


def test_what_was_acknowledged_does_not_come_again_by_another_opening(door: Door) -> None:
    door.source.offer(TEXTS[:3])
    door.open()
    door.take(TEXTS[:3])
    door.open()
    assert door.nothing_comes()
    door.source.offer(TEXTS[3:])
    assert door.take(TEXTS[3:]) == list(TEXTS[3:])
    door.open()
    assert door.nothing_comes()


def test_an_acknowledgement_may_be_repeated(door: Door) -> None:
    door.source.offer(TEXTS[:2])
    adapter = door.open()
    (first,) = gather(adapter, bool, limit=1)
    door.acknowledge(first)
    door.acknowledge(first)
    door.open().acknowledge(first, outcome())
    assert door.take(TEXTS[1:2]) == [TEXTS[1]]


def test_killed_before_the_answer_everything_comes_again(door: Door) -> None:
    if not door.source.entry:
        pytest.skip("only this process can reach the source")
    door.source.offer(TEXTS[:3])
    source = door.source
    with fetching(source.entry, door.folder, source.settings, source.secrets) as before:
        pass
    door.open()
    came = gather(door.open(), bool, limit=1)
    assert told(came[0]) == before
    assert door.take(TEXTS[:3]) == list(TEXTS[:3])
    assert door.nothing_comes()


def test_a_source_that_goes_away_is_told_as_away_and_taken_up_again(door: Door) -> None:
    door.source.offer(TEXTS[:3])
    adapter = door.open()
    (first,) = gather(adapter, bool, limit=1)
    found = texts_in(first, TEXTS)
    door.acknowledge(first)
    door.source.go_away()
    assert_away(door, adapter)
    door.source.come_back()
    found += door.take([text for text in TEXTS[:3] if text not in found])
    assert found == list(TEXTS[:3])
    assert door.nothing_comes()
    wait_until(lambda: is_there(adapter), NOTICED_WITHIN_S, MachineClock())
    adapter.check()


def test_a_source_that_is_away_from_the_beginning_is_taken_up_when_it_comes(door: Door) -> None:
    door.source.offer(TEXTS[:2])
    door.source.go_away()
    assert_away(door, door.open())
    door.source.come_back()
    assert door.take(TEXTS[:2]) == list(TEXTS[:2])


def is_there(adapter: Adapter) -> bool:
    try:
        adapter.check()
    except SourceUnavailableError:
        return False
    return True


def ask_until_told(ask: Callable[[], object]) -> None:
    """Ask as the node asks: a door that keeps a line open hears a moment later that it is gone."""
    until_s = time.monotonic() + NOTICED_WITHIN_S
    while time.monotonic() < until_s:
        ask()


def assert_away(door: Door, adapter: Adapter) -> None:
    for ask in (adapter.check, lambda: list(adapter.fetch(10))):
        begun_s = time.monotonic()
        with pytest.raises(SourceUnavailableError) as caught:
            ask_until_told(ask)
        assert time.monotonic() - begun_s < door.kind.patience_s
        assert str(caught.value)


def test_a_source_that_lets_us_in_no_more_is_told_with_what_to_do(door: Door) -> None:
    door.source.offer(TEXTS[:2])
    door.open()
    door.take(TEXTS[:1], limit=1)
    word = door.source.lock_out()
    # A door that hears a line knows it once somebody calls: it is asked again and again, as the node does.
    for ask in (lambda: door.open().check(), lambda: gather(door.open(), bool)):
        with pytest.raises(SourceNeedsPersonError) as caught:
            ask()
        assert word in str(caught.value)


def test_a_rejection_is_told_at_the_source_with_its_reason(door: Door) -> None:
    door.source.offer(TEXTS[:2])
    (first,) = gather(door.open(), bool, limit=1)
    found = texts_in(first, TEXTS)
    reason = "line 1: no dialect reads this delivery"
    door.reject(first, reason)
    door.reject(first, reason)
    rest = [text for text in TEXTS[:2] if text not in found]
    assert door.take(rest) == rest
    door.open()
    assert door.nothing_comes()
    assert [told_reason for told_reason in door.source.refusals() if reason in told_reason]


def test_a_document_is_delivered_once_by_whichever_opening(door: Door) -> None:
    if not door.kind.delivers:
        pytest.skip(door.kind.scale["delivers_downward"])
    adapter = door.open()
    adapter.deliver(NOTICE, "310000/3-1/7")
    adapter.deliver(OTHER, "310000/3-1/8")
    before = door.source.snapshot()
    adapter.deliver(NOTICE, "310000/3-1/7")
    door.open().deliver(NOTICE, "310000/3-1/7")
    assert door.source.snapshot() == before
    delivered = dict(door.source.delivered())
    assert list(delivered) == ["310000/3-1/7", "310000/3-1/8"]
    assert delivered["310000/3-1/7"] in {NOTICE.content, NOTICE.text.encode()}
    assert delivered["310000/3-1/8"] in {OTHER.content, OTHER.text.encode()}


def test_what_was_delivered_is_not_taken_for_an_offer(door: Door) -> None:
    if not door.kind.delivers:
        pytest.skip(door.kind.scale["delivers_downward"])
    door.open().deliver(NOTICE, "310000/3-1/7")
    door.open()
    assert door.nothing_comes()


def test_a_document_that_cannot_be_delivered_now_is_told_so(door: Door) -> None:
    if not door.kind.delivers:
        pytest.skip(door.kind.scale["delivers_downward"])
    adapter = door.open()
    door.source.go_away()
    with pytest.raises(SourceUnavailableError):
        adapter.deliver(NOTICE, "310000/3-1/7")
    door.source.come_back()
    deliver_when_back(adapter)
    # A device that says nothing has it when the line has brought the last byte.
    wait_until(lambda: bool(door.source.delivered()), 20, MachineClock())
    assert [key for key, _ in door.source.delivered()] == ["310000/3-1/7"]


def deliver_when_back(adapter: Adapter) -> None:
    until_s = time.monotonic() + 30
    while True:
        try:
            adapter.deliver(NOTICE, "310000/3-1/7")
        except SourceUnavailableError:
            assert time.monotonic() < until_s
        else:
            return


def test_closing_twice_is_harmless(door: Door) -> None:
    adapter = door.open()
    adapter.close()
    unused = door.open()
    unused.check()
    unused.close()
    unused.close()


def test_the_fields_of_a_delivery_keep_their_form(door: Door) -> None:
    before = door.opening().now()
    door.source.offer(TEXTS[:2])
    (delivery,) = gather(door.open(), bool, limit=1)
    assert delivery.source_id == SOURCE_ID
    assert 0 < len(delivery.delivery_key) <= KEY_LENGTH_MAX
    assert delivery.delivery_key.isprintable()
    assert delivery.name.isprintable()
    assert delivery.cursor is None or len(delivery.cursor) <= CURSOR_LENGTH_MAX
    assert delivery.fetched_at.utcoffset() == timedelta(0)
    assert before <= delivery.fetched_at <= door.opening().now()
    assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", delivery.media_type)
    assert (delivery.file is None) != (delivery.content == b"")
    assert delivery.file is None or delivery.file.is_file()


def test_secrets_stand_in_no_error_log_or_name(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    known = [line for secret in door.source.secrets.values() for line in secret.splitlines() if is_secret(line)]
    if not known:
        pytest.skip("the kind has no secrets")
    door.source.offer(TEXTS[:1])
    adapter = door.open()
    adapter.check()
    door.take(TEXTS[:1])
    door.source.lock_out()
    said = [repr(door.opening()), repr(adapter), repr(door.opening().settings)]
    with pytest.raises(AdapterError) as caught:
        door.open().check()
    said += traceback.format_exception(caught.value)
    said += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    said += [str(path) for path in door.folder.rglob("*")]
    assert [secret for secret in known for text in said if secret in text] == []


def is_secret(line: str) -> bool:
    """Tell whether a line of a secret says something: the lines around a key in PEM do not."""
    return len(line) >= 6 and not line.startswith("-----")
