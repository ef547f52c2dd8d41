"""The benchmark of doors, on little: every door is really gone through, and watched while it has nothing to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from tests.bench import idle_doors, whole_doors
from tests.bench.__main__ import main
from tests.bench.idle_doors import measure_idle_door, measure_idle_doors
from tests.bench.whole_doors import missing_sshd
from tests.support.postgres import NoServerError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration
ROWS = 60


@pytest.mark.parametrize("name", whole_doors.SYSTEMS)
def test_tables_are_pulled_through_the_whole_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(whole_doors, "SYSTEMS", {name: whole_doors.SYSTEMS[name]})
    measured = whole_doors.measure_pulls(tmp_path, MachineClock(), rounds=2, rows=ROWS)[name]
    if isinstance(measured, str):
        pytest.skip(measured)
    assert len(measured.product_s) == len(measured.floor_s) == 2
    assert measured.ratio > 0


def test_a_system_that_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise NoServerError("not installed here")

    monkeypatch.setattr(whole_doors, "SYSTEMS", {"mariadb": missing})
    assert whole_doors.measure_pulls(tmp_path, MachineClock(), rounds=1, rows=1) == {"mariadb": "not installed here"}


def test_a_door_that_refuses_records_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing := missing_sshd():
        pytest.skip(missing)
    monkeypatch.setattr(whole_doors, "SYSTEMS", {"sftp": whole_doors.SYSTEMS["sftp"]})
    monkeypatch.setattr(whole_doors.FilesOnServer, "offer", lambda *_: None)
    with pytest.raises(RuntimeError, match=f"sftp brought 0 of {ROWS} records"):
        whole_doors.measure_pulls(tmp_path, MachineClock(), rounds=1, rows=ROWS)


def test_idle_doors_are_watched(tmp_path: Path) -> None:
    if missing := missing_sshd():
        pytest.skip(missing)
    measured = measure_idle_doors(tmp_path / "idle", MachineClock(), seconds=1.0)
    for door in measured.values():
        assert not isinstance(door, str), door
        assert 0 < door.share < 1
    sftp = measured["sftp"]
    assert not isinstance(sftp, str)
    assert sftp.round_s is not None


def test_a_door_that_does_not_come_to_rest_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_doors, "READY_S", 1.0)
    table = {"kind": "file_drop", "settings": {"folder": str(tmp_path / "not there")}}
    with pytest.raises(RuntimeError, match="the adapter is "):
        measure_idle_door(tmp_path / "home", MachineClock(), table, seconds=0.1)


@pytest.mark.nightly
def test_a_quick_run_goes_through_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--doors", "--quick", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["schema"], answer["quick"], answer["faults"]) == ("yizhan.bench-doors/1", True, [])
    assert set(answer) == {"schema", "quick", "seconds", "serial", "bluetooth", "pull", "idle", "reasons", "faults"}
    assert answer["reasons"] == {}
    assert all(one["ratio"] > 0 for one in (*answer["serial"], *answer["pull"].values()))
