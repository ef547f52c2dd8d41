"""Every command leaves as docs/reference/exit-codes.md says: mistakes in the call, homes without a node, each error."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING

import click
import pytest

import node.errors
from node.cli import run_program, yizhan
from node.cli.importing import DIALECTS
from node.departments import dialects
from node.errors import YizhanError
from tests.support.command_page import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.homes import Home

CALLS = (
    ("init", "--level", "county", "--org", "360102", "--name", "东湖区"),
    ("run",),
    ("invite", "--org", "360102", "--name", "东湖区"),
    ("join", "AAAAA@127.0.0.1:1"),
    ("sources", "add", "hall"),
    ("sources", "list"),
    ("sources", "disable", "hall"),
    ("sources", "enable", "hall"),
    ("sources", "show", "hall"),
    ("sources", "rotate", "hall"),
    ("sources", "limit", "hall"),
    ("sources", "change", "hall"),
    ("adapters", "kinds"),
    ("adapters", "list"),
    ("adapters", "add", "hall", "--kind", "scripted", "--source", "hall"),
    ("adapters", "show", "hall"),
    ("adapters", "run", "hall"),
    ("adapters", "pause", "hall"),
    ("adapters", "resume", "hall"),
    ("adapters", "remove", "hall", "--yes"),
    ("adapters", "logs", "hall"),
    ("adapters", "test", "hall"),
    ("adapters", "documents", "hall"),
    ("adapters", "new", "tax_box", "--folder", __file__),
    ("adapters", "scale"),
    ("adapters", "ports"),
    ("bluetooth", "scan"),
    ("bluetooth", "pair", "00:11:22:33:44:55"),
    ("import", __file__),
    ("refused", "list"),
    ("refused", "show", "1"),
    ("refused", "offer", "1"),
    ("refused", "discard", "1", "--reason", "x"),
    ("dialects", "list"),
    ("dialects", "show", "csv"),
    ("dialects", "template", "csv", "--type", "受理"),
    ("mapping", "check", __file__, "--mapping", "up"),
    ("conformance", __file__),
    ("publish", "divisions"),
    ("publish", "items"),
    ("publish", "organisations"),
    ("publish", "calendar"),
    ("publish", "notice", "--to", "360102", "--subject", "x", "--text", "x"),
    ("publish", "reply", "--notice", "1", "--text", "x"),
    ("status",),
    ("records", "list", "360102/ancestors"),
    ("records", "show", "360102/ancestors", "1"),
    ("redact", "360102/ancestors/1", "--approval", "赣〔2026〕1号", "--reason", "x", "--yes"),
    ("evidence", "360102/ancestors/1", "-o", "x"),
    ("verify", __file__),
    ("divisions", "show", "360102"),
    ("cases", "show", "1"),
    ("penalties", "show", "1"),
    ("statistics", "show", "--from", "2026-11-01"),
    ("statistics", "explain", "applied", "--date", "2026-11-01"),
    ("statistics", "publish"),
    ("settle",),
    ("forks", "list"),
    ("forks", "show", "360102/ancestors"),
    ("forks", "resolve", "360102/ancestors", "--size", "1", "--root", "ab" * 32, "--reason", "x", "--by", "x"),
    ("backup", "create", "-o", "/nowhere/at/all.backup"),
    ("backup", "verify", __file__),
    ("restore", __file__),
    ("quarantine", "list"),
    ("quarantine", "show", "360102/ancestors", "1"),
    ("quarantine", "requeue"),
    ("rebuild", "--check"),
    ("scrub", "--all"),
    ("standard", "build", "-o", "/nowhere/at/all"),
    ("standard", "sample"),
    ("config", "show"),
    ("config", "check"),
    ("demo",),
)
"""A call of every command that could succeed, without its home."""
WITHOUT_A_NODE = frozenset({"bluetooth", "conformance", "demo", "dialects", "mapping", "standard", "verify"})
"""Commands that need no home: the demonstration makes its own, the others are about the standard,
the program and the machine."""
NEED_NO_NODE = frozenset({("backup", "verify"), *(("adapters", name) for name in ("kinds", "new", "ports", "scale"))})
PASSED_ON = ("terminal",)
"""The terminal's own program gets its words as they come, and leaves as it does where there is no node."""
MISTAKES = (
    ("frobnicate",),
    ("redact", "360102/ancestors", "--approval", "1", "--reason", "x", "--yes"),
    ("redact", "360102/ancestors/1", "--reason", "x", "--yes"),
    ("redact", "360102/ancestors/1", "--approval", "1", "--reason", " ", "--yes"),
    ("status", "extra"),
    ("init",),
    ("invite", "--org", "1", "--name", "x"),
    ("invite", "--org", "360102", "--name", " "),
    ("invite", "--org", "360102", "--name", "x", "--division", "36"),
    ("invite", "--org", "360102", "--name", "x", "--ttl", "soon"),
    ("invite", "--org", "360102", "--name", "x", "--level", "hamlet"),
    ("join", "AAAAA@nowhere"),
    ("sources", "add", "Hall"),
    ("sources", "add", "hall", "--channel", "PIGEON"),
    ("sources", "add", "hall", "--division", "東湖"),
    ("adapters", "add", "hall", "--source", "hall"),
    ("adapters", "add", "hall", "--kind", "sftp", "--source", "hall", "--set", "host"),
    ("adapters", "run", "hall", "--wait-s", "0"),
    ("adapters", "logs", "hall", "-n", "0"),
    ("import", "/nowhere/at/all.csv"),
    ("import", __file__, "--dialect", "soap"),
    ("import", __file__, "--dialect", "no dialect"),
    ("conformance", "/nowhere/at/all.csv"),
    ("conformance", __file__, "--dialect", "soap"),
    ("conformance", "ftp://example.cn/cases.csv"),
    ("conformance", "https://name:word@example.cn/cases.csv"),
    ("dialects", "show", "soap"),
    ("dialects", "show", "csv", "--type", "烹饪"),
    ("dialects", "template", "json", "--type", "受理"),
    ("dialects", "template", "csv", "--type", "StatisticsSummary"),
    ("dialects", "template", "csv", "--type", "受理", "-o", "/nowhere/at/all.csv"),
    ("refused", "list", "--state", "gone"),
    ("refused", "show", "one"),
    ("refused", "offer", "1", "--file", "/nowhere/at/all.csv"),
    ("refused", "discard", "1"),
    ("refused", "discard", "1", "--reason", " "),
    ("publish", "items", "/nowhere/at/all.csv"),
    ("publish", "notice", "--to", "descendants", "--subject", "x", "--text", "x"),
    ("publish", "notice", "--to", "360102", "--subject", "", "--text", "x"),
    ("publish", "notice", "--to", "360102", "--subject", "x", "--text", " "),
    ("publish", "notice", "--to", "360102", "--subject", "x", "--text", "x", "--reply-due", "tomorrow"),
    ("publish", "reply", "--notice", "", "--text", "x"),
    ("records", "list", "nonsense"),
    ("records", "list", "360102/ancestors", "--limit", "0"),
    ("records", "show", "360102/ancestors", "0"),
    ("divisions", "show", "36"),
    ("divisions", "show", "360102", "--on", "today"),
    ("cases", "show", "1", "--origin", "x"),
    ("penalties", "show", "1", "--origin", "x"),
    ("statistics", "show"),
    ("statistics", "show", "--from", "November"),
    ("statistics", "explain"),
    ("statistics", "explain", "happiness", "--date", "2026-11-01"),
    ("statistics", "explain", "applied", "--records", "501", "--date", "2026-11-01"),
    ("statistics", "explain", "applied", "--node", "x", "--date", "2026-11-01"),
    ("quarantine", "list", "--stream", "nonsense"),
    ("demo", "--cases", "0"),
)


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the names of every command that is not a group."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from commands(inner, (*path, name))


