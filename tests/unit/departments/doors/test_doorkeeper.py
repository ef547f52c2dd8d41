"""The doorkeeper: a keeper for each adapter, as the file and people want it, on every store, killed at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from node.demo.raising import wait_until
from node.departments.doors.book import ask_round, known_adapters, set_paused
from node.departments.doors.doorkeeper import Doorkeeper
from node.departments.doors.folders import folder_of, kept_by_us, make_folder
from node.departments.doors.keeper import Keeper
from node.departments.sources import add_source
from node.randomness import SeededRandomness
from tests.support.intake import generated, standard_records, wrapped
from tests.unit.departments.doors.conftest import door_on
from tests.unit.departments.doors.test_keeping import is_there
from tests.unit.departments.doors.test_rounds import delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.journal.store import Store
    from tests.unit.departments.doors.conftest import Door

CLOCK = MachineClock()
LIVES = 5
"""Lives of a process that ends with a kill. Enough for kills before, in and behind deliveries."""
TABLE = """
[{name}]
kind = "scripted"
source = "hall"
every_s = {every_s}
[{name}.settings]
folder = "{folder}"
"""


def write(door: Door, *names: str, every_s: float = 0.1) -> None:
    """Have the file name these adapters; each has a folder of its own but the first, which has the door's."""
    texts = []
    for number, name in enumerate(names):
        folder = door.folder if number == 0 else door.home / f"deliveries-{name}"
        folder.mkdir(exist_ok=True)
        texts.append(TABLE.format(name=name, folder=folder, every_s=every_s))
    (door.home / "adapters.toml").write_text("".join(texts))


@contextmanager
def kept(door: Door) -> Iterator[Doorkeeper]:
    keeper = Doorkeeper(door.intake, door.home, zone="Asia/Shanghai", environment=dict(os.environ))
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def states(door: Door) -> dict[str, str]:
    with door.intake.store.reading() as connection:
        return {name: row.state for name, row in known_adapters(connection).items()}


@pytest.fixture
def stored_door(any_store: Store, scripted: Path, tmp_path: Path) -> Door:  # noqa: ARG001 - it must be on the path.
    return door_on(any_store, tmp_path)


def test_adapters_are_kept_paused_asked_and_let_go_on_every_store(stored_door: Door) -> None:
    door = stored_door
    store = door.intake.store
    write(door, "door", "second", every_s=3600)
    with kept(door) as keeper:
        assert wait_until(lambda: states(door) == {"door": "waiting", "second": "waiting"}, 20, CLOCK)
        assert keeper.alive
        door.put("1.xml", delivery(2))
        ask_round(store, "door", CLOCK.now())
        assert wait_until(lambda: len(door.answers()) == 1, 20, CLOCK)
        assert door.row.counts.accepted == 2
        assert set_paused(store, "door", kind="scripted", source="hall", paused_at=CLOCK.now(), at=CLOCK.now())
        assert not set_paused(store, "door", kind="scripted", source="hall", paused_at=CLOCK.now(), at=CLOCK.now())
        assert wait_until(lambda: states(door)["door"] == "paused", 20, CLOCK)
        write(door, "door")
        assert wait_until(lambda: "adapter-second" not in {one.name for one in threading.enumerate()}, 20, CLOCK)
        # Its row stays with the cursor: who takes a table out by hand may put it in again.
        assert states(door) == {"door": "paused", "second": "waiting"}
        assert set_paused(store, "door", kind="scripted", source="hall", paused_at=None, at=CLOCK.now())
        door.put("2.xml", delivery(2, "second"))
        assert wait_until(lambda: len(door.answers()) == 2, 20, CLOCK)
    assert door.records() == 4


