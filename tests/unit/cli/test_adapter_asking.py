"""``yizhan adapters`` in front of a person: what is asked, said and shown without ``--json``."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from node.departments.serial_ports import ports_of_this_machine
from tests.support.homes import Home, applications
from tests.support.scripted_adapters import install_scripted

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "geheim/7&x"


class Terminal(io.StringIO):
    """What a person types, at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def hall(county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A county with a source and the scripted kind installed; ``deliveries`` beside its home holds what waits."""
    install_scripted(tmp_path / "site", monkeypatch)
    (tmp_path / "deliveries").mkdir()
    county.call("sources", "add", "hall")
    return county


def options(home: Home) -> tuple[str, ...]:
    return ("--kind", "scripted", "--source", "hall", "--set", f"folder={home.folder.parent / 'deliveries'}")


def says(home: Home, *arguments: str, language: str = "en", code: int = 0) -> tuple[str, str]:
    answer = home.call("adapters", *arguments, "--lang", language, json_wanted=False, code=code)
    return answer.out, answer.err


def test_a_secret_is_asked_for_without_showing_it(hall: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda *_: SECRET)
    out, err = says(hall, "add", "door", *options(hall), "--secret", "password")
    assert (out, SECRET in err) == ("", False)
    assert err.endswith("The system answered; the adapter door is saved.\n")
    assert SECRET in (hall.folder / "adapters.secrets.toml").read_text(encoding="utf-8")


def test_what_was_not_tried_and_what_waits_for_a_person_is_said(hall: Home) -> None:
    _, err = says(hall, "add", "door", *options(hall), "--no-check", "--paused")
    assert err.splitlines() == [
        "The adapter door is saved, unchecked.",
        "It is paused. Next: yizhan adapters run door --dry-run; if all is right: yizhan adapters resume door",
    ]
    _, err = says(hall, "add", "second", *options(hall), "--paused", language="zh")
    assert err.splitlines()[0] == "对方系统已应答，适配器 second 已保存。"
    for arguments, words in (
        (("pause", "door"), "没有改动：它已经如此。"),
        (("resume", "door"), "适配器 door 继续工作。"),
        (("pause", "door"), "适配器 door 已暂停。"),
        (("logs", "door"), "适配器 door 还没有事件。"),
    ):
        assert says(hall, *arguments, language="zh") == ("", f"{words}\n")


def test_before_an_adapter_is_removed_its_owner_is_asked(hall: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    says(hall, "add", "door", *options(hall))
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    out, err = says(hall, "remove", "door")
    assert "Its cursor and secrets go" in out + err
    assert err.endswith("Nothing was changed.\n")
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert says(hall, "remove", "door")[1].endswith("the records that it brought stay.\n")
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert "There is no adapter named 'door'" in says(hall, "remove", "door", code=1)[1]


def test_a_table_whose_name_is_a_way_elsewhere_is_taken_out_and_nothing_else(hall: Home) -> None:
    (hall.folder / "adapters.toml").write_text('[".."]\nkind = "scripted"\nsource = "hall"\n', encoding="utf-8")
    (hall.folder / "adapters").mkdir()
    assert "cannot be the name of an adapter" in says(hall, "show", "..")[0]
    says(hall, "remove", "..", "--yes")
    assert (hall.folder / "node.toml").is_file()
    assert hall.call("adapters", "list").document["adapters"] == []
    assert "There is no adapter named '..'" in says(hall, "remove", "..", "--yes", code=1)[1]


def test_adapters_and_rounds_are_shown_as_tables_for_people(hall: Home) -> None:
    says(hall, "add", "door", *options(hall))
    (hall.folder.parent / "deliveries" / "a.csv").write_bytes(applications(2))
    _, err = says(hall, "run", "door")
    assert err.startswith("Deliveries 1 (0 not readable); records: accepted 2, repeated 0, refused 0.\n")
    assert "refused list" not in err
    (hall.folder.parent / "deliveries" / "b.csv").write_bytes(b"RecordType,CaseNo\nApplication,1\n")
    _, err = says(hall, "run", "door", code=9)
    assert err.splitlines()[1] == "What was refused is kept: yizhan refused list"
    heading, row = says(hall, "list", language="zh")[0].splitlines()
    assert heading.split("\t")[:4] == ["name", "kind", "source", "state"]
    assert row.split("\t")[:4] == ["door", "scripted", "hall", "■ 已停止"]
    assert row.split("\t")[5:7] == ["2", "1"]
    assert says(hall, "run", "door", "--dry-run") == ("", "Nothing waits.\n")


def test_a_new_kind_is_written_into_a_folder_of_its_name_here(
    county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = says(county, "new", "tax_box", language="zh")
    assert sorted(out.splitlines()) == [
        f"tax_box/{name}" for name in sorted(p.name for p in (tmp_path / "tax_box").iterdir())
    ]
    assert err == "接下来：cd tax_box && python -m pytest；说明见 docs/how-to/write-an-adapter.zh.md\n"
    assert "is not an empty folder" in says(county, "new", "tax_box", code=1)[1]


def test_the_scale_of_a_kind_that_lacks_nothing_is_a_line(county: Home) -> None:
    assert says(county, "scale", "sftp", "--at-least", "gold")[0].splitlines()[1].startswith("✓\t")
    out, err = says(county, "scale", "--at-least", "bronze")
    assert (out, "sftp: gold" in err.splitlines()) == ("", True)


def test_the_ports_of_this_machine_are_listed_by_the_names_that_stay(county: Home) -> None:
    ports = county.call("adapters", "ports").document
    assert ports["schema"] == "yizhan.serial-ports/1"
    assert [one["stable"] for one in ports["ports"]] == [one.stable for one in ports_of_this_machine()]
    lines = says(county, "ports")[0].splitlines()
    assert lines[0].split("\t") == ["path", "stable", "description", "usb", "serial_number"]
    assert len(lines) == 1 + len(ports["ports"])
