"""A department that puts files into a folder, and the county's node that keeps the door to it, for tests."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.clock import MachineClock
from node.departments.doors.adapters_file import read_adapter
from node.departments.doors.folders import make_folder
from node.departments.doors.keeper import Keeper
from node.departments.sources import add_source
from node.standard.codec import parse_record
from node.standard.compose import content_of
from node.standard.seals import StreamName
from tests.support.intake import NODE, intake_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.departments.accept import Intake
    from node.journal.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderHall:
    """A county's node with a door to a folder, and the folder as the department sees it."""

    intake: Intake
    keeper: Keeper
    folder: Path

    def hand_in(self, name: str, content: bytes) -> dict[str, Any]:
        """Put a file into the folder, have the node take a round, and return the result file, {} for none."""
        (self.folder / name).write_bytes(content)
        self.keeper.turn()
        assert self.keeper.state == "waiting"
        assert not (self.folder / name).exists()
        result = self.folder / "results" / f"{name}.result.json"
        return self.result(name) if result.exists() else {}

    def result(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / "results" / f"{name}.result.json").read_bytes())
        return told

    def failed(self, name: str) -> bytes:
        return (self.folder / "results" / name).read_bytes()

    def reason(self, sample: str) -> str:
        return (self.folder / "rejected" / f"{sample}.reason.txt").read_text(encoding="utf-8-sig")

    def records(self) -> list[dict[str, Any]]:
        """Return the contents of what stands in the journal, in order."""
        journal = self.intake.journal
        with self.intake.store.reading() as connection:
            held = journal.held(connection, StreamName(NODE, "ancestors"))
            stored = [] if held is None else journal.stored(connection, held.stream, 1, held.size)
            return [content_of(parse_record(one.body or b"")) for one in stored]

    def held(self, element: str) -> dict[str, Any]:
        """Return what the records hold in one element, by the last character of their case number."""
        return {str(one["CaseNo"])[-1]: one.get(element) for one in self.records()}


@contextmanager
def hall_on(store: Store, place: Path, **keys: Any) -> Iterator[FolderHall]:
    """Give a node with a door to a folder; ``keys`` are further ones of ``adapters.toml``."""
    intake = intake_on(store)
    intake.clock = MachineClock()
    add_source(store, "hall", clock=intake.clock, randomness=intake.randomness)
    folder = place / "drop"
    folder.mkdir(exist_ok=True)
    table = {"kind": "file_drop", "source": "hall", "settings": {"folder": str(folder), "settle_s": 0.0}, **keys}
    listed = read_adapter(place, "hall", table, {}, secrets={})
    assert listed.config is not None, listed.mistake
    make_folder(place, "hall")
    keeper = Keeper(intake, listed.config, place, zone="Asia/Shanghai", environment=dict(os.environ))
    try:
        yield FolderHall(intake=intake, keeper=keeper, folder=folder)
    finally:
        keeper.let_go()
