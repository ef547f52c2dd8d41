"""How many connections a listener keeps open: a full one gives up the connection that has been idle longest.

Connections cost a file descriptor each, and a process that has none left can open neither its database nor its log. So
there is a limit, and whoever only holds connections open is pushed out by those that come after.
"""

from __future__ import annotations

import logging
import threading
from typing import Final, Protocol

SPARE: Final = 2
"""Times the limit at which a new connection is turned away: room for those given up that are not closed yet."""

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What is kept of a connection."""

    def hang_up(self) -> None:
        """Make the peer, and whoever reads, see its end; closing it is left to the usual way."""


class OpenConnections:
    """The open connections of the listener ``name``, ``most`` of them; threads of it may call at any time."""

    def __init__(self, name: str, *, most: int) -> None:
        self._name = name
        self._most = most
        self._lock = threading.Lock()
        self._open: set[Connection] = set()
        # In the order in which they became idle.
        self._idle: dict[Connection, None] = {}
        self._crowded = False

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in, giving up the one idle longest when there are too many; False: no room at all."""
        given_up: Connection | None = None
        with self._lock:
            if len(self._open) >= SPARE * self._most:
                return False
            self._open.add(connection)
            crowded = len(self._open) > self._most
            if crowded and self._idle:
                given_up = next(iter(self._idle))
                del self._idle[given_up]
            news = crowded and not self._crowded
            self._crowded = self._crowded or crowded
        if news:
            _log.warning("too many connections", extra={"listener": self._name, "most": self._most})
        if given_up is not None:
            given_up.hang_up()
        return True

    def rests(self, connection: Connection) -> None:
        """Note that a connection waits for its peer."""
        with self._lock:
            if connection in self._open:
                self._idle[connection] = None

    def works(self, connection: Connection) -> None:
        """Note that a thread reads from a connection."""
        with self._lock:
            self._idle.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        """Note that a connection is closed; saying it again changes nothing."""
        with self._lock:
            self._open.discard(connection)
            self._idle.pop(connection, None)
            # Half empty, so that a peer at the limit does not fill the log.
            calm = self._crowded and SPARE * len(self._open) <= self._most
            if calm:
                self._crowded = False
        if calm:
            _log.info("connections have room again", extra={"listener": self._name})
