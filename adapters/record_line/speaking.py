"""What the node says on a record line and hears there: messages up, answers and documents down."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from adapters.record_line.entries import Assembly
from adapters.record_line.limits import ENTRY_BYTES_MAX, UNANSWERED_MAX
from adapters.record_line.messages import Confirm, Entry, LineProtocolError, Part, Refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Condition

    from adapters.record_line import messages
    from adapters.record_line.memory import LineMemory

UNCLAIMED_MAX: Final = 64
"""Answers to documents that are kept until somebody asks for the document again."""
Whole = TypeVar("Whole")
WAITING_MAX: Final = 256
"""So many messages may wait here for the node; beyond that the line holds the terminal up."""
WAITING_BYTES_MAX: Final = 2 * ENTRY_BYTES_MAX
"""The same in bytes; one message more may come, so that a long one always does."""
ENTRY_KEY_BYTES_MAX: Final = 100
"""Of a key that a terminal gives an entry: with what stands before it, it has to fit into a delivery key."""
DIGEST_BYTES: Final = 16
"""Of the SHA-256 of an entry, in its delivery key."""
_WORDS: Final = {
    "unknown-terminal": "a terminal calls whose name is not among those that have a key here",
    "nothing-in-common": "a terminal calls that speaks another version of the protocol",
    "unproven": "a terminal calls again and again and does not prove to have its key",
    "false-proof": "somebody calls and gives a false proof of having the key",
    "silent": "the terminal went silent",
    "bye": "the terminal said good-bye",
    "protocol": "the terminal did not keep to the protocol",
    "replaced": "the terminal began anew",
    "worn-out": "the session had carried so much that its keys are changed",
}


class Standing(StrEnum):
    """How a line stands."""

    UNPLUGGED = "unplugged"
    """No port is attached, or the one that was is gone."""
    SILENT = "silent"
    """A port is attached, and no terminal that has proved its key is there."""
    UNPROVEN = "unproven"
    """Somebody calls and does not prove to have the key: a wrong key, or a stranger."""
    OPEN = "open"
    """A terminal has proved its key and answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """How a line stands: since when on the monotonic clock, with which terminal, and words for people.

    ``terminal`` is the terminal that is there or was there last, "" for none yet; ``text`` is English, without secrets.
    ``frames_lost`` counts frames that noise spoilt, ``frames_forged`` those that came whole and were not the
    terminal's.
    """

    standing: Standing
    since_s: float
    terminal: str = ""
    text: str = ""
    frames_lost: int = 0
    frames_forged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing that a terminal sent: a record or a file of them.

    ``key`` is the same however often it comes, at most 200 characters: the delivery key. It is made of the terminal's
    name, its spool, the content's digest and the entry's key there: a copied or restored disk counts on from a number
    that was used before, and what it sends under that number is something else. ``media_type`` and ``name`` (of a
    file, "" for none) are what the terminal said.
    """

    terminal: str
    key: str
    content: bytes
    media_type: str
    name: str = ""


class Speaking:
    """What the node says on a line and hears there: the user of its link; every method is called with the lock held."""

    def __init__(self, memory: LineMemory, condition: Condition, now: Callable[[], float]) -> None:
        self.memory = memory
        self.waiting: deque[Message] = deque()
        self.unanswered: set[str] = set()
        self.state = LineState(standing=Standing.UNPLUGGED, since_s=now(), text="no port is attached yet")
        self.is_open = False
        self._now = now
        self._condition = condition
        self._spool = b""
        self._terminal = ""
        self._assembly: Assembly | None = None
        self._is_wanted = True
        self._answers: deque[messages.Message] = deque()
        self._documents: deque[Iterator[messages.Message]] = deque()
        self._under_way: set[str] = set()
        self._said_of_documents: dict[str, Confirm | Refuse] = {}

    def opened(self, terminal: str, spool: bytes) -> None:
        """Take in who has proved its key."""
        self._terminal, self._spool = terminal, spool
        self.is_open = True
        self.stands(Standing.OPEN, "")

    def closed(self, reason: str) -> None:
        """Let go of what was to be said: what was not confirmed comes again."""
        self.is_open = False
        self._assembly = None
        self._answers.clear()
        self._documents.clear()
        self._under_way.clear()
        self._condition.notify_all()
        self.stands(Standing.SILENT, _WORDS.get(reason, reason))

    def trouble(self, reason: str, who: str) -> None:
        """Take in why somebody was not let in; a name that was not proved is only what the caller says."""
        if not self.is_open:
            said = f" (it calls itself {who})" if who else ""
            self.stands(Standing.UNPROVEN, _WORDS.get(reason, reason) + said)

    def held(self, terminal: str, spool: bytes) -> tuple[str, int]:
        """Return which long entry has come in part, and how much of it."""
        return self.memory.held(terminal, spool)

    def is_ready(self) -> bool:
        """Tell whether more may wait for the node, and more answers for the line."""
        if len(self.waiting) >= WAITING_MAX or len(self._answers) >= UNANSWERED_MAX:
            return False
        return sum(len(one.content) for one in self.waiting) < WAITING_BYTES_MAX

    def next_message(self) -> messages.Message | None:
        """Return answers first, then the next piece of the next document."""
        if self._answers:
            return self._answers.popleft()
        while self._documents:
            message = next(self._documents[0], None)
            if message is not None:
                return message
            self._documents.popleft()
        return None

    def heard(self, message: messages.Message) -> None:
        """Take in what the terminal sends, and what it says to documents."""
        if isinstance(message, Entry):
            self._begun(message)
        elif isinstance(message, Part):
            self._went_on(message)
        elif message.key in self._under_way:
            self._under_way.remove(message.key)
            self._said_of_documents[message.key] = message
            if len(self._said_of_documents) > UNCLAIMED_MAX:
                del self._said_of_documents[next(iter(self._said_of_documents))]
            self._condition.notify_all()

    def say(self, key: str, document: Iterator[messages.Message]) -> None:
        """Put a document behind what is to be said, unless it is on its way or was answered."""
        if key not in self._under_way and key not in self._said_of_documents:
            self._under_way.add(key)
            self._documents.append(document)

    def is_under_way(self, key: str) -> bool:
        """Tell whether a document is to be said, or was said in this session and not answered."""
        return key in self._under_way

    def take_answer(self, key: str) -> Confirm | Refuse | None:
        """Return what the terminal said of a document, once; None while it has not said anything."""
        return self._said_of_documents.pop(key, None)

    def answer(self, message: Message, answer: Confirm | Refuse) -> None:
        """Remember an answer and give it when the terminal that sent the message is there."""
        self.memory.remember(message.key, answer)
        self.unanswered.discard(message.key)
        terminal, spool, _, key = message.key.split("/", 3)
        self.memory.drop(terminal, key)
        if self.is_open and (terminal, spool) == (self._terminal, self._spool.hex()):
            self._answers.append(answer._replace(key=key))

    def stands(self, standing: Standing, text: str) -> None:
        """Change how the line stands; since when is that of the first of equal ones."""
        since_s = self.state.since_s if standing is self.state.standing else self._now()
        self.state = LineState(standing=standing, since_s=since_s, terminal=self._terminal, text=text)

    def _begun(self, entry: Entry) -> None:
        if len(entry.key.encode("utf-8")) > ENTRY_KEY_BYTES_MAX:
            raise LineProtocolError("a key that is too long")
        if self._assembly is not None:
            raise LineProtocolError("an entry begins inside another one")
        key = self._delivery_key(entry)
        answer = self.memory.answer(key)
        if answer is not None:
            self._answers.append(answer._replace(key=entry.key))
        self._is_wanted = answer is None and key not in self.unanswered
        if self._is_wanted:
            held = self.memory.begin(self._terminal, self._spool, entry) if entry.digest else b""
            self._assembly = self._believed(lambda: Assembly(entry, held))
        else:
            # Its parts, if any, are still to come and are counted, but nobody needs them.
            self._assembly = Assembly(entry._replace(digest=b""), bytes(entry.offset))
        self._keep(entry.data)

    def _went_on(self, part: Part) -> None:
        if self._assembly is None:
            raise LineProtocolError("a part of nothing")
        assembly = self._assembly
        self._believed(lambda: assembly.add(part.data))
        self._keep(part.data)

    def _believed(self, put_together: Callable[[], Whole]) -> Whole:
        """Put an entry together; what does not fit is thrown away, lest the terminal goes on with it for ever."""
        try:
            return put_together()
        except LineProtocolError:
            self.memory.drop(self._terminal)
            raise

    def _delivery_key(self, entry: Entry) -> str:
        digest = entry.digest or hashlib.sha256(entry.data).digest()
        return f"{self._terminal}/{self._spool.hex()}/{digest[:DIGEST_BYTES].hex()}/{entry.key}"

    def _keep(self, data: bytes) -> None:
        assembly = self._assembly
        if assembly is None:
            return
        if assembly.entry.digest and self._is_wanted and data:
            self.memory.keep(self._terminal, data)
        if assembly.is_whole:
            self._assembly = None
            if self._is_wanted:
                self._received(assembly)

    def _received(self, assembly: Assembly) -> None:
        entry = assembly.entry
        message = Message(
            terminal=self._terminal,
            key=self._delivery_key(entry),
            content=assembly.content,
            media_type=entry.media_type,
            name=entry.name,
        )
        self.waiting.append(message)
        self.unanswered.add(message.key)
        self._condition.notify_all()
