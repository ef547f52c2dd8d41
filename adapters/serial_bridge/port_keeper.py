"""Keeps a port open: opens it again with pauses that grow, and logs once when it goes and once when it is back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.serial_bridge.ports import Port

PAUSES_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts to open a port, the last one for ever: whoever plugs an adapter in again waits 5 s at most."""

_log = logging.getLogger(__name__)


class PortKeeper:
    """The one port of an adapter. ``open_port`` opens it; used by one thread, but ``problem`` may be read by any."""

    def __init__(self, name: str, open_port: Callable[[], Port], monotonic_s: Callable[[], float]) -> None:
        self.problem: SourceUnavailableError | SourceNeedsPersonError | None = None
        self._name = name
        self._open_port = open_port
        self._monotonic_s = monotonic_s
        self._port: Port | None = None
        self._failures = 0
        self._next_at_s = monotonic_s()
        self._told_away = False

    @property
    def port(self) -> Port | None:
        """The port when it is open."""
        return self._port

    def pause_s(self) -> float:
        """Return how long it is until another attempt is due; 0 when the port is open."""
        return 0.0 if self._port is not None else max(0.0, self._next_at_s - self._monotonic_s())

    def opened(self) -> Port | None:
        """Return the open port; opens it when an attempt is due, None while it cannot be."""
        if self._port is None and self.pause_s() == 0.0:
            try:
                self._port = self._open_port()
            except (SourceUnavailableError, SourceNeedsPersonError) as error:
                self._fail(error)
            else:
                self._succeed()
        return self._port

    def lost(self, error: SourceUnavailableError) -> None:
        """Close the port, since it is gone."""
        self.close()
        self._fail(error)

    def close(self) -> None:
        """Close the port; calling it twice is harmless."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def _fail(self, error: SourceUnavailableError | SourceNeedsPersonError) -> None:
        self.problem = error
        self._next_at_s = self._monotonic_s() + PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        if not self._told_away:
            self._told_away = True
            _log.warning("port away", extra={"adapter": self._name, "reason": str(error)})

    def _succeed(self) -> None:
        self.problem = None
        self._failures = 0
        if self._told_away:
            self._told_away = False
            _log.info("port is back", extra={"adapter": self._name})
