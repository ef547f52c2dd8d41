"""The files of a home are open to their owner alone, whatever the umask was and whatever stood there before."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from node.config import NODE_FILE, ParentAddress, write_node_config, write_parent
from node.config.files import close_to_others, make_home, write_safely
from node.errors import ConfigurationError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTY = {"node.code": "360102", "node.name": "东湖区", "node.level": "county"}


@pytest.fixture(autouse=True, params=[0o000, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home_and_its_settings_are_closed_to_others(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    write_node_config(home, COUNTY)
    assert (mode(home), mode(home / NODE_FILE)) == (0o700, 0o600)
    write_parent(home, ParentAddress(code="360100", host="x", port=1))
    assert mode(home / NODE_FILE) == 0o600


def test_an_empty_folder_is_taken_and_closed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    write_node_config(tmp_path / "home", COUNTY)
    assert mode(tmp_path / "home") == 0o700


def test_a_home_that_was_opened_is_closed_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_node_config(home, COUNTY)
    home.chmod(0o755)
    (home / NODE_FILE).chmod(0o644)
    assert not write_node_config(home, COUNTY)
    assert (mode(home), mode(home / NODE_FILE)) == (0o700, 0o600)


def test_a_folder_that_others_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "shared"
    home.mkdir()
    home.chmod(0o1777)
    (home / "theirs").touch()
    with pytest.raises(ConfigurationError, match=r"mode is 1777.*chmod 700"):
        write_node_config(home, COUNTY)
    assert (mode(home), [path.name for path in home.iterdir()]) == (0o1777, ["theirs"])
    home.chmod(0o700)
    assert write_node_config(home, COUNTY)


def test_a_home_that_cannot_be_closed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home").chmod(0o755)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "file").chmod(0o644)

    def not_ours(path: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", not_ours)
    with pytest.raises(StoreUnavailableError, match="Operation not permitted"):
        make_home(tmp_path / "home", ours=True)
    with pytest.raises(StoreUnavailableError, match=r"cannot close it.*chmod 600"):
        close_to_others(tmp_path / "file")


def test_only_files_are_closed_and_only_those_that_are_open(tmp_path: Path) -> None:
    write_safely(tmp_path / "secret", b"x")
    (tmp_path / "open").touch(mode=0o644)
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o755)
    names = ("secret", "open", "folder", "missing")
    assert [close_to_others(tmp_path / name) for name in names] == [False, True, False, False]
    assert (mode(tmp_path / "open"), mode(tmp_path / "folder")) == (0o600, 0o755)
