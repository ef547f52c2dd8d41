"""A disk that does not flush: fdatasync answers EIO, at a county and at the city, while records come in (root only).

While it lasts the doors accept nothing and say so, nothing is signed and no receipt is given; afterwards the same
process opens its store anew, reads it back, and everything goes on without hand work.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.fault_trees import CITY, COUNTY, FaultTree, fault_tree
from tests.support.processes import failing_calls, require_tracing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

FAILING_S = 3.0
FLUSHES = "fdatasync,fsync"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultTree]:
    require_tracing()
    with fault_tree(tmp_path_factory.mktemp("flush"), seed="flush", pause_s=0.05) as found:
        yield found


def sealed(tree: FaultTree, code: str, stream: str) -> int:
    """How far a node has signed (its own) or taken (another's) a stream."""
    found = [one for one in tree.status(code)["streams"] if f"{one['origin']}/{one['audience']}" == stream]
    return int(found[0]["sealed"]) if found else 0


@pytest.mark.parametrize("victim", [COUNTY, CITY])
def test_what_was_not_flushed_is_neither_accepted_nor_signed(tree: FaultTree, tmp_path: Path, victim: str) -> None:
    node = tree.nodes[victim]
    assert node.process.process is not None
    stream = f"{COUNTY}/ancestors"
    with tree.feeding():
        threading.Event().wait(1.5)
        with failing_calls(node.process.process.pid, FLUSHES, "EIO", tmp_path / "strace") as injected:
            # What was in the middle of its commit has ended by now, one way or the other.
            assert tree.eventually(lambda: injected.count > 0, 10)
            threading.Event().wait(0.5)
            accepted, signed = tree.feeders[0].accepted, sealed(tree, victim, stream)
            threading.Event().wait(FAILING_S)
            assert sealed(tree, victim, stream) == signed
            if victim == COUNTY:
                assert tree.feeders[0].accepted == accepted
            else:
                assert tree.feeders[0].accepted > accepted, "the county's doors do not depend on the city's disk"
        threading.Event().wait(0.5)
    tree.verify()
    assert "store opened anew and read back" in (node.home / "run.log").read_text(encoding="utf-8")
    assert node.process.running
