"""The node's side of an open API: what it asks and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapters.open_api import KIND
from tests.support.adapter_openings import opening, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.contract import Adapter, Delivery


class Node:
    """Opens an adapter, fetches and answers, and keeps the cursor; ``came`` are the deliveries."""

    def __init__(self, folder: Path, secrets: dict[str, str], settings: dict[str, Any]) -> None:
        self._folder = folder
        self._secrets = secrets
        self._settings = settings
        self._adapter: Adapter | None = None
        self.cursor: str | None = None
        self.came: list[Delivery] = []

    @property
    def adapter(self) -> Adapter:
        return self._adapter or self.open()

    def open(self, **settings: Any) -> Adapter:
        self.close()
        self._settings |= settings
        made = KIND.open(opening(KIND, self._folder, self._settings, secrets=self._secrets, cursor=self.cursor))
        self._adapter = made
        return made

    def close(self) -> None:
        if self._adapter is not None:
            self._adapter.close()
            self._adapter = None

    def bodies(self, limit: int = 100) -> list[bytes]:
        """Do a round; return what came."""
        before = len(self.came)
        for delivery in self.adapter.fetch(limit):
            self.came.append(delivery)
            self.cursor = delivery.cursor
            self.adapter.acknowledge(delivery, outcome())
        return [one.content for one in self.came[before:]]

    def items(self, limit: int = 100) -> list[Any]:
        """Do a round; return the items that came, in their order."""
        found: list[Any] = []
        for body in self.bodies(limit):
            document = json.loads(body)
            found += document if isinstance(document, list) else document.get("rows") or document["records"]
        return found


@pytest.fixture
def node_of(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Give a node by the settings of its adapter; ``secrets`` are given by name."""
    made: list[Node] = []

    def make(url: str, *, secrets: dict[str, str] | None = None, **settings: Any) -> Node:
        node = Node(tmp_path / f"kept-{len(made)}", secrets or {}, {"url": url, **settings})
        made.append(node)
        return node

    yield make
    for node in made:
        node.close()
