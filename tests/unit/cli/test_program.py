"""The frame of the program: global options, one JSON document, three-line errors, exit codes, lazy commands."""

from __future__ import annotations

import fcntl
import importlib
import json
import re
import sys
import threading
from typing import TYPE_CHECKING

import click
import pytest

from node.cli import COMMANDS, run_program, yizhan
from node.cli.frame import Frame
from node.cli.home import LOCK_FILE, LOCK_WAIT_S, alone_in, is_running
from node.cli.output import HEADINGS, write_json, write_table
from node.cli.statistics import COLUMNS
from node.config import NODE_FILE
from node.errors import HomeInUseError, StoreBusyError, StoreUnavailableError
from tests.support.command_page import PAGE, page
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from node.cli.frame import LazyGroup

NODE = '[node]\ncode = "360102"\nname = "东湖区"\nlevel = "county"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / NODE_FILE).write_text(NODE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, _, attribute = COMMANDS[name].partition(":")
    assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)
    assert run_program([name, "-h"]) == 0
    assert f"yizhan {name}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--home", "{}", "--json", "config", "check"], ["config", "check", "--json"]])
def test_global_options_stand_before_or_after_the_command(
    home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_HOME", str(home))
    assert run_program([part.format(home) for part in arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"schema": "yizhan.config-check/1", "ok": True, "code": "360102", "level": "county"}


def test_an_option_after_the_command_wins(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["--home", "/nowhere", "config", "check", "--home", str(home), "--lang", "en"]) == 0
    assert capsys.readouterr() == ("", "The settings of 360102 东湖区 are in order.\n")


def test_every_option_can_come_from_the_environment(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_CONFIG_CHECK_HOME", str(home))
    monkeypatch.setenv("YIZHAN_CONFIG_CHECK_JSON", "1")
    assert run_program(["config", "check"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_an_error_is_three_lines_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["config", "check", "--home", str(tmp_path)]) == 4
    output, errors = capsys.readouterr()
    assert output == ""
    what, why, action = errors.splitlines()
    assert what == f"There is no node in {tmp_path}"
    assert why.endswith("(YZ-CONFIG-002)")
    assert action.startswith("Run: yizhan init")


def test_an_error_with_json_is_one_document_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["config", "check", "--json", "--home", str(tmp_path)]) == 4
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["code"], document["exit"]) == ("yizhan.error/1", "YZ-CONFIG-002", 4)


def test_without_a_home_the_missing_option_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YIZHAN_HOME", raising=False)
    assert run_program(["config", "show"]) == 2
    assert "--home" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["-V"]) == 0
    assert capsys.readouterr().out.startswith("yizhan, version ")


def command_raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setitem(yizhan.commands, "failing", failing)


def test_ctrl_c_leaves_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command_raising(KeyboardInterrupt(), monkeypatch)
    assert run_program(["failing"]) == 130
    assert capsys.readouterr().out == ""


def test_an_error_without_words_of_its_own_shows_those_of_its_class(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_raising(StoreBusyError("Nothing was written"), monkeypatch)
    assert run_program(["failing"]) == 8
    assert "another process of this home is writing. (YZ-STORE-001)" in capsys.readouterr().err


def test_a_reader_that_went_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    command_raising(BrokenPipeError(), monkeypatch)
    discarded: list[int] = []
    monkeypatch.setattr("node.cli.os.dup2", lambda _file, number: discarded.append(number))
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
    assert run_program(["failing"]) == 0
    assert discarded == [1]


def test_one_home_is_run_by_one_process(tmp_path: Path) -> None:
    with alone_in(tmp_path, "run"):
        with (
            pytest.raises(HomeInUseError, match=r"process \d+ \(yizhan run\) holds") as caught,
            alone_in(tmp_path, "run"),
        ):
            pytest.fail("the second must not get in")
        assert caught.value.exit_code == 8
    with alone_in(tmp_path, "run"):
        assert (tmp_path / "node.lock").exists()


def test_a_home_says_whether_something_runs_it(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    with alone_in(tmp_path, "run"):
        assert is_running(tmp_path)
    assert not is_running(tmp_path)
    with alone_in(tmp_path, "join"):
        assert not is_running(tmp_path)


def test_a_look_at_the_lock_does_not_keep_the_node_from_starting(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).touch()
    with (tmp_path / LOCK_FILE).open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(LOCK_WAIT_S / 2, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        with alone_in(tmp_path, "run"):
            assert is_running(tmp_path)


def test_a_home_that_cannot_be_written_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be written"), alone_in(tmp_path / "nowhere", "run"):
        pytest.fail("nobody must get in")


def test_config_show_hides_a_password(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / NODE_FILE).write_text(
        NODE + '[database]\nurl = "postgresql+psycopg://me:secret@host/x"\n', encoding="utf-8"
    )
    assert run_program(["config", "show", "--home", str(home)]) == 0
    output = capsys.readouterr().out
    assert "postgresql+psycopg://me:***@host/x" in output
    assert "secret" not in output


def test_quiet_says_nothing_but_data(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["-q", "config", "check", "--home", str(home)]) == 0
    assert capsys.readouterr() == ("", "")


def test_chinese_words_are_chosen_by_option_or_locale(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert run_program(["config", "check", "--home", str(home)]) == 0
    assert capsys.readouterr().err == "配置正确：东湖区 360102\n"


def test_no_question_is_asked_without_a_terminal() -> None:
    assert not Frame().may_ask
    assert not Frame(no_input=True).may_ask


def test_colours_stop_at_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Frame().colorful
    assert not Frame(color=False).colorful
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Frame().colorful


def test_a_table_is_drawn_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ("lag_records", "root")
    write_table(Frame(lang="zh"), "表", columns, [(1, 2)])
    assert capsys.readouterr().out == "lag_records\troot\n1\t2\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for language, heading in (("zh", "未确认记录"), ("en", "lag records")):
        write_table(Frame(color=False, lang=language), "表", columns, [(1, 2)])
        drawn = capsys.readouterr().out
        assert "表" in drawn
        assert "┃" in drawn
        assert heading in drawn


@pytest.mark.parametrize("terminal", [False, True])
def test_a_cell_is_shown_as_it_is_whatever_a_system_put_into_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, terminal: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    write_table(Frame(color=False, lang="en"), "表", ("root",), [("[/red]\n\x1b[2J\u202e\x9b",)])
    drawn = capsys.readouterr().out
    assert r"[/red] \x1b[2J\u202e\x9b" in drawn


def test_an_empty_table_says_that_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(Frame(lang="en"), "表 Table", ("root",), [])
    assert capsys.readouterr() == ("root\n", "表 Table: none\n")


def test_every_column_has_a_chinese_heading() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "node/cli").glob("*.py"))
    calls = re.findall(r"write_table\([^()]*(?:\([^()]*\))?[^()]*\(([^()]*)\)", source)
    named = {name for call in calls for name in re.findall(r'"(\w+)"', call)} | set(COLUMNS)
    assert {"peer", "position", "key", "row", "indicator"} <= named
    assert named - set(HEADINGS) == set()


def test_a_value_without_json_form_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        write_json({"schema": "x/1", "value": object()})


def test_the_group_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    group: LazyGroup = yizhan
    assert group.list_commands(click.Context(group)) == list(COMMANDS)
    assert capsys.readouterr().out == ""


def test_the_reference_page_says_what_the_program_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: python -m tests.support.command_page"
