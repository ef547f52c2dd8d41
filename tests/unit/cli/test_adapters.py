"""``yizhan adapters`` in this process, without a running node and beside one."""

from __future__ import annotations

import io
import json
import stat
import tomllib
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from node.cli.frame import Frame
from node.cli.home import RUN, alone_in, node_of
from node.clock import MachineClock
from node.demo.raising import wait_until
from node.departments.doors.book import save
from tests.support.homes import Answer, Home, applications
from tests.support.samples import CREDIT_CODE
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


def file_text(home: Home) -> str:
    return (home.folder / "adapters.toml").read_text(encoding="utf-8")


def state(home: Home, name: str = "door") -> str:
    return str(home.call("adapters", "show", name).document["state"])


def test_a_kind_of_others_is_listed_with_its_settings(hall: Home) -> None:
    kinds = {one["name"]: one for one in hall.call("adapters", "kinds").document["kinds"]}
    scripted = kinds["scripted"]
    assert (scripted["package"], scripted["problem"], scripted["delivers"]) == ("scripted-adapter 1.0", "", True)
    settings = {one["name"]: one for one in scripted["settings"]}
    assert settings["folder"]["required"] is True
    assert settings["pages_max"]["allowed"] == "a whole number from 1 to 99"
    assert (settings["password"]["secret"], settings["password"]["default"]) == (True, None)
    assert "scripted\tscripted-adapter 1.0" in hall.call("adapters", "kinds", json_wanted=False).out


def test_an_adapter_is_tried_saved_run_shown_and_removed(hall: Home) -> None:
    down = ("--deliver-organisation", CREDIT_CODE)
    assert add(hall, "--every-s", "5", "--hours", "22:00-06:00", *down).document["checked"] is True
    (deliveries(hall) / "a.csv").write_bytes(applications(3))
    ran = hall.call("adapters", "run", "door").document
    assert (ran["state"], ran["deliveries"], ran["accepted"], ran["refused"]) == ("waiting", 1, 3, 0)
    (listed,) = hall.call("adapters", "list").document["adapters"]
    assert (listed["name"], listed["state"], listed["accepted"]) == ("door", "stopped", 3)
    shown = hall.call("adapters", "show", "door").document
    assert (shown["settings"]["every_s"], shown["settings"]["settings.pages_max"]) == (5.0, 10)
    assert shown["settings"]["deliver_organisations"] == [CREDIT_CODE]
    assert "已停止" in hall.call("adapters", "show", "door", "--lang", "zh", json_wanted=False).out
    hall.call("adapters", "remove", "door", code=2)
    hall.call("adapters", "remove", "door", "--yes")
    assert hall.call("adapters", "list").document["adapters"] == []
    assert not (hall.folder / "adapters" / "door").exists()
    assert hall.call("adapters", "remove", "door", "--yes", code=1).document["code"] == "YZ-NAME-001"


def test_what_was_written_by_hand_survives_adding_and_removing(hall: Home) -> None:
    mine = '# ours\n\n# the other hall\n[other]  # by hand\nkind = "scripted"\nsource = "hall"\n\n# end\n'
    (hall.folder / "adapters.toml").write_text(mine, encoding="utf-8")
    add(hall)
    assert file_text(hall).startswith(mine)
    hall.call("adapters", "remove", "door", "--yes")
    assert file_text(hall).rstrip() == mine.rstrip()


