"""What an adapter of folders keeps in its own folder: notes, keys of documents, copies."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters.contract import SourceUnavailableError
from adapters.file_drop.local_place import LocalPlace
from adapters.folders.kept import Kept
from adapters.folders.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path


def test_an_adapter_claims_under_one_name_for_ever(tmp_path: Path) -> None:
    name = Kept(tmp_path, os.urandom).claimer()
    assert name == Kept(tmp_path, os.urandom).claimer()
    other = tmp_path / "other"
    other.mkdir()
    assert name != Kept(other, os.urandom).claimer()


def test_the_oldest_keys_of_documents_are_forgotten(tmp_path: Path) -> None:
    kept = Kept(tmp_path, os.urandom)
    kept.set_delivered("first")
    first = (tmp_path / "delivered").read_text().split()
    (tmp_path / "delivered").write_text("".join(f"{line}\n" for line in [*first, *map(str, range(9_999))]))
    kept = Kept(tmp_path, os.urandom)
    assert kept.was_delivered("first")
    kept.set_delivered("last")
    assert not kept.was_delivered("first")
    again = Kept(tmp_path, os.urandom)
    assert again.was_delivered("last")
    assert len((tmp_path / "delivered").read_text().split()) == 5_001


def test_half_a_line_that_a_power_cut_left_hides_no_key(tmp_path: Path) -> None:
    kept = Kept(tmp_path, os.urandom)
    kept.set_delivered("first")
    with (tmp_path / "delivered").open("a") as file:
        file.write("0123")
    kept.set_delivered("second")
    again = Kept(tmp_path, os.urandom)
    assert again.was_delivered("first")
    assert again.was_delivered("second")


def test_a_folder_of_ones_own_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "absent", os.urandom)
    place = LocalPlace(str(tmp_path))
    (tmp_path / "cases.csv").write_text("cases")
    (entry,) = place.entries("")
    spool = Spool(tmp_path / "cases.csv")
    for write in (kept.claimer, lambda: kept.set_delivered("k"), lambda: spool.fill(place, "", entry)):
        with pytest.raises(SourceUnavailableError, match="make room on the disk of the node"):
            write()
    with pytest.raises(SourceUnavailableError, match="make room on the disk of the node"):
        Spool(tmp_path / "absent").set_answered(entry)


def test_a_copy_that_is_longer_than_the_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("cases")
    place, spool = LocalPlace(str(tmp_path)), Spool(tmp_path / "spool")
    (entry,) = (one for one in place.entries("") if one.regular)
    filled = spool.fill(place, "", entry)
    assert filled is not None
    filled[0].write_text("cases and more")
    assert spool.fill(place, "", entry) == filled
    assert filled[0].read_text() == "cases"


def test_a_file_that_is_gone_or_another_one_by_now_is_not_handed_over(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("cases")
    place, spool = LocalPlace(str(tmp_path)), Spool(tmp_path / "spool")
    (entry,) = place.entries("")
    assert spool.fill(place, "", replace(entry, modified_ns=1)) is None
    path.unlink()
    assert spool.fill(place, "", entry) is None
    assert list((tmp_path / "spool").iterdir()) == []
