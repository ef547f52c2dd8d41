"""What goes wrong with folders, caused for real: disks that fill or vanish, permissions, two at once, kills."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.contract import Document, SourceNeedsPersonError, SourceUnavailableError
from node.randomness import SeededRandomness
from tests.support.adapter_openings import outcome
from tests.support.adapter_working import work_and_be_killed
from tests.support.drops import Drop, first
from tests.support.folder_halls import hall_on
from tests.support.intake import NODE, generated, table
from tests.support.stores import file_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.contract import Adapter
    from node.journal.store import Store

__all__ = ["file_store"]

pytestmark = pytest.mark.integration
NOTICE = Document(content=b"<Notice/>", record_type="SupervisionNotice")


@pytest.fixture
def drop(tmp_path: Path) -> Iterator[Drop]:
    made = Drop(tmp_path)
    yield made
    made.close()


def require_root() -> None:
    if os.geteuid():
        pytest.skip("mounting, and acting for another account, needs root")


@contextmanager
def mounted(place: Path, options: str = "size=1m") -> Iterator[None]:
    """Have a disk of its own at ``place`` while the block runs; it may be taken away and put back meanwhile."""
    require_root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=False, capture_output=True)


@pytest.fixture
def foreign() -> Iterator[Drop]:
    """A folder of an account without privileges, as which this process acts."""
    require_root()
    nobody = pwd.getpwnam("nobody")
    place = Path(tempfile.mkdtemp())
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    try:
        os.seteuid(nobody.pw_uid)
        yield Drop(place)
    finally:
        os.seteuid(0)
        shutil.rmtree(place)


@contextmanager
def as_root() -> Iterator[None]:
    own = os.geteuid()
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(own)


def test_two_nodes_on_one_folder_never_take_the_same_file(drop: Drop, tmp_path: Path) -> None:
    names = [f"{number:03}.csv" for number in range(300)]
    for name in names:
        drop.put(name)
    taken: list[list[str]] = [[], []]
    adapters = [drop.open(kept=tmp_path / f"kept-{number}") for number in range(2)]

    def work(adapter: Adapter, own: list[str]) -> None:
        while came := drop.take(adapter, limit=7):
            own += came

    threads = [threading.Thread(target=work, args=pair) for pair in zip(adapters, taken, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken[0] + taken[1]) == names
    assert drop.names("done") == names


def test_what_one_node_claimed_no_other_one_takes(drop: Drop, tmp_path: Path) -> None:
    drop.put("cases.csv")
    drop.put("more.csv")
    mine = first(drop.open())
    other = drop.open(kept=tmp_path / "other")
    assert list(drop.take(other)) == ["more.csv"]
    again = first(drop.open())
    assert again.delivery_key == mine.delivery_key


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_nothing_is_lost_and_no_key_changes(drop: Drop, tmp_path: Path, seed: int) -> None:
    names = [f"{number:02}.csv" for number in range(40)]
    for name in names:
        drop.put(name)
    settings = {"folder": str(drop.folder), "settle_s": 0.0}
    came = work_and_be_killed(
        "adapters.file_drop:KIND",
        drop.kept,
        settings,
        {},
        tmp_path / "journal",
        kills=6,
        chance=SeededRandomness(seed),
    )
    assert sorted({content for _, content in came}) == names
    assert len(set(came)) == len(names)
    assert len(came) <= len(names) + 6
    assert drop.names("done") == names
    assert drop.names() == []


def test_a_share_that_is_not_mounted_is_not_taken_for_an_empty_folder(drop: Drop) -> None:
    with mounted(drop.folder):
        drop.put("cases.csv")
        adapter = drop.open()
        assert list(drop.take(adapter)) == ["cases.csv"]
        drop.put("more.csv")
        subprocess.run(["umount", "-l", drop.folder], check=True)
        for ask in (adapter.check, lambda: drop.take(adapter), lambda: adapter.deliver(NOTICE, "k")):
            with pytest.raises(SourceUnavailableError, match="mount the disk that belongs there"):
                ask()
        assert list(drop.folder.iterdir()) == []


def test_a_full_disk_loses_nothing(drop: Drop) -> None:
    with mounted(drop.folder):
        drop.put("cases.csv", "x")
        adapter = drop.open()
        delivery = first(adapter)
        filler = drop.folder / ".filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(2_000_000))
        with pytest.raises(SourceUnavailableError, match="is full: make room"):
            adapter.acknowledge(delivery, outcome())
        with pytest.raises(SourceUnavailableError, match="is full: make room"):
            adapter.reject(delivery, "reason")
        with pytest.raises(SourceUnavailableError, match="is full: make room"):
            adapter.deliver(NOTICE, "k")
        assert list(drop.folder.rglob("*.tmp")) == []
        filler.unlink()
        adapter.acknowledge(delivery, outcome())
        adapter.deliver(NOTICE, "k")
        assert drop.names("done") == ["cases.csv"]
        assert drop.names("deliver") == ["SupervisionNotice.k.xml"]


def test_results_for_which_there_was_no_room_are_written_whole_later(file_store: Store, tmp_path: Path) -> None:
    """From the folder into a node: the second time its records are there already; failed rows are told again."""
    right = table(generated(4))
    lines = right.splitlines(keepends=True)
    damaged = "".join([*lines, lines[-1].replace(NODE, "123456")])
    folder = tmp_path / "drop"
    folder.mkdir()
    with mounted(folder), hall_on(file_store, tmp_path) as hall:
        (folder / "cases.csv").write_text(damaged, encoding="utf-8")
        filler = folder / ".filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(2_000_000))
        hall.keeper.turn()
        assert (hall.keeper.state, len(hall.records())) == ("away", 4)
        filler.unlink()
        hall.keeper.turn()
        assert (hall.keeper.state, len(hall.records())) == ("waiting", 4)
        told = hall.result("cases.csv")
        assert (told["accepted"], told["repeated"], told["refused"]) == (0, 4, 1)
        assert hall.failed("cases.failed.csv").decode().splitlines()[1].endswith(damaged.splitlines()[-1])
        assert (folder / "done/cases.csv").read_text(encoding="utf-8") == damaged


def test_a_full_disk_of_the_node_loses_nothing(drop: Drop) -> None:
    drop.kept.mkdir()
    with mounted(drop.kept):
        drop.put("cases.csv", "x" * 2_000_000)
        adapter = drop.open()
        with pytest.raises(SourceUnavailableError, match="make room on the disk of the node"):
            drop.take(adapter)
        # What did not fit does not take the room that the node itself needs.
        assert list((drop.kept / "spool").iterdir()) == []
        with pytest.raises(OSError, match="No space"):
            (drop.kept / "filler").write_bytes(bytes(2_000_000))
        with pytest.raises(SourceUnavailableError, match="make room on the disk of the node"):
            adapter.deliver(NOTICE, "k")
        subprocess.run(["mount", "-o", "remount,size=8m", drop.kept], check=True)
        assert list(drop.take(adapter)) == ["cases.csv"]
        adapter.deliver(NOTICE, "k")


def test_a_file_that_the_system_does_not_let_go_is_passed_over_until_it_does(drop: Drop) -> None:
    """A file on which another one is mounted cannot be moved, as one on a share that somebody has open."""
    require_root()
    held = drop.put("held.csv", "held")
    drop.put("cases.csv", "cases")
    adapter = drop.open()
    subprocess.run(["mount", "--bind", held, held], check=True)
    try:
        assert drop.take(adapter) == {"cases.csv": b"cases"}
        with pytest.raises(SourceUnavailableError, match=r"the file held\.csv cannot be read or moved now"):
            drop.take(adapter)
        drop.put("more.csv", "more")
        assert drop.take(adapter) == {"more.csv": b"more"}
    finally:
        subprocess.run(["umount", held], check=True)
    assert drop.take(adapter) == {"held.csv": b"held"}


def test_a_disk_mounted_within_the_folder_is_told(drop: Drop) -> None:
    (drop.folder / "claimed").mkdir()
    with mounted(drop.folder / "claimed"):
        drop.put("cases.csv")
        with pytest.raises(SourceNeedsPersonError, match="another disk"):
            drop.take(drop.open())
    assert drop.names() == ["cases.csv"]


def test_a_file_that_may_not_be_read_is_refused_and_stops_nothing(foreign: Drop) -> None:
    closed = foreign.put("closed.csv")
    with as_root():
        os.chown(closed, 0, 0)
        closed.chmod(0o600)
    foreign.put("cases.csv", "cases")
    assert foreign.take(foreign.open()) == {"cases.csv": b"cases"}
    assert "give it permission to read" in foreign.reason("closed.csv")
    assert foreign.names("rejected") == ["closed.csv", "closed.csv.reason.txt"]


@pytest.mark.parametrize("mode", [0o000, 0o500, 0o300])
def test_a_folder_that_may_not_be_used_is_told_with_what_to_do(foreign: Drop, mode: int) -> None:
    foreign.put("cases.csv")
    foreign.folder.chmod(mode)
    adapter = foreign.open()
    for ask in (adapter.check, lambda: foreign.take(adapter)):
        with pytest.raises(SourceNeedsPersonError, match=r"let the account of the node read it and write to it"):
            ask()
    foreign.folder.chmod(0o700)
    adapter.check()
    assert list(foreign.take(adapter)) == ["cases.csv"]
