"""What a terminal says on the line and hears there: entries of the spool up, documents down to the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Final, Iterator

from adapters.record_line.entries import Assembly, entry_messages
from adapters.record_line.limits import UNANSWERED_MAX
from adapters.record_line.messages import Confirm, Entry, LineProtocolError, Message, Part, Refuse

if TYPE_CHECKING:
    from adapters.serial_bridge.terminal.spool import Spool

LOOK_EVERY_S: Final = 0.25
"""How often the spool is looked at for what another program has put in."""


class Correspondence:
    """Speaks for a spool; ``tell`` gets what people should see: a constant word and what belongs to it."""

    def __init__(self, spool: Spool, *, monotonic_s: Callable[[], float], tell: Callable[[str, str], None]) -> None:
        self.is_open = False
        self._spool = spool
        self._monotonic_s = monotonic_s
        self._tell = tell
        self._told = ""
        self._sent = 0
        self._unanswered: set[int] = set()
        self._resume = ("", 0)
        self._entry: Iterator[Message] = iter(())
        self._said: list[Message] = []
        self._assembly: Assembly | None = None
        self._look_at_s = 0.0

    def opened(self, resume_key: str, resume_bytes: int) -> None:
        """Begin with the first entry that the node has not answered."""
        self.is_open = True
        self._sent = 0
        self._unanswered.clear()
        self._entry = iter(())
        self._said.clear()
        self._assembly = None
        self._look_at_s = 0.0
        self._resume = (resume_key, resume_bytes)
        self._once("open", "")

    def closed(self, reason: str) -> None:
        """Take in that the line is down."""
        self.is_open = False
        if reason != "own-wish":
            self._once("closed", reason)

    def trouble(self, reason: str, who: str) -> None:  # noqa: ARG002 - who calls is ourselves
        """Take in why the node does not let us in."""
        if not self.is_open:
            self._once("trouble", reason)

    def is_ready(self) -> bool:
        """A terminal takes whatever the node says."""
        return True

    def next_message(self) -> Message | None:
        """Return what is to be said next: what we hold, then the next piece of the next entry."""
        if self._said:
            return self._said.pop(0)
        message = next(self._entry, None)
        if message is None and self._next_entry():
            message = next(self._entry, None)
        return message

    def heard(self, message: Message) -> None:
        """Take in an answer, or a document that the node sends down."""
        if isinstance(message, Entry):
            if self._assembly is not None:
                raise LineProtocolError("a document begins inside another one")
            self._assembly = Assembly(message)
            self._received_if_whole()
        elif isinstance(message, Part):
            if self._assembly is None:
                raise LineProtocolError("a part of nothing")
            self._assembly.add(message.data)
            self._received_if_whole()
        else:
            self._answered(message)

    def _next_entry(self) -> bool:
        if len(self._unanswered) >= UNANSWERED_MAX or self._monotonic_s() < self._look_at_s:
            return False
        entry = self._spool.waiting_after(self._sent)
        if entry is None:
            self._look_at_s = self._monotonic_s() + LOOK_EVERY_S
            return False
        key, held = self._resume
        offset = held if key == str(entry.number) and held <= len(entry.content) else 0
        self._entry = entry_messages(
            str(entry.number), entry.content, media_type=entry.media_type, name=entry.name, offset=offset
        )
        self._sent = entry.number
        self._unanswered.add(entry.number)
        return True

    def _answered(self, answer: Confirm | Refuse) -> None:
        if not answer.key.isdecimal() or int(answer.key) not in self._unanswered:
            return
        number = int(answer.key)
        self._unanswered.discard(number)
        if isinstance(answer, Confirm):
            self._spool.confirm(number, answer.offered, answer.refused, answer.text)
            self._tell("confirmed", f"{number}: {answer.offered - answer.refused}/{answer.offered} {answer.text}")
        else:
            self._spool.refuse(number, answer.text)
            self._tell("refused", f"{number}: {answer.text}")

    def _received_if_whole(self) -> None:
        assembly = self._assembly
        if assembly is None or not assembly.is_whole:
            return
        self._assembly = None
        entry = assembly.entry
        self._spool.receive(entry.key, entry.name, entry.media_type, entry.text, assembly.content)
        self._said.append(Confirm(entry.key))

    def _once(self, word: str, what: str) -> None:
        if self._told != word + what:
            self._told = word + what
            self._tell(word, what)
