"""OpenSSH's server, with a folder to which a department's program on it writes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapters.sftp import KIND
from tests.contract.adapters.sources.file_drop import FolderSource
from tests.support.sshd import ssh_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sshd import Sshd


class SftpSource(FolderSource):
    """A folder on a server: what is put into it is put there by others, what is told is looked at there."""

    kind = KIND
    entry = "adapters.sftp:KIND"
    repeats = True

    def __init__(self, place: Path, server: Sshd) -> None:
        super().__init__(place)
        self.server = server

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": self.server.user,
            "host_keys": [self.server.host_key],
            "folder": str(self.folder),
            "timeout_s": 10.0,
            "settle_s": 0.0,
        }

    @property
    def secrets(self) -> dict[str, str]:
        return {"private_key": self.server.private_key}

    def go_away(self) -> None:
        self.server.kill()

    def come_back(self) -> None:
        self.server.start()

    def lock_out(self) -> str:
        self.server.lock_out()
        return "private_key"

    def close(self) -> None:
        """Everything lies in the folder of the test."""


@contextmanager
def sftp_source(place: Path) -> Iterator[SftpSource]:
    with ssh_server(place / "sshd") as server:
        yield SftpSource(place, server)
