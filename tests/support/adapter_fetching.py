"""A process that fetches by an adapter and answers nothing, to be killed: ``python -m tests.support.adapter_fetching``.

One line of JSON on standard input says what to open; one line for each delivery is printed; then it waits to be killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.adapter_openings import content_of, gather, opening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.contract import Delivery


def told(delivery: Delivery) -> list[str]:
    """Return what is told of a delivery: its key, and the digest of its content."""
    return [delivery.delivery_key, sha256(content_of(delivery)).hexdigest()]


@contextmanager
def fetching(
    entry: str, folder: Path, settings: Mapping[str, Any], secrets: Mapping[str, str], cursor: str | None = None
) -> Iterator[list[str]]:
    """Let another process fetch one delivery, and give what it told of it; at the end the process is killed."""
    asked = {
        "entry": entry,
        "folder": str(folder),
        "settings": dict(settings),
        "secrets": dict(secrets),
        "cursor": cursor,
    }
    command = [sys.executable, "-m", "tests.support.adapter_fetching"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the process ended before it had fetched anything"
        yield json.loads(line)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def main() -> None:
    """Fetch one delivery, tell it, and wait."""
    asked = json.loads(sys.stdin.readline())
    kind = EntryPoint(name="", value=asked["entry"], group="").load()
    adapter = kind.open(
        opening(kind, Path(asked["folder"]), asked["settings"], secrets=asked["secrets"], cursor=asked["cursor"])
    )
    came = gather(adapter, bool, limit=1)
    sys.stdout.write(json.dumps(told(came[0])) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
