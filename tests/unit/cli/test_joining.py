"""init, invite, join, run: from an empty folder to a county whose records stand at the province."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import click
import httpx
import pytest

from node.cli.addresses import CodeAtPlace, HostPort
from node.cli.joining import Duration
from node.cli.serving import Service, link_to_parent, schedules_of, seal_once, work_once
from node.config import LEVELS_FOLDER, NODE_FILE, ParentAddress, write_parent
from node.errors import ConfigurationError, StoreBusyError
from node.standard.resources import level_folder
from tests.support.homes import Home, applications

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.05)


def test_init_makes_a_home_of_its_own(tmp_path: Path) -> None:
    home = Home(tmp_path / "370000")
    made = home.init("province", "370000", "山东省").document
    assert (made["schema"], made["made"], made["joined"], len(made["tree"])) == ("yizhan.init/1", True, True, 64)


def test_init_can_be_repeated(root: Home) -> None:
    again = root.init("province", "360000", "江西省").document
    assert again["made"] is False
    assert again["joined"] is True
    status = root.call("status", code=3).document
    assert [(one["origin"], one["audience"], one["size"]) for one in status["streams"]] == [("360000", "trust", 2)]


def test_init_keeps_the_home_to_its_owner(root: Home) -> None:
    assert root.folder.stat().st_mode & 0o777 == 0o700
    assert (root.folder / "keys").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in (root.folder / "keys").iterdir())


def test_init_of_another_node_in_the_same_home_is_refused(root: Home) -> None:
    answer = root.call("init", "--level", "province", "--org", "370000", "--name", "山东省", code=4)
    assert "already describes another node" in answer.err


def test_init_with_an_unknown_level_writes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "x")
    answer = home.call("init", "--level", "hamlet", "--org", "360102", "--name", "x", code=2)
    assert "Use one of: city, county, province" in answer.err
    assert not home.folder.exists()


def test_init_takes_addresses_database_and_parent(tmp_path: Path) -> None:
    home = Home(tmp_path / "x")
    options = ("--link", "[::1]:9001", "--face", "127.0.0.1:9000", "--parent", "360100@city.example:8441")
    database = f"sqlite:///{tmp_path}/elsewhere.sqlite"
    home.call("init", "--level", "county", "--org", "360102", "--name", "x", *options, "--database", database)
    settings = home.call("config", "show").document["settings"]
    assert (settings["link.host"], settings["link.port"], settings["face.port"]) == ("::1", "9001", "9000")
    assert (settings["parent.code"], settings["parent.host"]) == ("360100", "city.example")
    assert (tmp_path / "elsewhere.sqlite").exists()


def test_a_parent_without_an_address_is_a_usage_error(tmp_path: Path) -> None:
    home = Home(tmp_path / "x")
    answer = home.call("init", "--level", "county", "--org", "360102", "--name", "x", "--parent", "360100", code=2)
    assert "CODE@HOST:PORT" in answer.err


@pytest.mark.parametrize(("url", "code"), [("mysql://host/x", 2), ("sqlite:////nowhere/at/all.sqlite", 6)])
def test_a_database_that_cannot_be_used_is_told(tmp_path: Path, url: str, code: int) -> None:
    home = Home(tmp_path / "x")
    answer = home.call("init", "--level", "county", "--org", "360102", "--name", "x", "--database", url, code=code)
    assert len(answer.err.splitlines()) == 3
    assert home.folder.exists() == (code == 6)


def test_a_code_that_no_node_can_have_is_a_usage_error_and_writes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "x")
    answer = home.call("init", "--level", "county", "--org", "36 01", "--name", "x", code=2)
    assert answer.document["code"] == "YZ-USAGE-001"
    assert not home.folder.exists()


@pytest.mark.parametrize(
    "command", [("import", __file__), ("run",), ("status",), ("invite", "--org", "360102", "--name", "x")]
)
def test_before_join_every_command_says_what_to_do(tmp_path: Path, command: tuple[str, ...]) -> None:
    home = Home(tmp_path / "x")
    assert home.call(*command, code=4).document["code"] == "YZ-CONFIG-002"
    home.init("county", "360102", "东湖区")
    if command[0] != "invite":
        answer = home.call(*command, code=4)
        assert "yizhan join" in answer.err


def test_the_level_of_a_child_follows_from_the_level_files(root: Home) -> None:
    invited = root.call("invite", "--org", "360100", "--name", "南昌市").document
    assert (invited["schema"], invited["level"], invited["node"]) == ("yizhan.invitation/1", "city", "360100")


def test_an_unclear_level_of_a_child_is_asked_for(root: Home) -> None:
    (root.folder / LEVELS_FOLDER).mkdir()
    text = (level_folder() / "city.toml").read_text(encoding="utf-8")
    (root.folder / LEVELS_FOLDER / "prefecture.toml").write_text(text, encoding="utf-8")
    answer = root.call("invite", "--org", "360100", "--name", "南昌市", code=2)
    assert "--level" in answer.err
    unknown = root.call("invite", "--org", "360100", "--name", "南昌市", "--level", "hamlet", code=2)
    assert unknown.document["action"] == "Use one of: city, county, prefecture, province"


def test_a_division_of_another_branch_is_not_given(root: Home, tmp_path: Path) -> None:
    published = tmp_path / "divisions.csv"
    lines = ("DivisionCode,DivisionName,ParentCode,DivisionLevel,Kind,ValidFrom", "440103,荔湾区,440100,县,法定区划,")
    published.write_text("\n".join((*lines, "")), encoding="utf-8")
    invitation = ("invite", "--org", "360103", "--name", "西湖区", "--level", "county", "--division", "440103")
    root.call(*invitation)
    root.call("publish", "divisions", str(published))
    answer = root.call(*invitation, code=5)
    assert "440103" in answer.err
    assert "--division" in answer.err


def test_an_invitation_is_shown_to_people_with_a_picture(root: Home) -> None:
    answer = root.call("invite", "--org", "360100", "--name", "南昌市", "--qr", "--lang", "en", json_wanted=False)
    assert len(answer.out.strip().split("-")) == 16
    assert "Invites 360100" in answer.err
    assert "█" in answer.err


def test_a_root_does_not_join(root: Home) -> None:
    answer = root.call("join", "AAAAA@127.0.0.1:1", code=1)
    assert "is the root of a tree" in answer.err


def test_join_needs_an_address(tmp_path: Path) -> None:
    home = Home(tmp_path / "x")
    home.init("county", "360102", "东湖区")
    assert "--parent HOST:PORT" in home.call("join", "AAAAA", code=2).err
    assert "mistyped" in home.call("join", "AAAAA", "--parent", "127.0.0.1:1", code=5).err


def test_join_tells_that_the_parent_does_not_answer(root: Home, tmp_path: Path) -> None:
    home = Home(tmp_path / "x")
    home.init("county", "360102", "东湖区", "--parent", "360000@127.0.0.1:1")
    code = root.call("invite", "--org", "360102", "--name", "东湖区", "--level", "county").document["code"]
    assert home.call("join", code, code=6).document["code"] == "YZ-LINK-001"


def test_a_used_code_is_refused_for_another_node(running_root: tuple[Home, Service], tmp_path: Path) -> None:
    root, service = running_root
    address = service.addresses()["link"].removeprefix("https://")
    code = root.call("invite", "--org", "360103", "--name", "西湖区", "--level", "county").document["code"]
    wrong = Home(tmp_path / "y")
    wrong.init("county", "360104", "青云谱区")
    assert wrong.call("join", f"{code}@{address}", code=5).document["code"] == "YZ-JOIN-001"


def test_records_of_a_joined_county_reach_the_province_and_are_receipted(
    county: Home, running_root: tuple[Home, Service], tmp_path: Path
) -> None:
    root, parent = running_root
    host, _, port = parent.addresses()["link"].removeprefix("https://").rpartition(":")
    write_parent(county.folder, ParentAddress(code="360000", host=host, port=int(port)))
    assert county.call("status", code=None).document["links"] == []
    node = county.node()
    service = Service(node)
    service.start()
    try:
        path = tmp_path / "month.csv"
        path.write_bytes(applications(6))
        assert county.call("import", str(path), "--dialect", "csv").document["accepted"] == 6
        own = f"http://127.0.0.1:{service.addresses()['face'].rpartition(':')[2]}/status.json"

        def receipted() -> bool:
            streams = httpx.get(own).json()["streams"]
            found = next(one for one in streams if (one["origin"], one["audience"]) == ("360102", "ancestors"))
            return bool(found["held_by"].get("360000") == found["size"] == found["sealed"])

        wait_for(receipted)
        links = httpx.get(own).json()["links"]
        assert [(link["peer"], link["role"], link["state"], link["lag_records"]) for link in links] == [
            ("360000", "parent", "up", 0)
        ]
        assert root.call("status", code=None).document["cases"] > 0
    finally:
        service.stop()
        node.close()


def test_a_node_without_its_parents_address_does_not_run(county: Home) -> None:
    path = county.folder / NODE_FILE
    path.write_text(path.read_text(encoding="utf-8").partition("[parent]")[0], encoding="utf-8")
    node = county.node()
    with pytest.raises(ConfigurationError, match="address of the parent 360000"):
        link_to_parent(node)
    node.close()


def test_a_failing_step_does_not_stop_sealing(
    root: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = root.node()
    assert work_once(node)
    for day, error in enumerate((StoreBusyError("locked"), ZeroDivisionError("bug")), start=1):
        node.publish_statistics([f"2026-11-0{day}"])
        monkeypatch.setattr("node.bootstrap.publish_verdicts", _raising(error))
        assert not work_once(node)
        with node.store.reading() as connection:
            assert node.journal.unsealed(connection) == []
    assert [record.message for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == [
        "work failed",
        "work failed",
    ]
    node.close()


def test_between_two_rounds_of_work_what_was_stored_is_sealed(
    root: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = root.node()
    assert work_once(node)
    monkeypatch.setattr(type(node), "steps", _raising(AssertionError("not its turn")))
    assert seal_once(node)
    node.publish_statistics(["2026-11-01"])
    assert seal_once(node)
    with node.store.reading() as connection:
        assert node.journal.unsealed(connection) == []
    monkeypatch.setattr("node.cli.serving.any_unsealed", _raising(StoreBusyError("locked")))
    assert not seal_once(node)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == ["work failed"]
    node.close()


def test_a_busy_node_does_its_other_work_twice_a_second_at_most(root: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.cli.serving.WORK_PAUSE_S", 60.0)
    done: list[str] = []
    for name in ("work_once", "seal_once"):

        def note(_: object, name: str = name) -> bool:
            done.append(name)
            return True

        monkeypatch.setattr(f"node.cli.serving.{name}", note)
    node = root.node()
    service = Service(node)
    worker = threading.Thread(target=service._work)
    worker.start()
    try:
        for count in range(2, 5):
            node.wakeups.notify()
            wait_for(lambda count=count: len(done) >= count)  # type: ignore[misc]
    finally:
        service.stop()
        worker.join(10)
        node.close()
    assert done[:4] == ["work_once", "seal_once", "seal_once", "seal_once"]


def test_a_level_without_statistics_has_no_schedule_for_them(root: Home) -> None:
    (root.folder / LEVELS_FOLDER).mkdir()
    text = (
        (level_folder() / "province.toml")
        .read_text(encoding="utf-8")
        .replace("statistics = true", "statistics = false")
    )
    (root.folder / LEVELS_FOLDER / "province.toml").write_text(text, encoding="utf-8")
    node = root.node()
    assert [job.name for job in schedules_of(node)] == ["retention", "scrub"]
    node.close()


@pytest.mark.parametrize("text", ["nowhere", "host:", "host:port", ":1", "host:65536"])
def test_a_place_is_host_and_port(text: str) -> None:
    with pytest.raises(click.BadParameter, match="HOST:PORT"):
        HostPort().convert(text, None, None)


def test_places_and_codes_are_read() -> None:
    assert HostPort().convert("[::1]:8441", None, None) == ("::1", 8441)
    assert HostPort().convert(("a", 1), None, None) == ("a", 1)
    assert CodeAtPlace().convert("AAA", None, None) == ("AAA", None)
    assert CodeAtPlace().convert(("AAA", None), None, None) == ("AAA", None)


def test_durations_are_read() -> None:
    assert Duration().convert("15m", None, None) == timedelta(minutes=15)
    assert Duration().convert(timedelta(1), None, None) == timedelta(days=1)
    with pytest.raises(click.BadParameter, match="15m, 24h, 7d"):
        Duration().convert("soon", None, None)


def _raising(error: Exception) -> Callable[..., object]:
    def work(*_: object) -> object:
        raise error

    return work
