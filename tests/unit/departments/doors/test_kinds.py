"""Kinds: found by their entry points, those that cannot be used with the reason, and a table of mistakes each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.doors.adapters_file import ADAPTERS_MAX, read_adapter, read_adapters
from node.departments.doors.kinds import find_kind, find_kinds
from node.errors import ConfigurationError
from tests.support.scripted_adapters import install_scripted

if TYPE_CHECKING:
    from pathlib import Path


def package(site: Path, module: str, text: str, *, point: str = "odd", value: str = "") -> None:
    """Put a package with one kind on a folder of the path."""
    (site / f"{module}.py").write_text(text)
    metadata = site / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[yizhan.adapters]\n{point} = {value or f'{module}:KIND'}\n")
    sys.modules.pop(module, None)


KIND = """
from adapters.contract import AdapterKind, Setting
KIND = AdapterKind(name={name!r}, zh="", en="", settings={settings}, open=None, {more})
"""


def kind(*, name: str = "odd", settings: str = "()", more: str = "") -> str:
    return KIND.format(name=name, settings=settings, more=more)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_the_kind", "its package does not load: ModuleNotFoundError: No module named"),
        ("raise SystemError('no')", "its package does not load: SystemError: no"),
        ("KIND = 5", "its entry point is a int, not an AdapterKind"),
        (kind(more="contract_version=2"), "it was made for version 2 of the contract; this node has 1"),
        (kind(name="other"), "it calls itself 'other', its entry point 'odd'"),
        (kind(settings="('host',)"), "its settings are not declared"),
        (
            kind(settings="(Setting(name='a', zh='', en=''), Setting(name='a', zh='', en=''))"),
            "its settings are not declared, or one of them twice",
        ),
        (kind(more="patience_s=0"), "its every_s and patience_s are no durations"),
        (kind(more="every_s='60'"), "its every_s and patience_s are no durations"),
        (kind(more="every_s=float('nan')"), "its every_s and patience_s are no durations"),
    ],
)
def test_a_kind_that_cannot_be_used_is_listed_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    package(tmp_path, "odd_package", text)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = find_kinds()["odd"]
    assert (found.kind, found.settings, found.spoken("zh")) == (None, (), "")
    assert reason in found.reason
    assert found.package == "odd_package 1.0"
    assert found.as_json() == {"name": "odd", "package": "odd_package 1.0", "problem": found.reason}
    listed = read_adapter(tmp_path, "door", {"kind": "odd", "source": "hall"}, {})
    assert (listed.config, listed.is_off) == (None, True)
    assert reason in str(listed.mistake)


def test_a_name_that_two_packages_have_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "first_package", kind())
    package(tmp_path, "second_package", kind())
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_kind("odd").reason == (
        "several packages have a kind of this name: first_package 1.0, second_package 1.0"
    )


def test_a_package_of_others_is_found_without_a_change_here(scripted: Path) -> None:  # noqa: ARG001 - it is on the path.
    found = find_kind("scripted")
    assert found.kind is not None
    assert (found.package, found.reason) == ("scripted-adapter 1.0", "")
    assert found.spoken("en") == "An adapter that follows a script (for tests)"
    assert find_kind("pigeon").reason == "no installed package has a kind of this name"


def test_a_package_that_stands_twice_on_the_path_is_one(scripted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = install_scripted(scripted.parent / "again", monkeypatch)
    assert second != scripted
    assert find_kind("scripted").kind is not None


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("door", {"kind": None}, "the key door.kind is missing"),
        ("door", {"source": None}, "the key door.source is missing"),
        ("door", {"evry_s": 5}, "Nearest known key: door.every_s"),
        ("door", {"every_s": -1}, "the value of door.every_s is not allowed"),
        ("door", {"every_s": True}, "the value of door.every_s is not allowed"),
        ("door", {"hours": "22:00-06:00"}, "the value of door.hours is not allowed"),
        ("door", {"hours": ["22:00-22:00"]}, "the value of door.hours is not allowed"),
        ("door", {"hours": ["24:00-06:00"]}, "the value of door.hours is not allowed"),
        ("door", {"hours": ["00:00-24:00"] * 51}, "the value of door.hours is not allowed"),
        ("door", {"dialect": "no dialect"}, "the value of door.dialect is not allowed"),
        ("door", {"deliveries_max": 0}, "the value of door.deliveries_max is not allowed"),
        ("door", {"bytes_max": 2**31 + 1}, "the value of door.bytes_max is not allowed"),
        ("door", {"settings": {"folder": 5}}, "door.settings.folder is not allowed"),
        ("door", {"settings": {}}, "door.settings.folder is missing"),
        ("door", {"settings": {"folder": "x", "password": "y"}}, "door.settings.password is a secret and must not"),
        ("door", {"settings": 5}, "door is no table"),
        ("Door", {}, "'Door' cannot be the name of an adapter"),
    ],
)
def test_a_mistake_in_a_table_is_told_with_its_key(
    scripted: Path, name: str, change: dict[str, Any], words: str
) -> None:
    table = {"kind": "scripted", "source": "hall", "settings": {"folder": "x"}, **change}
    listed = read_adapter(scripted, name, {key: value for key, value in table.items() if value is not None}, {})
    assert listed.config is None
    assert not listed.is_off
    assert words in str(listed.mistake)


def test_a_file_of_adapters_is_read_table_by_table(scripted: Path) -> None:
    assert read_adapters(scripted, {}) == {}
    path = scripted / "adapters.toml"
    path.write_text(
        'plain = 5\n[door]\nkind = "scripted"\nsource = "hall"\nhours = ["22:00-06:00"]\n'
        '[door.settings]\nfolder = "x"\n[gone]\nkind = "pigeon"\nsource = "hall"\n'
    )
    listed = read_adapters(scripted, {"YIZHAN_ADAPTER_DOOR_PASSWORD": "word"})
    assert list(listed) == ["plain", "door", "gone"]
    assert "plain is no table" in str(listed["plain"].mistake)
    config = listed["door"].config
    assert config is not None
    assert (config.every_s, config.hours, config.bytes_max) == (0.2, ("22:00-06:00",), 256 * 1024 * 1024)
    assert config.secrets == {"password": "word"}
    assert listed["gone"].is_off
    path.write_text("[door\n")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        read_adapters(scripted, {})
    path.write_text("".join(f"[a{number}]\n" for number in range(ADAPTERS_MAX + 1)))
    with pytest.raises(ConfigurationError, match="has 201 tables"):
        read_adapters(scripted, {})
