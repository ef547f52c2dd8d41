"""Files that a department puts into a folder: which are taken, when, and what becomes of them."""

from __future__ import annotations

import csv
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import Document, RowProblem, SourceNeedsPersonError, SourceUnavailableError
from adapters.file_drop.local_place import LocalPlace
from tests.support.adapter_openings import content_of, outcome
from tests.support.drops import Drop, first

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTICE = Document(content=b"<Notice/>", record_type="SupervisionNotice")


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[Drop]:
    made = Drop(tmp_path)
    yield made
    made.close()


def test_a_file_is_taken_once_it_has_stayed_the_same_for_a_while(drop: Drop) -> None:
    path = drop.put("cases.csv", "half")
    adapter = drop.open(settle_s=60)
    assert drop.take(adapter) == {}
    drop.clock.now_s += 45
    assert drop.take(adapter) == {}
    path.write_text("half and half")
    drop.clock.now_s += 45
    assert drop.take(adapter) == {}
    drop.clock.now_s += 45
    assert drop.take(adapter) == {}
    drop.clock.now_s += 15
    assert drop.take(adapter) == {"cases.csv": b"half and half"}
    assert drop.clock.waited == []


def test_a_short_while_is_waited_for_within_the_round(drop: Drop) -> None:
    drop.put("cases.csv", "whole")
    assert drop.take(drop.open(settle_s=5)) == {"cases.csv": b"whole"}
    assert drop.clock.waited == [5.0]


def test_who_is_asked_to_stop_while_waiting_takes_nothing(drop: Drop) -> None:
    drop.put("cases.csv", "whole")
    drop.clock.stopping = True
    assert drop.take(drop.open(settle_s=5)) == {}
    assert drop.names() == ["cases.csv"]


def test_only_files_of_the_names_asked_for_are_taken(drop: Drop) -> None:
    for name in (
        "A.CSV",
        "b.xml",
        "受理.csv",
        ".hidden.csv",
        "~$office.csv",
        "c.csv.tmp",
        "d.csv.PART",
        "e.csv~",
        "f.txt",
    ):
        drop.put(name)
    assert list(drop.take(drop.open(patterns=["*.csv*", "b.*"]))) == ["A.CSV", "b.xml", "受理.csv"]
    assert drop.take(drop.open(temporary_endings=[])).keys() == {"c.csv.tmp", "d.csv.PART", "e.csv~", "f.txt"}
    assert drop.names() == [".hidden.csv", "~$office.csv"]


@pytest.mark.parametrize("after", ["move", "delete"])
def test_with_a_mark_a_file_is_whole_when_its_mark_is_there(drop: Drop, after: str) -> None:
    drop.put("cases.csv", "half")
    drop.put("other.csv", "other")
    adapter = drop.open(marker=".ok", settle_s=60, after=after)
    assert drop.take(adapter) == {}
    drop.put("cases.csv", "whole")
    drop.put("cases.csv.ok")
    assert drop.take(adapter) == {"cases.csv": b"whole"}
    assert drop.names() == ["other.csv"]
    assert drop.names("done") == (["cases.csv"] if after == "move" else [])


def test_the_mark_of_a_rejected_file_goes_too(drop: Drop) -> None:
    drop.put("cases.csv")
    drop.put("cases.csv.ok")
    adapter = drop.open(marker=".ok")
    adapter.reject(first(adapter), "not a table")
    assert drop.names() == []


def test_files_come_by_name_when_that_is_asked_for(drop: Drop) -> None:
    for name in ("c", "a", "b"):
        drop.put(name)
    assert list(drop.take(drop.open(order="name"), limit=2)) == ["a", "b"]
    drop.put("0")
    assert list(drop.take(drop.open())) == ["c", "0"]