def test_a_source_that_does_not_answer_is_told_and_nothing_is_saved(
    hall: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (deliveries(hall) / "script").write_text("check:away")
    answer = add(hall, "--secret", "password", code=2).document
    assert answer["what"] == "The secret password is missing"
    answer = add(hall, code=6).document
    assert (answer["code"], answer["why"]) == ("YZ-ADAPTER-001", "the folder does not answer")
    (deliveries(hall) / "script").write_text("check:person")
    assert add(hall, code=4).document["code"] == "YZ-ADAPTER-002"
    (deliveries(hall) / "script").write_text("check:leave")
    assert add(hall, code=1).document["code"] == "YZ-ADAPTER-003"
    assert not (hall.folder / "adapters.toml").exists()
    (deliveries(hall) / "script").write_text("check:away")
    assert add(hall, "--no-check").document["checked"] is False


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--set", "fodler=x"), 2, "Nearest known setting: folder"),
        (("--set", "pages_max=0"), 2, "a whole number from 1 to 99"),
        (("--set", "pages_max=ten"), 2, "a whole number from 1 to 99"),
        (("--set", "password=x"), 2, "--secret password"),
        (("--secret", "passwort"), 2, "its secrets are: password"),
        (("--secret-file", "password=/nowhere/at/all"), 2, "/nowhere/at/all cannot be read"),
        (("--hours", "22-6"), 4, 'windows such as "22:00-06:00"'),
        (("--dialect", "soap"), 2, "There is no dialect named 'soap'"),
        (("--source", "nobody"), 1, "There is no source named 'nobody'"),
        (("--kind", "pigeon"), 2, "The kind 'pigeon' cannot be used"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_opened(
    hall: Home, options: tuple[str, ...], code: int, words: str
) -> None:
    answer = add(hall, *options, code=code).document
    assert words in f"{answer['what']} {answer['why']} {answer['action']}"
    assert not (hall.folder / "adapters.toml").exists()


def test_a_name_that_is_taken_or_none_is_refused(hall: Home) -> None:
    add(hall)
    assert "already" in add(hall, code=4).document["what"]
    assert "cannot be the name of an adapter" in add(hall, name="No Door", code=4).document["what"]
    assert hall.call("adapters", "show", "none", code=1).document["code"] == "YZ-NAME-001"
    assert hall.call("adapters", "logs", "none", code=1).document["code"] == "YZ-NAME-001"


def test_a_secret_comes_from_standard_input_or_a_file_and_is_never_shown(
    hall: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    (deliveries(hall) / "script").write_text("check:talk")
    added = add(hall, "--secret", "password")
    path = hall.folder / "adapters.secrets.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET in path.read_text()
    shown = hall.call("adapters", "show", "door")
    assert shown.document["settings"]["secrets.password"] == "***"
    everything = added.out + added.err + shown.out + shown.err + file_text(hall)
    assert SECRET not in everything
    (tmp_path / "word").write_text("other\n")
    add(hall, "--secret-file", f"password={tmp_path / 'word'}", name="second")
    assert 'password = "other"' in path.read_text()
    hall.call("adapters", "remove", "door", "--yes")
    assert SECRET not in path.read_text()
    path.chmod(0o640)
    assert "open to other accounts" in hall.call("adapters", "show", "second").document["text"]


def test_a_private_key_of_several_lines_comes_from_its_file(hall: Home, tmp_path: Path) -> None:
    lines = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----"
    (tmp_path / "key").write_text(f"{lines}\n", encoding="utf-8")
    add(hall, "--secret-file", f"password={tmp_path / 'key'}")
    assert tomllib.loads((hall.folder / "adapters.secrets.toml").read_text())["door"]["password"] == lines
    assert hall.call("adapters", "run", "door").document["state"] == "waiting"


def test_a_dry_run_tells_what_would_come_and_changes_nothing(hall: Home) -> None:
    add(hall)
    assert hall.call("adapters", "run", "door", "--dry-run").document["delivery"] is None
    wrong = b"RecordType,CaseNo\nApplication,1\n"
    (deliveries(hall) / "a.csv").write_bytes(wrong)
    look = hall.call("adapters", "run", "door", "--dry-run", code=1)
    assert (look.document["delivery"]["name"], look.document["delivery"]["bytes"]) == ("a.csv", len(wrong))
    assert look.document["conformance"]["conforming"] == 0
    shown = hall.call("adapters", "run", "door", "--dry-run", json_wanted=False, code=1)
    assert shown.out.startswith("wrong\t1:2\t")
    assert (deliveries(hall) / "a.csv").exists()
    assert state(hall) == "stopped"
    assert hall.call("adapters", "show", "door").document["deliveries"] == 0


@pytest.mark.parametrize(
    ("deed", "state", "code"),
    [("away", "away", 6), ("person", "needs_person", 4), ("leave", "broken", 1)],
)
def test_a_round_that_fails_leaves_with_the_code_of_its_reason(hall: Home, deed: str, state: str, code: int) -> None:
    add(hall)
    (deliveries(hall) / "script").write_text(f"fetch:{deed}")
    assert hall.call("adapters", "run", "door", code=code).document["state"] == state
    (deliveries(hall) / "a.csv").write_bytes(b"RecordType,CaseNo\nApplication,1\n")
    ran = hall.call("adapters", "run", "door", json_wanted=False, code=9)
    assert "1" in ran.err
    events = [event["event"] for event in hall.call("adapters", "logs", "door").document["events"]]
    assert f"adapter {state}" in events
    assert events[-1] == "adapter works again"
    assert "adapter works again" in hall.call("adapters", "logs", "door", json_wanted=False).out


def test_an_adapter_that_is_added_paused_can_be_looked_at_before_anything_is_taken_in(hall: Home) -> None:
    (deliveries(hall) / "a.csv").write_bytes(applications(2))
    with running(hall):
        assert add(hall, "--paused", "--every-s", "0").document["paused"] is True
        assert wait_until(lambda: state(hall) == "paused", 20, MachineClock())
        look = hall.call("adapters", "run", "door", "--dry-run").document
        assert (look["delivery"]["name"], look["conformance"]["conforming"]) == ("a.csv", 2)
        assert hall.call("adapters", "show", "door").document["deliveries"] == 0
        hall.call("adapters", "resume", "door")
        assert wait_until(lambda: not (deliveries(hall) / "a.csv").exists(), 20, MachineClock())


def test_a_round_is_told_as_done_though_the_clock_was_set_back(hall: Home) -> None:
    add(hall)
    hall.call("adapters", "run", "door")
    before = datetime(2099, 1, 1, tzinfo=UTC)
    with node_of(Frame(home=hall.folder)) as node:
        node.store.write(
            lambda transaction: save(transaction, "door", run_asked_at=before, run_done_at=before, last_run="{}")
        )
    (deliveries(hall) / "a.csv").write_bytes(applications(2))
    with running(hall):
        ran = hall.call("adapters", "run", "door", "--wait-s", "20", code=None).document
        assert ran.get("state") == "waiting"
    assert hall.call("adapters", "show", "door").document["accepted"] == 2


def test_what_a_system_says_reaches_no_terminal_as_a_command(hall: Home) -> None:
    add(hall)
    (deliveries(hall) / "script").write_text("fetch:ugly")
    ran = hall.call("adapters", "run", "door", json_wanted=False, code=6)
    logs = hall.call("adapters", "logs", "door", json_wanted=False).out
    for text in (ran.err, logs):
        assert "mine" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_running_node_takes_up_what_is_added_paused_asked_and_removed(hall: Home) -> None:
    with running(hall):
        clock = MachineClock()
        add(hall, "--every-s", "3600")
        assert wait_until(lambda: state(hall) == "waiting", 20, clock)
        (deliveries(hall) / "a.csv").write_bytes(applications(2))
        assert hall.call("adapters", "pause", "door").document["state"] == "paused"
        hall.call("adapters", "pause", "door")
        ran = hall.call("adapters", "run", "door").document
        assert (ran["deliveries"], ran["accepted"]) == (1, 2)
        assert hall.call("adapters", "resume", "door").document["state"] in {"waiting", "paused"}
        assert wait_until(lambda: state(hall) == "waiting", 20, clock)
        doors = hall.call("status", code=None).document["adapters"]
        assert [(one["name"], one["deliveries"]) for one in doors] == [("door", 1)]
        assert "door" in hall.call("status", json_wanted=False, code=None).out
        hall.call("adapters", "remove", "door", "--yes")
        assert not (hall.folder / "adapters" / "door").exists()
        assert hall.call("status", code=None).document["adapters"] == []


def test_a_mistake_in_one_table_stops_that_adapter_alone(hall: Home) -> None:
    add(hall)
    path = hall.folder / "adapters.toml"
    good = path.read_text(encoding="utf-8")
    with running(hall):
        clock = MachineClock()
        assert wait_until(lambda: state(hall) == "waiting", 20, clock)
        wrong = '\n[wrong]\nkind = "scripted"\nsource = "hall"\nevery = 5\n\n[gone]\nkind = "pigeon"\nsource = "hall"\n'
        path.write_text(good + wrong, encoding="utf-8")
        assert wait_until(
            lambda: stored(hall) == {"door": "waiting", "wrong": "needs_person", "gone": "off"}, 20, clock
        )
        assert "Nearest known key: wrong.every_s" in hall.call("adapters", "show", "wrong").document["text"]
        path.write_text(good + "\n[broken\n", encoding="utf-8")
        assert hall.call("adapters", "list", code=4).document["code"] == "YZ-CONFIG-001"
        (deliveries(hall) / "a.csv").write_bytes(applications(2))
        assert wait_until(lambda: not (deliveries(hall) / "a.csv").exists(), 20, clock)
        path.write_text(good, encoding="utf-8")
        assert wait_until(lambda: state(hall) == "waiting", 20, clock)


def stored(home: Home) -> dict[str, str]:
    return {one["name"]: one["state"] for one in home.call("status", code=None).document["adapters"]}


def test_a_node_that_does_not_come_to_it_in_time_is_told(hall: Home) -> None:
    add(hall)
    with running(hall):
        assert wait_until(lambda: state(hall) == "waiting", 20, MachineClock())
        (deliveries(hall) / "script").write_text("fetch:wait")
        answer = hall.call("adapters", "run", "door", "--wait-s", "1", code=6).document
        assert answer["code"] == "YZ-ADAPTER-001"
        assert json.dumps(answer["why"]).startswith('"the adapter is: ')
