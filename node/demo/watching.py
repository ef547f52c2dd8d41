"""The live table: counts and lags of the four nodes, drawn again every second while the demonstration goes on.

On a terminal it is one table that changes in place; elsewhere a line each ten seconds, so that a log stays readable.
Everything goes to standard error: standard output is for the JSON document.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from node.demo.figures import Figures, read_figures
from node.demo.plan import COUNTIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from node.demo.raising import DemoNode

REFRESH_S: Final = 1.0
LINE_EVERY: Final = 10
"""Without a terminal: one line each so many refreshes (page 2.3 of the command line's contract: ten seconds)."""


class Watcher:
    """Shows what the nodes hold, as a context; ``say`` changes the line above the table."""

    def __init__(self, nodes: Mapping[str, DemoNode], *, enabled: bool = True) -> None:
        self._nodes = nodes
        self._terminal = enabled and sys.stderr.isatty()
        self._enabled = enabled
        self._phase = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._live: Any = None

    def __enter__(self) -> Self:
        if self._terminal:
            from rich.console import Console  # noqa: PLC0415 - loaded only where something is drawn.
            from rich.live import Live  # noqa: PLC0415

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
            self._live.start()
        if self._enabled:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._live is not None:
            self._draw(self._read())
            self._live.stop()

    def say(self, phase: str) -> None:
        """Say what is being done now."""
        self._phase = phase
        if self._enabled and not self._terminal:
            sys.stderr.write(f"demo: {phase}\n")

    def _watch(self) -> None:
        turn = 0
        while not self._stop.wait(REFRESH_S):
            turn += 1
            if self._terminal:
                self._draw(self._read())
            elif turn % LINE_EVERY == 0:
                sys.stderr.write(f"demo: {self._phase}: {summary_line(self._read())}\n")

    def _read(self) -> dict[str, Figures | None]:
        with httpx.Client() as client:
            return {code: read_figures(client, node.face) for code, node in self._nodes.items()}

    def _draw(self, figures: Mapping[str, Figures | None]) -> None:
        self._live.update(figures_table(self._phase, self._nodes, figures), refresh=True)


def summary_line(figures: Mapping[str, Figures | None]) -> str:
    """Return one line: records of the counties' streams held, per node."""
    return " · ".join(f"{code} {_held(seen)}" for code, seen in figures.items())


def figures_table(phase: str, nodes: Mapping[str, DemoNode], figures: Mapping[str, Figures | None]) -> Any:
    """Return the table that is drawn: a row per node, a column per county's stream, counts, lags, address."""
    from rich.table import Table  # noqa: PLC0415 - loaded only where something is drawn.

    streams = [f"{county.code}/ancestors" for county in COUNTIES]
    table = Table(title=phase, title_justify="left")
    for heading in ("节点 Node", *streams, "办件 Cases", "疑点 Findings", "滞后 Lag", "地址 Address"):
        table.add_column(heading, justify="left" if heading.startswith(("节点", "地址")) else "right")
    for code, node in nodes.items():
        seen = figures.get(code)
        name = f"{node.plan.name} {code}"
        if seen is None:
            table.add_row(name, *("…" for _ in streams), "…", "…", "…", node.face)
            continue
        held = [str(seen.streams.get(stream, "—")) for stream in streams]
        table.add_row(
            name, *held, str(seen.cases), str(seen.findings), f"{seen.lag_records} / {seen.lag_s:.0f} s", node.face
        )
    return table


def _held(seen: Figures | None) -> str:
    if seen is None:
        return "…"
    return str(sum(size for stream, size in seen.streams.items() if stream.endswith("/ancestors")))
