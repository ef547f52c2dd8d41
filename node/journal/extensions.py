"""Slices on their way into streams: what is given to ``Journal.extend_all``, and what it plans of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.journal.cutting import Part, Standing
    from node.journal.entries import Entry
    from node.journal.holdings import Held
    from node.standard.seals import Checkpoint, StreamName


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A received slice: ``entries`` follow directly what is held of ``stream``, and end at ``checkpoint``.

    The caller has verified that, and the signatures of ``checkpoint`` and ``announced``. ``held`` is the stream as it
    was read in this transaction, None when it was not.
    """

    stream: StreamName
    entries: Sequence[Entry]
    checkpoint: Checkpoint
    announced: Sequence[Checkpoint] = ()
    held: Held | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A slice as it will be written: its parts, what was signed of its stream, and how that stands at each size."""

    held: Held
    end: int
    parts: list[Part]
    signed: list[Checkpoint]
    standings: dict[int, Standing]


def audience_of(one: Planned) -> str:
    """Return the audience of the stream: slices are written together by audience."""
    return one.held.stream.audience
