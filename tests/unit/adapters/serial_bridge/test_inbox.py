"""What came over a line stays until the node has answered, whatever happens in between."""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from adapters.serial_bridge import inbox as module
from adapters.serial_bridge.inbox import Inbox, InboxUnwritableError, as_delivery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    made = opened(tmp_path)
    yield made
    made.close()


def opened(folder: Path) -> Inbox:
    return Inbox(folder, lambda: NOW)


def file_of(folder: Path, content: bytes) -> Path:
    path = folder / "came"
    path.write_bytes(content)
    return path


def test_records_come_out_in_the_order_in_which_they_came(inbox: Inbox) -> None:
    inbox.put_records([b"one", b"two"], "text/csv")
    inbox.put_records([b"two"], "text/csv")
    came = inbox.after(0, 10)
    assert [one.content for one in came] == [b"one", b"two", b"two"]
    assert len({one.key for one in came}) == 3, "a device may well say the same thing twice"
    assert inbox.after(came[0].seq, 1)[0].content == b"two"
    delivery = as_delivery(came[0], "hall")
    assert (delivery.source_id, delivery.content, delivery.file) == ("hall", b"one", None)
    assert (delivery.media_type, delivery.fetched_at, delivery.name) == ("text/csv", NOW, "")


def test_what_is_removed_is_gone_and_what_is_not_there_is_told(inbox: Inbox) -> None:
    inbox.put_records([b"one"], "text/csv")
    (one,) = inbox.after(0, 10)
    assert inbox.waiting() == 1
    assert inbox.remove(one.key)
    assert not inbox.remove(one.key)
    assert inbox.waiting() == 0


def test_a_file_is_known_by_its_name_and_content(inbox: Inbox, tmp_path: Path) -> None:
    for _ in range(2):
        inbox.put_file(file_of(tmp_path, b"<x/>"), "REPORT.XML", "application/xml")
    (one,) = inbox.after(0, 10)
    assert one.key == f"REPORT.XML:{sha256(b'<x/>').hexdigest()}"
    assert one.file is not None
    assert one.file.read_bytes() == b"<x/>"
    assert one.file.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "came").exists()
    inbox.put_file(file_of(tmp_path, b"<x/>"), "OTHER.XML", "application/xml")
    assert inbox.waiting() == 2
    inbox.remove(one.key)
    assert not one.file.exists()


def test_a_file_that_the_node_took_is_answered_again_and_not_handed_over_again(inbox: Inbox, tmp_path: Path) -> None:
    inbox.put_file(file_of(tmp_path, b"<x/>"), "A.XML", "application/xml")
    (one,) = inbox.after(0, 10)
    inbox.remove(one.key, taken_with=b"1 accepted\r\n")
    inbox.put_file(file_of(tmp_path, b"<x/>"), "A.XML", "application/xml")
    assert inbox.waiting() == 0
    assert inbox.answers_again() == [b"1 accepted\r\n"]
    assert inbox.answers_again() == []
    assert not (tmp_path / "came").exists()


def test_a_file_that_was_refused_may_come_again(inbox: Inbox, tmp_path: Path) -> None:
    inbox.put_file(file_of(tmp_path, b"<x/>"), "A.XML", "application/xml")
    inbox.remove(inbox.after(0, 10)[0].key)
    inbox.put_file(file_of(tmp_path, b"<x/>"), "A.XML", "application/xml")
    assert inbox.waiting() == 1
    assert inbox.answers_again() == []


def test_everything_is_there_after_opening_anew(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.put_records([b"one"], "text/csv")
    first.put_file(file_of(tmp_path, b"<x/>"), "A.XML", "application/xml")
    first.set_delivered("310000/3-1/7")
    before = first.after(0, 10)
    first.close()
    first.close()
    again = opened(tmp_path)
    assert again.after(0, 10) == before
    assert again.is_delivered("310000/3-1/7")
    assert not again.is_delivered("310000/3-1/8")
    again.close()


def test_killed_between_file_and_entry_the_file_is_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = opened(tmp_path)

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_reach_the_disk", killed)
    with pytest.raises(KeyboardInterrupt):
        inbox.put_file(file_of(tmp_path, b"<x/>"), "A.XML", "application/xml")
    inbox.close()
    assert len(list((tmp_path / "files").iterdir())) == 1
    monkeypatch.undo()
    again = opened(tmp_path)
    assert again.after(0, 10) == []
    assert list((tmp_path / "files").iterdir()) == []
    assert (tmp_path / "came").read_bytes() == b"<x/>"
    again.put_file(tmp_path / "came", "A.XML", "application/xml")
    assert again.waiting() == 1
    again.close()


def test_records_of_one_reading_are_kept_together_or_not_at_all(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter([bytes(16), bytes(16)])

    def token(count: int) -> bytes:
        if not (made := next(tokens, b"")):
            raise sqlite3.OperationalError("disk is full")
        return made[:count]

    monkeypatch.setattr(os, "urandom", token)
    with pytest.raises(InboxUnwritableError, match="disk is full"):
        inbox.put_records([b"one", b"two", b"three"], "text/csv")
    monkeypatch.undo()
    assert inbox.waiting() == 0
    inbox.put_records([b"one"], "text/csv")
    assert inbox.waiting() == 1


def test_only_the_latest_keys_are_remembered(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 3)
    for number in range(5):
        inbox.set_delivered(f"key {number}")
    assert [inbox.is_delivered(f"key {number}") for number in range(5)] == [False, False, True, True, True]


def test_who_waits_is_woken_by_what_comes(inbox: Inbox) -> None:
    woken = threading.Event()

    def wait() -> None:
        inbox.wait(60)
        woken.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    inbox.put_records([b"one"], "text/csv")
    assert woken.wait(20)
    waiter.join()
    inbox.wait(60)
    inbox.wake()
