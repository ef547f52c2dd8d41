"""The demonstration as users have it: ``scripts/demo``, checked, shown, interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.clock import MachineClock
from node.demo.plan import NODES

ROOT = Path(__file__).resolve().parents[3]
DEMO = str(ROOT / "scripts" / "demo")
COUNTY_STREAMS = ("360102/ancestors", "360103/ancestors")

pytestmark = pytest.mark.integration


def processes_of(home: Path) -> list[str]:
    """Command lines of living processes that name ``home``."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(home) in command:
                found.append(command)
    return found


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One checked demonstration, called from an empty folder that is not the checkout."""
    folder = tmp_path_factory.mktemp("demo")
    home = folder / "home"
    done = subprocess.run(
        [DEMO, "--check", "--cases", "60", "--seed", "5", "--home", str(home)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return home, done


@pytest.fixture
def report(checked: tuple[Path, subprocess.CompletedProcess[str]]) -> dict[str, Any]:
    done = checked[1]
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_check_succeeds_and_prints_one_document(
    checked: tuple[Path, subprocess.CompletedProcess[str]], report: dict[str, Any]
) -> None:
    assert checked[1].returncode == 0, report.get("problems")
    assert report["schema"] == "yizhan.demo/1"
    assert report["ok"] is True
    assert report["problems"] == []
    assert 0 < report["seconds"] < 280


def test_four_nodes_of_three_levels_took_part(report: dict[str, Any]) -> None:
    levels = {code: node["level"] for code, node in report["nodes"].items()}
    assert levels == {"360000": "province", "360100": "city", "360102": "county", "360103": "county"}


def test_every_door_adds_up(report: dict[str, Any]) -> None:
    assert set(report["doors"]) == {"csv", "api", "standard"}
    for door in report["doors"].values():
        assert door["offered"] == door["accepted"] + door["refused"] + door["repeated"]
        assert door["accepted"] > 0
    # Two rows in each county's month are wrong on purpose.
    assert sum(door["refused"] for door in report["doors"].values()) == 4


def test_each_county_stream_is_the_same_at_every_level(report: dict[str, Any]) -> None:
    for stream in COUNTY_STREAMS:
        county = stream.partition("/")[0]
        copies = [report["nodes"][code]["streams"][stream] for code in (county, "360100", "360000")]
        assert copies[0]["size"] > 0
        assert copies[0] == copies[1] == copies[2]
    accepted = sum(door["accepted"] for door in report["doors"].values())
    held = sum(report["nodes"]["360000"]["streams"][stream]["size"] for stream in COUNTY_STREAMS)
    assert held >= accepted


def test_a_sibling_does_not_hold_what_is_not_for_it(report: dict[str, Any]) -> None:
    assert report["directed"] == {"to": "360102", "held_by": ["360000", "360100", "360102"]}
    assert "360102/ancestors" not in report["nodes"]["360103"]["streams"]


def test_statistics_are_agreed_above_and_nothing_is_in_quarantine(report: dict[str, Any]) -> None:
    assert report["nodes"]["360100"]["statistics"] == "agreed"
    assert report["nodes"]["360000"]["statistics"] == "agreed"
    assert {node["quarantined"] for node in report["nodes"].values()} == {0}
    assert report["nodes"]["360000"]["findings"] > 0


def test_single_records_arrive_soon(report: dict[str, Any]) -> None:
    assert 0 < report["latency_s"]["p50"] <= report["latency_s"]["p99"] < 20


def test_nothing_is_left_running_after_a_check(checked: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert processes_of(checked[0]) == []


def test_a_demonstration_stays_up_until_it_is_interrupted_and_leaves_nothing(tmp_path: Path) -> None:
    clock = MachineClock()
    home = tmp_path / "home"
    shown = subprocess.Popen(
        [DEMO, "--cases", "12", "--home", str(home)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert shown.stdout is not None
        addresses = dict(line.split()[::2] for line in (shown.stdout.readline() for _ in NODES))
        assert list(addresses) == [plan.code for plan in NODES]
        for code, address in addresses.items():
            page = httpx.get(address, timeout=10)
            assert page.status_code == 200
            assert code in page.text
        assert len(processes_of(home)) > len(NODES)
        begun_s = clock.monotonic_s()
        os.killpg(shown.pid, signal.SIGINT)
        shown.communicate(timeout=30)
        assert clock.monotonic_s() - begun_s < 5
        assert shown.returncode == 0
    finally:
        if shown.poll() is None:
            os.killpg(shown.pid, signal.SIGKILL)
            shown.communicate()
    assert processes_of(home) == []


def test_a_home_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x", encoding="utf-8")
    done = subprocess.run(
        [DEMO, "--check", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
