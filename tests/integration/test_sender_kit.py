"""The sender kit's clients against a running node: a vendor's first records, a wrong key, a wrong record, no node."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import pytest

from node.standard.examples import CREDIT_CODE, DAY, ITEM
from node.standard.identifiers import case_number
from node.web.reference.contents import sender_kit_files
from node.web.reference.samples import Sample, first_case, sample_delivery, sample_path
from tests.support.homes import Home
from tests.support.sender_kit import CLIENTS, SIGNING_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PROGRAM = (sys.executable, "-P", "-m", "node.cli")
COMMANDS = CLIENTS | SIGNING_CLIENTS
SERIALS = {name: serial for serial, name in enumerate(COMMANDS, start=1)}
"""Each client sends a case of its own, so that what one sends is new to the node whatever others sent."""
DIVISION = "360000"
BOTH = ("--mode", "key", "--mode", "hmac")
WRONG = {"YIZHAN_KEY": "no-key-of-this-node", "YIZHAN_SECRET": "hall/2 yzs_no-key-of-this-node"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit as a vendor unpacks it, beside the node's home."""
    made = tmp_path_factory.mktemp("vendor")
    for path, data in sender_kit_files():
        (made / path.rpartition("/")[2]).write_bytes(data)
    return made


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[str]:
    """The address of a running node; the key and the secret of its source stand in ``key.txt`` and ``secret.txt``."""
    home = Home(folder / "home")
    home.init("province", "360000", "江西省")
    key, secret = home.call("sources", "add", "hall", *BOTH, json_wanted=False).out.splitlines()
    (folder / "key.txt").write_text(f"{key}\n", encoding="ascii")
    (folder / "secret.txt").write_text(f"{secret}\n", encoding="ascii")
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


@pytest.fixture(params=COMMANDS)
def client(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if shutil.which(COMMANDS[name][0]) is None:
        pytest.skip(f"there is no {COMMANDS[name][0]} on this machine")
    return name


def start(client: str, folder: Path, node: str, *named: str, **environment: str) -> subprocess.Popen[str]:
    files = {"YIZHAN_KEY_FILE": "key.txt", "YIZHAN_SECRET_FILE": "secret.txt"}
    given = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **files, **environment}
    command = [*COMMANDS[client], node, *named]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=given, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")


def send(client: str, folder: Path, node: str, *named: str, **environment: str) -> tuple[int, str]:
    process = start(client, folder, node, *named, **environment)
    out, err = process.communicate(timeout=90)
    return process.returncode, out + err


def case_of(client: str) -> list[Sample]:
    number = case_number(DIVISION, CREDIT_CODE, ITEM, DAY, SERIALS[client])
    return [replace(one, content={**one.content, "CaseNo": number}) for one in first_case(DIVISION)]


def write_case(client: str, folder: Path, dialect: str = "standard") -> str:
    name = f"{client}{PurePath(sample_path(dialect)).suffix}"
    (folder / name).write_bytes(sample_delivery(dialect, case_of(client)))
    return name


def verdicts_of(said: str) -> list[tuple[str, str]]:
    return [(one["verdict"], one["record_type"]) for one in json.loads(said)["verdicts"]]


def test_a_first_case_is_accepted_and_its_repetition_does_no_harm(client: str, folder: Path, node: str) -> None:
    name = write_case(client, folder)
    for verdict in ("accepted", "repeated"):
        code, said = send(client, folder, node, name)
        assert code == 0, said
        assert verdicts_of(said) == [(verdict, one.record_type) for one in first_case()]


@pytest.mark.parametrize("dialect", ["json", "csv", "xlsx"])
def test_the_same_case_in_another_dialect_is_the_same_case(client: str, folder: Path, node: str, dialect: str) -> None:
    assert send(client, folder, node, write_case(client, folder))[0] == 0
    code, said = send(client, folder, node, write_case(client, folder, dialect))
    assert code == 0, said
    assert {verdict for verdict, _ in verdicts_of(said)} == {"repeated"}


def test_a_query_names_what_the_ending_does_not_say(client: str, folder: Path, node: str) -> None:
    (folder / f"{client}.dat").write_bytes(sample_delivery("json", case_of(client)))
    code, said = send(client, folder, node, f"{client}.dat")
    assert code == 1
    assert "Content-Type" in json.loads(said)["what"]
    code, said = send(client, folder, node, f"{client}.dat", "dialect=json")
    assert code == 0, said


def test_a_wrong_key_is_told(client: str, folder: Path, node: str) -> None:
    code, said = send(client, folder, node, write_case(client, folder), **WRONG)
    assert code == 5, said
    assert "no-key-of-this-node" not in said


