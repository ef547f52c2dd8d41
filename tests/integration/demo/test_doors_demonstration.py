"""The demonstration of the doors: ``scripts/demo --doors`` as users have it; and broken, shown, interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from node.demo.catalogue import DEPARTMENT_NAMES
from tests.doors_demonstration import demonstration
from tests.doors_demonstration.demonstration import Settings, demonstrate
from tests.doors_demonstration.doors import DOORS, shares_of
from tests.doors_demonstration.file_departments import file_drop_department
from tests.doors_demonstration.handing_over import DoorWork
from tests.support.sshd import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.doors_demonstration.department import Department

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("open_api", "soap", "sftp", "database", "file_drop", "serial", "bluetooth", "push", "manual")

CHECK_MAX_S = 540
"""Far more than it takes where nothing else runs, less than pytest gives one test."""

pytestmark = pytest.mark.integration


def test_each_department_of_the_catalogue_is_behind_one_door_with_cases_of_its_own() -> None:
    assert tuple(door.name for door in DOORS) == NAMES
    assert {door.department for door in DOORS} == set(DEPARTMENT_NAMES)
    shares = shares_of(DOORS, cases=20, seed=1)
    assert [share.month.cases for share in shares] == [3, 3, 2, 2, 2, 2, 2, 2, 2]
    numbers = [{str(one.content["CaseNo"]) for one in share.month.records} for share in shares]
    assert sum(map(len, numbers)) == len(set.union(*numbers))
    for share in shares:
        expected = share.expected()
        assert expected["offered"] == expected["accepted"] + expected["refused"]
        assert expected["refused"] == 2


def test_a_door_that_fails_is_named_and_left_out_of_what_follows(tmp_path: Path) -> None:
    work = DoorWork(share=shares_of(DOORS[:1], cases=1, seed=1)[0], folder=tmp_path)

    def fails() -> None:
        pytest.skip("not installed: sshd (apt install openssh-server)")

    work.do(fails)
    work.do(lambda: pytest.fail("asked again"))
    assert work.problems == ["door open_api: not installed: sshd (apt install openssh-server)"]


@pytest.fixture(scope="module")
def checked() -> Iterator[tuple[int, dict[str, Any], Path]]:
    """The command of README.md, called from an empty folder that is not the checkout."""
    # Not below pytest's own, which is closed to others: MariaDB runs under another account than root.
    with TemporaryDirectory(prefix="yizhan-doors-") as folder:
        temporary = Path(folder, "tmp")
        temporary.mkdir()
        Path(folder).chmod(0o755)
        with subprocess.Popen(
            [ROOT / "scripts" / "demo", "--doors", "--check"],
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(temporary)},
        ) as process:
            try:
                out, err = process.communicate(timeout=CHECK_MAX_S)
            finally:
                # Asked to end, so that it ends what it started; nothing happens when it has.
                process.terminate()
        assert out, err
        yield process.returncode, json.loads(out), temporary


@pytest.mark.slow
def test_every_record_of_every_door_arrives_at_the_province(checked: tuple[int, dict[str, Any], Path]) -> None:
    code, report, _ = checked
    assert (code, report["ok"], report["problems"]) == (0, True, [])
    assert tuple(report["doors"]) == NAMES
    for counts in report["doors"].values():
        assert counts["offered"] == counts["accepted"] + counts["refused"]
        assert (counts["refused"], counts["repeated"]) == (2, 0)
    for county in ("360102", "360103"):
        copies = [report["nodes"][code]["streams"][f"{county}/ancestors"] for code in (county, "360100", "360000")]
        assert copies[0] == copies[1] == copies[2]
    # Seventy-two cases, eight behind each door.
    assert report["nodes"]["360000"]["cases"] == 72
    held = sum(report["nodes"]["360000"]["streams"][f"{county}/ancestors"]["size"] for county in ("360102", "360103"))
    assert held >= sum(counts["accepted"] for counts in report["doors"].values())


@pytest.mark.slow
def test_notices_came_down_and_the_province_holds_that_they_did(checked: tuple[int, dict[str, Any], Path]) -> None:
    told = {one["door"]: (one["received"], one["acknowledged"]) for one in checked[1]["notices"]}
    assert told == {"sftp": (True, True), "serial": (True, True)}
    assert checked[1]["directed"]["held_by"] == ["360000", "360100", "360102"]


@pytest.mark.slow
def test_nothing_is_left_behind(checked: tuple[int, dict[str, Any], Path]) -> None:
    assert list(checked[2].iterdir()) == []
    assert not [command for command in commands() if str(checked[2]) in command]


def commands() -> list[str]:
    """Command lines of the processes that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def open_terminals() -> int:
    """How many pseudo-terminals this process holds open."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(str(link.readlink()).endswith("ptmx") for link in links if link.is_symlink())


@contextmanager
def lacking(_folder: Path) -> Iterator[Department]:
    """A department's system that this machine cannot run."""
    pytest.skip("not installed: sshd (apt install openssh-server)")
    yield  # type: ignore[unreachable] # What makes it a context.


@contextmanager
def misplaced(folder: Path) -> Iterator[Department]:
    """A department that puts its files elsewhere than the node is told."""
    with file_drop_department(folder) as department:
        assert department.adapter is not None
        department.adapter = replace(department.adapter, settings={"folder": str(folder / "nowhere")})
        yield department


def test_doors_that_fail_are_named_the_others_work_and_an_interrupt_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # In this process, and interrupted by the signal that a terminal would send.
    broken = {"sftp": lacking, "file_drop": misplaced}
    doors = [replace(door, opened=broken.get(door.name, door.opened)) for door in DOORS]
    monkeypatch.setattr(demonstration, "DOORS", doors)
    before, terminals = set(descendants(os.getpid())), open_terminals()
    ended, said = threading.Event(), {"out": "", "err": ""}

    def interrupt_when_it_stays_up() -> None:
        while not ended.wait(0.5):
            new = capsys.readouterr()
            said["out"] += new.out
            said["err"] += new.err
            if "push" in said["out"]:
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=interrupt_when_it_stays_up)
    watcher.start()
    try:
        chosen = ("sftp", "file_drop", "serial", "push", "manual")
        code = demonstrate(Settings(cases=10, home=tmp_path / "home", doors=chosen))
    finally:
        ended.set()
        watcher.join()
    assert code == 1
    told = said["err"] + capsys.readouterr().err
    assert "demo: door sftp: not installed: sshd (apt install openssh-server)" in told
    assert "demo: door file_drop: `yizhan adapters add file_drop" in told
    assert len([line for line in told.splitlines() if line.startswith("demo: door ")]) == 2
    assert f"serial {doors[5].organisation_name}  {tmp_path}" in said["out"]
    assert set(descendants(os.getpid())) <= before
    assert not [command for command in commands() if str(tmp_path) in command]
    assert open_terminals() == terminals
