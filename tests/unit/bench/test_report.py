from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bench.hopping import Hopping
from tests.bench.idle_tree import IdleTree
from tests.bench.receiving import Receiving, Rounds
from tests.bench.report import document, missed, table
from tests.bench.singles import Singles

ROUNDS = Rounds(product_s=[0.002, 0.001, 0.009], floor_s=[0.0005, 0.001, 0.0001])
RECEIVING = Receiving(
    rounds=ROUNDS,
    again=Rounds(product_s=[0.0001], floor_s=[0.002]),
    rebuild_rate=1_000.0,
    held=1_000,
    fill_rate=400.0,
    disk_bytes=600_000,
    record_bytes=1_500.0,
    wire_bytes=150.0,
)
HOPPING = Hopping(
    rounds=ROUNDS,
    singles=Singles(count=3, wire_bytes=2_000.0, disk_bytes=900.0),
    start_s=1.5,
    memory_mb={"idle": 70.0, "receiving": 120.0},
)
IDLE = IdleTree(api_s=[0.1, 0.2, 0.3], import_s=[0.2, 0.3, 0.4], program_s=0.9, idle_bytes_s=10.0)
NOT_MEASURED: dict[str, Any] = {"postgresql": None, "postgresql_reason": "not asked for"}


@pytest.fixture
def answer() -> dict[str, Any]:
    return document(
        receiving=RECEIVING,
        hopping=HOPPING,
        intake=ROUNDS,
        idle=IDLE,
        proving_s=0.0064,
        postgresql=NOT_MEASURED,
        seconds=12.0,
        quick=True,
    )


def test_a_rate_is_that_of_the_median_round() -> None:
    # Median of 1, 2, 9 ms a record is 2 ms; of 0.1, 0.5, 1 ms it is 0.5 ms.
    assert ROUNDS.rate == pytest.approx(500)
    assert ROUNDS.floor == pytest.approx(2_000)
    assert ROUNDS.ratio == pytest.approx(0.25)


def test_the_document_has_the_keys_that_scripts_read(answer: dict[str, Any]) -> None:
    assert answer["schema"] == "yizhan.bench/1"
    assert set(answer["sqlite"]) == {"receiver", "hop", "intake", "replay", "rebuild"}
    for name in ("receiver", "hop", "intake"):
        figures = answer["sqlite"][name]
        assert (figures["rate"], figures["floor"], figures["ratio"]) == (500.0, 2_000.0, 0.25)
    assert answer["sqlite"]["replay"] == {"rate": 10_000.0, "fresh": 500.0, "ratio": 20.0}
    assert answer["sqlite"]["rebuild"] == {"rate": 1_000.0, "fresh": 500.0, "ratio": 2.0}
    assert answer["postgresql"] is None
    assert answer["postgresql_reason"] == "not asked for"
    assert (answer["bytes_per_record"]["wire"], answer["bytes_per_record"]["disk"]) == (150.0, 600.0)
    assert (answer["bytes_per_record"]["wire_single"], answer["bytes_per_record"]["disk_single"]) == (2_000.0, 900.0)
    assert answer["bytes_per_record"]["singles"] == 3
    assert answer["memory_mb"] == {"idle": 70.0, "receiving": 120.0}
    assert answer["start_s"] == 1.5
    assert answer["evidence_ms"] == 6.4
    assert json.loads(json.dumps(answer)) == answer


def test_the_latency_is_that_of_the_slower_door(answer: dict[str, Any]) -> None:
    assert answer["latency_s"]["p50"] == answer["latency_s"]["import"]["p50"] == 0.3
    assert answer["latency_s"]["p99"] == answer["latency_s"]["import"]["p99"]
    assert answer["latency_s"]["p99"] > answer["latency_s"]["api"]["p99"]


def test_the_table_shows_every_ratio(answer: dict[str, Any]) -> None:
    lines = table(answer).splitlines()
    assert [line.split()[0] for line in lines[1:6]] == ["receiver", "hop", "intake", "replay", "rebuild"]
    assert "not asked for" in lines[6]
    measured = {**answer, "postgresql": {"receiver": answer["sqlite"]["receiver"]}}
    assert "PostgreSQL receiver: 500 records/s, ratio 0.25" in table(measured)


def test_a_full_run_names_the_bars_that_it_missed(answer: dict[str, Any]) -> None:
    assert answer["faults"] == []
    told = list(missed({**answer, "memory_mb": {"idle": 70.0, "receiving": 320.0}}))
    assert "sqlite receiver: 0.25, the bar is 0.5" in told
    assert "memory_mb receiving: 320, at most 300" in told
    assert not any(line.startswith(("start", "latency", "evidence", "postgresql")) for line in told)
