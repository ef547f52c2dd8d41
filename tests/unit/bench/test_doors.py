"""The benchmark of doors: what its figures come to, and that a bar that is missed, or not looked at, is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bench.doors import document, table
from tests.bench.idle_doors import Idle, IdleDoor, polling_door
from tests.bench.receiving import Rounds

LINE = {
    "bits_per_s": 115_200,
    "line": "flips",
    "record_line": 87_000.0,
    "zmodem": 2_400.0,
    "ratio": 36.25,
    "kermit": None,
    "random": 8_000.0,
}
BLUETOOTH = {"mtu": 517, "notified": 1_047_000.0, "written": 514_000.0, "records": 3_366_000.0, "random": 467_000.0}
PULLED = Rounds(product_s=[0.0002], floor_s=[0.00018])
"""5,000 records a second beside 5,556: 0.9."""
IDLE = IdleDoor(adapter_share=0.001, keeper_share=0.002, round_s=0.003)


def answer_of(*, quick: bool = False, **parts: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "idle": {"sftp": IDLE},
        "pulls": {"sftp": PULLED},
        "bluetooth": [BLUETOOTH],
        "lines": [LINE],
        **parts,
    }
    return document(seconds=12.0, quick=quick, **whole)


def test_every_figure_stands_in_the_document_and_in_the_table() -> None:
    answer = answer_of()
    assert answer["schema"] == "yizhan.bench-doors/1"
    assert answer["faults"] == []
    assert answer["pull"]["sftp"] == {"rate": 5_000.0, "floor": 5_555.6, "ratio": 0.9}
    assert answer["idle"]["sftp"] == {"share": 0.003, "adapter_share": 0.001, "keeper_share": 0.002, "round_ms": 3.0}
    assert json.loads(json.dumps(answer)) == answer
    shown = table(answer)
    assert "115200 flips      87.0      2.4     36.2        -      8.0" in shown
    assert " 517    1047.0" in shown
    assert "sftp              5,000      5,556    0.90" in shown
    assert "idle sftp: 0.30 % of a core (adapter 0.10 %, keeper 0.20 %; a round costs 3 ms)" in shown
    assert "MISSED" not in shown


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ({"lines": [{**LINE, "ratio": 1.0}]}, "serial, flips at 115200 bit/s: 1 of ZMODEM; ahead is the bar"),
        ({"bluetooth": [{**BLUETOOTH, "notified": 99_999.0}]}, "bluetooth, notified: 99,999 bytes/s"),
        ({"bluetooth": [{**BLUETOOTH, "records": 99_999.0}]}, "bluetooth, records: 99,999 bytes/s"),
        (
            {"pulls": {"sftp": Rounds(product_s=[0.001], floor_s=[0.00079])}},
            "pull sftp: 0.79 of intake, the bar is 0.8",
        ),
        (
            {"idle": {"sftp": IdleDoor(adapter_share=0.004, keeper_share=0.006)}},
            "idle sftp: 1.00 % of a core, below 1 % is the bar",
        ),
        ({"lines": "sz and rz are not installed"}, "serial: not measured: sz and rz are not installed"),
        ({"pulls": {"mariadb": "no server"}}, "pull mariadb: not measured: no server"),
        ({"idle": {"sftp": "no sshd"}}, "idle sftp: not measured: no sshd"),
    ],
)
def test_what_misses_its_bar_or_was_not_measured_is_a_fault(parts: dict[str, Any], fault: str) -> None:
    answer = answer_of(**parts)
    assert len(answer["faults"]) == 1
    assert answer["faults"][0].startswith(fault)
    assert f"MISSED: {fault}" in table(answer)


def test_of_a_quick_run_no_bar_is_asked_and_what_it_left_out_is_told() -> None:
    answer = answer_of(quick=True, lines="no lrzsz", pulls={"sftp": Rounds(product_s=[0.01], floor_s=[0.001])})
    assert answer["faults"] == []
    assert answer["serial"] is None
    assert "not measured: serial: no lrzsz" in table(answer)


def test_a_door_that_asks_costs_its_waiting_and_a_round_a_minute() -> None:
    # Waiting takes 30 ms in 30 s, a thousandth. With a round each second 60 ms are left for 30 rounds, 2 ms each; one
    # a minute is a thirty-thousandth of the time.
    waiting = Idle(seconds=30.0, adapter_s=0.03, keeper_s=0.0)
    asking = Idle(seconds=30.0, adapter_s=0.09, keeper_s=0.0)
    door = polling_door(waiting, asking)
    assert door.round_s == pytest.approx(0.002)
    assert door.adapter_share == pytest.approx(0.001 + 0.002 / 60)
    assert door.keeper_share == 0


def test_a_round_that_seems_to_cost_less_than_nothing_costs_nothing() -> None:
    door = polling_door(
        Idle(seconds=10, adapter_s=0.02, keeper_s=0.01), Idle(seconds=10, adapter_s=0.01, keeper_s=0.01)
    )
    assert door.share == pytest.approx(0.003)
    assert door.round_s == 0
