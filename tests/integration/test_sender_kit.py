"""The sender kit's clients against a running node: a vendor's first records, a wrong key, a wrong record, no node."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.standard.examples import CREDIT_CODE, DAY, ITEM
from node.standard.identifiers import case_number
from node.web.reference.contents import sender_kit_files
from node.web.reference.samples import Sample, first_case, sample_delivery
from tests.support.homes import Home
from tests.support.sender_kit import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PROGRAM = (sys.executable, "-P", "-m", "node.cli")
SERIALS = {"python": 1, "java": 2, "curl": 3}
"""Each client sends a case of its own, so that what one sends is new to the node whatever others sent."""
DIVISION = "360000"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit as a vendor unpacks it, beside the node's home."""
    made = tmp_path_factory.mktemp("vendor")
    for path, data in sender_kit_files():
        (made / path.rpartition("/")[2]).write_bytes(data)
    return made


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[str]:
    """The address of a running node; the key of its source stands in ``key.txt``."""
    home = Home(folder / "home")
    home.init("province", "360000", "江西省")
    key = home.call("sources", "add", "hall").document["key"]
    (folder / "key.txt").write_text(f"{key}\n", encoding="ascii")
    ready = folder / "ready.json"
    log = (folder / "run.log").open("ab")
    command = [*PROGRAM, "run", "--home", str(home.folder), "--ready-file", str(ready)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    log.close()
    try:
        pause = threading.Event()
        for _ in range(600):
            if ready.exists() or process.poll() is not None:
                break
            pause.wait(0.1)
        assert ready.exists(), (folder / "run.log").read_text(encoding="utf-8")
        yield str(json.loads(ready.read_text(encoding="utf-8"))["face"])
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if shutil.which(CLIENTS[name][0]) is None:
        pytest.skip(f"there is no {CLIENTS[name][0]} on this machine")
    return name


def start(client: str, folder: Path, node: str, name: str, **environment: str) -> subprocess.Popen[str]:
    given = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "YIZHAN_KEY_FILE": "key.txt", **environment}
    command = [*CLIENTS[client], node, name]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=given, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")


def send(client: str, folder: Path, node: str, name: str, **environment: str) -> tuple[int, str]:
    process = start(client, folder, node, name, **environment)
    out, err = process.communicate(timeout=90)
    return process.returncode, out + err


def case_of(client: str) -> list[Sample]:
    number = case_number(DIVISION, CREDIT_CODE, ITEM, DAY, SERIALS[client])
    return [replace(one, content={**one.content, "CaseNo": number}) for one in first_case(DIVISION)]


def write_case(client: str, folder: Path, dialect: str = "standard") -> str:
    name = f"{client}.{'xml' if dialect == 'standard' else 'json'}"
    (folder / name).write_bytes(sample_delivery(dialect, case_of(client)))
    return name


def test_a_first_case_is_accepted_and_its_repetition_does_no_harm(client: str, folder: Path, node: str) -> None:
    name = write_case(client, folder)
    for verdict in ("accepted", "repeated"):
        code, said = send(client, folder, node, name)
        assert code == 0, said
        lines = said.splitlines()
        assert [line.split()[:2] for line in lines] == [[verdict, one.record_type] for one in first_case()]


def test_the_same_case_in_another_dialect_is_the_same_case(client: str, folder: Path, node: str) -> None:
    assert send(client, folder, node, write_case(client, folder))[0] == 0
    code, said = send(client, folder, node, write_case(client, folder, "json"))
    assert code == 0, said
    assert {line.split()[0] for line in said.splitlines()} == {"repeated"}


def test_a_spreadsheet_is_sent_as_what_it_is(client: str, folder: Path, node: str) -> None:
    name = f"{client}.xlsx"
    (folder / name).write_bytes(sample_delivery("xlsx", case_of(client)))
    code, said = send(client, folder, node, name)
    assert code == 0, said
    assert {line.split()[0] for line in said.splitlines()} <= {"accepted", "repeated"}
    assert len(said.splitlines()) == len(first_case())


def test_a_wrong_key_is_told(client: str, folder: Path, node: str) -> None:
    code, said = send(client, folder, node, write_case(client, folder), YIZHAN_KEY="no-key-of-this-node")
    assert code == 5, said
    assert "no-key-of-this-node" not in said


def test_one_wrong_record_among_right_ones_is_told(client: str, folder: Path, node: str) -> None:
    right = sample_delivery("standard", case_of(client))
    (folder / "some.xml").write_bytes(right.replace(b"<Action>PASS<", b"<Action>NOD<", 1))
    code, said = send(client, folder, node, "some.xml")
    assert code == 9, said
    assert "refused ReviewStep" in said
    (problem,) = [line for line in said.splitlines() if line.startswith("    row ")]
    assert "Action" in problem


def test_a_key_from_the_environment_may_end_with_a_line(client: str, folder: Path, node: str) -> None:
    key = (folder / "key.txt").read_text(encoding="ascii")
    code, said = send(client, folder, node, write_case(client, folder), YIZHAN_KEY=key)
    assert code == 0, said
    assert said.endswith("\n")


def test_a_file_with_nothing_usable_is_told(client: str, folder: Path, node: str) -> None:
    whole = sample_delivery("standard", first_case()[:1])
    (folder / "none.xml").write_bytes(whole.replace(b"<CaseNo>", b"<CaseNo>x", 1))
    code, said = send(client, folder, node, "none.xml")
    assert code == 1, said
    assert "line" in said


def test_a_mistake_in_the_call_is_told(client: str, folder: Path) -> None:
    given = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(CLIENTS[client], cwd=folder, env=given, capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert "YIZHAN_KEY_FILE=key.txt" in done.stderr


def test_a_node_that_is_not_there_is_told(folder: Path) -> None:
    """All clients at once: each tries for half a minute."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        there = [client for client in CLIENTS if shutil.which(CLIENTS[client][0])]
        started = {one: start(one, folder, address, write_case(one, folder), YIZHAN_KEY="x") for one in there}
        said = {client: (process.communicate(timeout=120), process.returncode) for client, process in started.items()}
    assert {client: code for client, (_, code) in said.items()} == dict.fromkeys(there, 6), said
