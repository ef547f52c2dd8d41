"""Several processes on one home: who appends together, who is killed while appending, and a disk that says no."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from node.errors import StoreUnavailableError
from node.journal.merkle import root_of
from node.journal.store import open_store
from tests.support.journals import OWN, append, journal_on, plain_entries
from tests.support.stores import new_file_store

if TYPE_CHECKING:
    from node.journal.store import Store

pytestmark = pytest.mark.integration

APPENDER = """
import sys
from pathlib import Path
from node.journal.store import open_store
from tests.support.journals import append, journal_on, plain_entries

url, home, start, batches = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
journal = journal_on(open_store(url, home=home))
print("ready", flush=True)
sys.stdin.readline()
for number in range(batches):
    print(append(journal, plain_entries(start + 7 * number, 7)), flush=True)
"""


def _appender(url: str, home: Path, start: int, batches: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, url, str(home), str(start), str(batches)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _check_whole(store: Store) -> int:
    """Check that positions have no gap and that every root agrees; return the size."""
    journal = journal_on(store)
    with store.reading() as connection:
        held = journal.held(connection, OWN)
        assert held is not None
        stored = journal.stored(connection, OWN, 1, held.size + 1000)
        assert [one.position for one in stored] == list(range(1, held.size + 1))
        leaves = [one.leaf for one in stored]
        assert held.root == root_of(leaves)
        assert journal.root_at(connection, OWN, held.size) == held.root
        assert journal.root_at(connection, OWN, held.size // 2) == root_of(leaves[: held.size // 2])
        assert held.total_bytes == sum(one.length for one in stored)
    return held.size


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_two_processes_append_to_one_home_without_a_gap(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "file":
        url = "sqlite:///journal.db"
        store = new_file_store(tmp_path)
    else:
        url = request.getfixturevalue("postgres_url")
        store = open_store(url)
    processes = [_appender(url, tmp_path, start, 60) for start in (1, 100_000)]
    for process in processes:
        _go(process)
    answers = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert [len(lines) for lines in answers] == [60, 60]
    spans = sorted(eval(line) for lines in answers for line in lines)
    assert spans == [(first, first + 6) for first in range(1, 841, 7)]
    assert _check_whole(store) == 840
    store.close()


def test_a_process_that_is_killed_while_appending_leaves_whole_batches(tmp_path: Path) -> None:
    new_file_store(tmp_path).close()
    told = 0
    for attempt in range(5):
        process = _appender("sqlite:///journal.db", tmp_path, 10_000 * attempt, 5000)
        _go(process)
        time_limit = time.monotonic() + 0.1 + 0.05 * attempt
        assert process.stdout is not None
        while time.monotonic() < time_limit:
            told = eval(process.stdout.readline())[1]
        process.kill()
        rest, _ = process.communicate(timeout=20)
        told = max([told, *(eval(line)[1] for line in rest.splitlines() if line.endswith(")"))])
        store = open_store("sqlite:///journal.db", home=tmp_path)
        size = _check_whole(store)
        store.close()
        assert size % 7 == 0
        assert size >= told


def test_a_disk_that_is_read_only_is_unavailable_and_nothing_is_lost(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        store = new_file_store(folder)
        append(journal_on(store), plain_entries(1, 3))
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(StoreUnavailableError):
            open_store("sqlite:///journal.db", home=folder)
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        store = open_store("sqlite:///journal.db", home=folder)
        append(journal_on(store), plain_entries(4, 2))
        assert _check_whole(store) == 5
        store.close()
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full_is_unavailable_and_goes_on_when_there_is_space(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False, capture_output=True
    ).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        store = new_file_store(folder)
        journal = journal_on(store)
        append(journal, plain_entries(1, 3))
        (folder / "ballast").write_bytes(b"x" * 2_500_000)
        entries = plain_entries(4, 8, length=200_000)
        for entry in entries:
            entry.packed = os.urandom(200_000)
        with pytest.raises(StoreUnavailableError, match="disk"):
            append(journal, entries)
        assert _check_whole(store) == 3
        (folder / "ballast").unlink()
        append(journal, plain_entries(4, 2))
        assert _check_whole(store) == 5
        store.close()
    finally:
        subprocess.run(["umount", folder], check=True)
