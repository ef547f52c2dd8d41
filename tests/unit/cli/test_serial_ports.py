"""``yizhan adapters ports`` lists serial ports by the names that do not change."""

from __future__ import annotations

import json

import pytest

from adapters.serial_bridge.ports import PortFound
from node.cli import run_program

FOUND = (
    PortFound(path="/dev/ttyS0", stable="/dev/ttyS0", description="ttyS0", usb="", serial_number=""),
    PortFound(
        path="/dev/ttyUSB0",
        stable="/dev/serial/by-id/usb-FTDI_FT232R_A1-if00-port0",
        description="FT232R USB UART",
        usb="0403:6001",
        serial_number="A1",
    ),
)


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    # No port is plugged into the machines on which tests run; what is read from them is tested with the adapter.
    monkeypatch.setattr("node.departments.serial_ports.list_ports", lambda: FOUND)


def test_ports_are_a_document_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["--json", "adapters", "ports"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "yizhan.serial-ports/1"
    assert [port["stable"] for port in document["ports"]] == [port.stable for port in FOUND]
    assert document["ports"][1]["usb"] == "0403:6001"


def test_ports_are_a_table_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["adapters", "ports"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split("\t") == ["path", "stable", "description", "usb", "serial_number"]
    assert [row.split("\t")[1] for row in rows] == [port.stable for port in FOUND]


def test_the_real_list_of_this_machine_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert run_program(["--json", "adapters", "ports"]) == 0
    for port in json.loads(capsys.readouterr().out)["ports"]:
        assert port["path"].startswith("/dev/")
