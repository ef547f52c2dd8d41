"""The demonstration as users have it: ``scripts/demo``, checked, shown, interrupted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.clock import MachineClock
from node.demo.demonstration import Settings, demonstrate
from node.demo.plan import NODES
from node.demo.program import call
from node.standard.examples import CREDIT_CODE, DAY, ITEM
from node.standard.identifiers import case_number
from node.web.reference.contents import sender_kit_files
from node.web.reference.samples import first_case, sample_delivery
from tests.support.sender_kit import CLIENTS

ROOT = Path(__file__).resolve().parents[3]
DEMO = str(ROOT / "scripts" / "demo")
COUNTY = "360102"
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
    """The command of README.md, called from an empty folder that is not the checkout."""
    folder = tmp_path_factory.mktemp("demo")
    home = folder / "home"
    done = subprocess.run(
        [DEMO, "--check", "--home", str(home)],
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
    assert set(report["doors"]) == {"csv", "api", "up", "xlsx"}
    for door in report["doors"].values():
        assert door["offered"] == door["accepted"] + door["refused"] + door["repeated"]
        assert door["accepted"] > 0
    # Two rows in each county's month of 120 cases are wrong on purpose.
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


def send_as_vendors(folder: Path, address: str) -> dict[str, int]:
    """Send a first case of its own with each client of the sender kit to the county; return what each left with."""
    kit = folder / "kit"
    kit.mkdir()
    for path, data in sender_kit_files():
        (kit / path.rpartition("/")[2]).write_bytes(data)
    key = call(folder / "home" / COUNTY, "sources", "add", "vendor")["key"]
    (kit / "key.txt").write_text(f"{key}\n", encoding="ascii")
    left = {}
    for serial, (name, command) in enumerate(CLIENTS.items(), start=1):
        if shutil.which(command[0]) is None:
            continue
        number = case_number(COUNTY, CREDIT_CODE, ITEM, DAY, serial)
        case = [replace(one, content={**one.content, "CaseNo": number}) for one in first_case(COUNTY)]
        (kit / f"{name}.xml").write_bytes(sample_delivery("standard", case))
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "YIZHAN_KEY_FILE": "key.txt"}
        done = subprocess.run(
            [*command, address, f"{name}.xml"], cwd=kit, env=environment, capture_output=True, check=False, timeout=60
        )
        left[name] = done.returncode
    return left


def test_a_demonstration_stays_up_until_it_is_interrupted_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # In this process, so that what it does is measured; Ctrl-C is the signal that a terminal would send.
    seen: dict[str, Any] = {"shown": "", "pages": {}}
    ended = threading.Event()

    def look_and_interrupt() -> None:
        try:
            while not ended.wait(0.5):
                seen["shown"] += capsys.readouterr().out
                addresses = re.findall(r"^(\d{6}) \S+  (http://\S+)$", seen["shown"], re.MULTILINE)
                if len(addresses) == len(NODES):
                    seen["pages"] = {code: httpx.get(address, timeout=10) for code, address in addresses}
                    seen["processes"] = len(processes_of(tmp_path / "home"))
                    seen["vendors"] = send_as_vendors(tmp_path, dict(addresses)[COUNTY])
                    return
        finally:
            seen["interrupted_s"] = MachineClock().monotonic_s()
            if not ended.is_set():
                os.kill(os.getpid(), signal.SIGINT)

    looker = threading.Thread(target=look_and_interrupt)
    looker.start()
    try:
        code = demonstrate(Settings(cases=12, home=tmp_path / "home"))
    finally:
        ended.set()
        looker.join()
    assert MachineClock().monotonic_s() - seen["interrupted_s"] < 5
    assert code == 0
    assert list(seen["pages"]) == [plan.code for plan in NODES]
    assert all(page.status_code == 200 and code in page.text for code, page in seen["pages"].items())
    assert seen["processes"] >= len(NODES)
    # A vendor's first case, by each client of the sender kit that this machine can run.
    assert set(seen["vendors"].values()) == {0}
    assert processes_of(tmp_path / "home") == []


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
