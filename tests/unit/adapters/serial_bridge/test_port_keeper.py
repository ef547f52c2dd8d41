"""A port is opened again with pauses that grow, and told once when it goes and once when it is back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import pytest

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.serial_bridge.port_keeper import LOOK_AGAIN_S, PAUSES_S, PortKeeper

if TYPE_CHECKING:
    from adapters.serial_bridge.ports import Port


class OpenPort:
    """A port that only knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Machine:
    """Ports that come and go, and a clock."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.problem: Exception | None = None
        self.opened: list[OpenPort] = []
        self.attempts_s: list[float] = []
        self.keeper = PortKeeper("hall", self._open, lambda: self.now_s)

    def _open(self) -> Port:
        self.attempts_s.append(self.now_s)
        if self.problem is not None:
            raise self.problem
        self.opened.append(OpenPort())
        return cast("Port", self.opened[-1])

    def pass_time(self, seconds: float, step_s: float = 0.05) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.keeper.opened()
            self.now_s += step_s


def test_a_port_is_opened_once_and_closed_once() -> None:
    machine = Machine()
    first = machine.keeper.opened()
    assert first is machine.keeper.opened() is machine.keeper.port
    assert machine.keeper.problem is None
    assert machine.keeper.pause_s() == 0.0
    machine.keeper.close()
    machine.keeper.close()
    assert [port.closed for port in machine.opened] == [1]


def test_the_pauses_grow_to_five_seconds_and_stay_there() -> None:
    machine = Machine()
    machine.problem = SourceUnavailableError("not there")
    machine.pass_time(60)
    pauses = [later - earlier for earlier, later in zip(machine.attempts_s, machine.attempts_s[1:], strict=False)]
    assert pauses[: len(PAUSES_S)] == pytest.approx(PAUSES_S, abs=0.06)
    assert pauses[len(PAUSES_S) :] == pytest.approx([5.0] * (len(pauses) - len(PAUSES_S)), abs=0.06)
    assert len(machine.attempts_s) < 20


def test_going_and_coming_back_are_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine = Machine()
    machine.problem = SourceNeedsPersonError("taken by process 7")
    machine.pass_time(30)
    assert isinstance(machine.keeper.problem, SourceNeedsPersonError)
    machine.problem = None
    machine.pass_time(12)
    assert machine.keeper.port is not None
    told = [(record.getMessage(), vars(record)["adapter"]) for record in caplog.records]
    assert told == [("port away", "hall"), ("port is back", "hall")]
    machine.keeper.lost(SourceUnavailableError("unplugged"))
    assert machine.opened[0].closed == 1
    assert machine.keeper.pause_s() > 0
    machine.pass_time(1)
    assert len(machine.opened) == 2
    assert [record.getMessage() for record in caplog.records][2:] == ["port away", "port is back"]


def test_a_port_that_goes_as_soon_as_it_is_opened_is_opened_with_pauses(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    until_s = machine.now_s + 60
    while machine.now_s < until_s:
        machine.pass_time(0.05)
        if machine.keeper.port is not None:
            machine.keeper.lost(SourceUnavailableError("the port is gone"))
    assert len(machine.opened) < 20
    assert len(caplog.records) < 40
    machine.pass_time(20)
    machine.keeper.lost(SourceUnavailableError("unplugged"))
    assert machine.keeper.pause_s() == pytest.approx(PAUSES_S[0]), "it was steady in between"


def test_a_port_that_is_plugged_in_again_may_be_denied_for_a_moment() -> None:
    machine = Machine()
    machine.keeper.opened()
    machine.pass_time(100)
    machine.keeper.lost(SourceUnavailableError("unplugged"))
    machine.problem = SourceUnavailableError("not there")
    machine.pass_time(1000)
    machine.problem = SourceNeedsPersonError("this account may not open it")
    machine.pass_time(20)
    with pytest.raises(SourceUnavailableError, match="may not open it"):
        machine.keeper.refuse_when_away()
    machine.pass_time(30)
    with pytest.raises(SourceNeedsPersonError, match="may not open it"):
        machine.keeper.refuse_when_away()
    machine.problem = None
    machine.pass_time(6)
    machine.keeper.refuse_when_away()


def test_the_node_looks_soon_again_for_a_port_that_is_away() -> None:
    machine = Machine()
    machine.problem = SourceUnavailableError("not there")
    machine.keeper.opened()
    with pytest.raises(SourceUnavailableError) as caught:
        machine.keeper.refuse_when_away()
    assert caught.value.retry_after_s == LOOK_AGAIN_S
