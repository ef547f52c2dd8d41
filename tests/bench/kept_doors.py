"""A department's door as a running node keeps it: keeper and intake in this process, the adapter in one of its own."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from node.departments.doors import book
from node.departments.doors.adapters_file import read_adapter
from node.departments.doors.folders import make_folder
from node.departments.doors.keeper import Keeper
from node.departments.sources import add_source
from node.randomness import SystemRandomness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from node.bootstrap import Node
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.book import KnownAdapter

ZONE = "Asia/Shanghai"


class KeptDoor:
    """One adapter of ``node`` and its keeper, whose turns are taken by whoever measures."""

    def __init__(self, node: Node, home: Path, config: AdapterConfig) -> None:
        self._node = node
        self._name = config.name
        make_folder(home, config.name)
        self._keeper = Keeper(node.intake, config, home, zone=ZONE, environment=dict(os.environ))

    def begin(self) -> None:
        """Open the adapter, and take what is there."""
        self._keeper.turn()
        self._ensure_well()

    def take_in(self, records: int) -> None:
        """Take turns until so many more records were accepted, and everything that came was answered at the source.

        Raises RuntimeError when a turn brings nothing, or not what was offered.
        """
        before = self._row().counts
        accepted = 0
        while accepted < records:
            self._keeper.turn()
            self._ensure_well()
            counts = self._row().counts
            came = counts.accepted - before.accepted
            if came == accepted or counts.refused > before.refused:
                message = f"{self._name} brought {came} of {records} records; {counts.refused} were refused"
                raise RuntimeError(message)
            accepted = came

    def let_go(self) -> None:
        """End the adapter's process."""
        self._keeper.let_go()

    def _ensure_well(self) -> None:
        row = self._row()
        if row.state != book.WAITING:
            message = f"{self._name} is {row.state}: {row.text}"
            raise RuntimeError(message)

    def _row(self) -> KnownAdapter:
        with self._node.store.reading() as connection:
            row = book.known_adapter(connection, self._name)
        if row is None:
            message = f"nobody keeps {self._name}"
            raise RuntimeError(message)
        return row


@contextmanager
def kept_door(
    node: Node,
    home: Path,
    kind: str,
    settings: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] | None = None,
    **keys: Any,
) -> Iterator[KeptDoor]:
    """Keep an adapter of ``kind`` for a source of its own, both under the kind's name; ``keys`` are its other keys."""
    name = keys.pop("name", kind)
    door = KeptDoor(node, home, adapter_config(node, home, kind, settings, name=name, secrets=secrets, **keys))
    try:
        door.begin()
        yield door
    finally:
        door.let_go()


def adapter_config(
    node: Node,
    home: Path,
    kind: str,
    settings: Mapping[str, Any],
    *,
    name: str,
    secrets: Mapping[str, str] | None = None,
    **keys: Any,
) -> AdapterConfig:
    """Make a source ``name``, and return an adapter of that name for it; RuntimeError when its keys are wrong."""
    add_source(node.store, name, clock=node.clock, randomness=SystemRandomness())
    table = {"kind": kind, "source": name, "settings": dict(settings), **keys}
    listed = read_adapter(home, name, table, {}, secrets=secrets or {})
    if listed.config is None:
        raise RuntimeError(str(listed.mistake))
    return listed.config
