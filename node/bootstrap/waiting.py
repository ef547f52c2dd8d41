"""Waiting for news, until the node stops."""

from __future__ import annotations

from node.errors import TryLaterError
from node.journal.wakeups import Wakeups


class NodeWakeups(Wakeups):
    """The wake-ups of one node. Once closed they let nobody wait any more: who asks is told to come again."""

    def wait(self, timeout_s: float) -> bool:
        """Wait as ``Wakeups.wait`` does; raises TryLaterError when the node stops, so that a long-poll ends at once."""
        news = super().wait(timeout_s)
        if self._stopping.is_set():
            raise TryLaterError("The node is stopping", why="it was asked to", action="Come again in a moment")
        return news
