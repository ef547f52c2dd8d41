"""A folder of this machine that changes under one's hands between a look and the next."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.file_drop.local_place import LocalPlace

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.folders.place import Entry


def listed(folder: Path) -> tuple[LocalPlace, Entry]:
    """Return a folder of one file, and the file as it was listed."""
    (folder / "cases.csv").write_text("cases")
    place = LocalPlace(str(folder))
    (entry,) = place.entries("")
    return place, entry


def test_what_is_found_is_what_was_listed(tmp_path: Path) -> None:
    place, entry = listed(tmp_path)
    assert place.find("", b"cases.csv") == entry
    assert place.find("", b"other.csv") is None
    assert place.find("done", b"cases.csv") is None
    assert list(place.entries("done")) == []


def test_a_file_that_became_a_pipe_or_a_link_is_not_read(tmp_path: Path) -> None:
    place, entry = listed(tmp_path)
    path = tmp_path / "cases.csv"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileNotFoundError):
        place.copy("", entry, BytesIO(), 0)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(FileNotFoundError):
        place.copy("", entry, BytesIO(), 0)


def test_a_file_that_became_shorter_is_copied_as_far_as_it_goes(tmp_path: Path) -> None:
    place, entry = listed(tmp_path)
    os.truncate(tmp_path / "cases.csv", 2)
    copy = BytesIO()
    place.copy("", entry, copy, 0)
    assert copy.getvalue() == b"ca"


def test_a_move_of_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    place, entry = listed(tmp_path)
    place.make("done")
    assert place.move("", entry.raw, "done", entry.raw)
    assert not place.move("", entry.raw, "done", entry.raw)
    assert (tmp_path / "done/cases.csv").read_text() == "cases"


def test_what_was_not_made_is_not_put_in_place_half(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").mkdir()
    place = LocalPlace(str(tmp_path))
    with pytest.raises(SourceUnavailableError, match="cannot be used now: Is a directory"):
        place.write("", b"cases.csv", b"cases")
    assert list(tmp_path.iterdir()) == [tmp_path / "cases.csv"]


def test_a_shelf_with_something_on_it_is_not_taken_away(tmp_path: Path) -> None:
    place = LocalPlace(str(tmp_path))
    place.make("claimed")
    place.make("claimed/me")
    place.write("claimed/me", b"cases.csv", b"cases")
    place.unmake("claimed/me")
    place.unmake("absent")
    assert (tmp_path / "claimed/me/cases.csv").is_file()
    place.remove("claimed/me", b"cases.csv")
    place.remove("claimed/me", b"cases.csv")
    place.unmake("claimed/me")
    assert list((tmp_path / "claimed").iterdir()) == []


def test_a_path_that_is_a_file_is_away_and_a_file_for_a_shelf_needs_a_person(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceUnavailableError, match="is no folder: correct the setting folder"):
        LocalPlace(str(tmp_path / "file")).begin()
    with pytest.raises(SourceUnavailableError, match="is not there: mount it"):
        LocalPlace(str(tmp_path / "share")).begin()
    with pytest.raises(SourceNeedsPersonError, match="a link, a file or another disk"):
        list(LocalPlace(str(tmp_path)).entries("file"))
