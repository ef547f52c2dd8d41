"""Order: files that stand by table, not by time, are taken in the order in which things happened.

A case's state follows the order of its records in the stream. A spreadsheet with one sheet a record type, or a dump
of a database table by table, tells all acceptances, then all steps, then all conclusions: taken as it stands, every
case would look as if its steps had been taken out of order. So a file of up to ``ROWS_MAX`` rows and ``WEIGHT_MAX``
bytes is held and sorted by event time before it is taken in; a larger one keeps its own order, because memory is
bounded.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from node.departments.candidates import Candidate

ROWS_MAX: Final = 20_000
WEIGHT_MAX: Final = 32 * 1024 * 1024
"""Rows that are held, and bytes of the file that they may take: some 100 MB. Our own choice."""
_EVENT_TIME: Final = re.compile(rb"<EventTime\s*>\s*([^<\s]+)\s*</EventTime")
_MARKUP_BYTES: Final = 16_384


def in_event_order(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Yield candidates by event time; what names none stays behind what stood before it, as equal times do.

    ``place`` of each says where it stood. Beyond the bounds they come as they stand, and no place is said.
    """
    source = iter(candidates)
    held: list[Candidate] = []
    weight = 0
    for candidate in source:
        held.append(candidate)
        weight += candidate.weight
        if len(held) > ROWS_MAX or weight > WEIGHT_MAX:
            yield from chain(held, source)
            return
    last = datetime.min.replace(tzinfo=UTC)
    keyed = []
    for place, candidate in enumerate(held):
        last = _event_time(candidate) or last
        keyed.append((last, place))
    for _, place in sorted(keyed):
        yield replace(held[place], place=place)


def _event_time(candidate: Candidate) -> datetime | None:
    """Return when a candidate says that it happened, None when it does not say it in the form of the standard."""
    if candidate.content is not None:
        given = candidate.content.get("EventTime")
        text = given if isinstance(given, str) else ""
    else:
        found = _EVENT_TIME.search(candidate.markup or b"", 0, _MARKUP_BYTES)
        text = found[1].decode(errors="replace") if found else ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
