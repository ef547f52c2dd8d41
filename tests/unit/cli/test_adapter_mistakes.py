"""Mistakes that people make with doors: each is told, and what goes on once it is mended needs nobody."""

from __future__ import annotations

import errno
import io
import os
import sqlite3
import tomllib
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from node.cli.home import RUN, alone_in
from node.clock import MachineClock
from node.demo.raising import wait_until
from tests.support.homes import Answer, Home, applications
from tests.support.scripted_adapters import install_scripted
from tests.unit.cli.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "geheim/7&x"


@pytest.fixture
def hall(county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A county with a source and the scripted kind installed; ``deliveries`` beside its home holds what waits."""
    install_scripted(tmp_path / "site", monkeypatch)
    (tmp_path / "deliveries").mkdir()
    county.call("sources", "add", "hall")
    return county


@contextmanager
def running(home: Home) -> Iterator[None]:
    """The node of a home runs in this process, and its lock says so."""
    with alone_in(home.folder, RUN), serving(home):
        yield


def deliveries(home: Home) -> Path:
    return home.folder.parent / "deliveries"


def add(home: Home, *options: str, code: int = 0, name: str = "door") -> Answer:
    given = ("--kind", "scripted", "--source", "hall", "--set", f"folder={deliveries(home)}")
    return home.call("adapters", "add", name, *given, *options, code=code)


def shown(home: Home) -> dict[str, Any]:
    return home.call("adapters", "show", "door").document


def kept_state(home: Home) -> str:
    """The state that the running node keeps, which no mistake seen from here stands before."""
    (found,) = home.call("status", code=None).document["adapters"]
    return str(found["state"])


def test_a_file_of_secrets_that_is_closed_again_is_noticed_by_a_running_node(
    hall: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    add(hall, "--secret", "password")
    path, clock = hall.folder / "adapters.secrets.toml", MachineClock()
    path.chmod(0o644)
    with running(hall):
        assert wait_until(lambda: kept_state(hall) == "needs_person", 20, clock)
        path.chmod(0o600)
        assert wait_until(lambda: kept_state(hall) == "waiting", 20, clock)


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ('kind = "scripted"', 'kind = "scribted"', "no installed package has a kind of this name"),
        ('source = "hall"', 'source = "hal"', "There is no source named 'hal'"),
    ],
)
def test_a_mistyped_kind_or_source_costs_an_adapter_neither_its_place_nor_its_counts(
    hall: Home, right: str, wrong: str, words: str
) -> None:
    add(hall, "--every-s", "3600")
    path, clock = hall.folder / "adapters.toml", MachineClock()
    good = path.read_text(encoding="utf-8")
    (deliveries(hall) / "a.csv").write_bytes(applications(2))
    with running(hall):
        assert wait_until(lambda: shown(hall)["accepted"] == 2, 20, clock)
        path.write_text(good.replace(right, wrong), encoding="utf-8")
        assert wait_until(lambda: words in shown(hall)["text"], 20, clock)
        hall.call("adapters", "pause", "door")
        hall.call("adapters", "resume", "door")
        path.write_text(good, encoding="utf-8")
        assert wait_until(lambda: kept_state(hall) == "waiting", 20, clock)
    assert (shown(hall)["deliveries"], shown(hall)["accepted"]) == (1, 2)


def test_files_that_an_editor_of_windows_saved_are_read(hall: Home, tmp_path: Path) -> None:
    path = hall.folder / "adapters.toml"
    path.write_text("\ufeff# 大厅\r\n", encoding="utf-8")
    (tmp_path / "word").write_text(f"\ufeff{SECRET}\r\n", encoding="utf-8")
    add(hall, "--secret-file", f"password={tmp_path / 'word'}")
    secrets = tomllib.loads((hall.folder / "adapters.secrets.toml").read_text(encoding="utf-8"))
    assert secrets["door"]["password"] == SECRET
    assert hall.call("adapters", "run", "door").document["state"] == "waiting"


def test_files_in_another_encoding_say_in_which_they_have_to_be(hall: Home, tmp_path: Path) -> None:
    (hall.folder / "adapters.toml").write_bytes("# 大厅\n".encode("gb18030"))
    for given in (("list",), ("show", "door")):
        answer = hall.call("adapters", *given, code=4).document
        assert (answer["why"], answer["action"]) == ("it is not UTF-8", "Save it in the encoding UTF-8")
    assert add(hall, code=4).document["why"] == "it is not UTF-8"
    (hall.folder / "adapters.toml").unlink()
    (tmp_path / "word").write_bytes("口令".encode("gb18030"))
    answer = add(hall, "--secret-file", f"password={tmp_path / 'word'}", code=2).document
    assert (answer["why"], answer["action"]) == ("it is not UTF-8", "Save it in the encoding UTF-8")


def test_a_file_that_is_longer_than_any_secret_is_refused(hall: Home, tmp_path: Path) -> None:
    (tmp_path / "word").write_text("a" * 65_537, encoding="utf-8")
    answer = add(hall, "--secret-file", f"password={tmp_path / 'word'}", code=2).document
    assert answer["why"] == "it is longer than 65,536 characters, and no secret is"


@pytest.mark.parametrize(
    ("deed", "code", "action"),
    [
        ("away", 6, "Nothing was saved. Put that right, then add it again"),
        ("person", 4, "Nothing was saved. Put that right, then add it again"),
        ("leave", 1, "Nothing was saved. Tell whoever made the kind"),
    ],
)
def test_who_adds_a_door_that_does_not_work_is_told_that_nothing_was_saved(
    hall: Home, deed: str, code: int, action: str
) -> None:
    (deliveries(hall) / "script").write_text(f"check:{deed}", encoding="utf-8")
    answer = add(hall, code=code).document
    assert answer["action"].startswith(action)
    assert answer["why"]
    assert not (hall.folder / "adapters.toml").exists()


def test_a_mistyped_kind_and_a_missing_setting_are_named_with_what_is_meant(hall: Home) -> None:
    answer = hall.call("adapters", "add", "door", "--kind", "scribted", "--source", "hall", code=2).document
    assert answer["action"] == "Did you mean scripted? `yizhan adapters kinds` lists those that are installed"
    answer = hall.call("adapters", "add", "door", "--kind", "0", "--source", "hall", code=2).document
    assert answer["action"] == "`yizhan adapters kinds` lists those that are installed"
    answer = hall.call("adapters", "add", "door", "--kind", "sftp", "--source", "hall", code=4).document
    assert answer["what"].endswith("adapters.toml: door.settings.host is missing")
    assert answer["why"].endswith(": Host name or address of the server")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("url=sqlite:///{folder}/none.db", "table=a", "watermark=b"), "the file of the database cannot be opened"),
        (("url=sqlite:///{folder}/hall.db", "table=b", "watermark=b"), "compare the settings with the database"),
    ],
)
def test_a_database_that_is_not_there_is_told_in_words(
    hall: Home, tmp_path: Path, settings: tuple[str, ...], words: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "hall.db")) as database:
        database.execute("CREATE TABLE a (b TEXT)")
    options = [word for one in settings for word in ("--set", one.format(folder=tmp_path))]
    given = ("--kind", "database", "--source", "hall", *options)
    assert words in hall.call("adapters", "add", "door", *given, code=None).document["why"]


def test_an_adapter_that_is_added_again_is_not_paused_because_an_earlier_one_was(hall: Home) -> None:
    add(hall, "--paused")
    (hall.folder / "adapters.toml").unlink()
    add(hall)
    assert shown(hall)["state"] == "stopped"
    (deliveries(hall) / "a.csv").write_bytes(applications(1))
    with running(hall):
        assert wait_until(lambda: shown(hall)["accepted"] == 1, 20, MachineClock())


def test_an_adapter_whose_folder_cannot_be_removed_is_removed_by_a_second_try(
    hall: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(hall)
    hall.call("adapters", "run", "door")

    def busy(_: Path) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with monkeypatch.context() as patch:
        patch.setattr("node.departments.doors.folders.shutil.rmtree", busy)
        answer = hall.call("adapters", "remove", "door", "--yes", code=6).document
    assert answer["why"] == "Device or resource busy"
    hall.call("adapters", "remove", "door", "--yes")
    assert not (hall.folder / "adapters" / "door").exists()
    hall.call("adapters", "remove", "door", "--yes", code=1)
