"""Every shell block of README and quickstart is run, or is one that CI itself is."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import ROOT, blocks_of

if TYPE_CHECKING:
    from pathlib import Path

PAGES = ("README.md", "README.zh.md", "docs/quickstart.md", "docs/quickstart.zh.md", "docs/concepts.md")
PORTS = ("8451", "8450", "8441", "8440")
KNOWN = {"demo", "test", "quickstart"}


@pytest.mark.parametrize("page", PAGES)
def test_every_shell_block_says_which_test_runs_it(page: str) -> None:
    assert {block.name for block in blocks_of(page)} <= KNOWN


def test_both_readmes_show_the_same_two_commands() -> None:
    commands = [(block.name, block.text) for block in blocks_of("README.md")]
    # `demo` is run by tests/integration/demo, `test` by CI: it is what .ci/run calls.
    assert commands == [("demo", "scripts/demo --check\n"), ("test", "scripts/test\n")]
    assert [(block.name, block.text) for block in blocks_of("README.zh.md")] == commands


def test_both_quickstarts_show_the_same_commands() -> None:
    assert [block.text for block in blocks_of("docs/quickstart.md")] == [
        block.text for block in blocks_of("docs/quickstart.zh.md")
    ]


def free_ports(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]


@pytest.mark.timeout(120)
def test_the_quickstart_works_as_written(tmp_path: Path) -> None:
    # In the checkout as the page says, but with free ports and the practice homes elsewhere.
    script = "".join(block.text for block in blocks_of("docs/quickstart.md"))
    for shown, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        script = re.sub(rf"\b{shown}\b", free, script)
    script = re.sub(r"\bpractice\b", str(tmp_path / "practice"), script)
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "YIZHAN_LANG": "en"}
    ended = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", ended + script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    logs = "".join(path.read_text(encoding="utf-8")[-1000:] for path in tmp_path.glob("practice/*.log"))
    assert done.returncode == 0, done.stderr[-3000:] + logs
    assert '"repeated": ' in done.stdout
    assert "360000" in done.stdout
