"""The thread that has an adapter's port: it listens all the time, and speaks in between.

What a mode does with a port is a ``Talk``. The adapter gives this thread what is to be said and delivered; it does both
when nothing else is going on, so that one line is never used by two.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from adapters.contract import AdapterError, DeliveryRejectedError, SourceUnavailableError

if TYPE_CHECKING:
    from adapters.contract import Document
    from adapters.serial_bridge.inbox import Inbox
    from adapters.serial_bridge.port_keeper import PortKeeper
    from adapters.serial_bridge.ports import Port

LISTEN_S: Final = 0.2
"""How long a talk listens before this looks whether something is to be said."""
FIRST_OPENING_S: Final = 5.0
SAID_MAX: Final = 1000
"""Answers that may wait for a line; older ones are dropped: a device that is away waits for none."""
CLOSING_S: Final = 5.0

_log = logging.getLogger(__name__)


class Talk(Protocol):
    """What is spoken on a port. All methods may raise SourceUnavailableError when the port is gone."""

    def listen(self, port: Port, wait_s: float) -> None:
        """Take what comes within ``wait_s``, and stay with it while it goes on."""

    def send(self, port: Port, document: Document, key: str) -> None:
        """Hand a document over; raises SourceUnavailableError also when nobody takes it."""

    def break_off(self) -> None:
        """The port is gone, or will be: nothing goes on where it stood."""

    def stop(self) -> None:
        """Come back from ``listen`` and ``send`` soon; called by another thread."""


class _Sending:
    """A document on its way down: what became of it is known once ``done`` is set."""

    def __init__(self, document: Document, key: str) -> None:
        self.document = document
        self.key = key
        self.done = threading.Event()
        self.problem: AdapterError | None = None


class Listener:
    """The thread of one adapter."""

    def __init__(self, name: str, talk: Talk, keeper: PortKeeper, inbox: Inbox) -> None:
        self._name = name
        self._talk = talk
        self._keeper = keeper
        self._inbox = inbox
        self._said: deque[bytes] = deque(maxlen=SAID_MAX)
        self._sendings: deque[_Sending] = deque()
        self._awake = threading.Event()
        self._tried = threading.Event()
        self._stopped = threading.Event()
        self._has_ended = False
        self._defect: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"serial port of {name}", daemon=True)

    def start(self) -> None:
        """Begin to listen, and wait until the port was tried."""
        self._thread.start()
        self._tried.wait(FIRST_OPENING_S)

    def refuse_when_away(self) -> None:
        """Raise what keeps the port from being open now: SourceUnavailableError or SourceNeedsPersonError.

        Raises RuntimeError when the thread has ended by a defect: then the process has to be started again.
        """
        if self._defect is not None:
            message = "the thread of the port has ended"
            raise RuntimeError(message) from self._defect
        self._keeper.refuse_when_away()
        port = self._keeper.port
        if port is None:
            raise SourceUnavailableError("the port is being opened")
        # An unplugged port is noticed by who uses it, and this thread may have been quicker.
        port.unsent()

    def say(self, data: bytes) -> None:
        """Write bytes to the line when it is free; forgotten when the port is away."""
        if data:
            self._said.append(data)

    def send(self, document: Document, key: str, wait_s: float) -> None:
        """Hand a document over when the line is free, and wait until it is over there.

        Raises SourceUnavailableError when it is not within ``wait_s``; it may still go over, and the same ``key`` does
        not go twice.
        """
        sending = next((one for one in list(self._sendings) if one.key == key), None)
        if sending is None:
            sending = _Sending(document, key)
            self._sendings.append(sending)
        self._awake.set()
        if self._has_ended:
            self._fail_sendings(_stopping())
        if not sending.done.wait(wait_s):
            raise SourceUnavailableError("the line is still busy with it, or with something else")
        if sending.problem is not None:
            raise type(sending.problem)(str(sending.problem))

    def stop(self) -> None:
        """Say what is still to be said, close the port and end the thread; calling it twice is harmless."""
        self._stopped.set()
        self._awake.set()
        self._talk.stop()
        if not self._thread.is_alive():
            return
        self._thread.join(CLOSING_S)
        port = self._keeper.port
        if self._thread.is_alive() and port is not None:
            # It writes to a line that takes nothing.
            port.close()
            self._thread.join(CLOSING_S)

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                port = self._keeper.opened()
                self._tried.set()
                if port is None:
                    self._wait_for_port()
                else:
                    self._use(port)
            self._talk.break_off()
            if self._keeper.port is not None:
                self._speak(self._keeper.port)
        except SourceUnavailableError:
            # The port went while the last answers were said.
            return
        except BaseException as error:
            self._defect = error
            raise
        finally:
            self._keeper.close()
            self._inbox.wake()
            self._has_ended = True
            self._fail_sendings(_stopping())

    def _wait_for_port(self) -> None:
        self._said.clear()
        if self._keeper.problem is not None:
            self._fail_sendings(self._keeper.problem)
        self._inbox.wake()
        self._awake.wait(self._keeper.pause_s())
        self._awake.clear()

    def _use(self, port: Port) -> None:
        try:
            self._speak(port)
            if self._sendings:
                self._send(port, self._sendings[0])
            self._talk.listen(port, LISTEN_S)
        except SourceUnavailableError as error:
            self._talk.break_off()
            self._keeper.lost(error)
            self._inbox.wake()

    def _speak(self, port: Port) -> None:
        self._said.extend(self._inbox.answers_again())
        while self._said:
            port.write(self._said.popleft())

    def _send(self, port: Port, sending: _Sending) -> None:
        sending.problem = SourceUnavailableError("the thread of the port has ended")
        try:
            if not self._inbox.is_delivered(sending.key):
                self._talk.send(port, sending.document, sending.key)
                self._inbox.set_delivered(sending.key)
            sending.problem = None
        except (SourceUnavailableError, DeliveryRejectedError) as error:
            sending.problem = error
        finally:
            self._sendings.popleft()
            sending.done.set()
        if sending.problem is not None:
            port.unsent()

    def _fail_sendings(self, problem: AdapterError) -> None:
        # Both threads may be here: when this one ends, and the other one comes too late.
        with suppress(IndexError):
            while True:
                sending = self._sendings.popleft()
                sending.problem = problem
                sending.done.set()


def _stopping() -> SourceUnavailableError:
    return SourceUnavailableError("the adapter is being stopped")