def test_one_wrong_record_among_right_ones_is_told(client: str, folder: Path, node: str) -> None:
    right = sample_delivery("standard", case_of(client))
    (folder / "some.xml").write_bytes(right.replace(b"<Action>PASS<", b"<Action>NOD<", 1))
    code, said = send(client, folder, node, "some.xml")
    assert code == 9, said
    assert ("refused", "ReviewStep") in verdicts_of(said)
    (problem,) = json.loads(said)["problems"]
    assert problem["element"].endswith("Action")


def test_a_key_from_the_environment_may_end_with_a_line(client: str, folder: Path, node: str) -> None:
    key, secret = ((folder / name).read_text(encoding="ascii") for name in ("key.txt", "secret.txt"))
    code, said = send(client, folder, node, write_case(client, folder), YIZHAN_KEY=key, YIZHAN_SECRET=secret)
    assert code == 0, said
    assert said.endswith("\n")


def test_a_file_with_nothing_usable_is_told(client: str, folder: Path, node: str) -> None:
    whole = sample_delivery("standard", first_case()[:1])
    (folder / "none.xml").write_bytes(whole.replace(b"<CaseNo>", b"<CaseNo>x", 1))
    code, said = send(client, folder, node, "none.xml")
    assert code == 1, said
    assert json.loads(said)["problems"]


def test_a_mistake_in_the_call_is_told(client: str, folder: Path) -> None:
    given = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(COMMANDS[client], cwd=folder, env=given, capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert ("YIZHAN_SECRET_FILE=secret.txt" if "signed" in client else "YIZHAN_KEY_FILE=key.txt") in done.stderr


def test_a_node_that_is_not_there_is_told(folder: Path) -> None:
    """All clients at once: each tries for half a minute."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        there = [client for client in COMMANDS if shutil.which(COMMANDS[client][0])]
        started = {one: start(one, folder, address, write_case(one, folder), **WRONG) for one in there}
        said = {client: (process.communicate(timeout=120), process.returncode) for client, process in started.items()}
    assert {client: code for client, (_, code) in said.items()} == dict.fromkeys(there, 6), said


class Seen(NamedTuple):
    """What a client sent: its idempotency key, its body and its signature."""

    once: str
    body: bytes
    signature: str


@contextmanager
def busy_node(busy: int) -> Iterator[tuple[str, list[Seen]]]:
    """Yield the address of a node that is busy for so many requests, and what was sent to it."""
    seen: list[Seen] = []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(Seen(self.headers["Idempotency-Key"], body, self.headers.get("Signature", "")))
            answer = b'{"what": "busy"}' if len(seen) <= busy else b'{"refused": 0, "verdicts": []}'
            self.send_response((429, 503)[len(seen) % 2] if len(seen) <= busy else 200)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def test_the_very_same_request_is_sent_again_while_the_node_is_busy(client: str, folder: Path) -> None:
    name = write_case(client, folder)
    with busy_node(2) as (address, seen):
        code, said = send(client, folder, address, name, **WRONG)
    assert (code, json.loads(said)["refused"]) == (0, 0)
    content = (folder / name).read_bytes()
    assert [(one.once, one.body) for one in seen] == [(seen[0].once, content)] * 3
    assert len(seen[0].once) >= 32
    # Each try is signed anew: a time and a nonce of its own.
    assert len({one.signature for one in seen}) == (3 if client in SIGNING_CLIENTS else 1)


def test_who_gives_up_shows_the_last_answer(client: str, folder: Path) -> None:
    with busy_node(99) as (address, seen):
        code, said = send(client, folder, address, write_case(client, folder), "dialect=xml", **WRONG)
    assert code == 6
    assert json.loads(said) == {"what": "busy"}
    assert len(seen) == 6


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_shell_shows_the_secret_to_no_program(folder: Path, node: str) -> None:
    """Whatever it starts is started by a program that writes its arguments down first."""
    watched, log = folder / "watched", folder / "watched.log"
    watched.mkdir()
    for program in ("curl", "openssl", "od", "tr", "sed", "date", "mktemp", "cat", "grep", "sleep", "rm"):
        started = f'#!/bin/sh\nprintf "%s\\n" "{program} $*" >>{log}\nexec {shutil.which(program)} "$@"\n'
        (watched / program).write_text(started, encoding="ascii")
        (watched / program).chmod(0o755)
    client = "curl-signed"
    path = f"{watched}:{os.environ['PATH']}"
    code, said = send(client, folder, node, write_case(client, folder), PATH=path)
    assert code == 0, said
    arguments = log.read_text(encoding="utf-8")
    assert "openssl dgst -sha256" in arguments
    assert "Signature: sig=:" in arguments
    assert (folder / "secret.txt").read_text(encoding="ascii").split()[1] not in arguments
