"""From a department's machine over a bad serial line into a county's node, and up to the province: everything, once."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from adapters.record_line.key_text import key_text
from node.clock import MachineClock
from node.demo.raising import wait_until
from node.departments.doors.adapters_file import read_adapter
from node.departments.doors.folders import make_folder
from node.departments.doors.keeper import Keeper
from node.departments.sources import add_source
from node.standard.codec import parse_record
from node.standard.compose import content_of
from node.standard.seals import StreamName
from tests.support.case_records import bodies, case_no
from tests.support.file_machines import FileMachine
from tests.support.line_noise import Noise
from tests.support.line_simulator import simulated_line
from tests.support.linked_nodes import COUNTY, ROOT, linked_nodes, settle
from tests.support.terminals import TerminalProgram

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.bootstrap import Node
    from tests.support.line_simulator import End

NOISE = Noise(flips_per_bit=1e-4, drops_per_byte=1e-4, seed=11)
FIRST = 10_000
"""The first case number of what the department sends: the nodes hold some cases before."""
ARRIVES_S = 300.0
PATIENCE_S = 8.0
UNPLUGGED_S = 0.3
UNPLUGGED: tuple[End, ...] = ("near", "far") * 5


@contextmanager
def kept(node: Node, home: Path, settings: dict[str, Any], secrets: dict[str, str], dialect: str) -> Iterator[Keeper]:
    """Run the keeper of a serial bridge at a node, as a running node does."""
    node.intake.clock = MachineClock()
    add_source(node.store, "hall", clock=node.clock, randomness=node.randomness)
    table = {"kind": "serial_bridge", "source": "hall", "dialect": dialect, "settings": settings}
    listed = read_adapter(home, "line", table, {}, secrets=secrets)
    assert listed.config is not None, listed.mistake
    make_folder(home, "line")
    keeper = Keeper(node.intake, listed.config, home, zone="Asia/Shanghai", environment=dict(os.environ))
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.stop()
        thread.join()


def cases_sent(node: Node) -> list[str]:
    """The case numbers of the department's records that a node holds, one for each record."""
    with node.store.reading() as connection:
        held = node.journal.held(connection, StreamName(COUNTY, "ancestors"))
        assert held is not None
        stored = node.journal.stored(connection, held.stream, 1, held.size)
    contents = [content_of(parse_record(one.body or b"")) for one in stored if one.record_type == "Application"]
    return [str(one["CaseNo"]) for one in contents if str(one["CaseNo"]) >= case_no(FIRST)]


def arrived(node: Node, count: int) -> bool:
    return wait_until(lambda: len(cases_sent(node)) >= count, ARRIVES_S, MachineClock())


def expected(count: int) -> list[str]:
    return [case_no(number) for number in range(FIRST, FIRST + count)]


def at_the_province(nodes: dict[str, Node]) -> list[str]:
    nodes[COUNTY].work()
    settle(nodes)
    return sorted(cases_sent(nodes[ROOT]))


@pytest.mark.slow
def test_a_thousand_records_over_a_bad_line_with_ten_unplugs_reach_the_province_once(tmp_path: Path) -> None:
    count = 1000
    nodes = linked_nodes(cases=1)
    county = nodes[COUNTY]
    terminal = TerminalProgram(tmp_path / "terminal")
    files = [tmp_path / f"{number}.xml" for number in range(count)]
    for number, path in enumerate(files):
        path.write_bytes(bodies("apply", case_no=case_no(FIRST + number))[0])
    with simulated_line(tmp_path / "line", bits_per_s=115_200, noise=NOISE) as line:
        settings = {"port": str(line.near), "mode": "record_line", "terminals": [terminal.name]}
        secrets = {"terminal_keys": f"{terminal.name}={key_text(terminal.key)}"}
        with kept(county, tmp_path, settings, secrets, "standard"), terminal.run(line.far):
            terminal.call("send", *map(str, files))
            for number, end in enumerate(UNPLUGGED):
                assert arrived(county, 1 + number * count // (len(UNPLUGGED) + 1))
                line.unplug(end)
                threading.Event().wait(UNPLUGGED_S)
                line.replug(end)
            assert arrived(county, count)
            assert line.damage("far")["flipped"] > 0
    assert at_the_province(nodes) == sorted(expected(count))


@pytest.mark.parametrize("protocol", ["zmodem", "kermit"])
def test_a_file_sent_by_a_program_of_others_arrives_with_all_its_records(protocol: str, tmp_path: Path) -> None:
    count = 20
    nodes = linked_nodes(cases=1)
    records = b"\n".join(bodies("apply", case_no=case_no(FIRST + number))[0] for number in range(count))
    with simulated_line(tmp_path / "line", bits_per_s=115_200) as line:
        machine = FileMachine(line, tmp_path / "machine", protocol)
        machine.put("CASES.XML", b'<Records xmlns="urn:yizhan:standard:1">\n%b\n</Records>\n' % records)
        machine.patience_s = PATIENCE_S
        machine.start()
        try:
            settings = {"port": str(line.near), "mode": protocol}
            with kept(nodes[COUNTY], tmp_path, settings, {}, "standard"):
                assert arrived(nodes[COUNTY], count)
        finally:
            machine.stop()
    assert at_the_province(nodes) == sorted(expected(count))
