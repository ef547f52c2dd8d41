"""Distrust: whether a store may still be believed after something of it failed (02, R12).

A commit that failed may have reached the disk or not; after a failed flush the system forgets what it could not write
(SQLite and PostgreSQL both treat it so). So nothing that this process remembers counts until the store was opened anew
and what is there was compared with itself. Used by ``node.journal.store`` alone.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection
    from sqlalchemy.exc import DBAPIError

_LOG: Final = logging.getLogger(__name__)


class Distrust:
    """The distrust of one store; ``checks`` read back what is there, each given a connection that was opened anew."""

    def __init__(self) -> None:
        self.checks: list[Callable[[Connection], None]] = []
        self._failures = 0
        self._settled = 0
        self._counting = threading.Lock()
        self._settling = threading.Lock()

    @property
    def cast(self) -> bool:
        """Whether something failed that was not settled."""
        return self._failures != self._settled

    def raise_for(self, error: DBAPIError) -> None:
        """Distrust the store because of ``error``; logged once for each time that it was believed before."""
        with self._counting:
            if not self.cast:
                _LOG.warning("store distrusted", extra={"cause": type(error.orig).__name__})
            self._failures += 1

    def settle(self, opened: Callable[[], AbstractContextManager[Connection]]) -> None:
        """Open the store with ``opened`` and have it read back; others who come meanwhile wait, and find it done.

        What a check raises comes out and leaves the distrust; so does a failure that happens meanwhile.
        """
        with self._settling:
            if not self.cast:
                return
            seen = self._failures
            with opened() as connection:
                for check in self.checks:
                    check(connection)
            with self._counting:
                self._settled = seen
            _LOG.info("store opened anew and read back")
