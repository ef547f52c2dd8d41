"""Restores under load: a node's home is lost while the tree is fed, and an old backup of it is put in its place.

Nothing that a door answered ``accepted`` and that had left the node is missing afterwards, no stream forks, and nobody
does anything by hand.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from node.demo.plan import PROVINCE
from node.demo.program import call
from tests.support.fault_trees import CITY, COUNTY, FaultTree, fault_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.nightly, pytest.mark.timeout(600)]

FED_S = 4.0
"""How long the tree is fed after each backup: hundreds of records, and signed states of every stream."""
SETTLED_S = 90.0


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultTree]:
    with fault_tree(tmp_path_factory.mktemp("restored"), seed="restored", pause_s=0.05) as found:
        yield found


def back_up(tree: FaultTree, code: str, folder: Path) -> tuple[Path, int]:
    """Back up a running node and check the file; return it, and how many records it holds."""
    file = folder / f"{code}.backup"
    made = call(tree.nodes[code].home, "backup", "create", "-o", str(file))
    checked = call(tree.nodes[code].home, "backup", "verify", str(file))
    records = sum(made["streams"].values())
    assert checked["checked_records"] >= records > 0
    return file, records


def lose_and_restore(tree: FaultTree, code: str, file: Path) -> None:
    """Take the home of a node that died away, as a disk does that is gone, and put the backup in its place."""
    home = tree.nodes[code].home
    home.rename(home.with_name(f"{code}.lost"))
    call(home, "restore", str(file))
    tree.start(code)


def settled(tree: FaultTree, code: str) -> bool:
    """Whether the node has ended its doubt."""
    return not call(tree.nodes[code].home, "settle", accepted=(0, 1, 2, 3))["doubt"]


def held_everywhere(tree: FaultTree) -> bool:
    """Whether the province holds every record that the doors of the counties accepted."""
    return all(
        tree.held(PROVINCE.code, f"{feeder.county.plan.code}/ancestors") >= feeder.accepted for feeder in tree.feeders
    )


def assert_one_past(tree: FaultTree, statuses: dict[str, Any]) -> None:
    """No node knows of a fork, and none has raised an alarm, such as one of a second process with its code."""
    for code, node in tree.nodes.items():
        assert call(node.home, "forks", "list")["forks"] == [], code
        assert statuses[code]["alarms"] == 0, code


@pytest.mark.parametrize("code", [CITY, PROVINCE.code])
def test_a_relay_and_the_root_come_back_from_an_old_backup_under_load(
    tree: FaultTree, tmp_path: Path, code: str
) -> None:
    with tree.feeding():
        threading.Event().wait(FED_S)
        file, records = back_up(tree, code, tmp_path)
        threading.Event().wait(FED_S)
        tree.kill(code)
        lose_and_restore(tree, code, file)
        assert tree.eventually(lambda: settled(tree, code), SETTLED_S)
        threading.Event().wait(1.0)
    statuses = tree.verify()
    assert sum(one["size"] for one in statuses[code]["streams"]) > records
    assert_one_past(tree, statuses)


def test_a_county_comes_back_from_an_old_backup_while_its_department_goes_on(tree: FaultTree, tmp_path: Path) -> None:
    with tree.feeding():
        threading.Event().wait(FED_S)
        file, records = back_up(tree, COUNTY, tmp_path)
        threading.Event().wait(FED_S)
    # What no other node holds is on the lost disk alone: only what has left a node can come back to it.
    assert tree.eventually(lambda: held_everywhere(tree), SETTLED_S)
    tree.kill(COUNTY)
    with tree.feeding():
        threading.Event().wait(0.5)
        lose_and_restore(tree, COUNTY, file)
        assert tree.eventually(lambda: settled(tree, COUNTY), SETTLED_S)
        threading.Event().wait(1.0)
    statuses = tree.verify()
    assert sum(one["size"] for one in statuses[COUNTY]["streams"]) > records
    assert_one_past(tree, statuses)
