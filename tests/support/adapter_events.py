"""What a kind does while it is opened, heard in a process of its own: ``python -m tests.support.adapter_events``.

A hook for audit events stays as long as its process, and with one, two threads of Python 3.11 cannot begin at the same
time while they are measured. JSON on standard input says what to open; the events of input and output are printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.adapter_openings import opening

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUT_AND_OUTPUT: Final = ("open", "socket.", "subprocess.", "sqlite3.", "os.", "shutil.", "tempfile.")
"""Beginnings of the audit events (docs.python.org, Audit events table) that tell of input or output."""
LIMIT_S: Final = 60


def events_of_opening(entry: str, folder: Path, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> list[str]:
    """Return the events of input and output while the kind at ``entry`` (MODULE:NAME) is opened."""
    asked = {"entry": entry, "folder": str(folder), "settings": dict(settings), "secrets": dict(secrets)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.adapter_events"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    events: list[str] = json.loads(done.stdout)
    return events


def main() -> None:
    """Open a kind twice, and tell what the second opening did."""
    asked = json.loads(sys.stdin.read())
    kind = EntryPoint(name="", value=asked["entry"], group="").load()
    opened = opening(kind, Path(asked["folder"]), asked["settings"], secrets=asked["secrets"])
    kind.open(opened).close()  # Modules that are needed for the first time are read now.
    seen: list[str] = []
    ours = threading.get_ident()
    is_opening = True

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if is_opening and threading.get_ident() == ours and event.startswith(INPUT_AND_OUTPUT):
            seen.append(f"{event} {arguments}")

    sys.addaudithook(hear)
    adapter = kind.open(opened)
    is_opening = False
    adapter.close()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
