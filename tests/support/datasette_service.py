"""Datasette over an SQLite file, in a process of its own: an API with pages that others wrote (datasette.io)."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TOKEN: Final = "bearer-token-81"
_STARTED_S: Final = 60.0
_PLUGIN: Final = """
from pathlib import Path

from datasette import hookimpl


@hookimpl
def actor_from_request(request):
    if request.headers.get("authorization") == "Bearer " + Path({token!r}).read_text():
        return {{"id": "node"}}
    return None
"""


class Datasette:
    """The table ``cases`` of a file in ``folder``, with columns id, name; only who shows the token is let in."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "hall.db"
        self._folder = folder
        self._token = folder / "token"
        self._token.write_text(TOKEN)
        (folder / "plugins").mkdir()
        (folder / "plugins" / "tokens.py").write_text(_PLUGIN.format(token=str(self._token)))
        (folder / "metadata.json").write_text(json.dumps({"allow": {"id": "node"}}))
        with closing(sqlite3.connect(self._file)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE cases (id INTEGER PRIMARY KEY, name TEXT)")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = int(listening.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        """Where the rows are handed out."""
        return f"http://127.0.0.1:{self.port}/hall/cases.json"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-W", "ignore", "-m", "datasette", "serve", str(self._file), "-p", str(self.port)]
        command += ["--plugins-dir", str(self._folder / "plugins"), "--metadata", str(self._folder / "metadata.json")]
        command += ["--setting", "default_cache_ttl", "0"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        until_s = time.monotonic() + _STARTED_S
        while not self._listens():
            assert self._process.poll() is None, (self._folder / "log").read_text()[-500:]
            assert time.monotonic() < until_s
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def add(self, names: Iterable[str]) -> None:
        """Add a row for each name."""
        with closing(sqlite3.connect(self._file, timeout=30)) as database, database:
            database.executemany("INSERT INTO cases (name) VALUES (?)", ((name,) for name in names))

    def rows(self) -> list[tuple[int, str]]:
        """Return what the table holds."""
        with closing(sqlite3.connect(self._file, timeout=30)) as database:
            return list(database.execute("SELECT id, name FROM cases ORDER BY id"))

    def change_token(self) -> None:
        """Let in only who shows another token."""
        self._token.write_text("another-token-82")

    def _listens(self) -> bool:
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", self.port)) == 0
