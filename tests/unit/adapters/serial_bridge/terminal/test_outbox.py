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


class Watched:
    """An outbox and its clock; ``look`` lets a second pass."""

    def __init__(self, folder: Path, spool: Spool) -> None:
        self.now_s = 0.0
        self.spool = spool
        self.outbox = Outbox(folder, lambda: self.now_s)

    def look(self) -> list[tuple[str, str]]:
        self.now_s += 1.0
        return list(self.outbox.look(self.spool))


@pytest.fixture
def watched(spool: Spool, folder: Path) -> Watched:
    return Watched(folder, spool)


def test_a_file_is_taken_when_it_has_not_changed_for_two_seconds_and_moved_away(watched: Watched, folder: Path) -> None:
    (folder / "案卷.xml").write_bytes(b"<a/>")
    assert [watched.look(), watched.look()] == [[], []]
    settling = [watched.outbox.is_settling]
    assert watched.look() == [("taken", "1: 案卷.xml")]
    assert watched.look() == []
    settling.append(watched.outbox.is_settling)
    assert settling == [True, False]
    entry = watched.spool.waiting_after(0)
    assert entry is not None
    assert (entry.name, entry.media_type, entry.content) == ("案卷.xml", "application/xml", b"<a/>")
    assert (folder / "sent/1-案卷.xml").read_bytes() == b"<a/>"


def test_a_file_that_grows_waits(watched: Watched, folder: Path) -> None:
    for size in range(1, 4):
        (folder / "a.csv").write_bytes(b"a" * size)
        # Whoever writes it pauses for a second.
        assert [watched.look(), watched.look()] == [[], []]
    assert watched.look() == [("taken", "1: a.csv")]


def test_a_file_that_grows_while_it_is_read_waits(
    watched: Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = type(folder).open

    def grows(path: Path, mode: str) -> object:
        with opened(path, "ab") as writer:
            writer.write(b"a")
        return opened(path, mode)

    (folder / "a.csv").write_bytes(b"a")
    with monkeypatch.context() as patched:
        patched.setattr(type(folder), "open", grows)
        assert [watched.look(), watched.look()] == [[], []]
        assert watched.look() == [("unread", "a.csv: it is being written")]
        assert watched.outbox.is_settling
    assert [watched.look(), watched.look()] == [[], []]
    assert watched.look() == [("taken", "1: a.csv")]
    assert (folder / "sent/1-a.csv").read_bytes() == b"aa"


def test_unfinished_and_hidden_files_and_folders_stay(watched: Watched, folder: Path) -> None:
    for name in ("a.part", "b.tmp", ".c.xml", "d.new"):
        (folder / name).write_bytes(b"x")
    (folder / "e").mkdir()
    assert [watched.look() for _ in range(4)] == [[], [], [], []]
    assert not watched.outbox.is_settling


def put(folder: Path, changed_ns: int = 1_000_000_000) -> None:
    (folder / "a.xml").write_bytes(b"<a/>")
    os.utime(folder / "a.xml", ns=(changed_ns, changed_ns))


def test_a_file_that_was_taken_and_not_moved_is_not_taken_twice(watched: Watched, folder: Path) -> None:
    put(folder)
    taken = [watched.look() for _ in range(3)]
    # As if killed between the spool and the move.
    (folder / "sent/1-a.xml").rename(folder / "a.xml")
    again = Watched(folder, watched.spool)
    assert [again.look() for _ in range(3)] == taken == [[], [], [("taken", "1: a.xml")]]
    assert watched.spool.waiting_count() == 1


@pytest.mark.parametrize("answered", ["some refused", "refused"])
def test_a_file_that_was_answered_is_sent_again_when_it_is_put_there_again(
    watched: Watched, folder: Path, answered: str
) -> None:
    put(folder)
    for _ in range(3):
        watched.look()
    if answered == "some refused":
        watched.spool.confirm(1, 2, 1, "a cell more")
    else:
        watched.spool.refuse(1, "no dialect reads this")
    # The node's settings were mended meanwhile.
    put(folder)
    assert [watched.look() for _ in range(3)] == [[], [], [("taken", "2: a.xml")]]
    entry = watched.spool.waiting_after(0)
    assert entry is not None
    assert (entry.number, entry.content) == (2, b"<a/>")


def test_a_file_that_cannot_be_moved_is_sent_once_and_moved_later(
    watched: Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise PermissionError("another program has it open")

    put(folder)
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", locked)
        looks = [watched.look() for _ in range(3)]
        watched.spool.confirm(1, 1, 0, "")
        looks.append(watched.look())
    assert looks == [[], [], [("unread", "a.xml: another program has it open")], []]
    assert watched.look() == [("taken", "1: a.xml")]
    assert watched.spool.waiting_count() == 0


def test_a_file_that_cannot_be_read_keeps_nothing_from_being_sent(
    watched: Watched, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = type(folder).open

    def locked(path: Path, mode: str) -> object:
        if path.name == "a.xml":
            raise PermissionError("another program has it open")
        return opened(path, mode)

    put(folder)
    (folder / "b.xml").write_bytes(b"<b/>")
    with monkeypatch.context() as patched:
        patched.setattr(type(folder), "open", locked)
        looks = [watched.look() for _ in range(4)]
        assert watched.outbox.is_settling
    told = ("unread", "a.xml: another program has it open")
    assert looks == [[], [], [told, ("taken", "1: b.xml")], []]
    assert watched.look() == [("taken", "2: a.xml")]


def test_a_file_that_is_taken_away_again_is_passed_over(watched: Watched, folder: Path) -> None:
    (folder / "gone.xml").symlink_to(folder / "nowhere")
    put(folder)
    assert [watched.look() for _ in range(3)] == [[], [], [("taken", "1: a.xml")]]


def test_a_file_that_is_too_long_is_told_once_and_stays(watched: Watched, folder: Path) -> None:
    with (folder / "big.csv").open("wb") as file:
        file.truncate(ENTRY_BYTES_MAX + 1)
    assert [watched.look() for _ in range(5)] == [[], [], [("too-long", "big.csv")], [], []]
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
