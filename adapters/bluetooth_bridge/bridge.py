"""The adapter: what terminals send over Bluetooth, as deliveries; and documents, handed to a terminal."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from adapters.bluetooth_bridge.links import Board, Link, Place, Standing, line_folder
from adapters.bluetooth_bridge.radio import Radio
from adapters.bluetooth_bridge.settings import plan_of
from adapters.bluetooth_bridge.stack import PLATFORM
from adapters.contract import SourceUnavailableError
from adapters.record_line.bridging import delivery_of, message_of
from adapters.record_line.line import RecordLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.bluetooth_bridge.settings import Terminal
    from adapters.bluetooth_bridge.stack import Stack
    from adapters.contract import Delivery, Document, Opening, Outcome
    from adapters.record_line.line import Message

HEAR_S: Final = 1.5
"""How long a call of ``fetch`` waits for something to come; then the node asks again."""
SETTLE_S: Final = 60.0
"""How long the first call waits until a terminal talks or all were tried. Our own choice: half the kind's patience."""
DELIVER_S: Final = 90.0
"""How long all terminals together may take to put a document on their disks. Our own choice: less than the patience."""
SLICE_S: Final = 0.1
"""How long one thing is waited for while others may come too."""


class BluetoothBridge:
    """One opening of the kind; the radio begins with the first call that needs it."""

    def __init__(self, opening: Opening, stack: Stack = PLATFORM) -> None:
        self._opening = opening
        self._plan = plan_of(opening)
        self._stack = stack
        self._board: Board | None = None
        self._radio: Radio | None = None
        self._closed = False
        self._has_settled = False
        self._turn = 0
        self._unanswered: dict[str, Message] = {}
        """What was yielded and not answered, oldest first; it comes again, so it is never more than one round."""

    def check(self) -> None:
        """Try now that every terminal can be reached, proves its key and answers."""
        board = self._listening()
        for link in board.talking():
            self._probe(board, link)
        tried = {link: link.tries for link in board.links.values()}
        if self._radio is not None:
            self._radio.hurry()
        self._wait(board, lambda: all(_is_tried(link, before) for link, before in tried.items()))
        problem = board.missing()
        if problem is not None:
            raise problem

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield what terminals sent, in turn; waits a second or two for something to come.

        What had come before all terminals went away is yielded first, and then it is said that they are away.
        """
        board = self._listening()
        for brought, message in enumerate(self._messages(board), start=1):
            self._unanswered[message.key] = message
            yield delivery_of(message, self._opening.source_id, self._opening.now())
            if brought == limit:
                return
        problem = board.problem()
        if problem is not None:
            raise problem

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Tell the terminal that the node holds what it sent; remembered for when it is not there."""
        message, line = self._answered(delivery)
        if line is not None:
            line.confirm(message, outcome)
        self._unanswered.pop(message.key, None)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Tell the terminal that the node cannot read what it sent; remembered for when it is not there."""
        message, line = self._answered(delivery)
        if line is not None:
            line.refuse(message, reason)
        self._unanswered.pop(message.key, None)

    def deliver(self, document: Document, key: str) -> None:
        """Hand a document to every terminal that is to have it; one that is away does not keep others from it."""
        board = self._listening()
        ends_s = self._opening.monotonic_s() + DELIVER_S
        missing: list[str] = []
        for name in self._plan.deliver_to:
            link = board.links[name]
            self._wait(board, partial(_is_tried, link))
            try:
                link.line.deliver(document, key, wait_s=max(ends_s - self._opening.monotonic_s(), 1))
            except SourceUnavailableError as problem:
                missing.append(board.told([link]) or f"terminal {name}: {problem}")
        if missing:
            raise SourceUnavailableError("; ".join(missing))

    def close(self) -> None:
        """Let go of the terminals and end the radio."""
        self._closed = True
        if self._radio is not None:
            self._radio.stop()
            self._radio = None
        if self._board is not None:
            for link in self._board.links.values():
                link.line.close()
            self._board = None

    def _listening(self) -> Board:
        """Return the board, with the radio running."""
        board = self._opened()
        if self._radio is None:
            self._radio = Radio(self._plan, self._stack, board, self._opening.monotonic_s)
            self._radio.start()
        self._raise_defect()
        return board

    def _opened(self) -> Board:
        if self._closed:
            raise SourceUnavailableError("the adapter is closed")
        if self._board is None:
            place = Place(standing=Standing.LOOKED_FOR, since=self._opening.now(), text="looked for since the start")
            self._board = Board(
                [Link(terminal, self._line(terminal), place) for terminal in self._plan.terminals], self._opening.now
            )
        return self._board

    def _line(self, terminal: Terminal) -> RecordLine:
        return RecordLine(
            terminals={terminal.name: terminal.key},
            folder=line_folder(self._opening.folder, terminal.name),
            monotonic_s=self._opening.monotonic_s,
            token=self._opening.token,
        )

    def _answered(self, delivery: Delivery) -> tuple[Message, RecordLine | None]:
        """Return as much of a message as its answer needs, and its line: None when its terminal has none any more."""
        message = message_of(delivery)
        link = self._opened().links.get(message.terminal)
        return message, None if link is None else link.line

    def _messages(self, board: Board) -> Iterator[Message]:
        """Yield what has come, one of each terminal in turn; waits for the first for as long as a call may."""
        brought = False
        for message in chain(list(self._unanswered.values()), self._waiting(board)):
            brought = True
            yield message
        if brought:
            return
        # Later on a connection that was lost is taken up within seconds, and nobody has to wait for that here.
        self._wait(board, board.is_settled, HEAR_S if self._has_settled else SETTLE_S)
        self._has_settled = True
        ends_s = self._opening.monotonic_s() + HEAR_S
        while (talking := board.talking()) and self._opening.monotonic_s() < ends_s and not self._opening.wait(0):
            self._turn += 1
            heard = _received(talking[self._turn % len(talking)], SLICE_S)
            if heard is not None:
                yield heard
                yield from self._waiting(board)
                return

    def _waiting(self, board: Board) -> Iterator[Message]:
        links = list(board.links.values())
        while links:
            for link in list(links):
                message = _received(link, 0)
                if message is None:
                    links.remove(link)
                else:
                    yield message

    def _wait(self, board: Board, done: Callable[[], bool], wait_s: float = SETTLE_S) -> None:
        """Wait until ``done``, the time is over, or the adapter is asked to stop."""
        ends_s = self._opening.monotonic_s() + wait_s
        while not board.wait_for(done, SLICE_S):
            self._raise_defect()
            if self._opening.monotonic_s() > ends_s or self._opening.wait(0):
                return

    def _probe(self, board: Board, link: Link) -> None:
        """Try that a terminal that talks is still there; when it is not, wait until the radio knows it too."""
        port = link.port
        if port is None:
            return
        try:
            port.probe()
        except SourceUnavailableError:
            self._wait(board, lambda: link.port is not port)

    def _raise_defect(self) -> None:
        if self._radio is not None and self._radio.defect is not None:
            message = "the radio has ended"
            raise RuntimeError(message) from self._radio.defect


def _received(link: Link, wait_s: float) -> Message | None:
    try:
        return link.line.received(wait_s)
    except SourceUnavailableError:  # The radio looks for it, and says where it is.
        return None


def _is_tried(link: Link, tries: int = 0) -> bool:
    """Tell whether a terminal talks, or was tried in vain since it had been tried so often."""
    return link.place.standing is Standing.TALKING or link.tries > tries
