"""A home made and used through the command line, in this process."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.bootstrap import build_node
from node.cli import run_program
from node.clock import MachineClock
from node.config import load_config
from node.demo.catalogue import items_of
from node.demo.generator import generate_month
from node.demo.writers import csv_table
from node.randomness import SystemRandomness
from node.standard.resources import level_folder

if TYPE_CHECKING:
    from pathlib import Path

    from node.bootstrap import Node


class Output(io.TextIOWrapper):
    """A stream in memory that takes text and, like a real one, bytes."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    @property
    def text(self) -> str:
        self.flush()
        inner = self.buffer
        assert isinstance(inner, io.BytesIO)
        return inner.getvalue().decode()


@dataclass(slots=True, kw_only=True)
class Answer:
    """What one call of the program did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


class Home:
    """A home folder and the program for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def call(self, *arguments: str, json_wanted: bool = True, code: int | None = 0) -> Answer:
        """Run ``yizhan ARGUMENTS``; the exit code must be ``code`` unless that is None."""
        out, err = Output(), Output()
        given = [*arguments, "--home", str(self.folder), *(["--json"] if json_wanted else [])]
        with redirect_stdout(out), redirect_stderr(err):
            left = run_program(given)
        answer = Answer(code=left, out=out.text, err=err.text)
        assert code is None or left == code, f"{arguments} left with {left}: {answer.err}{answer.out}"
        return answer

    def init(self, level: str, org: str, name: str, *options: str, code: int | None = 0) -> Answer:
        ports = ("--link-port", "0", "--face-port", "0")
        return self.call("init", "--level", level, "--org", org, "--name", name, *ports, *options, code=code)

    def node(self) -> Node:
        config = load_config(self.folder, shipped_levels=level_folder())
        return build_node(config, clock=MachineClock(), randomness=SystemRandomness())


def applications(count: int) -> bytes:
    """Return a table with the first records of ``count`` cases of the county 360102."""
    month = generate_month(items_of("360102", "东湖区"), cases=5 * count, seed=11)
    found = [one for one in month.records if one.record_type == "Application" and one.valid]
    return csv_table(found[:count], chinese=True)
