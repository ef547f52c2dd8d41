"""``yizhan run`` in this process: it says where it listens, stops on a signal, and turns a second one away."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from node.cli import run as run_module
from node.cli.home import LOCK_FILE, alone_in
from node.cli.journal_log import log_to_stderr
from node.config import NODE_FILE
from node.journal.store import open_store
from tests.support.homes import Home
from tests.support.stores import make_older

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.cli.serving import Service


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Put signals and the log back as they were: ``run`` owns a whole process otherwise."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    root = logging.getLogger()
    loggers, level = list(root.handlers), root.level
    hook = threading.excepthook
    yield
    threading.excepthook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)
    root.handlers[:] = loggers
    root.setLevel(level)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_tells_where_it_listens_and_stops_on_a_signal(root: Home, tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    seen: dict[str, int] = {}

    def look() -> None:
        for _ in range(400):
            if ready.exists():
                break
            threading.Event().wait(0.05)
        face = json.loads(ready.read_text(encoding="utf-8"))["face"]
        seen.update({path: httpx.get(face + path).status_code for path in ("/healthz", "/readyz", "/", "/metrics")})

    def look_and_stop() -> None:
        try:
            look()
        finally:
            os.kill(os.getpid(), number)

    stopper = threading.Thread(target=look_and_stop)
    stopper.start()
    answer = root.call("run", "--ready-file", str(ready), "--lang", "en")
    stopper.join()
    assert seen == {"/healthz": 200, "/readyz": 200, "/": 200, "/metrics": 200}
    document = answer.document
    assert (document["schema"], document["ready"], document["node"]) == ("yizhan.run/1", True, "360000")
    assert "The node has stopped." in answer.err
    assert not ready.exists()


@pytest.mark.parametrize("doing", ["run", "init", "join"])
def test_a_second_process_in_the_same_home_is_turned_away(county: Home, doing: str) -> None:
    # The county has joined: each of the three would end well, were it alone.
    commands = (
        ("run",),
        ("init", "--level", "county", "--org", "360102", "--name", "东湖区"),
        ("join", "CODE@127.0.0.1:1"),
    )
    with alone_in(county.folder, doing):
        for command in commands:
            document = county.call(*command, code=8).document
            assert document["code"] == "YZ-HOME-001"
            assert f"process {os.getpid()} (yizhan {doing}) holds" in document["why"]
        assert county.call("status", code=None).document["schema"] == "yizhan.status/1"


def test_two_inits_of_a_new_home_do_not_meet(tmp_path: Path) -> None:
    home = Home(tmp_path / "360000")
    home.folder.mkdir(mode=0o700)
    with alone_in(home.folder, "init"):
        assert "(yizhan init) holds" in home.init("province", "360000", "江西省", code=8).document["why"]
        assert [path.name for path in home.folder.iterdir()] == [LOCK_FILE]
    assert (home.folder / LOCK_FILE).stat().st_mode & 0o777 == 0o600
    assert home.init("province", "360000", "江西省").document["made"] is True


@pytest.mark.parametrize("table", ["link", "face"])
def test_a_taken_port_is_told_and_nothing_runs(root: Home, table: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = root.folder / NODE_FILE
        text = path.read_text(encoding="utf-8")
        port = taken.getsockname()[1]
        path.write_text(text.replace(f"[{table}]\nport = 0", f"[{table}]\nport = {port}"), encoding="utf-8")
        answer = root.call("run", code=8)
    assert answer.document["what"] == f"The {table} listener cannot have 127.0.0.1:{port}"


def test_plain_http_beyond_loopback_is_refused(root: Home) -> None:
    path = root.folder / NODE_FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[face]\n", '[face]\nhost = "0.0.0.0"\n'), encoding="utf-8")
    assert "plain HTTP" in root.call("run", code=4).err


@pytest.mark.parametrize(("verbosity", "level"), [(-1, "WARNING"), (0, "INFO"), (2, "DEBUG")])
def test_the_log_shows_phrase_and_fields(verbosity: int, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(verbosity)
    assert logging.getLevelName(logging.getLogger().level) == level
    try:
        json.loads("nonsense")
    except ValueError:
        logging.getLogger("node.x").exception("work failed", extra={"node": "360102"})
    logging.getLogger("node.x").warning("plain")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("node.x: work failed node='360102'")
    assert lines[1].startswith("Traceback")
    assert lines[-1].endswith("node.x: plain")


def test_run_upgrades_the_database_of_an_older_program(root: Home, tmp_path: Path) -> None:
    for file in root.folder.glob("yizhan.sqlite*"):
        file.unlink()
    store = open_store("sqlite:///yizhan.sqlite", home=root.folder)
    make_older(store, "0004_cases")
    store.close()
    assert root.call("status", code=4).document["code"] == "YZ-STORE-003"
    stopper = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGTERM))
    stopper.start()
    answer = root.call("run", "--ready-file", str(tmp_path / "ready.json"))
    stopper.join()
    assert "database upgraded before='0004_cases'" in answer.err
    assert root.call("status", code=3).document["node"]["code"] == "360000"


def test_a_ready_file_that_cannot_be_written_is_told(root: Home, tmp_path: Path) -> None:
    answer = root.call("run", "--ready-file", str(tmp_path / "nowhere" / "ready.json"), code=6, json_wanted=False)
    assert "nowhere/ready.json cannot be written" in answer.err


def test_a_thread_that_dies_is_in_the_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(threading, "excepthook", run_module._log_dead_thread)
    thread = threading.Thread(target=die, name="worker")
    thread.start()
    thread.join()
    (record,) = caplog.records
    assert (record.message, vars(record)["dead"]) == ("thread died", "worker")
    assert record.exc_info is not None


PARTS = {
    "scheduler": "node.scheduler.Scheduler.alive",
    "wake-ups": "node.journal.wakeups.Wakeups.alive",
    "link listener": "node.web.listeners.HttpListener.alive",
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_died_makes_the_running_node_not_ready(
    running_root: tuple[Home, Service], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, service = running_root
    ready = f"{service.addresses()['face']}/readyz"
    assert httpx.get(ready).status_code == 200
    monkeypatch.setattr(PARTS[part], False)
    answer = httpx.get(ready)
    assert (answer.status_code, answer.json()["checks"][part]) == (503, False)