def error_classes() -> list[type[YizhanError]]:
    return [value for value in vars(node.errors).values() if inspect.isclass(value) and issubclass(value, YizhanError)]


def named(call: tuple[str, ...]) -> str:
    return " ".join(call)


def test_no_command_is_left_out_here() -> None:
    every = set(commands(yizhan)) - {PASSED_ON}
    assert {next(path for path in every if call[: len(path)] == path) for call in CALLS} == every


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_an_unknown_option_is_told_in_three_lines_and_in_one_document(
    call: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program([*call, "--frobnicate", "--json"]) == 2
    output, errors = capsys.readouterr()
    document = json.loads(output)
    assert (document["schema"], document["code"], document["exit"]) == ("yizhan.error/1", "YZ-USAGE-001", 2)
    what, why, action = errors.splitlines()
    assert "--frobnicate" in why
    assert why.endswith("(YZ-USAGE-001)")
    assert action.startswith(f"Usage: yizhan {call[0]}")
    assert (document["what"], document["action"]) == (what, action)


@pytest.mark.parametrize("mistake", MISTAKES, ids=named)
def test_a_mistake_in_the_call_leaves_with_two(county: Home, mistake: tuple[str, ...]) -> None:
    document = county.call(*mistake, code=2).document
    assert (document["schema"], document["code"], document["exit"]) == ("yizhan.error/1", "YZ-USAGE-001", 2)
    answer = county.call(*mistake, json_wanted=False, code=2)
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 3


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_without_a_home_every_command_asks_for_one(
    call: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if call[0] in WITHOUT_A_NODE or call[:2] in NEED_NO_NODE:
        return
    monkeypatch.delenv("YIZHAN_HOME", raising=False)
    assert run_program(list(call)) == 2
    assert "--home" in capsys.readouterr().err


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_in_a_folder_without_a_node_every_command_leaves_with_four(
    call: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if call[0] in {"init", "restore", *WITHOUT_A_NODE} or call[:2] in NEED_NO_NODE:
        return  # init and restore make what is missing.
    assert run_program([*call, "--home", str(tmp_path), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["code"] == "YZ-CONFIG-002"


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_leaves_with_the_code_of_its_class(
    error: type[YizhanError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raised = error.__new__(error)
    YizhanError.__init__(raised, "It happened")

    @click.command()
    def failing() -> None:
        raise raised

    monkeypatch.setitem(yizhan.commands, "failing", failing)
    assert run_program(["--json", "failing"]) == error.exit_code
    output, errors = capsys.readouterr()
    what, why, action = errors.splitlines()
    assert (what, why, action) == ("It happened", f"{meaning(error)} ({error.code})", error.remedy)
    document = json.loads(output)
    assert (document["code"], document["exit"], document["action"]) == (error.code, error.exit_code, error.remedy)


def meaning(error: type[YizhanError]) -> str:
    return (inspect.getdoc(error) or "").splitlines()[0]


def test_every_class_says_what_to_do_in_words_of_its_own() -> None:
    classes = [error for error in error_classes() if error.__name__ != "SealMismatchError"]
    remedies = [vars(error)["remedy"] for error in classes]
    assert len(set(remedies)) == len(classes)


def test_the_page_lists_the_exit_codes_that_there_are() -> None:
    rows = re.findall(r"^\| (\d+) \|", (PAGE.parent / "exit-codes.md").read_text(encoding="utf-8"), re.MULTILINE)
    # 0, 3, 9 and 130 are no errors: done, degraded, partly done, interrupted.
    assert {int(row) for row in rows} == {error.exit_code for error in error_classes()} | {0, 3, 9, 130}


@pytest.mark.parametrize("call", [(), ("publish",), ("cases",)], ids=named)
def test_a_group_without_a_command_shows_its_help(call: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(call) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert "Commands:" in errors
    assert run_program([*call, "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["why"], document["exit"]) == ("Missing command", 2)


def test_what_stands_behind_two_hyphens_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["--frobnicate", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


def test_the_dialects_of_the_command_line_are_those_that_are_read() -> None:
    assert (dialects.AUTO, *dialects.DIALECTS) == DIALECTS
