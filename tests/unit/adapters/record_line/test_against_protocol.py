"""Terminals that have the key and do not keep to the protocol: each loses its session, and nothing else."""

from __future__ import annotations

import sqlite3
import time
from threading import Condition
from typing import TYPE_CHECKING

import pytest

from adapters.record_line.cobs import framed
from adapters.record_line.entries import entry_messages
from adapters.record_line.frames import FrameType, seal
from adapters.record_line.limits import RECEIVE_BUFFER_BYTES
from adapters.record_line.memory import ANSWERS_MAX, LineMemory
from adapters.record_line.messages import Confirm, Entry, LineProtocolError, Message, Part, Refuse
from adapters.record_line.sending import OFFSET, Ack
from adapters.record_line.speaking import Speaking
from tests.support.record_lines import NAME, SPOOL, SimulatedLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = bytes(range(256)) * 400


def long_entry() -> tuple[Entry, list[Message]]:
    first, *rest = entry_messages("1", LONG, media_type="text/csv")
    assert isinstance(first, Entry)
    return first, rest


@pytest.fixture
def speaking(tmp_path: Path) -> Iterator[Speaking]:
    memory = LineMemory(tmp_path)
    made = Speaking(memory, Condition(), time.monotonic)
    with made._condition:
        made.opened(NAME, SPOOL)
        yield made
    memory.close()


@pytest.mark.parametrize(
    ("frame_type", "payload"),
    [
        (0x20, b""),
        (FrameType.ACK, bytes(5)),
        (FrameType.ACK, Ack(1, 1, 1_000_000).packed()),
        (FrameType.DATA, OFFSET.pack(RECEIVE_BUFFER_BYTES) + b"x"),
        (FrameType.DATA, OFFSET.pack(0)),
    ],
    ids=["unknown type", "short ACK", "ACK of nothing", "beyond the room", "empty"],
)
def test_a_genuine_frame_that_cannot_be_ends_the_session(frame_type: int, payload: bytes) -> None:
    line = SimulatedLine()
    line.run_until(lambda: line.terminal.openings == 1)
    session = line.terminal_link.session
    assert session is not None
    session._number += 1
    frame = seal(session._ends.key_out, session._number, frame_type, payload)
    line.node_link.receive(framed(frame), line.now_s)
    assert line.node.closed_for == ["protocol"]
    line.run_for(6)
    assert line.terminal.closed_for == ["bye"]
    assert line.terminal.openings == 2


def test_a_genuine_frame_that_comes_twice_changes_nothing() -> None:
    line = SimulatedLine()
    line.run_until(lambda: line.terminal.openings == 1)
    session = line.terminal_link.session
    assert session is not None
    session._number += 1
    ping = framed(seal(session._ends.key_out, session._number, FrameType.PING, b""))
    for _ in range(3):
        line.node_link.receive(ping, line.now_s)
    line.run_for(30)
    assert line.node.closed_for == []


def test_keys_that_are_too_long_for_a_delivery_key_are_refused(speaking: Speaking) -> None:
    speaking.heard(Entry("k" * 100, 1, b"a", "text/csv"))
    assert len(speaking.waiting[0].key) <= 200
    with pytest.raises(LineProtocolError, match="too long"):
        speaking.heard(Entry("k" * 101, 1, b"a", "text/csv"))


def test_entries_and_parts_out_of_place_are_refused(speaking: Speaking) -> None:
    with pytest.raises(LineProtocolError, match="of nothing"):
        speaking.heard(Part(b"a"))
    first, _ = long_entry()
    speaking.heard(first)
    with pytest.raises(LineProtocolError, match="inside another"):
        speaking.heard(Entry("2", 1, b"a", "text/csv"))


def test_a_long_entry_that_is_not_what_was_begun_is_thrown_away(speaking: Speaking, tmp_path: Path) -> None:
    first, rest = long_entry()
    speaking.heard(first)
    *parts, last = rest
    for part in parts:
        speaking.heard(part)
    assert speaking.held(NAME, SPOOL) == (
        "1",
        len(first.data) + sum(len(one.data) for one in parts if isinstance(one, Part)),
    )
    assert isinstance(last, Part)
    with pytest.raises(LineProtocolError, match="not what was begun"):
        speaking.heard(Part(bytes(len(last.data))))
    assert speaking.held(NAME, SPOOL) == ("", 0)
    assert not list(tmp_path.glob("*.part"))
    assert not speaking.waiting


def test_an_entry_that_goes_on_where_nothing_was_held_is_refused(speaking: Speaking) -> None:
    (first, *_) = entry_messages("1", LONG, media_type="text/csv", offset=40_000)
    with pytest.raises(LineProtocolError, match="nothing was held"):
        speaking.heard(first)


