"""Events of an adapter: kept with a bound, told while somebody listens, and read back whole."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import SetClock
from node.departments.doors.events import FILE_BYTES_MAX, PER_MINUTE_MAX, EventLog, last_events
from node.departments.doors.remote_log import WAITING_MAX, RemoteHandler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 11, 3, tzinfo=UTC))


def test_a_process_that_says_too_much_in_a_minute_is_counted(tmp_path: Path, clock: SetClock) -> None:
    log = EventLog("door", tmp_path, clock)
    for number in range(PER_MINUTE_MAX + 40):
        log.add("INFO", f"event {number}")
    log.note("WARNING", "of the keeper")
    clock.advance(61)
    log.add("INFO", "later", {"a": "b"})
    found = last_events(tmp_path, 1000)
    assert [event["event"] for event in found[-3:]] == ["of the keeper", "events omitted", "later"]
    assert found[-2]["fields"] == {"count": "40"}
    assert len(found) == PER_MINUTE_MAX + 3
    assert found[-1] == {
        "at": "2026-11-03T00:01:01.000+00:00",
        "level": "INFO",
        "event": "later",
        "fields": {"a": "b"},
    }


def test_the_files_of_events_never_grow_beyond_their_bound(tmp_path: Path, clock: SetClock) -> None:
    log = EventLog("door", tmp_path, clock)
    for number in range(300):
        log.note("ERROR", f"event {number}", {"text": "x" * 4000})
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= FILE_BYTES_MAX + 5000
    assert [event["event"] for event in last_events(tmp_path, 2)] == ["event 298", "event 299"]


def test_an_unknown_level_is_an_error_and_a_cut_line_is_left_out(
    tmp_path: Path, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    EventLog("door", tmp_path, clock).note("SHOUT", "it happened")
    with (tmp_path / "events.log").open("a") as file:
        file.write('{"at": "2026')
    assert [event["level"] for event in last_events(tmp_path, 10)] == ["ERROR"]
    assert caplog.records[0].levelno == logging.ERROR
    assert vars(caplog.records[0])["adapter"] == "door"


def test_events_that_cannot_be_kept_do_not_end_anything(
    tmp_path: Path, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    EventLog("door", tmp_path / "gone", clock).note("INFO", "it happened")
    assert "adapter events not kept" in caplog.text
    assert last_events(tmp_path / "gone", 10) == []


def test_what_is_logged_while_nobody_listens_waits_the_newest_of_it() -> None:
    said: list[Mapping[str, Any]] = []
    handler = RemoteHandler(said.append)
    for number in range(WAITING_MAX + 5):
        handler.emit(logging.makeLogRecord({"msg": f"event {number}", "levelname": "INFO"}))
    assert said == []
    handler.listened_to()
    assert said[0]["fields"] == {"count": "5"}
    assert (said[1]["phrase"], len(said)) == ("event 5", WAITING_MAX + 1)
    handler.emit(logging.makeLogRecord({"msg": "at once %s", "args": ("a", "b"), "levelname": "INFO"}))
    assert said[-1]["phrase"] == "at once %s"
    handler.quiet()
    handler.emit(logging.makeLogRecord({"msg": "later", "levelname": "INFO"}))
    assert said[-1]["phrase"] == "at once %s"


def test_what_is_told_is_bounded() -> None:
    said: list[Mapping[str, Any]] = []
    handler = RemoteHandler(said.append)
    handler.listened_to()
    fields = {f"field_{number}": "x" * 1000 for number in range(50)}
    handler.emit(logging.makeLogRecord({"msg": "y" * 1000, "levelname": "INFO", **fields}))
    assert (len(said[0]["phrase"]), len(said[0]["fields"])) == (300, 20)
    assert {len(text) for text in said[0]["fields"].values()} == {500}
