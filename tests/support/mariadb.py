"""A real MariaDB server for tests: in a temporary folder, under an account without privileges."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql

from tests.support.postgres import NoServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STARTED_S = 60.0
_FOLDERS = ("/usr/sbin", "/usr/libexec", "/usr/bin")
_SPEED = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=8M",
    "--innodb-doublewrite=0",
    "--sync-binlog=0",
    "--performance-schema=0",
    "--aria-pagecache-buffer-size=1M",
    "--key-buffer-size=1M",
)


class MariadbServer:
    """A server in ``folder``, on a socket there and on a loopback port; its root account is used by the socket."""

    def __init__(self, folder: Path, account: str, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.account = account
        self.socket = folder / "socket"
        self.port = _free_port()
        self._options = options
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers; raises NoServerError with the reason when it does not."""
        command = [
            _program("mariadbd", "mysqld"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.socket}",
            f"--tmpdir={self.folder}",
            f"--pid-file={self.folder / 'process'}",
            f"--port={self.port}",
            # Every address of this machine's loopback and no other: tests meet some of them as if they were far.
            "--bind-address=127.0.0.1,127.0.0.2",
            *_user(self.account),
            *_SPEED,
            *self._options,
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until_s = time.monotonic() + _STARTED_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until_s:
                raise NoServerError(f"mariadbd: {(self.folder / 'log').read_text()[-500:]}")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        self.root().close()

    def stop(self) -> None:
        """Kill the server, as a power cut would."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as line:
            return line.connect_ex(str(self.socket)) == 0

    def root(self, database: str | None = None, **options: Any) -> pymysql.Connection[Any]:
        """Return a connection of the administrator, which commits each statement."""
        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True, charset="utf8mb4", **options
        )

    def run(self, *statements: str, database: str | None = None) -> list[Any]:
        """Run statements as the administrator; return the rows of the last one."""
        connection = self.root(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def database(self, charset: str = "utf8mb4") -> str:
        """Make an empty database and return its name."""
        name = f"department_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} CHARACTER SET {charset}")
        return name


@contextmanager
def mariadb_server(**files: Path) -> Iterator[MariadbServer]:
    """Start a server and stop it at the end; raises NoServerError with the reason when that is not possible.

    ``files`` are options that name a file (``ssl_cert``): the server is given a copy that its account may read.
    """
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="yizhan-maria-"))
    options = [f"--{name.replace('_', '-')}={shutil.copy(path, folder)}" for name, path in files.items()]
    server = MariadbServer(folder, account, options)
    try:
        folder.chmod(0o755)
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, account)
        made = subprocess.run(
            [
                _program("mariadb-install-db", "mysql_install_db"),
                "--no-defaults",
                f"--datadir={folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *_user(account),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        if made.returncode:
            raise NoServerError(f"mariadb-install-db: {made.stderr.strip()[-300:]}")
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _program(*names: str) -> str:
    for name in names:
        found = shutil.which(name) or next((f"{one}/{name}" for one in _FOLDERS if Path(one, name).exists()), None)
        if found:
            return found
    raise NoServerError("MariaDB is not installed (apt install mariadb-server)")


def _account() -> str:
    """Return the account that the server runs under: not root, where we are."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    for name in ("mysql", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise NoServerError("no account to run MariaDB under")


def _user(account: str) -> tuple[str, ...]:
    return (f"--user={account}",) if os.geteuid() == 0 else ()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
