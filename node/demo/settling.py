"""Waiting until the tree is quiet, and the final comparison: every holder complete, every figure agreed.

While records travel, only the cheap figures are asked; when they agree, the full status documents decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from node.demo.comparing import (
    Copies,
    Status,
    compare_copies,
    compare_counts,
    compare_penalties,
    compare_seals,
    compare_statistics,
    copies_of,
)
from node.demo.figures import Figures, read_figures
from node.demo.plan import COUNTIES, NODES, PROVINCE
from node.demo.program import call
from node.demo.raising import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.clock import Clock
    from node.demo.raising import DemoNode

QUIET_TIMEOUT_S: Final = 180.0
"""Longest wait until every node holds what it should; our own bound, seconds are usual."""
DEGRADED: Final = 3
"""Exit code of ``yizhan status`` when something needs a look; the comparison then says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must be there at the end: cases by county code, how many were made illogical, whether verdicts are due."""

    cases: Mapping[str, int]
    findings: int
    statistics: bool = False


def settle(
    nodes: Mapping[str, DemoNode], expected: Expectation, clock: Clock, *, timeout_s: float = QUIET_TIMEOUT_S
) -> tuple[dict[str, Status], list[str]]:
    """Wait until nothing is wrong, at most ``timeout_s``; return the last status documents and what is still wrong."""
    statuses: dict[str, Status] = {}
    problems: list[str] = []

    def settled() -> bool:
        nonlocal statuses, problems
        if clock.monotonic_s() < deadline_s and not _looks_quiet(nodes, client):
            return False
        statuses = {code: call(node.home, "status", accepted=(0, DEGRADED)) for code, node in nodes.items()}
        problems = compare_all(statuses, expected)
        return not problems

    deadline_s = clock.monotonic_s() + timeout_s
    with httpx.Client() as client:
        wait_until(settled, timeout_s, clock, pause_s=0.2)
        if not statuses:
            settled()
    return statuses, problems


def wait_quiet(nodes: Mapping[str, DemoNode], clock: Clock, *, timeout_s: float = QUIET_TIMEOUT_S) -> bool:
    """Wait until the figures agree (sizes, no lag); cheap, for the steps on the way. Return whether in time."""
    with httpx.Client() as client:
        return wait_until(lambda: _looks_quiet(nodes, client), timeout_s, clock, pause_s=0.2)


def publish_statistics(nodes: Mapping[str, DemoNode], clock: Clock) -> None:
    """Publish from the bottom upward: each level adds up what the level below has published."""
    for level in (COUNTIES, [plan for plan in NODES if plan not in (PROVINCE, *COUNTIES)], [PROVINCE]):
        for plan in level:
            call(nodes[plan.code].home, "statistics", "publish")
        wait_quiet(nodes, clock)


def compare_all(statuses: Mapping[str, Status], expected: Expectation) -> list[str]:
    """Return everything that is wrong with what the nodes hold, know and counted."""
    return [
        *compare_copies({code: copies_of(status) for code, status in statuses.items()}),
        *compare_seals(statuses),
        *compare_counts(statuses, cases=expected.cases, findings=expected.findings),
        *compare_penalties(statuses),
        *(compare_statistics(statuses) if expected.statistics else ()),
    ]


def _looks_quiet(nodes: Mapping[str, DemoNode], client: httpx.Client) -> bool:
    seen = {code: read_figures(client, node.face) for code, node in nodes.items()}
    known = {code: figures for code, figures in seen.items() if figures is not None}
    return len(known) == len(nodes) and figures_agree(known)


def figures_agree(by_code: Mapping[str, Figures]) -> bool:
    """Tell whether sizes agree everywhere and no link lags."""
    held: dict[str, Copies] = {
        code: {stream: (size, "") for stream, size in one.streams.items()} for code, one in by_code.items()
    }
    return not compare_copies(held) and all(one.lag_records == 0 for one in by_code.values())