def test_a_small_file_is_handed_over_as_it_is_and_a_large_or_empty_one_as_a_copy(drop: Drop) -> None:
    large = os.urandom(3_000_000)
    drop.put("small", "small")
    drop.put("large", large)
    (drop.folder / "empty").touch()
    adapter = drop.open(order="name")
    came = {}
    for delivery in adapter.fetch(9):
        came[delivery.name] = (delivery.file is None, content_of(delivery))
        adapter.acknowledge(delivery, outcome())
    assert came == {"empty": (False, b""), "large": (False, large), "small": (True, b"small")}
    assert list((drop.kept / "spool").iterdir()) == []


def test_the_department_reads_what_became_of_its_records(drop: Drop) -> None:
    drop.put("cases.csv", "1\n2\n3\n")
    adapter = drop.open()
    delivery = first(adapter)
    problem = RowProblem(rule="missing", text="the column is empty 列为空", row=3, line=4, element="CaseNo")
    adapter.acknowledge(
        delivery,
        outcome(accepted=1, repeated=1, refused=1, problems=(problem,), problems_omitted=2, failed_rows=b"3\n"),
    )
    told = drop.result("cases.csv")
    assert told.pop("answered_at").endswith("+00:00")
    assert told == {
        "schema": "yizhan.file-result/1",
        "file": "cases.csv",
        "delivery_key": delivery.delivery_key,
        "offered": 3,
        "accepted": 1,
        "repeated": 1,
        "refused": 1,
        "received": 0,
        "problems": [
            {"row": 3, "line": 4, "element": "CaseNo", "rule": "missing", "text": "the column is empty 列为空"}
        ],
        "problems_omitted": 2,
        "failed_rows": "cases.failed.csv",
    }
    assert (drop.folder / "results/cases.failed.csv").read_bytes() == b"3\n"
    assert drop.names("results") == ["cases.csv.result.json", "cases.failed.csv"]


