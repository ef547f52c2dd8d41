"""The terminal's command line."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from adapters.record_line.dictionary import DICTIONARY
from adapters.record_line.key_text import key_of_text, key_text
from adapters.record_line.limits import ENTRY_BYTES_MAX
from adapters.serial_bridge.terminal import command, ports
from adapters.serial_bridge.terminal.command import main
from adapters.serial_bridge.terminal.settings import read_key, read_settings
from adapters.serial_bridge.terminal.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YIZHAN_TERMINAL", str(tmp_path / "terminal"))
    return tmp_path / "terminal"


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_key_is_read_from_standard_input_and_kept_for_this_account_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, key_text(KEY).lower() + "\n")
    assert main(["key", "set", "hall-1"]) == 0
    assert read_key(folder) == ("hall-1", KEY)
    assert (folder / "terminal.key").stat().st_mode & 0o777 == 0o600
    assert key_text(KEY) not in capsys.readouterr().out
    (folder / "terminal.key").chmod(0o644)
    assert main(["run", "--port", "/dev/null"]) == 1
    assert "chmod 600" in capsys.readouterr().err


def test_a_new_key_is_another_one_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["key", "new"]) == 0
    first, second = map(key_of_text, capsys.readouterr().out.split())
    assert first != second
    assert len(first) == 32


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("hall-1", "ABCD", "密钥不对"),
        ("Hall 1", key_text(KEY), "终端名"),
        ("hall-1", "", "密钥不对"),
        ("", key_text(KEY), "终端名"),
    ],
)
def test_a_mistyped_key_or_name_is_refused(
    name: str,
    text: str,
    words: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    type_in(monkeypatch, text)
    assert main(["key", "set", name]) == 1
    assert words in capsys.readouterr().err
    assert not (folder / "terminal.key").exists()


def test_nothing_runs_without_a_key_a_port_or_whole_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run"]) == 1
    assert "key set" in capsys.readouterr().err
    type_in(monkeypatch, key_text(KEY))
    main(["key", "set", "hall-1"])
    assert main(["run"]) == 1
    assert "--port" in capsys.readouterr().err
    (folder / "terminal.key").write_text("broken")
    assert main(["run", "--port", "x"]) == 1
    (folder / "terminal.json").write_text("[]")
    assert main(["run", "--port", "x"]) == 1
    assert "terminal.json" in capsys.readouterr().err


def test_files_are_put_into_the_spool_and_status_says_what_became_of_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / name for name in ("a.xml", "b.csv", "c.xml")]
    for path in paths:
        path.write_bytes(b"<a/>")
    assert main(["send", *map(str, paths)]) == 0
    spool = Spool(folder)
    spool.confirm(1, 4, 1, "a cell more")
    spool.refuse(2, "no dialect reads this")
    spool.close()
    capsys.readouterr()
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "待发 1 条 / 1 waiting",
        "2 b.csv 节点拒收 / refused by the node no dialect reads this",
        "1 a.xml 已入节点日志 / in the node's journal 3/4 a cell more",
    ]
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["waiting"], len(document["answered"])) == ("yizhan.terminal/1", 1, 2)
    assert main(["discard", "2"]) == 0
    assert main(["discard", "2", "1"]) == 1


def test_a_file_that_is_too_long_or_missing_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "big.csv").open("wb") as file:
        file.truncate(ENTRY_BYTES_MAX + 1)
    assert main(["send", str(tmp_path / "big.csv")]) == 1
    assert main(["send", str(tmp_path / "none.csv")]) == 1
    assert "none.csv" in capsys.readouterr().err
    spool = Spool(folder)
    assert spool.waiting_count() == 0
    spool.close()


def test_a_form_that_was_filled_in_is_sent_after_it_was_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["2", "369902", "11369902YL0000012Q", "样例局", "XK0010100Y", "2026-1", "", "1", "准予许可", "样例乙"]
    type_in(monkeypatch, "\n".join([*answers, "y"]) + "\n")
    assert main(["type"]) == 0
    assert "  办结结果代码  准予" in capsys.readouterr().out
    spool = Spool(folder)
    entry = spool.waiting_after(0)
    spool.close()
    assert entry is not None
    assert (entry.name, entry.media_type) == ("办结.csv", "text/csv")
    assert (folder / "outbox/sent/1-办结.csv").read_bytes() == entry.content
    assert entry.content.decode().splitlines()[1].startswith("办结,369902,11369902YL0000012Q,样例局,")
    assert read_settings(folder)["form"]["办理机构名称"] == "样例局"
    type_in(monkeypatch, "\n\n\n\n2026-2\n\n1\n准予许可\n样例乙\nn\n")
    assert main(["type", "办结"]) == 1
    type_in(monkeypatch, "")
    assert main(["type", "申办"]) == 1


def test_ports_are_listed_with_what_they_say_of_themselves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "list_ports", lambda: iter([("COM3", "USB Serial")]))
    assert main(["ports"]) == 0
    assert capsys.readouterr().out == "COM3\tUSB Serial\n"
    monkeypatch.setattr(command, "list_ports", lambda: iter([]))
    assert main(["ports"]) == 0
    assert "no serial port" in capsys.readouterr().out
    assert all(name for name, _ in ports.list_ports())


def test_without_pyserial_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    assert main(["ports"]) == 1
    assert "pip install pyserial" in capsys.readouterr().err


def test_the_dictionary_and_the_program_can_be_taken_along(tmp_path: Path) -> None:
    assert main(["dictionary", str(tmp_path / "forms.bin")]) == 0
    assert (tmp_path / "forms.bin").read_bytes() == DICTIONARY
    assert main(["copy", str(tmp_path)]) == 0
    assert (tmp_path / "command.py").exists()


@pytest.mark.parametrize("arguments", [[], ["fly"], ["key", "show"], ["send"]])
def test_a_mistake_in_the_call_leaves_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
