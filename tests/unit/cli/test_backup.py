"""Backups: made beside a running node, checked, put back; and the doubt of a node that was restored."""

from __future__ import annotations

import json
import shutil
import tarfile
from io import BytesIO
from threading import Event
from typing import TYPE_CHECKING

import pytest

from node.backup.archive import MANIFEST, SQLITE_MEMBER
from tests.support.homes import Home, applications
from tests.unit.cli.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.cli.serving import Service


DATABASE = "yizhan.sqlite"


def rewritten(path: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Copy a backup, each member as ``change`` makes it; None leaves it out."""
    with tarfile.open(path) as old, tarfile.open(target, "w") as new:
        for info in old:
            file = old.extractfile(info)
            data = change(info.name, b"" if file is None else file.read())
            if data is not None:
                info.size = len(data)
                new.addfile(info, BytesIO(data))
    return target


@pytest.fixture
def made(fed: Home, tmp_path: Path) -> Path:
    """A backup of a county with six applications."""
    path = tmp_path / "county.backup"
    fed.call("backup", "create", "-o", str(path))
    return path


def test_a_backup_is_made_checked_and_kept_from_others(fed: Home, tmp_path: Path) -> None:
    path = tmp_path / "county.backup"
    report = fed.call("backup", "create", "-o", str(path)).document
    assert (report["node"], report["streams"]["360102/ancestors"]) == ("360102", 6)
    assert path.stat().st_mode & 0o777 == 0o600
    assert fed.call("backup", "create", "-o", str(path), code=1).document["code"] == "YZ-STATE-001"
    checked = fed.call("backup", "verify", str(path)).document
    assert checked["checked_records"] == sum(report["streams"].values())
    assert "完好" in fed.call("backup", "verify", str(path), "--lang", "zh", json_wanted=False).err
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert "home/node.toml" in names
    assert not [name for name in names if "high-water" in name or name.endswith(("node.lock", "journal.db"))]


def flipping(chosen: str) -> Callable[[str, bytes], bytes]:
    """Return a change that flips one bit of one member."""
    return lambda name, data: data if name != chosen else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


def without(chosen: str) -> Callable[[str, bytes], bytes | None]:
    """Return a change that leaves one member out."""
    return lambda name, data: None if name == chosen else data


def test_whatever_is_changed_in_a_backup_is_found(made: Path, fed: Home, tmp_path: Path) -> None:
    with tarfile.open(made) as tar:
        names = tar.getnames()
    for number, chosen in enumerate(names):
        changed = rewritten(made, tmp_path / f"{number}.backup", flipping(chosen))
        assert fed.call("backup", "verify", str(changed), code=7).document["code"] == "YZ-BACKUP-001", chosen
    for chosen in (SQLITE_MEMBER, MANIFEST, "home/node.toml"):
        lacking = rewritten(made, tmp_path / "lacking", without(chosen))
        assert fed.call("backup", "verify", str(lacking), code=7).document["code"] == "YZ-BACKUP-001"
    cut = tmp_path / "cut"
    cut.write_bytes(made.read_bytes()[:20_000])
    assert fed.call("backup", "verify", str(cut), code=7).document["code"] == "YZ-BACKUP-001"
    assert fed.call("backup", "verify", __file__, code=7).document["code"] == "YZ-BACKUP-001"


def test_a_name_that_leads_out_of_the_home_is_refused(made: Path, tmp_path: Path) -> None:
    def outward(name: str, data: bytes) -> bytes:
        return data.replace(b"home/node.toml", b"home/../../out") if name == MANIFEST else data

    changed = rewritten(made, tmp_path / "outward", outward)
    with tarfile.open(changed) as old, tarfile.open(tmp_path / "named", "w") as new:
        for info in old:
            file = old.extractfile(info)
            if info.name == "home/node.toml":
                info.name = "home/../../out"
            new.addfile(info, file)
    answer = Home(tmp_path / "new").call("restore", str(tmp_path / "named"), code=7)
    assert "lies in no home" in answer.document["why"]
    assert not (tmp_path.parent / "out").exists()


def test_a_restored_node_is_in_doubt_until_its_neighbours_were_heard(
    running_root: tuple[Home, Service], county: Home, tmp_path: Path
) -> None:
    _, service = running_root
    link = service.addresses()["link"].removeprefix("https://")
    settings = county.folder / "node.toml"
    settings.write_text(_with_parent(settings.read_text(encoding="utf-8"), link), encoding="utf-8")
    first, second = applications(9).decode("gb18030").splitlines(keepends=True)[:4], applications(9)
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    before.write_bytes("".join(first).encode("gb18030"))
    after.write_bytes(second)
    county.call("import", str(before))
    backup = tmp_path / "one.backup"
    with serving(county) as running:
        county.call("backup", "create", "-o", str(backup))
        county.call("import", str(after))
        _until(lambda: _receipted(county) == 9)
        assert running.addresses()
    shutil.rmtree(county.folder)
    restored = county.call("restore", str(backup)).document
    assert restored["streams"]["360102/ancestors"] == 3
    status = county.call("status", code=3).document
    assert "restored from a backup" in status["doubt"]["reason"]
    assert county.call("settle", code=3).document["doubt"]["unheard"] == []
    meanwhile = county.call("import", str(after)).document
    assert (meanwhile["accepted"], meanwhile["received"]) == (0, 9)
    with serving(county):
        _until(lambda: county.call("settle", code=None).code == 0)
        _until(lambda: county.call("import", str(after)).document["repeated"] == 9)
        _until(lambda: _receipted(county) == 10)
    found = county.call("records", "list", "360102/ancestors").document["records"]
    assert [one["type"] for one in found] == ["Application"] * 9 + ["StreamReturn"]


def test_what_lies_in_the_home_is_kept_under_another_name(fed: Home, made: Path, tmp_path: Path) -> None:
    fed.call("restore", str(made))
    replaced = [path.name for path in fed.folder.iterdir() if ".replaced-" in path.name]
    assert any(name.startswith(f"{DATABASE}.replaced-") for name in replaced), replaced
    other = Home(tmp_path / "other")
    other.init("province", "360000", "江西省")
    assert other.call("restore", str(made), code=1).document["code"] == "YZ-STATE-001"
    assert fed.call("settle", "--without", "360199", code=None).code == 3


def test_a_doubt_is_told_in_words_and_only_those_waited_for_are_given_up(county: Home, tmp_path: Path) -> None:
    backup = tmp_path / "one.backup"
    assert "in no doubt" in county.call("settle", json_wanted=False).err
    assert "in no doubt" in county.call("settle", "--without", "360100", code=None).document["why"]
    county.call("backup", "create", "-o", str(backup))
    shutil.rmtree(county.folder)
    county.call("restore", str(backup))
    assert "it waits for" in county.call("settle", json_wanted=False, code=3).err
    given_up = county.call("settle", "--without", "360100", code=3).document["doubt"]
    assert "restored from a backup" in given_up["reason"]
    assert given_up["unheard"] == []


def _with_parent(text: str, link: str) -> str:
    before, _, _ = text.rpartition("port = ")
    return f"{before}port = {link.rpartition(':')[2]}\n"


def _receipted(county: Home) -> int:
    status = county.call("status", code=None).document
    found = [one["held_by"] for one in status["streams"] if (one["origin"], one["audience"]) == ("360102", "ancestors")]
    return int(json.loads(json.dumps(found[0])).get("360000", 0)) if found else 0


def _until(done: Callable[[], bool]) -> None:
    for _ in range(100):
        if done():
            return
        Event().wait(0.1)
    message = "it does not come"
    raise AssertionError(message)


def test_adapters_are_kept_by_a_backup_and_what_they_remember_is_not(fed: Home, tmp_path: Path) -> None:
    (fed.folder / "adapters.toml").write_text("# none\n")
    own = fed.folder / "adapters" / "hall" / "own"
    own.mkdir(parents=True)
    (own / "seen").write_text("1")
    path = tmp_path / "county.backup"
    fed.call("backup", "create", "-o", str(path))
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert "home/adapters.toml" in names
    assert not [name for name in names if "hall" in name]
