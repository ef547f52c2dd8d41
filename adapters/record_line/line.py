"""The node's side of a record line: what a bridge uses, whatever carries the bytes."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from threading import Condition
from typing import TYPE_CHECKING

from adapters.contract import AdapterError, DeliveryRejectedError, SourceUnavailableError
from adapters.record_line.answering import NodeLink
from adapters.record_line.driving import Driver
from adapters.record_line.entries import entry_messages
from adapters.record_line.limits import ENTRY_BYTES_MAX, KEY_BYTES_MAX
from adapters.record_line.memory import LineMemory
from adapters.record_line.messages import Confirm, Refuse, clipped
from adapters.record_line.speaking import LineState, Message, Speaking, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from adapters.contract import Document, Outcome
    from adapters.record_line.port import BytePort

__all__ = ["LineState", "Message", "RecordLine", "Standing"]


class RecordLine:
    """One line, with one terminal at its end at a time; lives as long as the adapter, over ports that come and go.

    ``terminals`` are the keys (32 bytes) of those who may call, by name (1 to 32 of ``a-z 0-9 - _ .``). ``folder``
    is the line's alone and stays: it holds what was answered lately and what has come of a long file. ``monotonic_s``
    and ``token`` are those of the opening. Every method may be called from any thread.
    """

    def __init__(
        self,
        *,
        terminals: Mapping[str, bytes],
        folder: Path,
        monotonic_s: Callable[[], float],
        token: Callable[[int], bytes],
    ) -> None:
        self._terminals = dict(terminals)
        self._monotonic_s = monotonic_s
        self._token = token
        self._condition = Condition()
        self._speaking = Speaking(LineMemory(folder), self._condition, monotonic_s)
        self._driver: Driver | None = None
        self._closed = False

    def start(self, port: BytePort) -> None:
        """Run over ``port``, which this closes when it ends; a port from before is closed first."""
        self._stop()
        link = NodeLink(self._speaking, terminals=self._terminals, token=self._token)
        driver = Driver(
            link,
            port,
            condition=self._condition,
            monotonic_s=self._monotonic_s,
            gone=(OSError, AdapterError, sqlite3.Error),
            ended=self._ended,
        )
        with self._condition:
            self._driver = driver
            self._speaking.stands(Standing.SILENT, "nobody has called yet")
        driver.start()

    def received(self, wait_s: float) -> Message | None:
        """Return the oldest message that was not returned yet, None when none came within ``wait_s``.

        Raises SourceUnavailableError when the port is gone: open it again and ``start``. What was received before that
        is returned first. A message that comes again while it is not answered is not returned twice.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._speaking.waiting or self._driver is None, wait_s)
            if self._speaking.waiting:
                message = self._speaking.waiting.popleft()
                self._read_on()
                return message
            if self._driver is None:
                raise SourceUnavailableError(self._speaking.state.text)
            return None

    def confirm(self, message: Message, outcome: Outcome) -> None:
        """Tell the terminal that the message is in the node's journal; remembered, and told again when it comes again.

        Harmless when the line is down: the terminal is told when it sends the message again. Raises
        SourceUnavailableError when the answer cannot be kept.
        """
        problem = outcome.problems[0].text if outcome.problems else ""
        counts = (outcome.offered, outcome.accepted, outcome.repeated, outcome.refused, outcome.received)
        self._answer(message, Confirm("", *counts, clipped(problem)))

    def refuse(self, message: Message, reason: str) -> None:
        """Tell the terminal that the node cannot read the message at all, and why; otherwise as ``confirm``."""
        self._answer(message, Refuse("", clipped(reason)))

    def deliver(self, document: Document, key: str, *, wait_s: float = 60.0, still_s: float | None = None) -> None:
        """Hand a document to the terminal and wait until it stands on the terminal's disk.

        Waits at most ``wait_s``, and with ``still_s`` no longer than the terminal takes in nothing for so long.

        Raises SourceUnavailableError when no terminal is there or it does not answer in time, and
        DeliveryRejectedError when it never will take it (too large). The same ``key`` again changes nothing there;
        while the document is still on its way, it is waited for and not sent once more.
        """
        if len(document.content) > ENTRY_BYTES_MAX or len(key.encode("utf-8")) > KEY_BYTES_MAX:
            raise DeliveryRejectedError(f"a line carries at most {ENTRY_BYTES_MAX} bytes of a document")
        speaking = self._speaking
        with self._condition:
            if not speaking.is_open:
                raise SourceUnavailableError(f"no terminal is there: {speaking.state.text}")
            speaking.say(
                key,
                entry_messages(
                    key,
                    document.content,
                    media_type=document.media_type,
                    name=document.record_type,
                    text=document.text,
                ),
            )
            self._condition.notify_all()
            self._wait_while_under_way(key, wait_s, still_s or wait_s)
            answer = speaking.take_answer(key)
        if answer is None:
            raise SourceUnavailableError("the terminal has not said that it holds the document")
        if isinstance(answer, Refuse):
            raise DeliveryRejectedError(f"the terminal refuses the document: {answer.text}")

    @property
    def state(self) -> LineState:
        """How the line stands now."""
        with self._condition:
            link = self._driver.link if self._driver is not None else None
            if link is None:
                return self._speaking.state
            forged = link.forged + (link.session.forged if link.session is not None else 0)
            return replace(self._speaking.state, frames_lost=link.spoilt, frames_forged=forged)

    def close(self) -> None:
        """Say good-bye where somebody is there, close the port and let go; calling it twice is harmless."""
        self._stop()
        with self._condition:
            if not self._closed:
                self._closed = True
                self._speaking.memory.close()

    def _wait_while_under_way(self, key: str, wait_s: float, still_s: float) -> None:
        until_s = self._monotonic_s() + wait_s
        taken_in = -1
        while self._speaking.is_under_way(key) and self._taken_in() > taken_in:
            taken_in = self._taken_in()
            left_s = until_s - self._monotonic_s()
            if left_s <= 0:
                return
            self._condition.wait_for(lambda: not self._speaking.is_under_way(key), min(still_s, left_s))

    def _taken_in(self) -> int:
        """Return how many bytes of the stream the terminal has in this session."""
        session = self._driver.link.session if self._driver is not None else None
        return 0 if session is None else session.sending.through

    def _answer(self, message: Message, answer: Confirm | Refuse) -> None:
        with self._condition:
            try:
                self._speaking.answer(message, answer)
            except (OSError, sqlite3.Error) as cause:
                raise SourceUnavailableError(f"the line's memory cannot be written: {cause}") from cause
            self._condition.notify_all()

    def _read_on(self) -> None:
        if self._driver is not None:
            self._driver.link.read_on()
            self._condition.notify_all()

    def _ended(self, driver: Driver) -> None:
        """Take in that the port is gone; called with the lock held."""
        driver.link.hang_up(self._monotonic_s())
        if driver is self._driver:
            self._driver = None
            self._speaking.stands(Standing.UNPLUGGED, str(driver.error or "the port is closed"))

    def _stop(self) -> None:
        driver = self._driver
        if driver is not None:
            driver.stop()
