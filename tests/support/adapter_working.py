"""A process that takes deliveries as a node does, to be killed: ``python -m tests.support.adapter_working``.

One line of JSON on standard input says what to open. Each delivery is written to a journal, a line of JSON with its key
and content, before it is acknowledged; the process ends by itself when nothing came in a round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import SourceUnavailableError
from tests.support.adapter_openings import content_of, opening, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.randomness import Randomness

_ROUNDS_MAX: Final = 1000


def start(
    entry: str, folder: Path, settings: Mapping[str, Any], secrets: Mapping[str, str], journal: Path
) -> subprocess.Popen[str]:
    """Start the process."""
    asked = {
        "entry": entry,
        "folder": str(folder),
        "settings": dict(settings),
        "secrets": dict(secrets),
        "journal": str(journal),
    }
    command = [sys.executable, "-m", "tests.support.adapter_working"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.close()
    return process


def work_and_be_killed(
    entry: str,
    folder: Path,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    journal: Path,
    *,
    kills: int,
    chance: Randomness,
) -> list[tuple[str, str]]:
    """Kill the process at random moments of its work, then let it come to an end; return keys and contents taken.

    A line that was half written when the process died was never acknowledged.
    """
    for _ in range(kills):
        process = start(entry, folder, settings, secrets, journal)
        before = _size(journal)
        wake = threading.Event()
        while process.poll() is None and _size(journal) == before:
            wake.wait(0.005)
        wake.wait(chance.uniform(0, 0.03))
        process.kill()
        process.wait()
        _end_line(journal)
    assert start(entry, folder, settings, secrets, journal).wait(timeout=60) == 0
    return taken(journal)


def taken(journal: Path) -> list[tuple[str, str]]:
    """Return what a journal holds: keys and contents."""
    found = []
    for line in journal.read_text(encoding="utf-8").splitlines():
        if line.endswith("]"):
            key, content = json.loads(line)
            found.append((key, content))
    return found


def _size(journal: Path) -> int:
    return journal.stat().st_size if journal.exists() else 0


def _end_line(journal: Path) -> None:
    with journal.open("ab") as file:
        file.write(b"\n")


def main() -> None:
    """Work until nothing comes."""
    asked = json.loads(sys.stdin.readline())
    kind = EntryPoint(name="", value=asked["entry"], group="").load()
    adapter = kind.open(opening(kind, Path(asked["folder"]), asked["settings"], secrets=asked["secrets"]))
    with Path(asked["journal"]).open("a", encoding="utf-8") as journal:
        for _ in range(_ROUNDS_MAX):
            came = False
            try:
                for delivery in adapter.fetch(5):
                    came = True
                    journal.write(json.dumps([delivery.delivery_key, content_of(delivery).decode()]) + "\n")
                    journal.flush()
                    os.fsync(journal.fileno())
                    adapter.acknowledge(delivery, outcome())
            except SourceUnavailableError:
                threading.Event().wait(0.05)
                continue
            if not came:
                break
    adapter.close()


if __name__ == "__main__":
    main()
