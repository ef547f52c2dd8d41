"""What was answered is remembered, within bounds, and never more than the node knows."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from adapters.contract import SourceUnavailableError
from adapters.pulling.ahead import one_ahead
from adapters.pulling.remembered import FILE_NAME, Remembered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def filled(folder: Path, *places: str, serial: int = 1) -> Remembered:
    made = Remembered(folder, serial)
    made.add(((place.encode(), place) for place in places), serial)
    return made


def test_what_was_added_is_known_until_it_is_forgotten(tmp_path: Path) -> None:
    kept = filled(tmp_path, "a", "b", "c", "d")
    kept.add([(b"a", "a")], 2)
    assert (len(kept), kept.knows(b"a"), kept.knows(b"x")) == (4, True, False)
    kept.forget([b"b", b"x"])
    assert (len(kept), kept.knows(b"b")) == (3, False)
    kept.forget_before("c")
    assert (len(kept), kept.knows(b"a"), kept.knows(b"c")) == (2, False, True)
    kept.keep_newest(1)
    assert (len(kept), kept.knows(b"c"), kept.knows(b"d")) == (1, False, True)
    kept.keep_newest(1)
    assert len(kept) == 1
    kept.close()


def test_it_is_known_by_the_next_opening_unless_the_node_knows_less(tmp_path: Path) -> None:
    filled(tmp_path, "a", serial=7).close()
    for serial, known in ((8, True), (7, True), (6, False), (9, False)):
        again = Remembered(tmp_path, serial)
        assert again.knows(b"a") == known
        again.close()


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    filled(tmp_path, "a").close()
    (tmp_path / FILE_NAME).write_bytes(b"damaged" * 1000)
    again = filled(tmp_path, "b")
    assert (again.knows(b"a"), again.knows(b"b")) == (False, True)
    again.close()


def test_a_folder_that_cannot_be_written_is_told_as_away(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="cannot be remembered"):
        Remembered(tmp_path / "gone", 0)
    kept = filled(tmp_path, "a")
    other = sqlite3.connect(tmp_path / FILE_NAME, timeout=0)
    other.execute("BEGIN IMMEDIATE")
    kept._database.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(SourceUnavailableError, match="cannot be remembered"):
        kept.add([(b"b", "b")], 2)
    other.close()
    kept.close()


def test_one_page_is_read_ahead_and_no_more() -> None:
    read: list[int] = []

    def pages() -> Iterator[int]:
        for number in range(5):
            read.append(number)
            yield number

    ahead = one_ahead(pages())
    assert next(ahead) == 0
    ahead.close()
    assert read == [0, 1]
    assert list(one_ahead(pages())) == [0, 1, 2, 3, 4]


def test_an_error_comes_when_its_page_is_asked_for() -> None:
    def pages() -> Iterator[int]:
        yield 1
        raise SourceUnavailableError("away")

    ahead = one_ahead(pages())
    assert next(ahead) == 1
    with pytest.raises(SourceUnavailableError):
        next(ahead)
