"""A folder on a real SSH server and adapters of it, for tests."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapters.sftp import KIND
from tests.support.adapter_openings import content_of, opening, outcome
from tests.support.sshd import ssh_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.contract import Adapter
    from tests.support.sshd import Sshd


class Site:
    """A server, a folder on it, and adapters of it."""

    def __init__(self, place: Path, server: Sshd) -> None:
        self.server = server
        self.folder = place / "drop"
        self.folder.mkdir()
        self.kept = place / "kept"
        self._opened: list[Adapter] = []

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": self.server.user,
            "host_keys": [self.server.fingerprint],
            "folder": str(self.folder),
            "settle_s": 0.0,
            "timeout_s": 10.0,
        }

    @property
    def secrets(self) -> dict[str, str]:
        return {"private_key": self.server.private_key}

    def open(
        self,
        *,
        secrets: dict[str, str] | None = None,
        monotonic_s: Callable[[], float] | None = None,
        **settings: Any,
    ) -> Adapter:
        made = opening(KIND, self.kept, self.settings | settings, secrets=self.secrets if secrets is None else secrets)
        adapter = KIND.open(made if monotonic_s is None else dataclasses.replace(made, monotonic_s=monotonic_s))
        self._opened.append(adapter)
        return adapter

    def take(self, adapter: Adapter) -> dict[str, bytes]:
        came = {}
        for delivery in adapter.fetch(10):
            came[delivery.name] = content_of(delivery)
            adapter.acknowledge(delivery, outcome())
        return came

    def names(self, shelf: str = ".") -> list[str]:
        return sorted(path.name for path in (self.folder / shelf).glob("*") if not path.is_dir())

    def close(self) -> None:
        for adapter in self._opened:
            adapter.close()


@contextmanager
def site_of(place: Path, **options: Any) -> Iterator[Site]:
    with ssh_server(place / "sshd", **options) as server:
        site = Site(place, server)
        try:
            yield site
        finally:
            site.close()
