"""A child's link to its parent, running: threads that push what goes up and ask for what comes down (02, R13).

Only a child opens connections, so this runs in every node that has a parent; a parent only answers
(``node.web.link_api``). ``LinkWorker`` has as many pushing threads as packages may be made and under way, and one that
asks. They share nothing but ``Exchange`` and the back-off here: after a failure all of them rest together.

A wake-up is only a hint: each thread looks by itself at least every few seconds.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from node.errors import PeerUnavailableError, YizhanError
from node.journal.links import PARENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.exchange.carriers import Carrier
    from node.exchange.exchange import Exchange
    from node.journal.wakeups import Wakeups

STOP_S: Final = 4.0
"""How long ``stop`` waits for the threads; a request under way is cut by closing the carrier."""
REST_S: Final = 0.2
"""The shortest rest of a thread with nothing to do, should waiting for wake-ups return at once."""
POLL_REST_S: Final = 1.0
"""Rest after a long-poll that was answered at once with nothing."""
UNFORESEEN_S: Final = 5.0
"""Rest after an error of our own, which is logged with its traceback."""

_LOG: Final = logging.getLogger(__name__)


class LinkWorker:
    """The running link to ``parent``; ``stop`` closes ``carrier``. ``long_poll_s``: how long the parent may wait."""

    def __init__(
        self, exchange: Exchange, parent: str, carrier: Carrier, wakeups: Wakeups, *, long_poll_s: float = 25.0
    ) -> None:
        self._exchange = exchange
        self._parent = parent
        self._carrier = carrier
        self._wakeups = wakeups
        self._long_poll_s = long_poll_s
        self._clock = exchange.context.clock
        self._limits = exchange.context.limits
        self._stopping = threading.Event()
        self._opening = threading.Lock()
        self._failing = threading.Lock()
        self._failures = 0
        self._rest_until_s = 0.0
        pushing = self._limits.under_way_max + self._limits.prepared_max
        steps = [("push", self._push)] * pushing + [("poll", self._poll)]
        self._threads = [
            threading.Thread(target=self._run, args=(step,), name=f"link-{parent}-{name}-{number}")
            for number, (name, step) in enumerate(steps)
        ]

    def start(self) -> None:
        """Begin; returns at once."""
        self._rest_until_s = self._clock.monotonic_s() + self._exchange.links.opened(self._parent, PARENT)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop, cutting what is under way: the next conversation puts it right. Returns within a few seconds."""
        self._stopping.set()
        self._wakeups.notify()
        self._carrier.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(STOP_S)
        try:
            self._exchange.links.stopped(self._parent, PARENT)
        except YizhanError as error:
            _LOG.warning("link state not written", extra={"peer": self._parent, "why": str(error)})

    @property
    def alive(self) -> bool:
        """Whether every thread of the link runs."""
        return all(thread.is_alive() for thread in self._threads)

    def _run(self, step: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            rest_s = self._rest_until_s - self._clock.monotonic_s()
            if rest_s > 0:
                self._stopping.wait(rest_s)
                continue
            failures = self._failures
            try:
                self._ensure_open()
                step()
            except YizhanError as error:
                self._failed(error, failures)
            except Exception:  # noqa: BLE001 - the runner of the link's jobs: logged with its traceback.
                _LOG.exception("link step failed", extra={"peer": self._parent})
                self._stopping.wait(UNFORESEEN_S)

    def _push(self) -> None:
        progress = self._exchange.push_once(self._parent, self._carrier, wait=self._wakeups.wait)
        if progress.asked:
            self._succeeded()
        else:
            self._rest()

    def _poll(self) -> None:
        began_s = self._clock.monotonic_s()
        progress = self._exchange.poll_once(self._parent, self._carrier, self._long_poll_s, wait=self._wakeups.wait)
        self._succeeded()
        if not progress and self._clock.monotonic_s() - began_s < POLL_REST_S:
            # The parent had no place for a waiting request: it must not be asked without pause.
            self._stopping.wait(POLL_REST_S)

    def _rest(self) -> None:
        began_s = self._clock.monotonic_s()
        news = self._wakeups.wait(self._limits.compare_s)
        if not news and self._clock.monotonic_s() - began_s < REST_S:
            self._stopping.wait(REST_S)

    def _ensure_open(self) -> None:
        """Open the conversation when it must be; the other threads wait for the one that does."""
        if not self._exchange.must_open(self._parent):
            return
        with self._opening:
            if not self._stopping.is_set() and self._exchange.must_open(self._parent):
                self._exchange.open_conversation(self._parent, self._carrier)
                self._succeeded()

    def _succeeded(self) -> None:
        with self._failing:
            self._failures = 0
        self._exchange.links.heard(self._parent, PARENT)

    def _failed(self, error: YizhanError, failures: int) -> None:
        """Rest after a failure; threads that failed together count as one failure."""
        if self._stopping.is_set():
            return
        with self._failing:
            if failures != self._failures:
                return
            self._failures += 1
            retry_after_s = error.retry_after_s if isinstance(error, PeerUnavailableError) else None
            self._rest_until_s = self._clock.monotonic_s() + self._noted(str(error), retry_after_s)

    def _noted(self, why: str, retry_after_s: float | None) -> float:
        """Keep the failure as data and return the seconds to rest; where it cannot be kept, the rest is taken still."""
        try:
            return self._exchange.links.failed(self._parent, PARENT, why, retry_after_s=retry_after_s)
        except YizhanError as unwritten:
            _LOG.warning("link state not written", extra={"peer": self._parent, "why": str(unwritten)})
        except Exception:  # noqa: BLE001 - the runner of the link's jobs: logged with its traceback.
            _LOG.exception("link state not written", extra={"peer": self._parent})
        return UNFORESEEN_S