def test_results_may_be_a_table_that_no_spreadsheet_takes_for_formulas(drop: Drop) -> None:
    drop.put("cases.csv")
    adapter = drop.open(results="csv")
    problem = RowProblem(rule="unknown", text="=cmd()", line=2)
    adapter.acknowledge(first(adapter), outcome(accepted=2, refused=1, problems=(problem,)))
    data = (drop.folder / "results/cases.csv.result.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(data.decode("utf-8-sig").splitlines()))
    assert rows[0] == ["item", "row", "line", "element", "rule", "text"]
    assert rows[1] == ["offered", "", "", "", "", "3"]
    assert rows[-1] == ["problem", "", "2", "", "unknown", "'=cmd()"]


def test_results_may_be_left_out(drop: Drop) -> None:
    drop.put("cases.csv")
    assert drop.take(drop.open(results="none"))
    assert not (drop.folder / "results").exists()


def test_a_file_whose_results_were_written_is_only_put_away(drop: Drop) -> None:
    drop.put("cases.csv")
    (drop.folder / "done").write_text("in the way")
    adapter = drop.open(after="move")
    with pytest.raises(SourceNeedsPersonError, match="take it away"):
        adapter.acknowledge(first(adapter), outcome(accepted=5))
    (drop.folder / "done").unlink()
    adapter = drop.open()
    assert drop.take(adapter) == {}
    assert (drop.result("cases.csv")["accepted"], drop.result("cases.csv")["repeated"]) == (5, 0)
    assert drop.names("done") == ["cases.csv"]
    drop.put("cases.csv")
    assert list(drop.take(adapter)) == ["cases.csv"]


def test_the_first_result_stays_when_a_file_is_answered_again(drop: Drop) -> None:
    drop.put("cases.csv")
    (drop.folder / "done").write_text("in the way")
    adapter = drop.open()
    delivery = first(adapter)
    with pytest.raises(SourceNeedsPersonError, match="take it away"):
        adapter.acknowledge(delivery, outcome(accepted=5))
    (drop.folder / "done").unlink()
    adapter.acknowledge(delivery, outcome(accepted=0, repeated=5))
    assert (drop.result("cases.csv")["accepted"], drop.result("cases.csv")["repeated"]) == (5, 0)
    assert drop.names("done") == ["cases.csv"]


def test_nothing_is_overwritten_where_files_are_put_away(drop: Drop) -> None:
    adapter = drop.open()
    for content in ("first", "second"):
        drop.put("cases.csv", content)
        drop.take(adapter)
    for content in ("third", "fourth"):
        drop.put("cases.csv", content)
        adapter.reject(first(adapter), content)
    contents = {path.read_text() for path in (drop.folder / "done").iterdir()}
    assert contents == {"first", "second"}
    rejected = sorted(name for name in drop.names("rejected") if name.endswith(".csv"))
    assert len(rejected) == 2
    assert rejected[0].startswith("cases.2")
    assert all((drop.folder / "rejected" / name).read_text() in drop.reason(name) for name in rejected)


def test_the_same_file_put_there_twice_has_one_key_and_a_changed_one_another(drop: Drop) -> None:
    adapter = drop.open()
    keys = []
    for content in ("same", "same", "changed"):
        drop.put("cases.csv", content)
        delivery = first(adapter)
        keys.append(delivery.delivery_key)
        adapter.acknowledge(delivery, outcome())
    assert keys[0] == keys[1] != keys[2]


def test_a_file_of_ten_gigabytes_is_refused_without_being_read(drop: Drop) -> None:
    path = drop.put("huge.csv", "x")
    os.truncate(path, 10 * 2**30)
    os.utime(path, ns=(1, 1))
    drop.put("small.csv", "small")
    assert drop.take(drop.open()) == {"small.csv": b"small"}
    assert "10737418240 bytes, more than bytes_max = 268435456" in drop.reason("huge.csv")
    moved = (drop.folder / "rejected/huge.csv").stat()
    assert (moved.st_size, moved.st_blocks * 512 < 2**20) == (10 * 2**30, True)


def test_what_is_no_file_is_passed_over_and_named_once(drop: Drop, caplog: pytest.LogCaptureFixture) -> None:
    (drop.folder / "link.csv").symlink_to("/etc/passwd")
    (drop.folder / "folder.csv").mkdir()
    os.mkfifo(drop.folder / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(drop.folder / "s.csv"))
        drop.put("cases.csv", "cases")
        adapter = drop.open()
        with caplog.at_level(logging.WARNING):
            assert drop.take(adapter) == {"cases.csv": b"cases"}
            assert drop.take(adapter) == {}
    assert sorted(vars(record)["file"] for record in caplog.records) == ["link.csv", "pipe.csv", "s.csv"]
    assert drop.names() == ["link.csv", "pipe.csv", "s.csv"]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"two\nlines.csv", "two%0Alines.csv"),
        ("受理.csv".encode("gb18030"), "%CA%DC%C0%ED.csv"),
        (b"\xff\xfe.csv", "%FF%FE.csv"),
    ],
)
def test_a_name_that_cannot_be_shown_is_refused_and_stops_nothing(drop: Drop, raw: bytes, shown: str) -> None:
    drop.put(raw, "content")
    drop.put("cases.csv", "cases")
    assert drop.take(drop.open()) == {"cases.csv": b"cases"}
    assert drop.names("rejected") == [shown, f"{shown}.reason.txt"]
    assert "its name cannot be read" in drop.reason(shown)


def test_names_may_be_in_the_encoding_of_older_systems(drop: Drop) -> None:
    raw = "受理.csv".encode("gb18030")
    drop.put(raw, "content")
    assert drop.take(drop.open(name_encoding="gb18030")) == {"受理.csv": b"content"}
    assert [os.fsencode(name) for name in drop.names("done")] == [raw]
    drop.open(name_encoding="gb18030", deliver_folder="下发").deliver(NOTICE, "k")
    assert drop.names(os.fsdecode("下发".encode("gb18030"))) == ["SupervisionNotice.k.xml"]


def test_a_file_that_changed_before_the_answer_comes_again_as_a_new_one(drop: Drop) -> None:
    drop.put("cases.csv", "before")
    adapter = drop.open()
    delivery = first(adapter)
    (claimed,) = drop.folder.glob("claimed/*/cases.csv")
    claimed.write_text("after")
    adapter.acknowledge(delivery, outcome())
    again = first(adapter)
    assert (again.name, content_of(again)) == ("cases.csv", b"after")
    assert again.delivery_key != delivery.delivery_key
    adapter.acknowledge(again, outcome())
    assert (drop.folder / "done/cases.csv").read_text() == "after"


