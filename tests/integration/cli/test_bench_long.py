"""The benchmark over a long time, on few records: it runs through, and its loader leaves tables that fit together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from tests.bench.homes import found, open_node
from tests.bench.long import LongPlan, check_disk, copy_held, lines, measure_long
from tests.bench.origins import PROVINCE, bench_identities, courier
from tests.bench.receiving import receive

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("record", "case_state", "case_fact", "finding", "checkpoint", "counter")


def test_a_long_run_receives_fills_up_and_compares(tmp_path: Path) -> None:
    plan = LongPlan(first=100, received=200, held=600, open_cases=50, rounds=1)
    answer = measure_long(tmp_path, MachineClock(), plan)
    assert answer["schema"] == "yizhan.bench-long/1"
    assert answer["received"] >= 200
    assert answer["held"] >= 600
    assert answer["cost"] > 0
    assert f"{answer['held']:,} records" in lines(answer)


def test_what_is_copied_is_as_large_as_what_was_held_and_leaves_it_alone(tmp_path: Path) -> None:
    clock = MachineClock()
    identities = bench_identities(clock)
    city = courier(identities, clock, open_cases=20)
    with open_node(tmp_path, identities[PROVINCE], clock) as node:
        found(node, identities)
        receive(node, city.parcel(200))

        def counted() -> dict[str, int]:
            with node.store.reading() as connection:
                query = "SELECT count(*) FROM {} WHERE {}"
                mine = {"record": "type_number > 0 AND case_id IS NOT NULL", "checkpoint": "stream_id > 1"}
                return {
                    table: connection.exec_driver_sql(query.format(table, mine.get(table, "true"))).scalar() or 0
                    for table in TABLES
                }

        before = counted()
        for number in (1, 2):
            node.store.write(partial(copy_held, number=number))
        after = counted()
        assert {table: after[table] / before[table] for table in TABLES if before[table]} == dict.fromkeys(
            (table for table in TABLES if before[table]), 3.0
        ) | {"counter": 2.0}
        with node.store.reading() as connection:
            walks = connection.exec_driver_sql(
                "SELECT count(*) FROM record r WHERE previous IS NOT NULL AND NOT EXISTS "
                "(SELECT 1 FROM record p WHERE p.key = r.previous AND p.case_id = r.case_id)"
            ).scalar()
        assert walks == 0
        receive(node, city.parcel(200))


def test_a_disk_that_is_too_small_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="name another folder with TMPDIR"):
        check_disk(1_000_000, 10_000_000)
    check_disk(1_000_000_000_000, 10_000_000)
    assert not list(tmp_path.iterdir())
