"""The node's side of a record line: what a bridge uses, whatever carries the bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from adapters.contract import Document, Outcome
    from adapters.record_line.port import BytePort


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
    ``frames_lost`` counts frames that noise spoilt, ``frames_forged`` those that came whole and were not the terminal's.
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

    ``key`` is the same however often it comes (the terminal's name, its spool and the number there), at most 200
    characters: the delivery key. ``media_type`` and ``name`` (of a file, "" for none) are what the terminal said.
    """

    terminal: str
    key: str
    content: bytes
    media_type: str
    name: str = ""


class RecordLine:
    """One line, with one terminal at its end at a time; lives as long as the adapter, over ports that come and go.

    ``terminals`` are the keys (32 bytes) of those who may call, by name (1 to 32 of ``a-z 0-9 - _ .``). ``folder``
    is the line's alone and stays: it holds what was answered lately and what has come of a large file. ``monotonic_s`` and
    ``token`` are those of the opening. Every method may be called from any thread.
    """

    def __init__(
        self,
        *,
        terminals: Mapping[str, bytes],
        folder: Path,
        monotonic_s: Callable[[], float],
        token: Callable[[int], bytes],
    ) -> None:
        raise NotImplementedError

    def start(self, port: BytePort) -> None:
        """Run over ``port``, which this closes when it ends; a port from before is closed first."""

    def received(self, wait_s: float) -> Message | None:
        """Return the oldest message that was not returned yet, None when none came within ``wait_s``.

        Raises SourceUnavailableError when the port is gone: open it again and ``start``. What was received before that
        is returned first. A message that comes again while it is not answered is not returned twice.
        """

    def confirm(self, message: Message, outcome: Outcome) -> None:
        """Tell the terminal that the message is in the node's journal; remembered, and told again when it comes again.

        Harmless when the line is down: the terminal is told when it sends the message again.
        """

    def refuse(self, message: Message, reason: str) -> None:
        """Tell the terminal that the node cannot read the message at all, and why; otherwise as ``confirm``."""

    def deliver(self, document: Document, key: str, *, wait_s: float = 60.0) -> None:
        """Hand a document to the terminal and wait until it stands on the terminal's disk.

        Raises SourceUnavailableError when no terminal is there or it does not answer in time, and
        DeliveryRejectedError when it never will take it (too large). The same ``key`` again changes nothing there.
        """

    @property
    def state(self) -> LineState:
        """How the line stands now."""

    def close(self) -> None:
        """Say good-bye where somebody is there, close the port and let go; calling it twice is harmless."""
