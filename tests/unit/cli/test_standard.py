from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from node.web.reference.samples import first_case, left_out, sample_delivery
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


def test_what_a_sample_leaves_out_is_told_in_both_languages(tmp_path: Path) -> None:
    home = Home(tmp_path / "no-home")
    told = home.call("standard", "sample", "--dialect", "up", json_wanted=False)
    assert "Left out Collection: the dialect up cannot carry it" in told.err
    assert "Collection" not in told.out
    chinese = home.call("standard", "sample", "--dialect", "up@hunan", "--lang", "zh", json_wanted=False)
    assert "未写入 领取登记 Collection：方言 up@hunan 不能承载" in chinese.err
    for dialect in ("standard", "json", "csv", "xlsx", "cooperation", "exinfo"):
        data = sample_delivery(dialect, first_case())
        assert left_out(dialect, first_case(), data) == []
        assert left_out(dialect, first_case()[:2], sample_delivery(dialect, first_case()[:1])) == ["Acceptance"]


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
