"""The mode ``record_line``: a terminal that runs our program, on one port that comes and goes."""

from __future__ import annotations

import threading
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.record_line.bridging import delivery_of, keys_of_terminals, message_of
from adapters.record_line.line import RecordLine, Standing
from adapters.serial_bridge.inbox import writing
from adapters.serial_bridge.mode_settings import DELIVER_MAX_S
from adapters.serial_bridge.port_keeper import LOOK_AGAIN_S, PortKeeper
from adapters.serial_bridge.ports import open_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.contract import Delivery, Document, Opening, Outcome
    from adapters.record_line.line import Message

WAIT_S: Final = 1.5
"""How long ``fetch`` waits for something to come."""
LOOK_S: Final = 0.2
"""How often it is looked whether the port is still there. It costs next to nothing, and a replug is found at once."""
CALLING_S: Final = 15.0
"""How long a terminal that is there may take to call and to prove its key: some calls may get lost on a bad line."""
CLOSING_S: Final = 10.0


class RecordBridge:
    """One port with terminals, one at a time; the port is opened with the first call that needs it."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._settings = opening.settings
        self._keys = _keys_of(opening)
        self._unanswered: dict[str, Message] = {}
        self._line: RecordLine | None = None
        self._keeper = PortKeeper(opening.name, lambda: open_port(self._settings), opening.monotonic_s)
        self._tried = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._defect: BaseException | None = None

    def check(self) -> None:
        """Try that the port opens, and that a terminal calls and proves its key."""
        line = self._started()
        until_s = self._opening.monotonic_s() + CALLING_S
        while self._may_be_called(line) and self._opening.monotonic_s() < until_s:
            if self._opening.wait(LOOK_S):
                break
        self._refuse_when_away(line, grace_s=0.0)

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield what terminals sent, oldest first; waits a second or two when there is nothing."""
        line = self._started()
        for message in islice(chain(list(self._unanswered.values()), self._coming(line)), limit):
            self._unanswered[message.key] = message
            yield delivery_of(message, self._opening.source_id, self._opening.now())
        self._refuse_when_away(line, grace_s=CALLING_S)

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Tell the terminal that the node holds what it sent; remembered for when it is not there."""
        self._started().confirm(message_of(delivery), outcome)
        self._unanswered.pop(delivery.delivery_key, None)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Tell the terminal that the node cannot read what it sent; remembered for when it is not there."""
        self._started().refuse(message_of(delivery), reason)
        self._unanswered.pop(delivery.delivery_key, None)

    def deliver(self, document: Document, key: str) -> None:
        """Put a document on the terminal's disk; one that has only just had the time to call is waited for."""
        line = self._started()
        while self._may_be_called(line) and self._silent_s(line) < CALLING_S:
            if self._opening.wait(LOOK_S):
                break
        line.deliver(document, key, wait_s=DELIVER_MAX_S, still_s=self._settings["deliver_wait_s"])

    def close(self) -> None:
        """Say good-bye to the terminal and let go of the port; calling it twice is harmless."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(CLOSING_S)
            self._thread = None
        if self._line is not None:
            self._line.close()
            self._line = None
        self._keeper.close()

    def _started(self) -> RecordLine:
        """Return the line, with its port tried for the first time."""
        if self._stopped.is_set():
            raise SourceUnavailableError("the adapter is closed")
        if self._line is None:
            folder = self._opening.folder / "line"
            with writing():
                folder.mkdir(mode=0o700, exist_ok=True)
                self._line = RecordLine(
                    terminals=self._keys,
                    folder=folder,
                    monotonic_s=self._opening.monotonic_s,
                    token=self._opening.token,
                )
            self._thread = threading.Thread(
                target=self._keep_port, args=(self._line,), name=f"serial port of {self._opening.name}", daemon=True
            )
            self._thread.start()
        self._tried.wait(CLOSING_S)
        return self._line

    def _coming(self, line: RecordLine) -> Iterator[Message]:
        """Yield what comes; waits for the first thing, unless something waits for an answer."""
        wait_s = 0.0 if self._unanswered else WAIT_S
        while message := _received(line, wait_s):
            yield message
            wait_s = 0.0

    def _keep_port(self, line: RecordLine) -> None:
        """Give the line its port, and another one when it has lost it, until the adapter is closed."""
        try:
            while not self._stopped.is_set():
                if self._keeper.port is not None and line.state.standing is Standing.UNPLUGGED:
                    self._keeper.lost(SourceUnavailableError(line.state.text))
                had_port = self._keeper.port is not None
                port = self._keeper.opened()
                if port is not None and not had_port:
                    line.start(port)
                self._tried.set()
                self._stopped.wait(max(LOOK_S, self._keeper.pause_s()))
        except BaseException as error:
            self._defect = error
            raise
        finally:
            self._tried.set()

    def _may_be_called(self, line: RecordLine) -> bool:
        """Tell whether no terminal has called yet on a port that is there."""
        return line.state.standing not in {Standing.OPEN, Standing.UNPROVEN} and self._keeper.problem is None

    def _silent_s(self, line: RecordLine) -> float:
        """Return for how long the line has stood as it does."""
        return self._opening.monotonic_s() - line.state.since_s

    def _refuse_when_away(self, line: RecordLine, *, grace_s: float) -> None:
        """Raise when the port is away, or no terminal has proved its key for ``grace_s``.

        A stranger's call, or a proof that noise has spoilt, is no reason to close the door: the terminal calls again.
        Raises RuntimeError when the thread of the port has ended by a defect: the process has to be started again.
        """
        if self._defect is not None:
            message = "the thread of the port has ended"
            raise RuntimeError(message) from self._defect
        self._keeper.refuse_when_away()
        port = self._keeper.port
        if port is not None:
            port.unsent()
        state = line.state
        if state.standing is Standing.OPEN or self._silent_s(line) < grace_s:
            return
        if state.standing is Standing.UNPROVEN:
            raise SourceNeedsPersonError(
                f"{state.text}: compare the terminal's name and key with terminals and terminal_keys"
            )
        raise SourceUnavailableError(f"no terminal is there: {state.text}", retry_after_s=LOOK_AGAIN_S)


def _received(line: RecordLine, wait_s: float) -> Message | None:
    try:
        return line.received(wait_s)
    except SourceUnavailableError:
        # The thread of the port looks after that, and knows why.
        return None


def _keys_of(opening: Opening) -> dict[str, bytes]:
    """Return the keys of those who may call; raises SourceNeedsPersonError when they do not fit the settings."""
    keys = keys_of_terminals(opening.secrets.get("terminal_keys", ""))
    named = opening.settings["terminals"]
    missing = [name for name in named if name not in keys]
    if missing:
        raise SourceNeedsPersonError(f"terminal {missing[0]!r} has no key: add {missing[0]}=KEY to terminal_keys")
    if not keys:
        raise SourceNeedsPersonError("no terminal has a key: set the secret terminal_keys to NAME=KEY")
    return {name: key for name, key in keys.items() if not named or name in named}
