"""Three real processes at three levels: joined by code, a file imported at the county arrives at the province."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from node.demo.catalogue import items_of
from node.demo.generator import generate_month
from node.demo.writers import csv_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PROGRAM = (sys.executable, "-P", "-m", "node.cli")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(slots=True)
class RealNode:
    """One home and its running process."""

    home: Path
    link: int = field(default_factory=free_port)
    face: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def call(self, *arguments: str, accepted: tuple[int, ...] = (0,)) -> dict[str, Any]:
        command = [*PROGRAM, *arguments, "--home", str(self.home), "--json", "--no-input"]
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
        assert done.returncode in accepted, f"{arguments} left with {done.returncode}: {done.stderr}{done.stdout}"
        document = json.loads(done.stdout)
        assert isinstance(document, dict)
        return document

    def init(self, level: str, code: str, name: str) -> dict[str, Any]:
        addresses = ("--link", f"127.0.0.1:{self.link}", "--face", f"127.0.0.1:{self.face}")
        return self.call("init", "--level", level, "--org", code, "--name", name, *addresses)

    def start(self) -> None:
        ready = self.home / "ready.json"
        log = (self.home / "run.log").open("ab")
        command = [*PROGRAM, "run", "--home", str(self.home), "--ready-file", str(ready)]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        log.close()
        wait_for(lambda: ready.exists() or self.process is None or self.process.poll() is not None, 30, self.log)
        assert ready.exists(), self.log()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        try:
            code = self.process.wait(10)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None
        return code, time.monotonic() - begun

    def stop_if_running(self) -> None:
        if self.process is not None:
            self.stop()

    def status(self) -> dict[str, Any]:
        """Return the document of ``yizhan status --json``, from the running node."""
        document = httpx.get(f"http://127.0.0.1:{self.face}/status.json", timeout=10).json()
        assert isinstance(document, dict)
        return document

    def log(self) -> str:
        path = self.home / "run.log"
        return path.read_text(encoding="utf-8")[-4000:] if path.exists() else ""

    def stream(self, name: str) -> dict[str, Any] | None:
        origin, audience = name.split("/")
        streams = self.status()["streams"]
        return next((one for one in streams if (one["origin"], one["audience"]) == (origin, audience)), None)


def wait_for(condition: Callable[[], object], seconds: float, explain: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, explain()
        pause.wait(0.1)


@contextmanager
def tree_of(folder: Path) -> Iterator[dict[str, RealNode]]:
    """A province, a city and a county, joined by code and running."""
    nodes = {code: RealNode(folder / code) for code in ("360000", "360100", "360102")}
    with ExitStack() as stack:
        for node in nodes.values():
            stack.callback(node.stop_if_running)
        nodes["360000"].init("province", "360000", "江西省")
        nodes["360000"].start()
        for parent, child, level, name in (
            ("360000", "360100", "city", "南昌市"),
            ("360100", "360102", "county", "东湖区"),
        ):
            nodes[child].init(level, child, name)
            invited = nodes[parent].call("invite", "--org", child, "--name", name, "--level", level)
            nodes[child].call("join", f"{invited['code']}@127.0.0.1:{nodes[parent].link}")
            nodes[child].start()
        yield nodes


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RealNode]]:
    with tree_of(tmp_path_factory.mktemp("tree")) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with the applications of twelve cases."""
    month = generate_month(items_of("360102", "东湖区"), cases=12, seed=7)
    applications = [record for record in month.records if record.record_type == "Application" and record.valid]
    path = tmp_path_factory.mktemp("delivery") / "applications.csv"
    path.write_bytes(csv_table(applications, chinese=True))
    return path


def test_records_imported_at_the_county_arrive_at_the_province(tree: dict[str, RealNode], delivery: Path) -> None:
    county, province = tree["360102"], tree["360000"]
    county.call("sources", "add", "hall")
    report = county.call("import", str(delivery), "--dialect", "csv", "--source", "hall")
    assert (report["schema"], report["refused"], report["problems"]) == ("yizhan.import/1", 0, [])
    assert report["offered"] == report["accepted"] > 0
    own = county.stream("360102/ancestors")
    assert own is not None

    def arrived() -> bool:
        found = province.stream("360102/ancestors")
        return found is not None and (found["size"], found["root"]) == (own["size"], own["root"])

    wait_for(arrived, 20, lambda: "\n".join(f"--- {code}\n{node.log()}" for code, node in tree.items()))
    wait_for(lambda: (county.stream("360102/ancestors") or {})["held_by"].get("360000") == own["size"], 20, county.log)
    assert province.status()["cases"] == county.status()["cases"] > 0


def test_the_same_file_again_is_repeated_not_doubled(tree: dict[str, RealNode], delivery: Path) -> None:
    report = tree["360102"].call("import", str(delivery), "--dialect", "csv", "--source", "hall")
    assert report["accepted"] == 0
    assert report["repeated"] == report["offered"]


def test_what_the_province_publishes_arrives_at_the_county(tree: dict[str, RealNode]) -> None:
    tree["360000"].call("publish", "divisions")
    own = tree["360000"].stream("360000/descendants")
    assert own is not None
    wait_for(
        lambda: (tree["360102"].stream("360000/descendants") or {}).get("root") == own["root"], 20, tree["360102"].log
    )


@pytest.mark.parametrize("code", ["360000", "360100", "360102"])
def test_the_command_line_says_what_the_running_node_says(tree: dict[str, RealNode], code: str) -> None:
    told, shown = tree[code].call("status", accepted=(0, 3)), tree[code].status()
    assert told["schema"] == "yizhan.status/1"
    # All nodes of this tree stand on one machine: whatever each says of its neighbours' clocks is nearly nothing.
    offsets = [link["clock_offset_s"] for link in shown["links"]]
    assert all(offset is not None and abs(offset) <= 5 for offset in offsets), offsets
    assert set(told["node"]) >= {"code", "name", "level", "version"}
    assert all(set(link) >= {"peer", "role", "state", "since", "lag_records", "lag_s"} for link in told["links"])
    assert told["streams"] == shown["streams"]
    assert {link["role"] for link in told["links"]} == {
        "360000": {"child"},
        "360100": {"parent", "child"},
        "360102": {"parent"},
    }[code]


@pytest.mark.parametrize("code", ["360000", "360100", "360102"])
def test_every_face_answers(tree: dict[str, RealNode], code: str) -> None:
    face = f"http://127.0.0.1:{tree[code].face}"
    assert httpx.get(f"{face}/healthz").json()["ok"] is True
    assert httpx.get(f"{face}/readyz").status_code == 200
    page = httpx.get(f"{face}/")
    assert page.status_code == 200
    assert code in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "yizhan_up" in httpx.get(f"{face}/metrics").text


def test_a_second_process_on_one_home_is_turned_away(tree: dict[str, RealNode]) -> None:
    error = tree["360102"].call("run", accepted=(8,))
    assert error["code"] == "YZ-HOME-001"


def test_a_stopped_node_leaves_at_once_and_catches_up_after_a_start(tree: dict[str, RealNode]) -> None:
    code, seconds = tree["360100"].stop()
    assert code == 0
    assert seconds < 5
    assert not (tree["360100"].home / "ready.json").exists()
    tree["360100"].start()
    wait_for(
        lambda: all(link["state"] == "up" for link in tree["360100"].status()["links"]),
        30,
        tree["360100"].log,
    )
