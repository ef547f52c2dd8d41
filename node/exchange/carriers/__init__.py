"""Carriers (载体): what moves packages over a link. A carrier knows nothing of what it carries."""

from __future__ import annotations

from typing import Protocol


class Carrier(Protocol):
    """Moves one package to the parent and brings its answer back; safe to be used by several threads."""

    def exchange(self, package: bytes, *, wait_s: float) -> bytes:
        """Return the answer package.

        ``wait_s``: how long the parent may wait for news before it answers (0: not at all). Raises
        PeerUnavailableError when no answer came, with ``retry_after_s`` when the parent said when to come again, and
        PackageRefusedError when the parent refused the package.
        """

    def close(self) -> None:
        """Give up connections; a carrier is not used after that."""
