from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.rows import Import, check_disk, document, growth_mb, lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


ROWS = 1_000_000


def imported(*, accepted: int = ROWS, peak_mb: float = 150.0, memory_mb: Sequence[float] = (100.0,) * 20) -> Import:
    report = {"accepted": accepted, "problems": [{"rule": "schema"}] if accepted < ROWS else []}
    return Import(report=report, taken_s=100.0, processor_s=150.0, memory_mb=memory_mb, peak_mb=peak_mb)


def answer_of(done: Import, *, rows: int = ROWS) -> dict[str, Any]:
    return document(done, rows=rows, floors=(20_000.0, 30_000.0), disk_bytes=700_000_000, load=1.5)


def test_the_ratio_is_taken_of_the_floors_before_and_after() -> None:
    # A million rows in 100 s are 10,000 rows a second; the floors are 25,000 in the mean.
    answer = answer_of(imported())
    assert answer["rate"] == 10_000.0
    assert answer["ratio"] == 0.4
    assert answer["processor_us_per_row"] == 150.0
    assert answer["disk_bytes_per_row"] == 700.0
    assert answer["faults"] == []
    assert "ratio 0.40, bar 0.3" in lines(answer)


def test_growth_compares_the_last_quarter_with_the_second() -> None:
    # Quarters of three: warming up in the first costs nothing.
    assert growth_mb([10, 50, 90, 100, 100, 100, 100, 100, 100, 104, 104, 104]) == 4


def test_a_short_run_says_nothing_about_growth() -> None:
    assert growth_mb([100.0] * 7) is None
    assert "not known" in lines(answer_of(imported(memory_mb=(100.0,) * 7)))


@pytest.mark.parametrize(
    ("done", "fault"),
    [
        (imported(accepted=ROWS - 1), "999999 of 1000000 rows were accepted"),
        (imported(peak_mb=301.0), "301.0 MB at the peak"),
        (imported(memory_mb=(100.0,) * 15 + (120.0,) * 5), "memory grew by 20.0 MB"),
    ],
)
def test_what_does_not_hold_is_a_fault(done: Import, fault: str) -> None:
    answer = answer_of(done)
    assert len(answer["faults"]) == 1
    assert answer["faults"][0].startswith(fault)
    assert f"FAULT: {fault}" in lines(answer)


def test_a_few_rows_may_still_fill_caches() -> None:
    answer = answer_of(imported(accepted=200_000, memory_mb=(100.0,) * 15 + (120.0,) * 5), rows=200_000)
    assert answer["growth_mb"] == 20.0
    assert answer["faults"] == []


def test_a_disk_that_is_too_small_is_told_before_anything_is_written() -> None:
    check_disk(2_500_000_000, 1_000_000)
    with pytest.raises(RuntimeError, match=r"1,000,000 rows need 2\.5 GB, 2\.4 GB are free"):
        check_disk(2_400_000_000, 1_000_000)
