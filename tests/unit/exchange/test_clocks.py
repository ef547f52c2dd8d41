"""Clocks of neighbours: read off the Date beside a package, shown at minutes, and stopping summaries at an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from node.errors import ClockOffError
from node.exchange.clocks import SHOWN_S, STOPPING_S, check_clocks, date_text, is_clock_off, offset_s
from node.journal import links
from node.journal.links import Link, save_link
from node.status import is_degraded, node_status
from tests.support.exchanging import settled_node
from tests.support.whole_nodes import whole_node

NOW = datetime(2026, 11, 3, 9, 12, tzinfo=UTC)
COUNTY, CITY = "360102", "360100"


@pytest.mark.parametrize("ahead_s", [0, 1, -1, 299, -3_600, 86_400])
def test_an_offset_is_the_date_against_our_time(ahead_s: int) -> None:
    assert offset_s(date_text(NOW + timedelta(seconds=ahead_s)), NOW) == ahead_s
    china = NOW.astimezone(timezone(timedelta(hours=8)))
    assert offset_s(date_text(china + timedelta(seconds=ahead_s)), NOW) == ahead_s


def test_a_date_is_written_as_http_has_it() -> None:
    assert date_text(NOW) == "Tue, 03 Nov 2026 09:12:00 GMT"


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Nov 2026 09:12:00 GMT", "Tue, 03 Nov 2026 09:12:00"])
def test_what_is_no_date_says_nothing(date: str | None) -> None:
    found = offset_s(date, NOW)
    assert found in {None, 0}, "a time without a zone may be read as UTC"


def test_bounds_hold_in_both_directions() -> None:
    assert [is_clock_off(offset) for offset in (None, 0, 299, 300, -299, -300)] == [
        False,
        False,
        False,
        True,
        False,
        True,
    ]
    assert (SHOWN_S, STOPPING_S) == (300, 3_600)


def test_an_offset_is_written_with_a_contact_and_at_once_when_it_crosses_a_bound() -> None:
    county = settled_node(COUNTY)
    states = county.exchange.links

    def shown() -> int | None:
        with county.store.reading() as connection:
            link = links.link_to(connection, CITY)
        return None if link is None else link.clock_offset_s

    def contact(offset: int | None) -> int | None:
        states.note_clock(CITY, offset)
        states.heard(CITY, links.PARENT)
        return shown()

    assert contact(2) == 2
    assert contact(3) == 2, "a quiet link costs a commit a minute"
    assert contact(None) == 2
    assert contact(-310) == -310
    assert contact(4_000) == 4_000
    assert contact(5) == 5
    county.clock.advance(61)
    assert contact(7) == 7


@pytest.mark.parametrize(("offset", "direction"), [(3_600, "ahead of"), (-7_230, "behind")])
def test_an_hour_stops_summaries_and_nothing_else(offset: int, direction: str) -> None:
    node = whole_node("360100")
    try:

        def save(state: str, clock_offset_s: int) -> None:
            link = Link(peer="360000", role="parent", state=state, clock_offset_s=clock_offset_s)
            node.store.write(lambda one: save_link(one, link))

        save("up", offset)
        with pytest.raises(ClockOffError, match=f"{abs(offset) // 60} minutes {direction} ours"):
            node.publish_statistics()
        assert is_degraded(node_status(node))
        save("up", 3_599)
        assert node.publish_statistics() == []
        save("down", offset)
        with node.store.reading() as connection:
            check_clocks(connection)  # What a silent neighbour's clock was says nothing any more.
    finally:
        node.close()
