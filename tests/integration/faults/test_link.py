"""Links that break, for real: cables pulled, packets lost in one direction or both, a line of 1 Mbit/s (root only).

The doors go on accepting, nobody has to do anything, and at the end the demonstration's verification holds.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.fault_trees import CITY, COUNTY, FaultTree, networked_tree
from tests.support.networks import WHOLE, require_network

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

CUT_S = 3.0
HEALED_S = 30.0
"""Our own bound on catching up after a cut of seconds: TCP waits up to as long again before it tries."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultTree]:
    require_network("nft", "tc", "nsenter")
    with networked_tree(tmp_path_factory.mktemp("link"), seed="link", pause_s=0.05) as found:
        yield found


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def assert_doors_accept(tree: FaultTree, seconds: float) -> None:
    """While ``seconds`` pass, the county behind the cut takes records, and the city gets none of them."""
    accepted = tree.feeders[0].accepted
    pause(seconds)
    assert tree.feeders[0].accepted > accepted
    assert tree.link(COUNTY, CITY)["lag_records"] > 0


def test_a_pulled_cable_is_healed_by_plugging_it(tree: FaultTree) -> None:
    assert tree.network is not None
    with tree.feeding():
        pause(1)
        tree.network.pull(CITY, COUNTY)
        assert_doors_accept(tree, CUT_S)
        tree.network.plug(CITY, COUNTY)
        pause(1)
    tree.verify(timeout_s=HEALED_S)


def test_silent_cuts_in_either_direction_heal_by_themselves(tree: FaultTree) -> None:
    assert tree.network is not None
    with tree.feeding():
        for upward, downward in ((WHOLE, 0), (0, WHOLE), (WHOLE, WHOLE)):
            tree.network.lose(CITY, COUNTY, upward=upward, downward=downward)
            assert_doors_accept(tree, CUT_S)
            tree.network.lose(CITY, COUNTY)
            pause(1)
    tree.verify(timeout_s=HEALED_S)


def test_one_packet_in_ten_lost_loses_no_record(tree: FaultTree) -> None:
    assert tree.network is not None
    tree.network.lose(CITY, COUNTY, upward=10, downward=10)
    with tree.feeding():
        pause(6)
    tree.verify(timeout_s=60)
    tree.network.lose(CITY, COUNTY)
