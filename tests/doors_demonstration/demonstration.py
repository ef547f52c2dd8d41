"""The demonstration of the doors from beginning to end: raise, start, connect, hand over, compare, show, stop.

With ``check`` it ends by itself and prints one JSON document ``yizhan.demo/1``; without, everything stays up until
Ctrl-C. A door whose department cannot be started, or connected, is a problem of the report, and the others go on.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from node.clock import MachineClock
from node.demo.comparing import NOTICE_STREAM, compare_doors, copies_of, holders_found
from node.demo.demonstration import SCHEMA, SEED
from node.demo.plan import COUNTIES, NOTICE_TO
from node.demo.publishing import exchange_notice, publish_reference, wait_for_reference, wait_for_tree
from node.demo.raising import initialise, join, plan_nodes, start
from node.demo.settling import Expectation, publish_statistics, settle, wait_quiet
from node.demo.staging import report_nodes, stay_up, stop_nodes, terminated_like_interrupted, working_folder
from node.demo.watching import Watcher
from tests.doors_demonstration.adding import switch_on
from tests.doors_demonstration.doors import DOORS, shares_of
from tests.doors_demonstration.handing_over import DoorWork, await_adapters, connect, hand_over, start_departments
from tests.doors_demonstration.notices import NOTIFIED, follow_notices, send_notices
from tests.support.adding_adapters import kinds_installed
from tests.support.sshd import descendants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from node.clock import Clock
    from node.demo.comparing import Status
    from node.demo.raising import DemoNode
    from tests.doors_demonstration.doors import Share
    from tests.doors_demonstration.notices import Notice

CASES: Final = 72
"""Cases in all when none are asked for: eight for each door. Our own choice, a check then stays below two minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is asked: ``doors`` by their names, all by default; ``home`` None for a folder that vanishes afterwards."""

    cases: int = CASES
    seed: int = SEED
    home: Path | None = None
    check: bool = False
    doors: Sequence[str] = field(default_factory=lambda: tuple(door.name for door in DOORS))


def demonstrate(settings: Settings) -> int:
    """Run the demonstration and return the exit code: 0 when everything was as it should be, 1 otherwise.

    Raises DemonstrationError when a step could not be done at all, KeyboardInterrupt when somebody interrupts before
    the end; nodes and departments are stopped before either is raised.
    """
    clock = MachineClock()
    others = set(descendants(os.getpid()))
    with working_folder(settings.home) as home, terminated_like_interrupted(), kinds_installed(home / "site"):
        nodes = plan_nodes(home)
        running = ExitStack()
        try:
            works = _works(settings, home)
            report = _run(works, nodes, running, clock)
            if not settings.check:
                stay_up(report, nodes, _places(works))
        finally:
            _stop(nodes, running, clock, others)
    if settings.check:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    return 0 if report["ok"] else 1


def _works(settings: Settings, home: Path) -> list[DoorWork]:
    doors = [door for door in DOORS if door.name in settings.doors]
    shares = shares_of(doors, cases=settings.cases, seed=settings.seed)
    return [DoorWork(share=share, folder=home / "departments" / share.door.name) for share in shares]


def _run(works: Sequence[DoorWork], nodes: dict[str, DemoNode], running: ExitStack, clock: Clock) -> dict[str, Any]:
    """Do everything once and return the report; what is started for the departments is ended by ``running``."""
    begun_s = clock.monotonic_s()
    with Watcher(nodes) as watcher, ThreadPoolExecutor(len(works) + 1) as pool:
        watcher.say("starting four nodes and the departments' systems 启动四个节点和各部门系统")
        starting = pool.submit(start_departments, works, running)
        _raise_tree(nodes, clock)
        watcher.say("publishing divisions, calendar, items 发布区划、日历、事项")
        wait_for_tree(nodes, clock)
        publish_reference(nodes)
        wait_for_reference(nodes, clock)
        starting.result()
        watcher.say("adding sources and adapters 添加来源和适配器")
        connect(works, nodes, pool)
        watcher.say("all doors at once 各入口同时接入")
        hand_over(works, pool)
        notices = send_notices([work.door for work in works if work.works and work.door.name in NOTIFIED], nodes)
        exchange_notice(nodes, clock)
        await_adapters(works, nodes, clock)
        watcher.say("notices down to departments 向部门下达通知")
        follow_notices(notices, {work.door.name: work.department for work in works if work.department}, nodes, clock)
        watcher.say("waiting until everybody holds everything 等待各级一致")
        wait_quiet(nodes, clock)
        watcher.say("statistics, level by level 逐级统计")
        publish_statistics(nodes, clock)
        watcher.say("comparing 核对")
        statuses, wrong = settle(nodes, _expectation([work.share for work in works if work.works]), clock)
    return {
        **_report(statuses, works, notices, wrong),
        "seconds": round(clock.monotonic_s() - begun_s, 1),
    }


def _raise_tree(nodes: dict[str, DemoNode], clock: Clock) -> None:
    """Initialise, join and start every node, parents first; those of the counties with the features of the doors."""
    for node in nodes.values():
        initialise(node)
        if node.plan in COUNTIES:
            switch_on(node)
        if node.plan.parent is not None:
            join(node, nodes[node.plan.parent])
        start(node, clock)


def _expectation(shares: Sequence[Share]) -> Expectation:
    cases = {county.code: 0 for county in COUNTIES}
    for share in shares:
        cases[share.door.county.code] += share.month.cases
    return Expectation(cases=cases, findings=sum(share.month.illogical for share in shares), statistics=True)


def _report(
    statuses: Mapping[str, Status], works: Sequence[DoorWork], notices: Sequence[Notice], wrong: Sequence[str]
) -> dict[str, Any]:
    """Return the document but for how long it took."""
    problems = [problem for work in works for problem in work.problems]
    problems += [problem for notice in notices for problem in notice.problems()]
    counts = {work.door.name: work.counts for work in works}
    expected = {work.door.name: work.share.expected() for work in works}
    working = {work.door.name: work.counts for work in works if work.works}
    problems += [*wrong, *compare_doors(working, expected)]
    copies = {code: copies_of(status) for code, status in statuses.items()}
    return {
        "schema": SCHEMA,
        "ok": not problems,
        "problems": problems,
        "nodes": report_nodes(statuses),
        "directed": {"to": NOTICE_TO.code, "held_by": holders_found(copies, NOTICE_STREAM)},
        "doors": counts,
        "notices": [notice.as_json() for notice in notices],
    }


def _places(works: Sequence[DoorWork]) -> list[str]:
    """Return a line for each department: its door, its name, and where its system is found."""
    return [
        f"{work.door.name} {work.door.organisation_name}  {work.department.place}".rstrip()
        for work in works
        if work.department is not None
    ]


def _stop(nodes: Mapping[str, DemoNode], running: ExitStack, clock: Clock, others: set[int]) -> None:
    """Stop all nodes and departments, whatever is pressed meanwhile; at last every process of ours but ``others``."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        stop_nodes(nodes, clock)
        # Stopping the nodes gave Ctrl-C back; the departments' systems are ended by its first press too.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        running.close()
    finally:
        # What was interrupted between being started and being known.
        for process in set(descendants(os.getpid())) - others:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