@pytest.mark.parametrize("after", ["move", "delete"])
@pytest.mark.parametrize("in_the_way", [False, True])
def test_a_file_that_is_replaced_while_it_is_put_away_goes_back(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, after: str, *, in_the_way: bool
) -> None:
    drop.put("cases.csv", "before")
    adapter = drop.open(after=after)
    delivery = first(adapter)
    move = LocalPlace.move

    def replaced_first(place: LocalPlace, shelf: str, raw: bytes, to_shelf: str, to_raw: bytes) -> bool:
        if to_shelf == "done":
            (drop.folder / shelf / os.fsdecode(raw)).write_text("after")
            if in_the_way:
                drop.put("cases.csv", "newest")
        return move(place, shelf, raw, to_shelf, to_raw)

    monkeypatch.setattr(LocalPlace, "move", replaced_first)
    adapter.acknowledge(delivery, outcome())
    monkeypatch.undo()
    assert set(drop.take(adapter).values()) == ({b"after", b"newest"} if in_the_way else {b"after"})
    assert drop.names() == []


def test_a_file_that_somebody_took_away_before_the_answer_is_forgotten(drop: Drop) -> None:
    drop.put("cases.csv", "before")
    adapter = drop.open()
    delivery = first(adapter)
    next(drop.folder.glob("claimed/*/cases.csv")).unlink()
    adapter.acknowledge(delivery, outcome())
    adapter.reject(delivery, "late")
    assert drop.take(adapter) == {}


def test_who_only_tries_an_adapter_leaves_the_files_where_they_were(drop: Drop, tmp_path: Path) -> None:
    path = drop.put("cases.csv")
    before = path.stat()
    trying = drop.open(kept=tmp_path / "trying")
    assert first(trying).name == "cases.csv"
    assert drop.names() == []
    trying.close()
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (before.st_ino, before.st_mtime_ns, 1)
    assert [path.name for path in drop.folder.iterdir()] == ["cases.csv"]
    assert list(drop.take(drop.open())) == ["cases.csv"]


def test_what_goes_back_goes_over_no_new_file(drop: Drop) -> None:
    drop.put("cases.csv", "claimed")
    adapter = drop.open()
    first(adapter)
    drop.put("cases.csv", "new")
    adapter.close()
    adapter = drop.open()
    assert drop.take(adapter, limit=1) == {"cases.csv": b"claimed"}
    assert drop.take(adapter) == {"cases.csv": b"new"}


def test_closing_is_harmless_when_the_folder_is_gone(drop: Drop, tmp_path: Path) -> None:
    drop.put("cases.csv")
    adapter = drop.open()
    first(adapter)
    drop.folder.rename(tmp_path / "gone")
    adapter.close()
    adapter.close()


def test_a_second_file_of_a_name_waits_until_the_first_is_answered(drop: Drop) -> None:
    drop.put("cases.csv", "first")
    adapter = drop.open()
    delivery = first(adapter)
    drop.put("cases.csv", "second")
    assert [content_of(one) for one in adapter.fetch(5)] == [b"first"]
    adapter.acknowledge(delivery, outcome())
    assert drop.take(adapter) == {"cases.csv": b"second"}


def test_what_is_made_is_for_those_who_may_use_the_folder(drop: Drop) -> None:
    drop.folder.chmod(0o2770)
    drop.put("cases.csv")
    adapter = drop.open()
    drop.take(adapter)
    adapter.deliver(NOTICE, "k")
    modes = {path.relative_to(drop.folder).parts[0]: path.stat().st_mode & 0o7777 for path in drop.folder.glob("*")}
    assert modes == dict.fromkeys(("claimed", "deliver", "done", "results"), 0o2770)
    assert (drop.folder / "results/cases.csv.result.json").stat().st_mode & 0o7777 == 0o660


