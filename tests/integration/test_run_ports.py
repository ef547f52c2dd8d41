"""``yizhan run`` as a process whose ports are taken: it says so, leaves at once, and leaves no thread behind."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from node.config import NODE_FILE
from tests.support.homes import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
RUN = (sys.executable, "-P", "-m", "node.cli", "run", "--json", "--home")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "360000")
    made.init("province", "360000", "江西省")
    return made


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def set_port(home: Home, table: str, port: int) -> None:
    path = home.folder / NODE_FILE
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(rf"(?m)^(\[{table}\]\n(?:[^\[].*\n)*?port = )\d+", rf"\g<1>{port}", text)
    assert count == 1
    path.write_text(changed, encoding="utf-8")


def what_run_says(home: Home, *, code: int = 8) -> str:
    command = [*RUN, str(home.folder)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=20)
    assert done.returncode == code, done.stderr
    what = json.loads(done.stdout)["what"]
    assert isinstance(what, str)
    return what


@pytest.mark.parametrize("table", ["face", "link"])
def test_a_taken_port_ends_the_process(home: Home, taken: int, table: str) -> None:
    set_port(home, table, taken)
    assert what_run_says(home) == f"The {table} listener cannot have 127.0.0.1:{taken}"


def test_one_port_for_both_listeners_is_refused(home: Home, taken: int) -> None:
    set_port(home, "face", taken)
    set_port(home, "link", taken)
    assert what_run_says(home, code=4) == f"The face and the link listener cannot both have port {taken}"
