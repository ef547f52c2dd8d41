"""Files put into the outbox are sent once, when they are finished."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from adapters.record_line.limits import ENTRY_BYTES_MAX
from adapters.serial_bridge.terminal.outbox import Outbox, media_type_of
from adapters.serial_bridge.terminal.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "terminal")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def test_a_file_is_taken_at_the_second_look_and_moved_away(spool: Spool, folder: Path) -> None:
    outbox = Outbox(folder)
    (folder / "案卷.xml").write_bytes(b"<a/>")
    assert list(outbox.look(spool)) == []
    settling = [outbox.is_settling]
    assert list(outbox.look(spool)) == [("案卷.xml", 1)]
    assert list(outbox.look(spool)) == []
    settling.append(outbox.is_settling)
    assert settling == [True, False]
    entry = spool.waiting_after(0)
    assert entry is not None
    assert (entry.name, entry.media_type, entry.content) == ("案卷.xml", "application/xml", b"<a/>")
    assert (folder / "sent/1-案卷.xml").read_bytes() == b"<a/>"


def test_a_file_that_grows_waits(spool: Spool, folder: Path) -> None:
    outbox = Outbox(folder)
    for size in range(1, 4):
        (folder / "a.csv").write_bytes(b"a" * size)
        assert list(outbox.look(spool)) == []
    assert list(outbox.look(spool)) == [("a.csv", 1)]


def test_unfinished_and_hidden_files_and_folders_stay(spool: Spool, folder: Path) -> None:
    outbox = Outbox(folder)
    for name in ("a.part", "b.tmp", ".c.xml", "d.new"):
        (folder / name).write_bytes(b"x")
    (folder / "e").mkdir()
    assert [list(outbox.look(spool)) for _ in range(3)] == [[], [], []]
    assert not outbox.is_settling


def test_a_file_that_was_taken_and_not_moved_is_not_taken_twice(spool: Spool, folder: Path) -> None:
    outbox = Outbox(folder)
    (folder / "a.xml").write_bytes(b"<a/>")
    changed_ns = (folder / "a.xml").stat().st_mtime_ns
    list(outbox.look(spool))
    list(outbox.look(spool))
    # As if killed between the spool and the move.
    (folder / "sent/1-a.xml").rename(folder / "a.xml")
    os.utime(folder / "a.xml", ns=(changed_ns, changed_ns))
    again = Outbox(folder)
    list(again.look(spool))
    assert list(again.look(spool)) == [("a.xml", 1)]
    assert spool.waiting_count() == 1


def test_a_file_that_is_too_long_is_told_once_and_stays(spool: Spool, folder: Path) -> None:
    outbox = Outbox(folder)
    with (folder / "big.csv").open("wb") as file:
        file.truncate(ENTRY_BYTES_MAX + 1)
    looks = [list(outbox.look(spool)) for _ in range(4)]
    assert looks == [[], [("big.csv", 0)], [], []]
    assert (folder / "big.csv").exists()


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.XML", "application/xml"),
        ("a.csv", "text/csv"),
        ("a.json", "application/json"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_ending_says_the_media_type(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type
