"""An adapter of others on the path, an intake on a store, and keepers of adapters with real processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import MachineClock
from node.departments.doors import book
from node.departments.doors.adapters_file import read_adapter
from node.departments.doors.folders import make_folder
from node.departments.doors.keeper import Keeper
from node.departments.sources import add_source
from node.randomness import SeededRandomness
from tests.support.intake import intake_on
from tests.support.scripted_adapters import install_scripted
from tests.support.stores import any_store, file_store, memory, postgres, postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.departments.accept import Intake
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.book import KnownAdapter
    from node.journal.store import Store

__all__ = ["any_store", "file_store", "memory", "postgres", "postgres_url"]


@dataclass(slots=True, kw_only=True)
class Door:
    """One scripted adapter of a home, its folder of deliveries, and the keepers made for it."""

    home: Path
    folder: Path
    intake: Intake
    keepers: list[Keeper] = field(default_factory=list)

    def config(
        self, *, secrets: dict[str, str] | None = None, settings: dict[str, Any] | None = None, **keys: Any
    ) -> AdapterConfig:
        table = {
            "kind": "scripted",
            "source": "hall",
            "settings": {"folder": str(self.folder), **(settings or {})},
            **keys,
        }
        listed = read_adapter(self.home, "door", table, {}, secrets=secrets or {})
        assert listed.config is not None, listed.mistake
        return listed.config

    def keeper(self, config: AdapterConfig | None = None, **keys: Any) -> Keeper:
        config = config or self.config(**keys)
        make_folder(self.home, config.name)
        keeper = Keeper(self.intake, config, self.home, zone="Asia/Shanghai", environment=dict(os.environ))
        self.keepers.append(keeper)
        return keeper

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def script(self, *lines: str) -> None:
        (self.folder / "script").write_text("\n".join(lines))

    def answers(self) -> list[str]:
        path = self.folder / "done" / "answers"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def row(self) -> KnownAdapter:
        with self.intake.store.reading() as connection:
            row = book.known_adapter(connection, "door")
        assert row is not None
        return row

    def records(self) -> int:
        with self.intake.store.reading() as connection:
            return sum(held.size for held in self.intake.journal.streams(connection))


def door_on(store: Store, home: Path) -> Door:
    intake = intake_on(store)
    intake.clock = MachineClock()
    add_source(store, "hall", clock=intake.clock, randomness=SeededRandomness("source"))
    folder = home / "deliveries"
    folder.mkdir()
    return Door(home=home, folder=folder, intake=intake)


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of the scripted adapter on the path."""
    return install_scripted(tmp_path / "site", monkeypatch)


@pytest.fixture
def door(memory: Store, scripted: Path, tmp_path: Path) -> Iterator[Door]:  # noqa: ARG001 - it must be on the path.
    made = door_on(memory, tmp_path)
    yield made
    for keeper in made.keepers:
        keeper.let_go()
