"""Wrong clocks, for real: one county a day ahead (its clock jumps while it runs), the other a day behind (it starts so).

Records are taken in and travel all the same; the offset is shown on both sides, and no summary is published by it.
When the clocks are right again, everything settles by itself.
"""

from __future__ import annotations

import signal
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

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

AHEAD, BEHIND = (county.code for county in COUNTIES)
DAY_S = 86_400
SLACK_S = 120
RIGHT = "+0d"
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

    def prepare(nodes: dict[str, DemoNode]) -> None:
        for code, file in clocks.items():
            set_clock(file, RIGHT)
            nodes[code].process.environment = {
                "LD_PRELOAD": str(libraries[0]),
                "FAKETIME_TIMESTAMP_FILE": str(file),
                "FAKETIME_NO_CACHE": "1",
                # A clock that people put right or wrong is not the one that waits are counted by.
                "DONT_FAKE_MONOTONIC": "1",
            }

    with fault_tree(tmp_path_factory.mktemp("tree"), seed="clock", prepare=prepare, pause_s=0.1) as found:
        yield found


def set_clock(file: Path, text: str) -> None:
    """Change a clock in one step: the process reads the file again at every look at its clock."""
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{text}\n", encoding="ascii")
    fresh.replace(file)


def offset(tree: FaultTree, code: str, peer: str) -> int:
    return int(tree.link(code, peer)["clock_offset_s"] or 0)


def held(tree: FaultTree, code: str, stream: str) -> int:
    sizes = {f"{one['origin']}/{one['audience']}": one["size"] for one in tree.status(code)["streams"]}
    return int(sizes.get(stream, 0))


def is_off(tree: FaultTree, code: str, peer: str, expected_s: int) -> bool:
    return abs(offset(tree, code, peer) - expected_s) < SLACK_S


def test_wrong_clocks_stop_summaries_and_nothing_else(tree: FaultTree, clocks: dict[str, Path]) -> None:
    with tree.feeding():
        assert tree.eventually(lambda: held(tree, PROVINCE.code, f"{AHEAD}/ancestors") > 0, ARRIVED_S)
        set_clock(clocks[AHEAD], "+1d")
        set_clock(clocks[BEHIND], "-1d")
        victim = tree.nodes[BEHIND].process
        victim.tell(signal.SIGKILL)
        assert victim.process is not None
        victim.process.wait()
        tree.start(BEHIND)
        for code, expected_s in ((AHEAD, DAY_S), (BEHIND, -DAY_S)):
            assert tree.eventually(lambda: is_off(tree, CITY, code, expected_s), SHOWN_S), tree.link(CITY, code)  # noqa: B023
            assert tree.eventually(lambda: is_off(tree, code, CITY, -expected_s), SHOWN_S), tree.link(code, CITY)  # noqa: B023
        for code in (AHEAD, CITY):
            refused = call(tree.nodes[code].home, "statistics", "publish", accepted=(ClockOffError.exit_code,))
            assert refused["code"] == ClockOffError.code
        for feeder in tree.feeders:
            stream = f"{feeder.county.plan.code}/ancestors"
            before, accepted = held(tree, PROVINCE.code, stream), feeder.accepted
            assert tree.eventually(lambda: feeder.accepted > accepted, ARRIVED_S)  # noqa: B023
            assert tree.eventually(lambda: held(tree, PROVINCE.code, stream) > before, ARRIVED_S)  # noqa: B023
    for file in clocks.values():
        set_clock(file, RIGHT)
    for code in clocks:
        assert tree.eventually(lambda: is_off(tree, CITY, code, 0), SHOWN_S)  # noqa: B023
        assert tree.eventually(lambda: is_off(tree, code, CITY, 0), SHOWN_S)  # noqa: B023
    tree.verify()
