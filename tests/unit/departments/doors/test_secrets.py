"""Secrets: where they may stand, and that they stand nowhere else."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from adapters.contract import SourceNeedsPersonError
from node.departments.doors.events import last_events
from node.departments.doors.folders import folder_of
from node.departments.doors.messages import error_message
from node.departments.doors.remote_log import RemoteHandler
from node.departments.doors.secrets import given_secrets, masking, secrets_file, variable_of, without_secrets
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.contract import Setting
    from tests.unit.departments.doors.conftest import Door

SECRET = 'geheim/7&x"é'


def test_a_secret_comes_from_its_file_and_over_it_from_the_environment(door: Door) -> None:
    path = door.home / "adapters.secrets.toml"
    path.write_text('[door]\npassword = "of the file"\n[other]\npassword = "x"\n')
    path.chmod(0o600)
    settings: tuple[Setting, ...] = door.config().kind.settings
    assert given_secrets(door.home, "door", settings, {}) == {"password": "of the file"}
    assert variable_of("hall-1.a", "pass_word") == "YIZHAN_ADAPTER_HALL_1_A_PASS_WORD"
    environment = {"YIZHAN_ADAPTER_DOOR_PASSWORD": "of the environment"}
    assert given_secrets(door.home, "door", settings, environment) == {"password": "of the environment"}
    assert without_secrets({**environment, "YIZHAN_HOME": "/x", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("[door]\n", 0o640, "is open to other accounts"),
        ("[door]\n", 0o604, "is open to other accounts"),
        ('door = "x"\n', 0o600, "'door' is no table"),
        ("[door\n", 0o600, "is not TOML"),
    ],
)
def test_a_file_of_secrets_that_cannot_be_used_is_told(tmp_path: Path, text: str, mode: int, words: str) -> None:
    path = tmp_path / "adapters.secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=words):
        secrets_file(tmp_path)


def test_a_secret_is_masked_in_every_form_in_which_texts_quote_it() -> None:
    masked = masking([SECRET, ""])
    forms = (SECRET, quote(SECRET), quote(SECRET, safe=""), json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1])
    for form in (*forms, base64.b64encode(SECRET.encode()).decode()):
        assert form not in masked(f"before {form} behind")
        assert masked(f"before {form} behind").startswith("before ***")
    assert masking([])("as it is") == "as it is"
    assert masked("nothing in it") == "nothing in it"


def test_of_a_secret_of_several_lines_every_long_line_is_masked_too() -> None:
    lines = ("-----BEGIN OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1rZXktdjE+AAAA/BG5vbmU", "end")
    masked = masking(["\n".join(lines)])
    assert masked(f"read {lines[1]} there") == "read *** there"
    assert masked(f"read {quote(lines[1], safe='')} there") == "read *** there"
    assert masked("\n".join(lines)) == "***"
    assert masked("this is the end") == "this is the end"


@pytest.mark.parametrize("deed", ["fetch:talk", "fetch:defect", "fetch:person", "fetch:leave"])
def test_no_secret_is_in_logs_events_states_or_errors(door: Door, deed: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    door.script(deed)
    keeper = door.keeper(secrets={"password": SECRET})
    keeper.turn()
    said = json.dumps(last_events(folder_of(door.home, "door"), 100), ensure_ascii=False)
    logged = "\n".join(str(vars(record)) for record in caplog.records)
    everything = said + logged + door.row.text + repr(keeper.config) + repr(door.row)
    assert all(form not in everything for form in (SECRET, json.dumps(SECRET)[1:-1], quote(SECRET, safe="")))
    if deed == "fetch:talk":
        assert "logging in with ***" in said
        assert "hall" in said
    if deed == "fetch:person":
        assert door.row.text == "the password *** is wrong"


def test_no_secret_is_in_arguments_or_environment_of_the_process(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIZHAN_ADAPTER_DOOR_PASSWORD", SECRET)
    keeper = door.keeper(secrets={"password": SECRET})
    keeper.turn()
    assert keeper._doorway is not None
    process = Path(f"/proc/{keeper._doorway.process_id}")
    told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert b"PATH=" in told
    assert SECRET.encode() not in told
    assert b"YIZHAN_" not in told


def test_the_check_of_a_process_tells_no_secret(door: Door) -> None:
    keeper = door.keeper(secrets={"password": SECRET})
    doorway = keeper._open_doorway()
    door.script("check:person")
    with pytest.raises(SourceNeedsPersonError, match=r"^the password \*\*\* is wrong$"):
        doorway.check()


def test_a_secret_that_a_limit_would_cut_is_masked_before() -> None:
    said: list[Any] = []
    handler = RemoteHandler(said.append)
    handler.masked = masking([SECRET])
    handler.listened_to()
    filling = "x" * 495
    handler.emit(logging.makeLogRecord({"msg": "a", "levelname": "INFO", "address": filling + SECRET}))
    assert said[0]["fields"]["address"] == filling + "***"
    error = SourceNeedsPersonError("y" * 995 + SECRET)
    assert error_message(error, handler.masked)["text"] == "y" * 995 + "***"