def test_what_of_a_long_entry_is_lost_from_the_disk_is_not_believed(speaking: Speaking, tmp_path: Path) -> None:
    first, rest = long_entry()
    speaking.heard(first)
    speaking.heard(rest[0])
    speaking.closed("unplugged")
    speaking.opened(NAME, SPOOL)
    (tmp_path / f"{NAME}.part").write_bytes(LONG[:100])
    (again, *_) = entry_messages("1", LONG, media_type="text/csv", offset=40_000)
    with pytest.raises(LineProtocolError, match="nothing was held"):
        speaking.heard(again)
    assert speaking.held(NAME, SPOOL) == ("", 0)
    assert not (tmp_path / f"{NAME}.part").exists()
    speaking.closed("protocol")
    speaking.opened(NAME, SPOOL)
    speaking.heard(first)
    (tmp_path / f"{NAME}.part").unlink()
    assert speaking.held(NAME, SPOOL) == ("", 0)
    assert speaking.held(NAME, b"another ") == ("", 0)


def test_other_bytes_than_those_begun_are_not_gone_on_with_again_and_again(speaking: Speaking, tmp_path: Path) -> None:
    first, rest = long_entry()
    for message in (first, *rest[:-1]):
        speaking.heard(message)
    speaking.closed("unplugged")
    speaking.opened(NAME, SPOOL)
    # A power cut left bytes of the right length that are not those of the entry.
    part = tmp_path / f"{NAME}.part"
    part.write_bytes(bytes(part.stat().st_size))
    (again, *_) = entry_messages("1", LONG, media_type="text/csv", offset=speaking.held(NAME, SPOOL)[1])
    with pytest.raises(LineProtocolError, match="not what was begun"):
        speaking.heard(again)
    assert speaking.held(NAME, SPOOL) == ("", 0)


@pytest.mark.parametrize("content", [b"two", LONG[1:]], ids=["short", "in parts"])
def test_another_content_under_a_number_that_was_answered_is_another_entry(speaking: Speaking, content: bytes) -> None:
    # As from a terminal's disk that was copied to a second machine or came back from a backup.
    for message in entry_messages("1", b"one", media_type="text/csv"):
        speaking.heard(message)
    speaking.answer(speaking.waiting.popleft(), Confirm("", 1, 1))
    assert speaking.next_message() == Confirm("1", 1, 1)
    for message in entry_messages("1", content, media_type="text/csv"):
        speaking.heard(message)
    assert speaking.next_message() is None
    (waiting,) = speaking.waiting
    assert waiting.content == content
    speaking.answer(waiting, Refuse("", "no"))
    assert speaking.next_message() == Refuse("1", "no")


def test_answers_to_documents_nobody_waits_for_are_passed_over(speaking: Speaking) -> None:
    speaking.heard(Confirm("nobody's"))
    speaking.heard(Refuse("nobody's", "no"))
    assert speaking.take_answer("nobody's") is None
    assert speaking.next_message() is None


def test_a_terminal_that_floods_is_held_up(speaking: Speaking) -> None:
    for number in range(300):
        if not speaking.is_ready():
            break
        speaking.heard(Entry(str(number), 1, b"a", "text/csv"))
    assert len(speaking.waiting) == 256


def test_a_terminal_that_asks_for_the_same_answer_for_ever_is_held_up_until_it_hears_it(speaking: Speaking) -> None:
    entry = Entry("1", 1, b"a", "text/csv")
    speaking.heard(entry)
    speaking.answer(speaking.waiting.popleft(), Confirm("", 1, 1))
    asked = 1
    while speaking.is_ready():
        speaking.heard(entry)
        asked += 1
        assert asked < 300
    # As many as a terminal may send ahead of their answers.
    assert asked == 256
    assert speaking.next_message() == Confirm("1", 1, 1)
    assert speaking.is_ready()


def test_only_so_many_answers_are_remembered(tmp_path: Path) -> None:
    memory = LineMemory(tmp_path)
    for number in range(ANSWERS_MAX + 10):
        memory.remember(f"t/s/{number}", Confirm("", number) if number % 2 else Refuse("", "no"))
    assert memory.answer("t/s/9") is None
    assert memory.answer("t/s/10") == Refuse("", "no")
    assert memory.answer(f"t/s/{ANSWERS_MAX + 9}") == Confirm("", ANSWERS_MAX + 9)
    memory.close()


def test_an_answer_that_the_disk_did_not_take_does_not_hinder_the_next_one(tmp_path: Path) -> None:
    memory = LineMemory(tmp_path)
    assert memory.answer("t/s/d/1") is None
    memory._database.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "line.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        memory.remember("t/s/d/1", Refuse("", "no"))
    other.close()
    memory.remember("t/s/d/1", Refuse("", "no"))
    assert memory.answer("t/s/d/1") == Refuse("", "no")
    memory.close()
