"""The open connections of a listener: a limit, and who makes room for whom."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from node.web.connections import SPARE, OpenConnections

if TYPE_CHECKING:
    import pytest


class Line:
    def __init__(self) -> None:
        self.hung_up = False

    def hang_up(self) -> None:
        self.hung_up = True


def test_the_one_idle_longest_makes_room() -> None:
    kept = OpenConnections("face", most=2)
    first, second, third = Line(), Line(), Line()
    for line in (first, second):
        assert kept.admit(line)
        kept.rests(line)
    kept.works(first)
    kept.rests(first)
    assert kept.admit(third)
    assert [line.hung_up for line in (first, second, third)] == [False, True, False]


def test_connections_at_work_are_never_given_up_but_new_ones_are_turned_away_in_the_end() -> None:
    kept = OpenConnections("face", most=2)
    lines = [Line() for _ in range(SPARE * 2)]
    assert all(kept.admit(line) for line in lines)
    assert not kept.admit(Line())
    assert not any(line.hung_up for line in lines)
    kept.leave(lines[0])
    kept.leave(lines[0])
    assert kept.admit(Line())


def test_a_closed_connection_is_not_taken_for_an_idle_one() -> None:
    kept = OpenConnections("face", most=1)
    gone = Line()
    kept.admit(gone)
    kept.rests(gone)
    kept.leave(gone)
    kept.rests(gone)
    assert kept.admit(Line())
    assert kept.admit(Line())
    assert not gone.hung_up


def test_a_crowd_is_told_once_when_it_begins_and_once_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    kept = OpenConnections("face", most=2)
    lines = [Line() for _ in range(4)]
    for _ in range(2):
        for line in lines:
            kept.admit(line)
        for line in lines[1:]:
            kept.leave(line)
            kept.admit(line)
        for line in lines:
            kept.leave(line)
    begins, ends = "too many connections", "connections have room again"
    assert [record.message for record in caplog.records] == [begins, ends, begins, ends]
