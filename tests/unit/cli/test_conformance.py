"""``yizhan conformance``: lines for people, one document for programs, no home."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from node.cli import run_program
from node.web.reference.samples import first_case, sample_delivery

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    path = tmp_path / "case.xml"
    path.write_bytes(sample_delivery("standard", first_case()).replace(b">PASS<", b">NOD<"))
    return path


def test_lines_tell_each_record_and_each_problem(delivery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["conformance", str(delivery), "--lang", "zh"]) == 9
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == ["ok"] * 2 + ["wrong"] * 3 + ["ok"] * 2 + ["hint"]
    assert "wrong\t-:50\tAction\tschema\t" in out
    assert "环节不完整" in out
    assert "请先改正：\n  schema 3：不符合标准的模式。按该元素的类型改正" in err


def test_words_are_there_in_english_too(delivery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["conformance", str(delivery), "--lang", "en"]) == 9
    out, err = capsys.readouterr()
    assert "steps are missing" in out
    assert "7 records, 4 conform (0 in canonical form)" in err
    assert "Mend first:\n  schema 3: does not follow the schema. To put it right: give the element" in err


def test_json_is_one_document(delivery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["conformance", str(delivery), "--json"]) == 9
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "yizhan.conformance/1"
    assert (document["records"], document["conforming"], document["rules"]) == (7, 4, {"schema": 3})
    assert [problem["line"] for problem in document["problems"]] == [50, 67, 84]
