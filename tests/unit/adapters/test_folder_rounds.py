"""Rounds over a folder with much in it: what waits for whom, what holds nobody up, and what is told."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

import pytest

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.file_drop.local_place import LocalPlace
from adapters.folders import adapter as folder_adapter
from tests.support.adapter_openings import content_of, outcome
from tests.support.drops import Drop, first

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[Drop]:
    made = Drop(tmp_path)
    yield made
    made.close()


def test_whole_files_do_not_wait_for_one_that_is_still_written(drop: Drop) -> None:
    drop.put("whole.csv", "whole")
    adapter = drop.open(settle_s=5)
    assert drop.take(adapter) == {"whole.csv": b"whole"}
    assert drop.clock.waited == [5.0]
    for name in ("one.csv", "two.csv"):
        drop.put(name, name)
    assert list(drop.take(adapter, limit=1)) == ["one.csv"]
    drop.put("growing.csv", "half")
    round_of = adapter.fetch(5)
    assert next(round_of).name == "two.csv"
    assert drop.clock.waited == [5.0, 5.0]
    assert next(round_of).name == "growing.csv"
    assert drop.clock.waited == [5.0, 5.0, 5.0]


def test_many_files_settle_while_others_are_taken(drop: Drop) -> None:
    names = [f"{number:04}.csv" for number in range(500)]
    for name in names:
        drop.put(name)
    adapter = drop.open(settle_s=5)
    came: list[str] = []
    while len(came) < len(names):
        came += drop.take(adapter, limit=50)
    assert came == names
    assert drop.clock.waited == [5.0]


def test_what_changes_while_a_round_waits_is_not_taken_in_it(drop: Drop) -> None:
    path = drop.put("cases.csv", "half")
    adapter = drop.open(settle_s=5)
    waits = drop.clock.wait

    def written_meanwhile(seconds: float) -> bool:
        path.write_text("half and half")
        return waits(seconds)

    drop.clock.wait = written_meanwhile  # type: ignore[method-assign]
    assert drop.take(drop.open(settle_s=5)) == {}
    drop.clock.wait = waits  # type: ignore[method-assign]
    assert drop.take(adapter) == {"cases.csv": b"half and half"}


@pytest.mark.parametrize(
    ("method", "number"),
    [("rename", errno.EBUSY), ("rename", errno.ETXTBSY), ("pread", errno.EIO), ("open", errno.EBUSY)],
)
def test_a_file_that_cannot_be_had_now_holds_up_no_other_one(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str, number: int
) -> None:
    """As a share answers for a table that somebody has open in a spreadsheet program on another machine."""
    held, others = drop.put("held.csv", "held"), ("a.csv", "b.csv")
    inode = held.stat().st_ino
    for name in others:
        drop.put(name, name)
    adapter = drop.open()
    real = getattr(os, method)

    def refused(what: object, *args: object, **options: object) -> object:
        is_held = os.fstat(what).st_ino == inode if isinstance(what, int) else what == b"held.csv"
        if is_held:
            raise OSError(number, os.strerror(number))
        return real(what, *args, **options)

    monkeypatch.setattr(os, method, refused)
    with caplog.at_level(logging.WARNING):
        assert list(drop.take(adapter)) == [*others]
        for _ in range(2):
            with pytest.raises(
                SourceUnavailableError, match=r"the file held\.csv cannot be read or moved now .*close the"
            ):
                drop.take(adapter)
    assert [vars(record)["file"] for record in caplog.records] == ["held.csv"]
    monkeypatch.undo()
    assert drop.take(adapter) == {"held.csv": b"held"}


def test_a_part_of_a_file_that_another_program_locked_is_no_lack_of_permission(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop.put("locked.csv", "locked")
    adapter = drop.open()

    def locked(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "pread", locked)
    with pytest.raises(SourceUnavailableError, match=r"the file locked\.csv cannot be read or moved now"):
        drop.take(adapter)
    monkeypatch.undo()
    assert drop.names("rejected") == []
    assert list(drop.take(adapter)) == ["locked.csv"]


def test_a_file_that_cannot_be_put_away_now_is_answered_once(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.put("cases.csv")
    adapter = drop.open()
    delivery = first(adapter)
    real = os.rename

    def refused(raw: bytes, to_raw: bytes, **options: int) -> None:
        if raw == b"cases.csv":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        real(raw, to_raw, **options)

    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(SourceUnavailableError, match=r"cases\.csv cannot be read or moved now"):
        adapter.acknowledge(delivery, outcome(accepted=5))
    with pytest.raises(SourceUnavailableError, match=r"cases\.csv cannot be read or moved now"):
        adapter.reject(delivery, "reason")
    assert drop.names("rejected") == []
    drop.put("more.csv")
    assert list(drop.take(adapter)) == ["more.csv"]
    monkeypatch.undo()
    assert drop.take(adapter) == {}
    assert drop.names("done") == ["cases.csv", "more.csv"]
    assert drop.result("cases.csv")["accepted"] == 5


def test_a_folder_full_of_what_is_not_to_be_taken_needs_a_person(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_adapter, "ENTRIES_MAX", 20)
    for number in range(20):
        drop.put(f"{number}.log")
    adapter = drop.open(patterns=["*.csv"])
    with pytest.raises(SourceNeedsPersonError, match="the folder holds 20 names or more"):
        drop.take(adapter)
    (drop.folder / "0.log").unlink()
    assert drop.take(adapter) == {}
    drop.put("cases.csv")
    assert list(drop.take(adapter)) == ["cases.csv"]


@pytest.mark.slow
def test_a_hundred_thousand_files_are_taken_in_order_and_more_wait(drop: Drop) -> None:
    for number in range(100_100):
        (drop.folder / f"{number:06}.csv").touch()
    adapter = drop.open(order="name")
    assert len(drop.take(adapter, limit=200)) == 200
    left = sorted(drop.names())
    assert len(left) == 99_900
    assert list(drop.take(adapter, limit=5)) == left[:5]


def test_a_rejected_file_and_the_reason_of_another_one_never_have_one_name(drop: Drop) -> None:
    adapter = drop.open()
    for name in ("cases.csv.reason.txt", "cases.csv"):
        drop.put(name, f"content of {name}")
        adapter.reject(first(adapter), f"reason for {name}")
    assert drop.reason("cases.csv").splitlines()[1] == "reason for cases.csv"
    (other,) = (
        path for path in (drop.folder / "rejected").glob("cases.csv.reason.2*") if "content" in path.read_text()
    )
    assert other.read_text() == "content of cases.csv.reason.txt"
    assert len(drop.names("rejected")) == 4


def test_names_with_the_blanks_that_people_type_are_taken(drop: Drop) -> None:
    names = ["受理　登记.csv", "受理\u00a0登记.csv", "受理 登记.csv"]
    for name in names:
        drop.put(name, name)
    assert list(drop.take(drop.open())) == names
    assert drop.names("results") == sorted(f"{name}.result.json" for name in names)


def test_a_copy_that_does_not_fit_gives_the_room_back(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.put("cases.csv", "x" * 3_000_000)
    adapter = drop.open()
    copy = LocalPlace.copy

    def full(place: LocalPlace, *args: object) -> None:
        copy(place, *args)  # type: ignore[arg-type]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(LocalPlace, "copy", full)
    with pytest.raises(SourceUnavailableError, match="make room on the disk of the node"):
        drop.take(adapter)
    assert list((drop.kept / "spool").iterdir()) == []
    monkeypatch.undo()
    assert content_of(first(adapter)) == b"x" * 3_000_000
