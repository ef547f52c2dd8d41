"""What is done at each door: its department is started, connected, hands over; and what the node took is counted.

A door that fails at one of these steps has a problem and is left out of the next ones.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from node.demo.raising import wait_until
from node.errors import DemonstrationError
from tests.doors_demonstration.adding import add_door
from tests.doors_demonstration.department import NotHereError, no_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import ExitStack
    from pathlib import Path

    from node.clock import Clock
    from node.demo.raising import DemoNode
    from tests.doors_demonstration.department import Access, Department
    from tests.doors_demonstration.doors import Door, Share

TAKEN_TIMEOUT_S: Final = 180.0
"""Longest wait until adapters have brought everything; our own bound, ten seconds are usual."""
ANSWER_TIMEOUT_S: Final = 10.0


@dataclass(slots=True, kw_only=True)
class DoorWork:
    """One door while the demonstration runs: what it has so far, what the node answered, and what went wrong."""

    share: Share
    folder: Path
    department: Department | None = None
    access: Access | None = None
    sent: Mapping[str, int] = field(default_factory=no_counts)
    counts: dict[str, int] = field(default_factory=no_counts)
    problems: list[str] = field(default_factory=list)

    @property
    def door(self) -> Door:
        """Which door it is."""
        return self.share.door

    @property
    def works(self) -> bool:
        """Whether nothing went wrong with it so far."""
        return not self.problems

    def do(self, step: Callable[[], None]) -> None:
        """Do a step unless one before failed; a step that fails is a problem of this door alone."""
        if not self.works:
            return
        try:
            step()
        except (
            AssertionError,
            DemonstrationError,
            NotHereError,
            OSError,
            httpx.HTTPError,
            pytest.skip.Exception,
            subprocess.CalledProcessError,
        ) as error:
            self.problems.append(f"door {self.door.name}: {error}")


def start_departments(works: Sequence[DoorWork], running: ExitStack) -> None:
    """Start the systems of all departments, one after the other; ``running`` ends them."""
    for work in works:
        work.folder.mkdir(parents=True)

        def begin(work: DoorWork = work) -> None:
            work.department = running.enter_context(work.door.opened(work.folder))

        work.do(begin)


def connect(works: Sequence[DoorWork], nodes: Mapping[str, DemoNode], pool: ThreadPoolExecutor) -> None:
    """Add a source, and an adapter where there is one, for each door."""

    def add(work: DoorWork) -> None:
        assert work.department is not None
        work.access = add_door(work.door, work.department.adapter, nodes[work.door.county.code], work.folder)

    list(pool.map(lambda work: work.do(lambda: add(work)), works))


def hand_over(works: Sequence[DoorWork], pool: ThreadPoolExecutor) -> None:
    """Have all departments hand their records over at the same time."""

    def hand(work: DoorWork) -> None:
        assert work.department is not None
        assert work.access is not None
        work.sent = work.department.hand_over(work.share.month.records, work.access)

    list(pool.map(lambda work: work.do(lambda: hand(work)), works))


def await_adapters(works: Sequence[DoorWork], nodes: Mapping[str, DemoNode], clock: Clock) -> None:
    """Wait until every door has answered everything that was offered to it, and count what it answered."""
    working = [work for work in works if work.works]
    adapters: dict[str, Mapping[str, Any]] = {}

    def all_answered() -> bool:
        for work in working:
            node = nodes[work.door.county.code]
            adapters.update({one["name"]: one for one in _adapters(node)})
            work.counts = _counts(work, adapters.get(work.door.name, {}))
        return all(sum(work.counts.values()) >= 2 * work.counts["offered"] for work in working)

    wait_until(all_answered, TAKEN_TIMEOUT_S, clock, pause_s=0.5)
    for work in working:
        told = adapters.get(work.door.name)
        if told is not None and sum(work.counts.values()) < 2 * work.counts["offered"]:
            work.problems.append(f"door {work.door.name}: {told['state']}: {told['text']}; it brought {work.counts}")


def _counts(work: DoorWork, adapter: Mapping[str, Any]) -> dict[str, int]:
    """Return what a door answered: to what was brought to the node, and to what its adapter fetched."""
    counts = {name: work.sent[name] + int(adapter.get(name, 0)) for name in work.sent}
    return {**counts, "offered": len(work.share.month.records)}


def _adapters(node: DemoNode) -> Sequence[Mapping[str, Any]]:
    answer = httpx.get(f"{node.face}/status.json", timeout=ANSWER_TIMEOUT_S)
    found: Sequence[Mapping[str, Any]] = answer.raise_for_status().json()["adapters"]
    return found
