"""What the node does with one adapter: opens it, answers what it brings, and keeps its cursor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from adapters.contract import SourceUnavailableError
from tests.support.adapter_openings import WAITING_S, content_of, gather, opening, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapters.contract import Adapter, Delivery, Opening
    from tests.support.real_sources import RealSource


class Door:
    """The openings of one adapter to ``source``, one after another; ``folder`` stays from one to the next."""

    def __init__(self, source: RealSource, folder: Path) -> None:
        self.source = source
        self.kind = source.kind
        self.folder = folder
        self.cursor: str | None = None
        self._opened: list[Adapter] = []

    def opening(self) -> Opening:
        """Return what the next adapter is opened with."""
        source = self.source
        return opening(self.kind, self.folder, source.settings, secrets=source.secrets, cursor=self.cursor)

    def open(self) -> Adapter:
        """Close the adapter that is open, and open the next one."""
        self.close()
        adapter = self.kind.open(self.opening())
        self._opened.append(adapter)
        return adapter

    def close(self) -> None:
        """Close what is open."""
        while self._opened:
            self._opened.pop().close()

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell that the node holds a delivery."""
        self._opened[-1].acknowledge(delivery, outcome())
        self.cursor = delivery.cursor

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Tell that the node cannot read a delivery."""
        self._opened[-1].reject(delivery, reason)
        self.cursor = delivery.cursor

    def take(self, texts: Sequence[str], *, limit: int = 10) -> list[str]:
        """Fetch and acknowledge until all ``texts`` came; return them in the order in which they came."""
        found: list[str] = []

        def answer(delivery: Delivery) -> None:
            found.extend(texts_in(delivery, texts))
            self.acknowledge(delivery)

        gather(self._opened[-1], lambda _: set(texts) <= set(found), limit=limit, answer=answer)
        return found

    def nothing_comes(self) -> bool:
        """Ask once more, and tell whether nothing came; a source that is away until it is back is asked again."""
        until_s = time.monotonic() + WAITING_S
        while True:
            try:
                return not list(self._opened[-1].fetch(10))
            except SourceUnavailableError:
                assert time.monotonic() < until_s


def texts_in(delivery: Delivery, texts: Sequence[str]) -> list[str]:
    """Return which of ``texts`` stand in a delivery, in their order there."""
    content = content_of(delivery)
    return [
        text for _, text in sorted((content.index(text.encode()), text) for text in texts if text.encode() in content)
    ]
