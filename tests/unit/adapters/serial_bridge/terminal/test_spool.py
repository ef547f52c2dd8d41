"""What a terminal keeps on disk: nothing is lost, nothing is sent twice without need."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from adapters.serial_bridge.terminal.spool import ANSWERED_KEPT, CONFIRMED, REFUSED, Answered, Incoming, Outgoing, Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "terminal")
    yield made
    made.close()


def test_entries_wait_in_order_until_they_are_answered(spool: Spool) -> None:
    assert spool.waiting_after(0) is None
    first = spool.put("a.xml", "application/xml", b"<a/>")
    second = spool.put("b.csv", "text/csv", b"b")
    assert spool.waiting_after(0) == Outgoing(first, "a.xml", "application/xml", b"<a/>")
    assert spool.waiting_after(first) == Outgoing(second, "b.csv", "text/csv", b"b")
    spool.confirm(first, 1, 0, "")
    assert spool.waiting_after(0) == Outgoing(second, "b.csv", "text/csv", b"b")
    assert spool.waiting_count() == 1


def test_numbers_are_never_used_twice_and_the_spools_name_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    name, first = spool.spool, spool.put("a", "text/csv", b"")
    spool.refuse(first, "no")
    assert spool.discard(first)
    assert not spool.discard(first)
    spool.close()
    spool = Spool(tmp_path)
    assert spool.spool == name
    assert len(name) == 8
    assert spool.put("a", "text/csv", b"") == first + 1
    spool.close()
    other = Spool(tmp_path / "another")
    assert other.spool != name
    other.close()


def test_the_same_origin_is_put_in_once(spool: Spool) -> None:
    first = spool.put("a.xml", "application/xml", b"<a/>", "a.xml 1 abc")
    assert spool.put("a.xml", "application/xml", b"<a/>", "a.xml 1 abc") == first
    assert spool.put("a.xml", "application/xml", b"<a/>", "a.xml 2 abc") > first
    assert spool.put("a.xml", "application/xml", b"<a/>") != spool.put("a.xml", "application/xml", b"<a/>")
    assert spool.waiting_count() == 4


def test_a_refused_entry_is_kept_with_its_reason_and_comes_first(spool: Spool) -> None:
    first, second = spool.put("a", "text/csv", b"a"), spool.put("b", "text/csv", b"b")
    spool.refuse(first, "no dialect reads this")
    spool.confirm(second, 5, 2, "a cell more")
    spool.refuse(second, "too late: it is answered")
    assert list(spool.answered(10)) == [
        Answered(first, "a", REFUSED, 0, 0, "no dialect reads this"),
        Answered(second, "b", CONFIRMED, 5, 2, "a cell more"),
    ]
    assert next(spool.answered(1)).number == first
    assert not spool.discard(second)


def test_an_answer_that_the_disk_does_not_take_leaves_what_follows_as_safe_as_before(spool: Spool) -> None:
    number = spool.put("a", "text/csv", bytes(50_000))
    database = spool._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        spool.confirm(number, 1, 0, "x" * 100_000)
    # 2 is FULL: what is put in is on the disk before anybody is told so.
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    database.execute("PRAGMA max_page_count = 100000")
    assert spool.waiting_count() == 1


def test_old_answers_are_forgotten_and_refused_entries_are_not(spool: Spool) -> None:
    refused = spool.put("r", "text/csv", b"r")
    spool.refuse(refused, "no")
    for _ in range(ANSWERED_KEPT + 5):
        spool.confirm(spool.put("a", "text/csv", b"a"), 1, 0, "")
    kept = list(spool.answered(ANSWERED_KEPT * 2))
    assert len(kept) == ANSWERED_KEPT + 1
    assert kept[0].number == refused


def test_documents_are_kept_once_until_they_were_shown(spool: Spool) -> None:
    assert spool.unshown() is None
    assert spool.receive("notice/1", "SupervisionNotice", "application/xml", "请办理", b"<n/>")
    assert not spool.receive("notice/1", "SupervisionNotice", "application/xml", "请办理", b"<n/>")
    document = spool.unshown()
    assert document == Incoming(1, "SupervisionNotice", "application/xml", "请办理", b"<n/>")
    spool.shown(document.number)
    assert spool.unshown() is None
    # Known after it was shown, too.
    assert not spool.receive("notice/1", "SupervisionNotice", "application/xml", "请办理", b"<n/>")


def test_other_accounts_cannot_read_the_spool(tmp_path: Path) -> None:
    Spool(tmp_path / "terminal").close()
    assert (tmp_path / "terminal").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "terminal/spool.sqlite").stat().st_mode & 0o777 == 0o600


PUTTING = """
import sys
from pathlib import Path
from adapters.serial_bridge.terminal.spool import Spool
spool = Spool(Path(sys.argv[1]))
while True:
    number = spool.put("a.xml", "application/xml", b"x" * 2000)
    spool.confirm(number, 1, 0, "") if number % 3 == 0 else None
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_a_program_killed_at_any_step_loses_nothing_that_it_said_was_kept(tmp_path: Path) -> None:
    told: list[int] = []
    for round_number in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", PUTTING, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            told += [int(writer.stdout.readline()) for _ in range(3 + 7 * round_number)]
            writer.kill()
            told += [int(line) for line in writer.stdout if line.endswith("\n")]
    spool = Spool(tmp_path)
    kept, number = set(), 0
    while (entry := spool.waiting_after(number)) is not None:
        number = entry.number
        kept.add(number)
        assert entry.content == b"x" * 2000
    spool.close()
    assert len(set(told)) == len(told)
    assert {number for number in told if number % 3} <= kept
