"""The demonstration from beginning to end: raise, publish, feed, compare, show, stop.

``demonstrate`` is what ``yizhan demo`` calls. With ``check`` it runs to the end by itself and prints one JSON document
``yizhan.demo/1``; without it the same happens in front of people, and the four nodes stay up with their addresses until
Ctrl-C. Whatever happens, no process is left behind.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.clock import MachineClock
from node.demo.comparing import NOTICE_STREAM, compare_doors, copies_of, holders_found
from node.demo.feeding import expected_doors, feed_all, plan_feed
from node.demo.latency import TRIES, measure_latency
from node.demo.plan import COUNTIES, NOTICE_TO, PROVINCE
from node.demo.publishing import add_source, exchange_notice, publish_reference, wait_for_reference, wait_for_tree
from node.demo.raising import plan_nodes, raise_tree
from node.demo.settling import Expectation, publish_statistics, settle, wait_quiet
from node.demo.staging import report_nodes, stay_up, stop_nodes, terminated_like_interrupted, working_folder
from node.demo.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from node.clock import Clock
    from node.demo.comparing import Status
    from node.demo.feeding import Feed
    from node.demo.raising import DemoNode

SCHEMA: Final = "yizhan.demo/1"
CASES: Final = 240
"""Cases in all when none are asked for; our own choice, a check then takes well under a minute and a half."""
SEED: Final = 20261001


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is asked of a demonstration: ``cases`` in all counties together, 1 or more; ``home`` None for a new one."""

    cases: int = CASES
    seed: int = SEED
    home: Path | None = None
    check: bool = False


def demonstrate(settings: Settings) -> int:
    """Run the demonstration and return the exit code: 0 when everything was as it should be, 1 otherwise.

    Raises DemonstrationError when a step could not be done at all, KeyboardInterrupt when somebody interrupts before
    the end; the nodes are stopped before either is raised.
    """
    clock = MachineClock()
    with working_folder(settings.home) as home, terminated_like_interrupted():
        nodes = plan_nodes(home)
        try:
            report = _run(settings, nodes, clock)
            if not settings.check:
                stay_up(report, nodes)
        finally:
            stop_nodes(nodes, clock)
    if settings.check:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    return 0 if report["ok"] else 1


def _run(settings: Settings, nodes: dict[str, DemoNode], clock: Clock) -> dict[str, Any]:
    """Do everything once and return the report."""
    begun_s = clock.monotonic_s()
    feeds = plan_feed(cases=settings.cases, seed=settings.seed)
    with Watcher(nodes) as watcher:
        watcher.say("starting four nodes 启动四个节点")
        raise_tree(nodes, clock)
        watcher.say("publishing divisions, calendar, items 发布区划、日历、事项")
        wait_for_tree(nodes, clock)
        publish_reference(nodes)
        wait_for_reference(nodes, clock)
        keys = {county.code: add_source(nodes[county.code]) for county in COUNTIES}
        watcher.say("feeding four doors at once 四个入口同时接入")
        tally = feed_all(feeds, nodes, keys)
        watcher.say("a notice to one county and its reply 定向监察通知与反馈")
        exchange_notice(nodes, clock)
        watcher.say("waiting until everybody holds everything 等待各级一致")
        wait_quiet(nodes, clock)
        watcher.say("measuring single records 测量单条时延")
        latency_s = measure_latency(
            nodes[NOTICE_TO.code], nodes[PROVINCE.code], keys[NOTICE_TO.code], clock, seed=settings.seed
        )
        watcher.say("statistics, level by level 逐级统计")
        publish_statistics(nodes, clock)
        watcher.say("comparing 核对")
        statuses, problems = settle(nodes, _expectation(feeds), clock)
    problems += compare_doors(tally.doors, expected_doors(feeds))
    return {
        **_report(statuses, problems),
        "seconds": round(clock.monotonic_s() - begun_s, 1),
        "doors": tally.doors,
        "latency_s": latency_s,
    }


def _expectation(feeds: Sequence[Feed]) -> Expectation:
    """Return what must be there at the end: the month, and the single records by which latency was measured."""
    cases = {feed.county: feed.month.cases for feed in feeds}
    cases[NOTICE_TO.code] += TRIES
    return Expectation(cases=cases, findings=sum(feed.month.illogical for feed in feeds), statistics=True)


def _report(statuses: Mapping[str, Status], problems: list[str]) -> dict[str, Any]:
    """Return the document but for what was measured on the way."""
    copies = {code: copies_of(status) for code, status in statuses.items()}
    return {
        "schema": SCHEMA,
        "ok": not problems,
        "problems": problems,
        "nodes": report_nodes(statuses),
        "directed": {"to": NOTICE_TO.code, "held_by": holders_found(copies, NOTICE_STREAM)},
    }
