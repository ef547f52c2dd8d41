"""Files that stand by table are taken by event time; nothing is lost, nothing is moved without need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.departments import event_order
from node.departments.candidates import Candidate
from node.departments.event_order import in_event_order
from node.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


def row(number: int, time: str = "", *, markup: bool = False) -> Candidate:
    if markup:
        body = f"<Fee><Salt/><EventTime> {time} </EventTime></Fee>".encode()
        return Candidate(record_type="Fee", markup=body, kept=lambda: b"", row=number)
    return Candidate(record_type="Fee", content={"EventTime": time} if time else {}, kept=lambda: b"", row=number)


def order(candidates: Iterable[Candidate]) -> list[int | None]:
    return [candidate.row for candidate in in_event_order(candidates)]


@pytest.mark.parametrize("markup", [False, True])
def test_rows_come_by_the_moment_that_they_name_whatever_its_offset(*, markup: bool) -> None:
    times = ("2026-10-09T10:00:00+08:00", "2026-10-09T01:00:00Z", "2026-10-08T23:00:00+08:00")
    assert order(row(number, time, markup=markup) for number, time in enumerate(times, start=1)) == [3, 2, 1]


def test_they_say_where_they_stood() -> None:
    times = ("2026-10-09T10:00:00+08:00", "2026-10-07T10:00:00+08:00", "2026-10-08T10:00:00+08:00")
    assert [one.place for one in in_event_order(row(7, time) for time in times)] == [1, 2, 0]


def test_equal_times_keep_their_order() -> None:
    assert order(row(number, "2026-10-09T10:00:00+08:00") for number in range(5)) == list(range(5))


def test_a_row_without_a_time_stays_behind_its_predecessor() -> None:
    rows = [row(1, "2026-10-09T10:00:00+08:00"), row(2), row(3, "2026-10-08T10:00:00+08:00"), row(4, "soon")]
    assert order(rows) == [3, 4, 1, 2]


def test_a_row_that_could_not_be_read_is_not_lost() -> None:
    broken = Candidate(record_type="", kept=lambda: b"", row=1, problems=(Problem(rule="quotes", text="a quote"),))
    assert order([broken, row(2, "2026-10-08T10:00:00+08:00")]) == [1, 2]


def test_a_file_beyond_the_bound_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_order, "ROWS_MAX", 2)
    times = ("2026-10-09T10:00:00+08:00", "2026-10-08T10:00:00+08:00", "2026-10-07T10:00:00+08:00")
    assert order(row(number, time) for number, time in enumerate(times)) == [0, 1, 2]
    assert order(row(number, time) for number, time in enumerate(times[:2])) == [1, 0]
    assert order([]) == []


def test_a_few_enormous_rows_are_not_held_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_order, "WEIGHT_MAX", 10)
    rows = [
        replace(row(1, "2026-10-09T10:00:00+08:00"), weight=6),
        replace(row(2, "2026-10-08T10:00:00+08:00"), weight=6),
    ]
    assert order(rows) == [1, 2]
