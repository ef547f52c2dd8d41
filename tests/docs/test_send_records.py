"""A vendor's first record: the page works as it is written, in both languages alike."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import ROOT, blocks_of
from tests.docs.test_commands import free_ports
from tests.support.sender_kit import CLIENTS

if TYPE_CHECKING:
    from pathlib import Path

ENGLISH, CHINESE = "docs/how-to/send-records.md", "docs/how-to/send-records.zh.md"
PORTS = ("8451", "8450")


def test_both_pages_show_the_same_commands_and_all_are_run() -> None:
    assert {block.name for block in blocks_of(ENGLISH)} == {"send-records"}
    assert [block.text for block in blocks_of(ENGLISH)] == [block.text for block in blocks_of(CHINESE)]


@pytest.mark.timeout(180)
def test_the_page_works_as_written(tmp_path: Path) -> None:
    # In the checkout as the page says, but with free ports and the practice folder elsewhere.
    script = "".join(block.text for block in blocks_of(ENGLISH))
    for shown, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        script = re.sub(rf"\b{shown}\b", free, script)
    script = re.sub(r"\bpractice\b", str(tmp_path / "practice"), script)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("YIZHAN_")}
    environment = {**inherited, "LC_ALL": "C.UTF-8", "YIZHAN_LANG": "en"}
    ended = "set -m\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", ended + script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    logs = "".join(path.read_text(encoding="utf-8")[-1000:] for path in tmp_path.glob("practice/*.log"))
    assert done.returncode == 0, done.stderr[-3000:] + logs
    assert len(re.findall(r"^ok\t", done.stdout, re.MULTILINE)) == 7
    answers = re.findall(r"^\{.*\}$", done.stdout, re.MULTILINE)
    # Each client that this machine can run, and two of those that sign.
    assert len(answers) == len([command for command, *_ in CLIENTS.values() if shutil.which(command)]) + 2
    assert [json.loads(answer)["accepted"] for answer in answers] == [7] + [0] * (len(answers) - 1)
    assert [json.loads(answer)["repeated"] for answer in answers] == [0] + [7] * (len(answers) - 1)
    assert not (tmp_path / "practice").exists()
