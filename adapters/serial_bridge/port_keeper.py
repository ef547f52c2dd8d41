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
STEADY_S: Final = 5.0
"""A port that goes sooner than this after it was opened is opened again with pauses that go on growing."""
SETTLING_S: Final = 30.0
"""How long a port that was open before may be denied or taken when it is plugged in again: its group is not set yet, or
ModemManager tries whether it is a modem."""
LOOK_AGAIN_S: Final = 10.0
"""How soon the node asks again for a port that is away. Its own pauses grow to minutes, which a system of others needs
and a port that is looked after all the time does not."""

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
        self._opened_at_s: float | None = None
        self._refused_at_s: float | None = None

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
        if self._opened_at_s is not None and self._monotonic_s() - self._opened_at_s >= STEADY_S:
            self._failures = 0
        self.close()
        self._fail(error)

    def close(self) -> None:
        """Close the port; calling it twice is harmless."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def refuse_when_away(self) -> None:
        """Raise what keeps the port from being open, if anything does."""
        problem = self.problem
        if isinstance(problem, SourceUnavailableError):
            raise SourceUnavailableError(str(problem), retry_after_s=LOOK_AGAIN_S)
        if problem is not None:
            raise SourceNeedsPersonError(str(problem))

    def _fail(self, error: SourceUnavailableError | SourceNeedsPersonError) -> None:
        self.problem = SourceUnavailableError(str(error)) if self._may_settle(error) else error
        self._next_at_s = self._monotonic_s() + PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        if not self._told_away:
            self._told_away = True
            _log.warning("port away", extra={"adapter": self._name, "reason": str(error)})

    def _may_settle(self, error: SourceUnavailableError | SourceNeedsPersonError) -> bool:
        """Tell whether what needs a person may well be over in a moment."""
        if not isinstance(error, SourceNeedsPersonError):
            self._refused_at_s = None
            return False
        now_s = self._monotonic_s()
        if self._refused_at_s is None:
            self._refused_at_s = now_s
        return self._opened_at_s is not None and now_s - self._refused_at_s < SETTLING_S

    def _succeed(self) -> None:
        self.problem = None
        self._opened_at_s = self._monotonic_s()
        self._refused_at_s = None
        if self._told_away:
            self._told_away = False
            _log.info("port is back", extra={"adapter": self._name})