def test_a_document_is_delivered_once_though_the_department_took_it_away(drop: Drop) -> None:
    for key in ("310000/3-1/7", "k" * 300, "督办"):
        drop.open().deliver(NOTICE, key)
        (path,) = (drop.folder / "deliver").iterdir()
        assert path.read_bytes() == NOTICE.content
        path.unlink()
        drop.open().deliver(NOTICE, key)
        assert drop.names("deliver") == []


def test_a_document_that_is_there_and_was_not_noted_is_not_written_again(drop: Drop) -> None:
    drop.open().deliver(NOTICE, "k")
    (drop.kept / "delivered").unlink()
    before = (drop.folder / "deliver/SupervisionNotice.k.xml").stat().st_mtime_ns
    drop.open().deliver(NOTICE, "k")
    assert (drop.folder / "deliver/SupervisionNotice.k.xml").stat().st_mtime_ns == before


def test_documents_may_go_to_a_folder_of_another_name(drop: Drop) -> None:
    drop.open(deliver_folder="下发").deliver(NOTICE, "k")
    assert drop.names("下发") == ["SupervisionNotice.k.xml"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"folder": "drop"}, "is no absolute path"),
        ({"folder": "/a\0b"}, "is no absolute path"),
        ({"deliver_folder": "done"}, "is no name of a folder of its own"),
        ({"deliver_folder": "../up"}, "is no name of a folder of its own"),
        ({"deliver_folder": ""}, "is no name of a folder of its own"),
        ({"marker": "/ok"}, "is no ending of a file name"),
    ],
)
def test_settings_that_do_not_fit_are_told_when_opened(drop: Drop, settings: dict[str, Any], text: str) -> None:
    with pytest.raises(SourceNeedsPersonError, match=text):
        drop.open(**settings)


@pytest.mark.parametrize("shelf", ["claimed", "results", "done", "rejected", "deliver"])
def test_nothing_is_written_through_a_link(drop: Drop, tmp_path: Path, shelf: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (drop.folder / shelf).symlink_to(elsewhere)
    drop.put("cases.csv")
    drop.put("more.csv")
    adapter = drop.open()
    with pytest.raises(SourceNeedsPersonError, match="holds a link"):
        work_through(adapter)
    assert list(elsewhere.iterdir()) == []


def work_through(adapter: Any) -> None:
    """Do everything that writes to a folder."""
    adapter.deliver(NOTICE, "k")
    adapter.acknowledge(first(adapter), outcome())
    adapter.reject(first(adapter), "reason")


def test_a_folder_that_was_replaced_is_not_taken_for_an_empty_one(drop: Drop, tmp_path: Path) -> None:
    drop.put("cases.csv")
    adapter = drop.open()
    drop.take(adapter)
    (mark,) = (drop.folder / "claimed").iterdir()
    drop.folder.rename(tmp_path / "before")
    drop.folder.mkdir()
    for ask in (lambda: adapter.deliver(NOTICE, "k"), lambda: drop.take(drop.open()), drop.open().check):
        with pytest.raises(SourceUnavailableError, match=f"claimed/{mark.name} is missing"):
            ask()
    assert list(drop.folder.iterdir()) == []
    (drop.folder / "claimed" / mark.name).mkdir(parents=True)
    drop.put("more.csv", "more")
    assert drop.take(adapter) == {"more.csv": b"more"}


def test_shelves_that_somebody_removed_are_made_again(drop: Drop) -> None:
    adapter = drop.open()
    for name in ("one", "two"):
        drop.put(name)
        assert list(drop.take(adapter)) == [name]
        for path in sorted(drop.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_copies_of_files_that_are_gone_do_not_pile_up(drop: Drop) -> None:
    drop.put("cases.csv", "x" * 100_000)
    first(drop.open())
    assert len(list((drop.kept / "spool").iterdir())) == 1
    next(drop.folder.glob("claimed/*/cases.csv")).unlink()
    assert drop.take(drop.open()) == {}
    assert list((drop.kept / "spool").iterdir()) == []
