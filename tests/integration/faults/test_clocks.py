"""Wrong clocks, for real: one county a day ahead (it jumps while the node runs), the other a day behind from its start.

Records are taken in and travel all the same; the offset is shown on both sides, and no summary is published by it.
When the clocks are right again, everything settles by itself.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from node.demo.plan import COUNTIES, PROVINCE
from node.demo.program import call
from node.errors import ClockOffError
from tests.support.fault_trees import CITY, FaultTree, fault_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.demo.raising import DemoNode
    from tests.support.feeders import Feeder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

AHEAD, BEHIND = (county.code for county in COUNTIES)
DAY_S = 86_400
SLACK_S = 120
RIGHT = "+0d"
SLEEP = "import threading, time\ntime.sleep = lambda seconds: threading.Event().wait(seconds) and None\n"
"""Read by each process at its start: with the monotonic clock left alone, libfaketime 0.9.10 answers EINVAL to the
system call behind ``time.sleep``; waiting for a lock is another call."""
SHOWN_S = 40.0
"""A clock is compared with each answer, and on a quiet link a long-poll is answered after 25 s."""
ARRIVED_S = 30.0


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files that say how far the clock of each county is off."""
    folder = tmp_path_factory.mktemp("clocks")
    return {county.code: folder / county.code for county in COUNTIES}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, clocks: dict[str, Path]) -> Iterator[FaultTree]:
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        pytest.skip("not installed: libfaketime")

    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(SLEEP, encoding="ascii")

    def prepare(nodes: dict[str, DemoNode]) -> None:
        for code, file in clocks.items():
            set_clock(file, RIGHT)
            nodes[code].process.environment = {
                "LD_PRELOAD": str(libraries[0]),
                "FAKETIME_TIMESTAMP_FILE": str(file),
                "FAKETIME_NO_CACHE": "1",
                # A clock that people put right or wrong is not the one that waits are counted by.
                "DONT_FAKE_MONOTONIC": "1",
                "PYTHONPATH": str(site),
            }

    with fault_tree(tmp_path_factory.mktemp("tree"), seed="clock", prepare=prepare, pause_s=0.1) as found:
        yield found


def set_clock(file: Path, text: str) -> None:
    """Change a clock in one step: the process reads the file again at every look at its clock."""
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{text}\n", encoding="ascii")
    fresh.replace(file)


def is_off(tree: FaultTree, code: str, peer: str, expected_s: int) -> bool:
    """Whether ``code`` shows that the clock of ``peer`` is so far ahead of its own."""
    return abs(int(tree.link(code, peer)["clock_offset_s"] or 0) - expected_s) < SLACK_S


def shown(tree: FaultTree, county: str, expected_s: int) -> bool:
    """Wait until city and county both show how far the county's clock is ahead."""
    above = tree.eventually(partial(is_off, tree, CITY, county, expected_s), SHOWN_S)
    return above and tree.eventually(partial(is_off, tree, county, CITY, -expected_s), SHOWN_S)


def assert_travelling(tree: FaultTree, feeder: Feeder) -> None:
    """What a county takes in from now on arrives at the province."""
    stream = f"{feeder.county.plan.code}/ancestors"
    before, accepted = tree.held(PROVINCE.code, stream), feeder.accepted
    assert tree.eventually(lambda: feeder.accepted > accepted, ARRIVED_S)
    assert tree.eventually(lambda: tree.held(PROVINCE.code, stream) > before, ARRIVED_S)


def test_wrong_clocks_stop_summaries_and_nothing_else(tree: FaultTree, clocks: dict[str, Path]) -> None:
    with tree.feeding():
        for feeder in tree.feeders:
            assert_travelling(tree, feeder)
        set_clock(clocks[AHEAD], "+1d")
        set_clock(clocks[BEHIND], "-1d")
        tree.kill(BEHIND)
        tree.start(BEHIND)
        assert shown(tree, AHEAD, DAY_S)
        assert shown(tree, BEHIND, -DAY_S)
        for code in (AHEAD, CITY):
            refused = call(tree.nodes[code].home, "statistics", "publish", accepted=(ClockOffError.exit_code,))
            assert refused["code"] == ClockOffError.code
        for feeder in tree.feeders:
            assert_travelling(tree, feeder)
    for file in clocks.values():
        set_clock(file, RIGHT)
    assert shown(tree, AHEAD, 0)
    assert shown(tree, BEHIND, 0)
    tree.verify()
