"""A real PostgreSQL server for tests: on a socket in a temporary folder, under an account without privileges."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACCOUNTS = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "''",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
}


class NoServerError(Exception):
    """No PostgreSQL server can be started here; the text says why."""


class PostgresServer:
    """A server in ``folder``; ``database()`` makes an empty database and returns its URL."""

    def __init__(self, folder: Path, account: str, run: dict[str, Any]) -> None:
        self.folder = folder
        self.account = account
        self.settings = dict(_SETTINGS)
        self._run = run
        self._control = (_binaries() / "pg_ctl", "-D", folder / "data", "-w", "-t", "60")
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """Start the server and wait until it answers; raises NoServerError with the reason when it does not."""
        settings = " ".join(f"-c {name}={value}" for name, value in self.settings.items())
        options = f"-k {self.folder} {settings}"
        log = self.folder / "log"
        started = subprocess.run(
            [*self._control, "-l", log, "-o", options, "start"],
            check=False,
            **(self._run | {"capture_output": False, "stdout": subprocess.DEVNULL}),
        )
        if started.returncode:
            raise NoServerError(f"pg_ctl: {log.read_text()[-300:]}")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: ``fast`` ends every session in order, ``immediate`` leaves all as a crash would."""
        subprocess.run([*self._control, "-m", mode, "stop"], check=True, **self._run)

    def database(self, template: str = "template0") -> str:
        name = f"yizhan_{next(self._numbers)}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        name = make_url(url).database
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{self.account}@/{name}?host={self.folder}"

    def _dsn(self, name: str) -> str:
        return f"host={self.folder} user={self.account} dbname={name}"


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server and stop it at the end; raises NoServerError with the reason when that is not possible."""
    binaries = _binaries()
    account, start_options = _account()
    folder = Path(tempfile.mkdtemp(prefix="yizhan-pg-"))
    try:
        if "user" in start_options:
            shutil.chown(folder, account, None)
        data = folder / "data"
        run: dict[str, Any] = {"capture_output": True, "text": True, "cwd": folder, **start_options}
        made = subprocess.run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                account,
                "-A",
                "trust",
                "-N",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ],
            check=False,
            **run,
        )
        if made.returncode:
            raise NoServerError(f"initdb: {made.stderr.strip()[-300:]}")
        server = PostgresServer(folder, account, run)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found:
        return found[-1]
    program = shutil.which("initdb")
    if program is None:
        raise NoServerError("PostgreSQL is not installed (apt install postgresql)")
    return Path(program).resolve().parent


def _account() -> tuple[str, dict[str, Any]]:
    """Return the account that the server runs under; the server refuses to run as root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, {}
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return name, {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NoServerError("no account to run PostgreSQL under")
