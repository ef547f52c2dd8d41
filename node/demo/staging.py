"""What every demonstration needs around its nodes: a folder, signals, an end, and where to look meanwhile.

Called by ``node.demo.demonstration`` and by the demonstration of the doors, which stands in tests.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.demo.comparing import copies_of
from node.demo.program import stop_all
from node.demo.watching import Watcher
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from node.clock import Clock
    from node.demo.comparing import Status
    from node.demo.raising import DemoNode


def report_nodes(statuses: Mapping[str, Status]) -> dict[str, Any]:
    """Return what the report of a demonstration says of each node, given its status document, by code."""
    return {
        code: {
            "level": status["node"]["level"],
            "streams": {name: {"size": size, "root": root} for name, (size, root) in copies_of(status).items()},
            "cases": status["cases"],
            "quarantined": status["quarantined"],
            "findings": status["findings"],
            "penalties": status["penalties"],
            "penalty_findings": status["penalty_findings"],
            "statistics": status["statistics"]["state"],
        }
        for code, status in statuses.items()
    }


def stay_up(report: Mapping[str, Any], nodes: Mapping[str, DemoNode], further: Sequence[str] = ()) -> None:
    """Say what came out and where to look, then show counts and lags until Ctrl-C.

    ``further`` are lines that stand behind the addresses of the nodes.
    """
    words = "everything agrees 全部一致" if report["ok"] else "NOT in order 不一致"
    figures = [f"{report['seconds']} s", *([f"{report['latency_s']}"] if "latency_s" in report else [])]
    sys.stderr.write(f"demo: {' · '.join([words, *figures])}\n")
    for problem in report["problems"]:
        sys.stderr.write(f"demo: {problem}\n")
    for node in nodes.values():
        sys.stdout.write(f"{node.plan.code} {node.plan.name}  {node.face}/\n")
    sys.stdout.writelines(f"{line}\n" for line in further)
    sys.stdout.flush()
    sys.stderr.write("demo: Ctrl-C stops everything 按 Ctrl-C 停止\n")
    try:
        with Watcher(nodes) as watcher:
            watcher.say("running 运行中")
            threading.Event().wait()
    except KeyboardInterrupt:
        sys.stderr.write("demo: stopping 正在停止\n")


def stop_nodes(nodes: Mapping[str, DemoNode], clock: Clock) -> None:
    """Stop all processes; a second Ctrl-C does not keep it from ending."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop_all([node.process for node in nodes.values()], clock)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def working_folder(given: Path | None) -> Iterator[Path]:
    """Give the folder to work in: the one asked for, which must be empty, or one that vanishes afterwards."""
    if given is None:
        with tempfile.TemporaryDirectory(prefix="yizhan-demo-", ignore_cleanup_errors=True) as made:
            yield Path(made)
        return
    if given.exists() and any(given.iterdir()):
        raise DemonstrationError(
            f"{given} is not empty", why="a demonstration begins with nothing", action="Give --home another folder"
        )
    given.mkdir(parents=True, exist_ok=True)
    yield given.resolve()


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Make SIGTERM end the demonstration as Ctrl-C does, so that no node is left behind.

    SIGINT is set too: a shell that starts a program in the background has it ignored.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
