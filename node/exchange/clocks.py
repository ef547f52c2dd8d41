"""Clocks of neighbours: how far one is from ours, by the Date that it writes beside its packages.

No rule of the exchange uses time, so a wrong clock never stops a package. But deadlines and days are counted by it:
from five minutes on it is shown, and from an hour on this node publishes no summaries, which would count days wrongly.
A Date has whole seconds and is as old as the network is slow, which does not matter at such bounds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from node.errors import ClockOffError
from node.journal.links import links

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

DATE_HEADER: Final = "Date"
SHOWN_S: Final = 300
"""Seconds from which an offset is shown as a fault: five minutes."""
STOPPING_S: Final = 3_600
"""Seconds from which sweeps and summaries stop: an hour."""


def is_clock_off(offset: int | None, bound_s: int = SHOWN_S) -> bool:
    """Tell whether a clock is so many seconds away from ours, in either direction; one that is not known is not."""
    return offset is not None and abs(offset) >= bound_s


def check_clocks(connection: Connection) -> None:
    """Raise ClockOffError while the clock of a neighbour whose link is up is an hour or more away from ours."""
    for link in links(connection):
        offset = link.clock_offset_s
        if link.state == "up" and offset is not None and is_clock_off(offset, STOPPING_S):
            direction = "ahead of" if offset > 0 else "behind"
            raise ClockOffError(
                f"The clock of {link.peer} is {abs(offset) // 60} minutes {direction} ours.",
                why="summaries and sweeps wait, because days and deadlines would be counted wrongly; exchange goes on",
                action="find out whose clock is wrong (date -u on both machines) and put it right",
            )


def date_text(now: datetime) -> str:
    """Return an aware time as a Date header has it (RFC 9110, 5.6.7)."""
    return format_datetime(now.astimezone(UTC), usegmt=True)


def offset_s(date: str | None, now: datetime) -> int | None:
    """Return by how many seconds the clock that wrote a Date is ahead of ``now`` (aware); None when it wrote none."""
    try:
        said = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    if said.tzinfo is None:
        return None
    return round((said - now).total_seconds())
