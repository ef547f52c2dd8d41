"""``yizhan import`` with a preview, a result per record and the failed rows."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import TYPE_CHECKING

import click
import pytest

from tests.support.homes import applications

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Home


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    """Six applications in GB18030, the last of a type that does not exist."""
    path = tmp_path / "cases.csv"
    rows = applications(6).decode("gb18030").splitlines(keepends=True)
    path.write_bytes("".join([*rows[:6], rows[6].replace("申办", "申半")]).encode("gb18030"))
    return path


def records(county: Home) -> int:
    return int(county.call("status", code=None).document["records"])


def test_a_preview_shows_every_record_and_writes_nothing(county: Home, delivered: Path) -> None:
    before = records(county)
    document = county.call("import", str(delivered), "--preview", code=9).document
    assert (document["schema"], document["accepted"], document["refused"]) == ("yizhan.import-preview/1", 5, 1)
    people = county.call("import", str(delivered), "--preview", "--lang", "zh", json_wanted=False, code=9)
    lines = [line.split("\t") for line in people.out.splitlines()]
    assert [line[0] for line in lines] == [*["accepted"] * 5, "refused"]
    assert [line[1] for line in lines] == [f"{row}:{row + 1}" for row in range(1, 7)]
    assert lines[5][3] == "record-type"
    assert "预览，未写入任何内容" in people.err
    assert "接收 5" in people.err
    status = county.call("status", code=None).document
    assert (status["records"], status["refused"]) == (before, 0)


@pytest.mark.parametrize(("answer", "taken"), [(True, 5), (False, 0)])
def test_on_a_terminal_a_preview_asks_whether_to_import(
    county: Home, delivered: Path, monkeypatch: pytest.MonkeyPatch, *, answer: bool, taken: int
) -> None:
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr("node.cli.frame.Frame.may_ask", property(lambda _: True))
    monkeypatch.setattr(click, "confirm", confirm)
    before = records(county)
    county.call("import", str(delivered), "--preview", "--lang", "zh", json_wanted=False, code=9)
    assert asked == ["现在导入吗？"]
    assert records(county) - before == taken
    # Nothing is asked when nothing would come of it, nor by a program.
    county.call("import", str(delivered), "--preview", code=9)
    if answer:
        county.call("import", str(delivered), "--preview", json_wanted=False, code=9)
    assert len(asked) == 1


def test_yes_on_a_terminal_imports_after_the_preview_and_elsewhere_it_does_not(
    county: Home, delivered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = records(county)
    county.call("import", str(delivered), "--preview", "--yes", json_wanted=False, code=9)
    assert records(county) == before
    monkeypatch.setattr("node.cli.frame.Frame.may_ask", property(lambda _: True))
    county.call("import", str(delivered), "--preview", "--yes", json_wanted=False, code=9)
    assert records(county) == before + 5


@pytest.mark.parametrize("options", [(), ("--preview",)])
def test_results_tell_of_each_record_in_a_table_or_a_document(
    county: Home, delivered: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    table, document = tmp_path / "results.csv", tmp_path / "results.JSON"
    county.call("import", str(delivered), "--results", str(table), *options, code=9)
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"), newline="")))
    assert [row["verdict"] for row in rows] == [*["accepted"] * 5, "refused"]
    assert [row["row"] for row in rows] == list("123456")
    assert all(bool(row["position"]) == (not options) for row in rows[:5])
    assert rows[5]["problems"].startswith("record-type: ")
    county.call("import", str(delivered), "--results", str(document), *options, code=9)
    told = json.loads(document.read_text(encoding="utf-8"))
    assert (told["schema"], len(told["results"])) == ("yizhan.import-results/1", 6)
    assert told["results"][5]["problems"][0]["rule"] == "record-type"


def test_the_failed_rows_are_corrected_and_imported(county: Home, delivered: Path, tmp_path: Path) -> None:
    failed = tmp_path / "failed.csv"
    people = county.call(
        "import", str(delivered), "--failed-rows", str(failed), "--lang", "zh", json_wanted=False, code=9
    )
    assert f"拒收的 1 条：{failed}" in people.err
    text = failed.read_text(encoding="gb18030")
    assert text.startswith("#问题,")
    assert len(text.splitlines()) == 2
    failed.write_text(text.replace("申半", "申办"), encoding="gb18030")
    assert county.call("import", str(failed)).document["accepted"] == 1


def test_nothing_is_written_when_nothing_failed_and_what_has_no_row_is_counted(county: Home, tmp_path: Path) -> None:
    path, failed = tmp_path / "good.csv", tmp_path / "failed.csv"
    path.write_bytes(applications(2))
    answer = county.call("import", str(path), "--failed-rows", str(failed), "--lang", "en", json_wanted=False)
    assert "There is no row to write" in answer.err
    assert not failed.exists()
    path.write_bytes(b"unknown,heading\n1,2\n")
    answer = county.call("import", str(path), "--failed-rows", str(failed), "--lang", "en", json_wanted=False, code=1)
    assert "1 refusals are about the file" in answer.err
    assert [one.name for one in tmp_path.iterdir() if "failed" in one.name] == []


def test_files_that_cannot_be_written_are_named_before_anything_is_taken_in(
    county: Home, delivered: Path, tmp_path: Path
) -> None:
    before = records(county)
    wrong = [
        ("--results", str(tmp_path / "results.txt")),
        ("--results", str(tmp_path / "nowhere" / "results.csv")),
        ("--failed-rows", str(delivered)),
        ("--results", str(delivered.with_suffix(".csv"))),
        ("--failed-rows", str(tmp_path / "failed"), "--dialect", "exinfo"),
    ]
    for options in wrong:
        assert county.call("import", str(delivered), *options, code=2).document["code"] == "YZ-USAGE-001"
    assert records(county) == before
    assert delivered.read_bytes().endswith(b"\n")


def test_an_import_that_fails_leaves_no_half_of_a_file(
    county: Home, delivered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("node.departments.accept.Intake.settle", broken)
    county.call("import", str(delivered), "--results", str(tmp_path / "results.csv"), code=130)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["360102", "cases.csv"]


@pytest.mark.parametrize("options", [("--failed-rows", "failed.csv"), ("--preview",)])
def test_a_pipe_is_not_read_twice(county: Home, tmp_path: Path, options: tuple[str, ...]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    try:
        os.write(writer, applications(1))
        answer = county.call("import", str(pipe), "--dialect", "csv", *options, code=2)
    finally:
        os.close(writer)
    assert "pipe" in answer.document["what"]
