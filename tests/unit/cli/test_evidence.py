"""``yizhan evidence`` and ``yizhan verify``: the file, the verifier beside it, and what scripts rely on."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from node.cli import run_program
from node.evidence.standalone import VERIFIER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Home

RECORD = "360000/trust/1"


@pytest.fixture
def made(root: Home, tmp_path: Path) -> Path:
    path = tmp_path / "founding.json"
    root.call("evidence", RECORD, "-o", str(path))
    return path


def test_the_file_is_for_its_owner_and_the_verifier_stands_beside_it(root: Home, tmp_path: Path) -> None:
    path = tmp_path / "founding.json"
    answer = root.call("evidence", RECORD, "-o", str(path), json_wanted=False)
    assert answer.out.splitlines()[0].split("\t") == ["standing", "code", "time"]
    assert answer.out.splitlines()[1].startswith("sealed\t360000\t")
    assert "verify_evidence.py" in answer.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "verify_evidence.py").read_bytes() == VERIFIER.read_bytes()


def test_what_was_made_is_told_as_one_document(root: Home, tmp_path: Path) -> None:
    document = root.call("evidence", RECORD, "-o", str(tmp_path / "e.json")).document
    assert document["schema"] == "yizhan.evidence-made/1"
    assert (document["stream"], document["position"], document["record_type"]) == (
        "360000/trust",
        1,
        "CertificateIssued",
    )
    assert document["held"] == []


def test_a_file_is_checked_without_a_node(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["verify", str(made), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "yizhan.verified/1"
    assert [(one["stands"], one["root"]) for one in document["files"]] == [(True, "360000")]


def test_the_tree_is_that_of_the_home_or_the_one_given(made: Path, root: Home, county: Home) -> None:
    tree = root.call("verify", str(made)).document["files"][0]["tree"]
    assert county.call("verify", str(made)).document["files"][0]["tree"] == tree
    assert run_program(["verify", str(made), "--tree", tree.upper(), "--json"]) == 0
    answer = root.call("verify", str(made), "--tree", "0" * 64, code=7)
    assert answer.document["files"][0]["reason"] == "tree"
    assert tree in answer.err


def test_one_that_does_not_stand_among_others_is_named(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forged = made.with_name("forged.json")
    forged.write_bytes(made.read_bytes().replace(b'"position": 1', b'"position": 2', 1))
    assert run_program(["verify", str(made), str(forged), "--lang", "zh"]) == 9
    out, err = capsys.readouterr()
    assert out.count("sealed\t") == 1
    assert f"{forged}：不成立（inclusion）" in err
    assert "YZ-EVIDENCE-001" in err
    assert run_program(["verify", str(forged), "--json"]) == 7
    assert [one["reason"] for one in json.loads(capsys.readouterr().out)["files"]] == ["inclusion"]


@pytest.mark.parametrize("record", ["360000/trust", "360000/trust/0", "360000/trust/x", "nonsense/1"])
def test_a_record_is_named_by_stream_and_position(root: Home, tmp_path: Path, record: str) -> None:
    answer = root.call("evidence", record, "-o", str(tmp_path / "e.json"), code=2)
    assert "ORIGIN/AUDIENCE/POSITION" in answer.err


def test_what_is_not_held_writes_nothing(root: Home, tmp_path: Path) -> None:
    root.call("evidence", "360000/trust/99", "-o", str(tmp_path / "e.json"), code=1)
    assert not (tmp_path / "e.json").exists()
