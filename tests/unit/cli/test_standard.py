from __future__ import annotations

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
