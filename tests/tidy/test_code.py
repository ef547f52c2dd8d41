"""House rules of docs/adr/0005-house-rules.md that no linter knows."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT, python_files, syntax_of, text_of, tracked_files

LINES_MAX = 400
MADE = {Path("adapters/serial_bridge/terminal/yizhan_terminal.py")}
"""Put together from modules that are held to the rule: a terminal is given one file."""
FUNCTION_LINES_MAX = 50
LEVEL_NAMES = {"county", "city", "province", "township"}
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "misc"}
SHIPPED = ("node", "adapters")


def test_there_is_code_to_look_at() -> None:
    assert len(python_files(*SHIPPED)) > 10


@pytest.mark.parametrize("path", python_files(*SHIPPED), ids=str)
def test_a_shipped_file_is_short_and_begins_with_what_it_is_for(path: Path) -> None:
    assert path in MADE or len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= LINES_MAX
    assert ast.get_docstring(syntax_of(path)), f"{path} has no module docstring"


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path}:{node.lineno} {node.name} has {size} lines"
        for path in python_files(*SHIPPED)
        for node in ast.walk(syntax_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_the_code_knows_no_level_by_name() -> None:
    # Levels are data: config/levels/*.toml. The demonstration alone names the levels of the nodes that it starts.
    named = [
        f"{path}:{node.lineno} {node.value!r}"
        for path in python_files(*SHIPPED)
        if path.parts[:2] != ("node", "demo")
        for node in ast.walk(syntax_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.strip().lower() in LEVEL_NAMES
    ]
    assert named == []


def test_sql_is_written_in_the_journal_and_in_projections_only() -> None:
    # Elsewhere a connection may be named as a type (import-linter counts that as an import, so setup.cfg lists it).
    # A bridge to departments' own databases asks those, not ours.
    rooms = {"journal", "trust", "cases", "statistics", "departments", "upkeep", "database"}
    written = [
        f"{path}:{node.lineno}"
        for path in python_files(*SHIPPED)
        if path.parts[1] not in rooms
        for node in runtime_imports(syntax_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {"sqlalchemy", "alembic"}
    ]
    assert written == []


def runtime_imports(tree: ast.AST) -> list[ast.stmt]:
    """Imports that happen when the program runs: those under ``if TYPE_CHECKING`` do not."""
    found: list[ast.stmt] = []
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            found.append(child)
        found += runtime_imports(child)
    return found


def test_modules_are_named_after_what_they_are() -> None:
    empty = [str(path) for path in tracked_files() if EMPTY_NAMES & set(re.split(r"[^a-z]+", str(path).lower()))]
    assert empty == []


def test_nothing_is_left_for_later_in_a_comment() -> None:
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
    left = [
        f"{path}:{number}"
        for path in tracked_files()
        if path.suffix in {".py", ".md", ".toml", ".cfg", ".xsd", ".html", ""} and path.name != "LICENSE"
        for number, line in enumerate((text_of(path) or "").splitlines(), start=1)
        if marks.search(line)
    ]
    assert left == []


def test_no_machine_of_ours_and_no_registry_is_named() -> None:
    hosts = ["pypi" + ".org", "python" + "hosted", "registry." + "npmjs", "deb." + "debian.org"]
    folders = ["/wo" + "rk/", "/opt/" + "wheels", "/opt/" + "pypi", "/ro" + "ot/"]
    named = [
        f"{path}: {word}" for path in tracked_files() for word in [*hosts, *folders] if word in (text_of(path) or "")
    ]
    assert named == []


def test_layers_are_stated_from_the_outermost_room_inward() -> None:
    # A layer that vanished from setup.cfg would let its imports go unchecked; `exhaustive` catches only new ones.
    lines = (ROOT / "setup.cfg").read_text(encoding="utf-8").splitlines()
    rooms = (
        "cli",
        "web",
        "bootstrap",
        "departments",
        "cases",
        "exchange",
        "trust",
        "journal",
        "standard",
        "config",
        "clock",
    )
    places = [next(n for n, line in enumerate(lines) if re.match(rf"    \(?{room}\b", line)) for room in rooms]
    assert all(upper < lower for upper, lower in pairwise(places))
    assert "exhaustive = true" in lines


@pytest.mark.parametrize(
    "path", [path for path in tracked_files() if path.parts[0] in {"scripts", ".ci"} and len(path.parts) == 2], ids=str
)
def test_scripts_stop_at_the_first_error(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert (ROOT / path).stat().st_mode & 0o111, f"{path} is not executable"
    if text.startswith("#!/usr/bin/env bash"):
        assert "\nset -euo pipefail\n" in text
    else:
        assert text.startswith("#!/usr/bin/env python3")


def test_ci_runs_what_developers_run() -> None:
    assert "scripts/test" in (ROOT / ".ci/run").read_text(encoding="utf-8")
