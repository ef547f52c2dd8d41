"""``yizhan bluetooth``: what it lists, what it asks, and how it refuses."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import click
import pytest

from adapters.bluetooth_bridge.near import devices_near, pair_with
from node.cli import run_program
from tests.support.bumble_air import Air
from tests.support.bumble_backend import Machine, stack_of
from tests.support.bumble_gatt import Look
from tests.support.bumble_terminal import terminal_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.bluetooth_bridge.pairing import Questions

ADDRESS = "C4:7C:8D:00:00:01"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """This machine, with a terminal near it, and the program on its stack."""
    air = Air()
    made = Machine(lambda: air.pipe("00:1B:DC:FF:00:01"))
    stack = stack_of(made)
    monkeypatch.setattr("node.departments.bluetooth.devices_near", partial(devices_near, stack=stack))
    monkeypatch.setattr("node.departments.bluetooth.pair_with", partial(pair_with, stack=stack, agent=made.agent))
    try:
        with terminal_on(air, tmp_path / "terminal", look=Look(encrypted=True)):
            yield made
    finally:
        air.close()


def test_what_is_near_is_listed_for_people_and_for_programs(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.missing is None
    assert run_program(["bluetooth", "scan", "--seconds", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "address\tname\trssi\toffers_service\tis_paired",
        f"{ADDRESS}\tYZ-1\t-50\t✓\t",
    ]
    assert run_program(["bluetooth", "scan", "--seconds", "1", "--service", "FFE0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "yizhan.bluetooth/1",
        "devices": [
            {"address": ADDRESS, "name": "YZ-1", "rssi": -50, "offers_service": False, "is_paired": False},
        ],
    }


def test_a_terminal_is_paired_and_shown_as_paired(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.missing is None
    assert run_program(["bluetooth", "pair", ADDRESS.lower(), "--seconds", "15", "--lang", "en"]) == 0
    assert f"This machine is paired with {ADDRESS}." in capsys.readouterr().err
    assert run_program(["bluetooth", "pair", ADDRESS, "--again", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "yizhan.bluetooth.pair/1",
        "address": ADDRESS,
        "is_paired": True,
    }
    assert run_program(["bluetooth", "scan", "--seconds", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"{ADDRESS}\tYZ-1\t-50\t✓\t✓"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (["pair", "YZ-1"], "'YZ-1' is no Bluetooth address"),
        (["pair", ADDRESS, "--controller", "/dev/hci0"], "'/dev/hci0' names no controller"),
        (["scan", "--controller", "HCI 0"], "'HCI 0' names no controller"),
        (["scan", "--seconds", "0"], "0"),
    ],
)
def test_a_mistake_in_the_call_is_told(call: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["bluetooth", *call]) == 2
    assert told in capsys.readouterr().err


def test_a_service_that_is_no_identifier_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["bluetooth", "scan", "--service", "uart"]) == 4
    assert "'uart' is no UUID" in capsys.readouterr().err


def test_a_terminal_that_is_not_there_is_away(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.missing is None
    assert run_program(["bluetooth", "pair", "C4:7C:8D:00:00:99", "--seconds", "1"]) == 6
    assert "YZ-ADAPTER-001" in capsys.readouterr().err


def test_a_machine_without_bluetooth_needs_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    # The machines that run these tests have no Bluetooth: the program's own stack says so, whatever it lacks.
    outcome = run_program(["bluetooth", "scan", "--seconds", "1"])
    if outcome == 0:
        pytest.skip("this machine has Bluetooth")
    assert outcome == 4
    assert "YZ-ADAPTER-002" in capsys.readouterr().err


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[Questions]:
    """Every ``Questions`` that the program gave to a pairing."""
    given: list[Questions] = []
    monkeypatch.setattr(
        "node.departments.bluetooth.pair_with", lambda _address, *, questions, **_: given.append(questions)
    )
    return given


@pytest.mark.parametrize(
    ("lang", "shown", "asked", "compared"),
    [
        ("zh", "请在终端上输入：004711", "终端显示的六位数字", "终端显示的是否也是 000099？"),
        (
            "en",
            "Type at the terminal: 004711",
            "The six digits that the terminal shows",
            "Does the terminal show 000099",
        ),
    ],
)
def test_a_person_is_asked_in_the_language_asked_for(
    questions: list[Questions],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lang: str,
    shown: str,
    asked: str,
    compared: str,
) -> None:
    assert run_program(["bluetooth", "pair", ADDRESS, "--lang", lang]) == 0
    monkeypatch.setattr("node.cli.frame.Frame.may_ask", property(lambda _: True))
    prompts: list[str] = []

    def prompted(text: str, **_: object) -> str:
        prompts.append(text)
        return " 123456 "

    monkeypatch.setattr("click.prompt", prompted)
    monkeypatch.setattr("click.confirm", lambda text, **_: bool(prompted(text)))
    person = questions[0]
    person.show("004711")
    assert shown in capsys.readouterr().err
    assert person.ask() == "123456"
    assert person.confirm("000099")
    assert asked in prompts[0]
    assert compared in prompts[1]


def test_without_a_person_nothing_that_has_to_be_compared_is_agreed_to(questions: list[Questions]) -> None:
    assert run_program(["bluetooth", "pair", ADDRESS, "--no-input"]) == 0
    assert questions[0].ask() is None
    assert not questions[0].confirm("000099")


def test_a_person_who_ends_the_input_agrees_to_nothing(
    questions: list[Questions], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(_text: str, **_: object) -> str:
        raise click.Abort

    assert run_program(["bluetooth", "pair", ADDRESS]) == 0
    monkeypatch.setattr("node.cli.frame.Frame.may_ask", property(lambda _: True))
    monkeypatch.setattr("click.prompt", ended)
    monkeypatch.setattr("click.confirm", ended)
    assert questions[0].ask() is None
    assert not questions[0].confirm("000099")
