"""Keeping an adapter: pauses, hours, limits, a node that takes nothing in; and ends that come within seconds."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock, SetClock
from node.demo.raising import wait_until
from node.departments.doors.book import known_adapter, save, set_paused
from node.departments.doors.keeper import LEAVE_AFTER_S, Control
from node.errors import DiskLowError, StoreBusyError
from node.journal.doubt import Doubt, end_doubt, save_doubt
from tests.unit.departments.doors.test_rounds import delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.departments.doors.keeper import Keeper
    from tests.unit.departments.doors.conftest import Door

CLOCK = MachineClock()


def process_of(keeper: Keeper) -> int | None:
    return None if keeper._doorway is None else keeper._doorway.process_id


def is_there(process: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def running(keeper: Keeper) -> threading.Thread:
    thread = threading.Thread(target=keeper.run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("deed", ["fetch:hang", "fetch:talk-on", "fetch:wait", "between:hang", "acknowledge:hang"])
@pytest.mark.parametrize("how", ["stop", "pause"])
def test_a_call_under_way_is_left_within_seconds(door: Door, deed: str, how: str) -> None:
    door.put("1.xml", delivery(1))
    door.put("2.xml", delivery(1, "second"))
    door.script(deed)
    config = door.config()
    keeper = door.keeper(replace(config, kind=replace(config.kind, patience_s=60.0)))
    thread = running(keeper)
    assert wait_until(lambda: (door.folder / "script").read_text() == "", 10, CLOCK)
    process = process_of(keeper)
    assert process is not None
    begun_s = CLOCK.monotonic_s()
    if how == "stop":
        keeper.stop()
        thread.join(10)
        assert not thread.is_alive()
    else:
        keeper.control(Control(is_paused=True))
        assert wait_until(lambda: keeper.state == "paused", 10, CLOCK)
    # STOP_S for the call, and what it takes to look and to end a process.
    assert CLOCK.monotonic_s() - begun_s < 4.0
    assert wait_until(lambda: not is_there(process), 5, CLOCK)
    keeper.stop()
    thread.join(10)
    keeper = door.keeper()
    keeper.turn()
    assert (door.records(), len(door.answers())) == (2, 2)


def test_an_adapter_that_hears_a_line_is_asked_again_and_again_and_writes_nothing(door: Door) -> None:
    keeper = door.keeper(settings={"listens": True}, every_s=0)
    thread = running(keeper)
    # The keeper knows its state a moment before it is written.
    assert wait_until(lambda: keeper.state == "waiting" and door.row.state == "waiting", 10, CLOCK)
    commits = door.intake.store.commits
    # Longer than two rounds, each of which waits a second.
    assert not wait_until(lambda: door.intake.store.commits != commits, 2.5, CLOCK)
    door.put("1.xml", delivery(2))
    assert wait_until(lambda: len(door.answers()) == 1, 10, CLOCK)
    keeper.control(Control(is_paused=True))
    assert wait_until(lambda: keeper.state == "paused", 5, CLOCK)
    keeper.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_an_adapter_is_paused_and_resumed_where_it_was(door: Door) -> None:
    keeper = door.keeper()
    keeper.turn()
    process = process_of(keeper)
    assert process is not None
    keeper.control(Control(is_paused=True))
    assert keeper.turn() == 3600.0
    assert (door.row.state, process_of(keeper)) == ("paused", None)
    assert not is_there(process)
    door.put("1.xml", delivery(1))
    keeper.turn()
    assert door.answers() == []
    keeper.control(Control())
    keeper.turn()
    assert (door.row.state, len(door.answers())) == ("waiting", 1)


def test_a_round_by_hand_is_done_though_paused_and_told_once(door: Door) -> None:
    keeper = door.keeper()
    asked = CLOCK.now()
    keeper.control(Control(is_paused=True, run_asked_at=asked))
    door.put("1.xml", delivery(1))
    keeper.turn()
    assert (door.row.run_done_at, len(door.answers())) == (asked, 1)
    assert '"accepted": 1' in door.row.last_run
    door.put("2.xml", delivery(1, "second"))
    keeper.turn()
    assert (door.row.state, len(door.answers())) == ("paused", 1)
    # A keeper that begins anew knows that this round was done.
    again = door.keeper()
    again.control(Control(is_paused=True, run_asked_at=asked))
    again.turn()
    assert len(door.answers()) == 1


def test_outside_its_hours_a_source_is_left_alone(door: Door) -> None:
    # 2026-11-03 21:59 in China; the window opens a minute later.
    clock = SetClock(datetime(2026, 11, 3, 13, 59, tzinfo=UTC))
    door.intake.clock = clock
    door.put("1.xml", delivery(1))
    keeper = door.keeper(hours=["22:00-06:00"])
    assert keeper.turn() == 60.0
    row = door.row
    assert (row.state, row.next_at) == ("outside_hours", datetime(2026, 11, 3, 14, 0, tzinfo=UTC))
    assert (process_of(keeper), door.answers()) == (None, [])
    clock.advance(60)
    keeper.turn()
    assert (door.row.state, len(door.answers())) == ("waiting", 1)
    clock.advance(8 * 3600)
    keeper.turn()
    assert (door.row.state, process_of(keeper)) == ("outside_hours", None)


def test_a_weak_source_is_asked_at_its_pace(door: Door) -> None:
    clock = SetClock(datetime(2026, 11, 3, 1, 0, tzinfo=UTC))
    door.intake.clock = clock
    for number in range(4):
        door.put(f"{number}.xml", delivery(3, f"seed {number}"))
    keeper = door.keeper(deliveries_per_minute_max=2)
    assert keeper.turn() == 0.0
    assert len(door.answers()) == 2
    assert keeper.turn() == pytest.approx(30.0)
    clock.advance(30.1)
    keeper.turn()
    assert len(door.answers()) == 3
    slow = door.keeper(records_per_minute_max=3)
    slow.turn()
    assert len(door.answers()) == 4
    assert slow.turn() == pytest.approx(20.0)


def test_a_process_that_is_not_needed_for_long_is_let_go(door: Door) -> None:
    keeper = door.keeper(every_s=LEAVE_AFTER_S)
    keeper.turn()
    assert process_of(keeper) is None
    keeper = door.keeper(every_s=LEAVE_AFTER_S - 1)
    keeper.turn()
    assert process_of(keeper) is not None


def low_disk(door: Door) -> Callable[[], None]:
    class LowRoom:
        def check(self) -> None:
            raise DiskLowError("The disk is nearly full.")

    room, door.intake.room = door.intake.room, LowRoom()  # type: ignore[assignment]
    return lambda: setattr(door.intake, "room", room)


def doubt(door: Door) -> Callable[[], None]:
    found = Doubt(reason="an older database", since=CLOCK.now())
    door.intake.store.write(lambda transaction: save_doubt(transaction, found))
    return lambda: door.intake.store.write(end_doubt)


def busy_store(door: Door) -> Callable[[], None]:
    def settle(*_: object) -> None:
        raise StoreBusyError("The journal's lock could not be had.")

    kept = door.intake.settle
    door.intake.settle = settle  # type: ignore[method-assign, assignment]
    return lambda: setattr(door.intake, "settle", kept)


@pytest.mark.parametrize("begin", [low_disk, doubt, busy_store])
def test_while_the_node_takes_nothing_in_nothing_is_answered(
    door: Door, begin: Callable[[Door], Callable[[], None]]
) -> None:
    door.put("1.xml", delivery(2))
    end = begin(door)
    keeper = door.keeper()
    assert 2.5 <= keeper.turn() <= 5.0
    assert (door.row.state, door.answers(), door.records()) == ("held", [], 0)
    assert 5.0 <= keeper.turn() <= 10.0
    end()
    keeper.turn()
    assert (door.row.state, door.answers()) == ("waiting", ["1.xml accepted 2 repeated 0 refused 0"])


def test_doubt_that_begins_during_a_delivery_leaves_it_unanswered(door: Door) -> None:
    door.put("1.xml", delivery(2))
    settle = door.intake.settle
    door.intake.settle = lambda job: (doubt(door), settle(job))[1]  # type: ignore[method-assign]
    keeper = door.keeper()
    keeper.turn()
    assert (door.row.state, door.answers(), door.row.counts.deliveries) == ("held", [], 0)
    door.intake.settle = settle  # type: ignore[method-assign]
    door.intake.store.write(end_doubt)
    keeper.turn()
    assert door.answers() == ["1.xml accepted 2 repeated 0 refused 0"]


def test_a_state_that_could_not_be_written_is_written_later(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = door.keeper()
    keeper.turn()
    store = door.intake.store

    def busy(_: object) -> None:
        raise StoreBusyError("The journal's lock could not be had.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", busy)
        door.script("fetch:away")
        keeper.turn()
        assert (keeper.state, door.row.state) == ("away", "waiting")
    door.script("fetch:away")
    keeper.turn()
    assert (door.row.state, door.row.failures) == ("away", 2)


def test_a_defect_of_ours_is_a_state_and_not_the_end(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.put("1.xml", delivery(1))
    keeper = door.keeper()
    with monkeypatch.context() as patch:
        patch.setattr("node.departments.doors.keeper.run_round", lambda *_, **__: 1 / 0)
        keeper.turn()
    assert (door.row.state, door.row.text) == ("broken", "division by zero")
    keeper.turn()
    assert len(door.answers()) == 1


def test_a_process_that_cannot_be_ended_gets_no_second_one_beside_it(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = door.keeper()
    keeper.turn()
    process = process_of(keeper)
    assert process is not None
    door.script("fetch:hang")
    with monkeypatch.context() as patch:
        # What waits for a dead disk takes no signal.
        patch.setattr(os, "killpg", lambda *_: None)
        os.kill(process, signal.SIGSTOP)
        keeper.let_go()
        keeper.turn()
        assert door.row.text == "its last process cannot be ended: it waits for a disk or a device"
    os.kill(process, signal.SIGKILL)
    door.script("")
    # It is gone once all of its threads are.
    assert wait_until(lambda: keeper.turn() == 0.2, 10, CLOCK)
    assert door.row.state == "waiting"


def test_a_round_by_hand_is_answered_whatever_goes_wrong(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = door.keeper()
    asked = CLOCK.now()
    keeper.control(Control(run_asked_at=asked))
    with monkeypatch.context() as patch:
        patch.setattr("node.departments.doors.keeper.run_round", lambda *_, **__: 1 / 0)
        keeper.turn()
    assert (door.row.run_done_at, door.row.state) == (asked, "broken")
    assert '"text": "division by zero"' in keeper.last_run


def test_a_process_that_was_killed_between_rounds_is_started_again(door: Door) -> None:
    keeper = door.keeper()
    keeper.turn()
    process = process_of(keeper)
    assert process is not None
    os.kill(process, signal.SIGKILL)
    assert wait_until(lambda: not is_there(process), 5, CLOCK)
    door.put("1.xml", delivery(1))
    keeper.turn()
    # Its threads end one after another: a round may begin before the last of them.
    assert (door.row.state, door.row.text.partition(" (")[0]) in {
        ("broken", "its process ended between two rounds"),
        ("broken", "its process ended during fetch"),
    }
    keeper.turn()
    assert (door.row.state, len(door.answers())) == ("waiting", 1)


def test_what_a_process_started_ends_with_it(door: Door) -> None:
    door.script("fetch:child")
    keeper = door.keeper()
    keeper.turn()
    child = int((door.folder / "done" / "child").read_text())
    assert is_there(child)
    keeper.let_go()
    assert wait_until(lambda: not is_there(child), 5, CLOCK)


def test_an_adapter_of_another_kind_or_source_begins_anew(door: Door) -> None:
    door.put("1.xml", delivery(1))
    door.keeper().turn()
    store = door.intake.store
    store.write(lambda transaction: save(transaction, "door", source="another"))
    set_paused(store, "door", kind="scripted", source="hall", paused_at=CLOCK.now(), at=CLOCK.now())
    before = door.row
    assert before.cursor == "1.xml"
    keeper = door.keeper()
    keeper.control(Control(is_paused=True))
    keeper.turn()
    anew = door.row
    assert (anew.cursor, anew.counts.deliveries, anew.state) == (None, 0, "paused")
    assert door.row.paused_at is not None
    store.write(lambda transaction: save(transaction, "door", text="with \0 in it"))
    with store.reading() as connection:
        known = known_adapter(connection, "door")
    assert known is not None
    assert known.text == "with   in it"
    assert known.since <= CLOCK.now() + timedelta(seconds=1)