def test_an_adapter_that_is_paused_takes_no_round_when_the_node_starts_or_its_table_changes(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []
    run = Keeper.run

    def watched(keeper: Keeper) -> None:
        begun.append(keeper._control.is_paused)
        run(keeper)

    monkeypatch.setattr("node.departments.doors.keeper.Keeper.run", watched)
    door.put("1.xml", delivery(1))
    set_paused(door.intake.store, "door", kind="scripted", source="hall", paused_at=CLOCK.now(), at=CLOCK.now())
    write(door, "door", every_s=0.1)
    with kept(door):
        assert wait_until(lambda: begun == [True] and states(door) == {"door": "paused"}, 20, CLOCK)
        write(door, "door", every_s=0.2)
        assert wait_until(lambda: begun == [True, True], 20, CLOCK)
        assert wait_until(lambda: states(door) == {"door": "paused"}, 20, CLOCK)
    assert (door.answers(), door.records()) == ([], 0)


def test_a_changed_table_restarts_its_adapter_alone(door: Door) -> None:
    write(door, "door", "second", every_s=3600)
    with kept(door) as keeper:
        assert wait_until(lambda: set(states(door).values()) == {"waiting"}, 20, CLOCK)
        before = {name: one.thread for name, one in keeper._kept.items()}

        def restarted(name: str) -> bool:
            # In between there is none.
            one = keeper._kept.get(name)
            return one is not None and one.thread is not before[name]

        path = door.home / "adapters.toml"
        path.write_text(path.read_text() + "pages_max = 5\n")
        assert wait_until(lambda: restarted("second"), 20, CLOCK)
        assert keeper._kept["door"].thread is before["door"]
        (door.home / "adapters.secrets.toml").write_text('[door]\npassword = "x"\n')
        (door.home / "adapters.secrets.toml").chmod(0o600)
        assert wait_until(lambda: restarted("door"), 20, CLOCK)


def test_an_adapter_that_another_process_keeps_is_taken_up_after_it(door: Door) -> None:
    write(door, "door")
    door.put("1.xml", delivery(1))
    with kept_by_us(make_folder(door.home, "door")) as ours:
        assert ours
        with kept(door) as keeper:
            assert wait_until(lambda: "adapter-door" in {one.name for one in threading.enumerate()}, 20, CLOCK)
            with kept_by_us(folder_of(door.home, "door")) as theirs:
                assert not theirs
            assert door.answers() == []
            assert keeper.alive
    with kept(door):
        assert wait_until(lambda: len(door.answers()) == 1, 20, CLOCK)


def test_a_folder_that_cannot_be_made_holds_the_adapter_up(door: Door) -> None:
    (door.home / "adapters").write_text("in the way")
    write(door, "door")
    with kept(door) as keeper:
        assert wait_until(lambda: states(door).get("door") == "held", 20, CLOCK)
        assert door.row.text.startswith("its folder cannot be made: ")
        assert keeper.alive
        (door.home / "adapters").unlink()
        assert wait_until(lambda: states(door).get("door") == "waiting", 20, CLOCK)


def test_a_file_that_cannot_be_read_is_told_once_and_nothing_stops(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    write(door, "door")
    with kept(door):
        assert wait_until(lambda: states(door).get("door") == "waiting", 20, CLOCK)
        good = (door.home / "adapters.toml").read_text()
        (door.home / "adapters.toml").write_text("[door\n")
        assert wait_until(lambda: "adapters not looked after" in caplog.text, 20, CLOCK)
        door.put("1.xml", delivery(1))
        assert wait_until(lambda: len(door.answers()) == 1, 20, CLOCK)
        (door.home / "adapters.toml").write_text(good)
        assert wait_until(lambda: "adapters looked after again" in caplog.text, 20, CLOCK)
    assert caplog.text.count("adapters not looked after") == 1


def test_a_defect_of_the_watch_is_told_once_and_does_not_end_it(
    door: Door, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    write(door, "door")
    with monkeypatch.context() as patch:
        patch.setattr("node.departments.doors.doorkeeper.read_adapters", lambda *_: 1 / 0)
        patch.setattr("node.departments.doors.doorkeeper.LOOK_S", 0.05)
        with kept(door) as keeper:
            assert wait_until(lambda: "ZeroDivisionError" in caplog.text, 20, CLOCK)
            patch.undo()
            assert wait_until(lambda: states(door).get("door") == "waiting", 20, CLOCK)
            assert keeper.alive
    assert caplog.text.count("adapters not looked after") == 1
    assert "adapters looked after again" in caplog.text


def test_keepers_that_do_not_end_share_one_wait(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.departments.doors.doorkeeper.STOP_S", 1.0)
    release = threading.Event()
    names = [f"door-{number}" for number in range(6)]
    write(door, *names)
    with monkeypatch.context() as patch:
        patch.setattr("node.departments.doors.keeper.Keeper.run", lambda _: release.wait(60))
        with kept(door) as keeper:
            assert wait_until(lambda: len(keeper._kept) == len(names), 20, CLOCK)
            threads = [one.thread for one in keeper._kept.values()]
            begun_s = CLOCK.monotonic_s()
            keeper.stop()
            # One STOP_S for all of them (and one for the watch at most), not one for each.
            assert CLOCK.monotonic_s() - begun_s < 4.0
            release.set()
            for thread in threads:
                thread.join(20)


def processes_of(home: Path) -> list[int]:
    """Return the adapters' processes whose keeper works in a home, by what they were started in."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (path / "cmdline").read_bytes()
            environment = (path / "environ").read_bytes()
        except OSError:
            continue
        if (
            b"node.departments.doors.door" in arguments
            and str(home).encode() in environment
            and is_there(int(path.name))
        ):
            found.append(int(path.name))
    return found


@pytest.mark.kill
def test_killed_at_any_moment_nothing_is_lost_and_nothing_comes_twice(
    file_store: Store, scripted: Path, tmp_path: Path
) -> None:
    door = door_on(file_store, tmp_path)
    write(door, "door", every_s=0.0)
    moments = SeededRandomness("moments")
    command = [sys.executable, "-m", "tests.support.keeping_doors", str(tmp_path)]
    records = generated(3 * 6 * LIVES)
    parts = [standard_records(records[begin : begin + 3]) for begin in range(0, len(records), 3)]
    deliveries = {f"{number:03}.xml": wrapped(part) for number, part in enumerate(parts)}
    waiting = list(deliveries.items())
    for life in range(LIVES + 1):
        for name, content in waiting[:6]:
            door.put(name, content)
        del waiting[:6]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[4], stderr=subprocess.DEVNULL)
        try:
            if life == LIVES:
                assert wait_until(lambda: len(set(keys(door))) == len(deliveries), 20, CLOCK)
            # From before its adapter is open to some deliveries later; every other time the adapter's process goes.
            threading.Event().wait(moments.uniform(0.5, 1.1))
            for one in processes_of(scripted) if life % 2 else ():
                os.kill(one, signal.SIGKILL)
            threading.Event().wait(moments.uniform(0.0, 0.1))
        finally:
            process.kill()
            process.wait()
    assert wait_until(lambda: not processes_of(scripted), 10, CLOCK), "an adapter's process outlived its keeper"
    assert set(keys(door)) == set(deliveries)
    assert (door.records(), door.row.counts.rejected) == (len(records), 0)


def keys(door: Door) -> list[str]:
    return [line.split()[0] for line in door.answers()]


def test_a_source_of_another_adapter_is_untouched(door: Door) -> None:
    add_source(door.intake.store, "tax", clock=door.intake.clock, randomness=SeededRandomness("tax"))
    write(door, "door", "broken")
    (door.home / "deliveries-broken" / "script").write_text("fetch:crash\nfetch:crash\nfetch:hang")
    with kept(door):
        for number in range(3):
            door.put(f"{number}.xml", delivery(1, f"seed {number}"))
        assert wait_until(lambda: len(door.answers()) == 3, 20, CLOCK)
        assert wait_until(lambda: states(door).get("broken") == "broken", 20, CLOCK)
        assert states(door)["door"] == "waiting"
