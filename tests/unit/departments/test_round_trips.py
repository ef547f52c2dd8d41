"""A county's month with everything in it goes out in the dialects of the standard and comes back, record for record.

Dialects that cannot carry everything have tests of their own, which compare what they say that they lose.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from node.demo.feeding import DOORS, plan_feed
from node.departments.dialects import DialectOptions, Dialects
from node.departments.prepare import content_of_candidate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.demo.generator import GeneratedRecord


@pytest.fixture(scope="module")
def month() -> Sequence[GeneratedRecord]:
    """Cases, what is attached to them, and penalties, in the order of sending."""
    feed = plan_feed(cases=120, seed=5)[0]
    records = [one for door in DOORS for one in feed.by_door[door] if one.valid]
    return sorted(records, key=lambda one: one.sent_at)


@pytest.mark.parametrize("dialect", ["standard", "json", "csv", "xlsx"])
def test_a_month_comes_back_as_it_went_out(month: Sequence[GeneratedRecord], dialect: str) -> None:
    found = Dialects().find(dialect)
    assert found.writes is not None
    delivery = found.writes(month, DialectOptions())
    back = list(Dialects().read(dialect, BytesIO(delivery)))
    assert [one.problems for one in back if one.problems] == []
    contents = []
    for one in back:
        content = content_of_candidate(one)
        content.pop("Channel", None)
        contents.append((one.record_type, content))
    expected = [(one.record_type, one.content) for one in month]
    if found.grouped:
        key = str
        contents, expected = sorted(contents, key=key), sorted(expected, key=key)
    assert contents == expected
