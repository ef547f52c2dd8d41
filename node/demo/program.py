"""The program ``yizhan`` as a user has it: one call is one process, its answer one JSON document.

Long-running nodes get a process group of their own, so that stopping one leaves nothing behind. Called by the
demonstration and by tests that need real processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from node.errors import DemonstrationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from node.clock import Clock

# -P: a folder named `node` where the user happens to stand must not be taken for ours.
PROGRAM: Final = (sys.executable, "-P", "-m", "node.cli")
CALL_TIMEOUT_S: Final = 120.0
"""Longest that one call may take; our own bound, far above what any of them needs."""
STOP_TIMEOUT_S: Final = 3.5
"""How long nodes may take to stop cleanly before they are killed: with the rest it stays below five seconds."""


def call(home: Path, *arguments: str, accepted: Collection[int] = (0,)) -> dict[str, Any]:
    """Run ``yizhan ARGUMENTS`` for one home and return its JSON document.

    Args:
        home: the node's folder.
        arguments: the command with its options; ``--home`` and ``--json`` are added.
        accepted: exit codes that are no failure.

    Raises:
        DemonstrationError: the exit code is another one, or standard output is not one JSON document.
    """
    command = [*PROGRAM, *arguments, "--home", str(home), "--json", "--no-input", "--yes"]
    done = subprocess.run(  # noqa: S603 - our own program, no shell.
        command, capture_output=True, check=False, text=True, timeout=CALL_TIMEOUT_S, stdin=subprocess.DEVNULL
    )
    shown = "yizhan " + " ".join([*arguments, "--home", str(home)])
    if done.returncode not in accepted:
        raise DemonstrationError(
            f"`{shown}` left with {done.returncode}", why=(done.stderr or done.stdout).strip()[-2000:]
        )
    try:
        document = json.loads(done.stdout)
    except ValueError as cause:
        raise DemonstrationError(f"`{shown}` did not write one JSON document", why=done.stdout[:500]) from cause
    if not isinstance(document, dict):
        raise DemonstrationError(f"`{shown}` did not write a JSON object", why=done.stdout[:500])
    return document


@dataclass(slots=True)
class RunningNode:
    """``yizhan run`` of one home; ``process`` is None before the first start and after a stop.

    ``environment`` is added to ours at each start.
    """

    home: Path
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, options: Sequence[str] = ()) -> None:
        """Start the node; its output goes to ``run.log`` in its home. Does not wait until it is ready."""
        with (self.home / "run.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program, no shell.
                [*PROGRAM, "run", "--home", str(self.home), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | self.environment,
            )

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to everything that belongs to this node; nothing when it is gone."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return

    def log_tail(self) -> str:
        """Return the end of the node's log, for a message to people."""
        path = self.home / "run.log"
        return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else ""


def stop_all(nodes: Sequence[RunningNode], clock: Clock, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
    """Stop every node at once; return whether all of them left by themselves.

    Whatever still lives after ``timeout_s`` seconds (of all together) is killed with its whole group.
    """
    for node in nodes:
        node.tell(signal.SIGTERM)
    deadline_s = clock.monotonic_s() + timeout_s
    clean = True
    for node in nodes:
        if node.process is None:
            continue
        try:
            node.process.wait(max(0.05, deadline_s - clock.monotonic_s()))
        except subprocess.TimeoutExpired:
            clean = False
        node.tell(signal.SIGKILL)
        node.process.wait()
        node.process = None
    return clean
