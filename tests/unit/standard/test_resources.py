from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from node.errors import ConfigurationError
from node.standard import resources

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkout_has_schemas_and_dictionaries() -> None:
    assert (resources.schema_folder() / "records.xsd").is_file()
    assert (resources.dictionary_folder() / "1.zdict").is_file()


def installed(tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay out an installation: the package far from any checkout, the data under ``share``."""
    package = tmp_path / "lib" / "python3.11" / "site-packages" / "node" / "standard"
    for folder in (
        package,
        share / "schemas" / "xsd" / "1.0",
        share / "config" / "levels",
        share / "config" / "reference",
    ):
        folder.mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    "place", ["share/yizhan", "lib/python3.11/site-packages/share/yizhan", "elsewhere/share/yizhan"]
)
def test_an_installed_wheel_finds_its_data(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, tmp_path / place, monkeypatch)
    assert resources.schema_folder() == tmp_path / place / "schemas" / "xsd" / "1.0"
    assert resources.level_folder() == tmp_path / place / "config" / "levels"
    assert resources.reference_folder() == tmp_path / place / "config" / "reference"


def test_missing_data_say_where_they_were_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, tmp_path / "nowhere", monkeypatch)
    with pytest.raises(ConfigurationError) as missing:
        resources.schema_folder()
    assert str(tmp_path) in missing.value.why
    assert "install" in missing.value.action


def test_a_version_that_is_not_shipped_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"9\.9"):
        resources.schema_folder("9.9")
