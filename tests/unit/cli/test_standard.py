from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from tests.support.homes import Home

if TYPE_CHECKING:
    from pathlib import Path


def test_the_standard_is_built_without_a_node(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    answer = Home(tmp_path / "no-home").call("standard", "build", "-o", str(folder))
    assert answer.document["schema"] == "yizhan.standard-build/1"
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert answer.document["files"] == len(written)
    assert (folder / "zh" / "index.html").is_file()
    assert (folder / "en" / "records" / "Application.html").is_file()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    answer = Home(tmp_path / "no-home").call("standard", "build", "-o", str(tmp_path), code=1)
    assert answer.document["code"] == "YZ-STATE-001"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = Home(tmp_path / "no-home").call("standard", "build", "-o", str(tmp_path / "file" / "in"), code=1)
    assert answer.document["code"] == "YZ-NAME-001"


def test_the_bundle_is_written_as_well(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"
    home = Home(tmp_path / "no-home")
    answer = home.call("standard", "build", "-o", str(tmp_path / "out"), "--bundle", str(bundle))
    with zipfile.ZipFile(bundle) as packed:
        assert len(packed.namelist()) == answer.document["files"]
    refused = home.call("standard", "build", "-o", str(tmp_path / "b"), "--bundle", str(tmp_path / "x" / "y"), code=1)
    assert refused.document["code"] == "YZ-NAME-001"


def test_a_sample_is_written_for_a_division(tmp_path: Path) -> None:
    home = Home(tmp_path / "no-home")
    answer = home.call("standard", "sample", "--division", "360102", json_wanted=False)
    assert "<DivisionCode>360102</DivisionCode>" in answer.out
    file = tmp_path / "first.json"
    home.call("standard", "sample", "--dialect", "json", "-o", str(file), json_wanted=False)
    assert json.loads(file.read_bytes())["records"][0]["content"]["DivisionCode"] == "369902"
    answer = home.call("standard", "sample", "--dialect", "up@guangdong", "-o", str(file), json_wanted=False)
    assert "Collection" in answer.err
    assert home.call("standard", "sample", "--dialect", "nothing", code=2).document["code"] == "YZ-USAGE-001"
