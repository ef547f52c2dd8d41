"""Values with blanks around them: the schema takes them for dates and numbers, so no projection may stop at one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from node.cases.tables import calendar, item
from node.errors import RecordRefusedError
from node.journal.entries import read_entry
from node.standard.codec import parse_record
from node.standard.families import DIRECTED, RECORD_TYPES
from node.statistics.summaries import newest_summary, stream_ids
from tests.support.case_nodes import CaseNode
from tests.support.samples import SAMPLES, record

if TYPE_CHECKING:
    from node.journal.store import Store

_LEAF = re.compile(rb"<([A-Za-z]+)>([^<]+)</\1>")


def blanked(body: bytes) -> bytes:
    """Return a valid record with blanks around every value that may have some."""
    for leaf in reversed(list(_LEAF.finditer(body))):
        changed = b"%b\n %b %b" % (body[: leaf.start(2)], leaf[2], body[leaf.end(2) :])
        try:
            parse_record(changed)
        except RecordRefusedError:
            continue
        body = changed
    return body


@pytest.mark.parametrize("record_type", sorted(SAMPLES))
def test_a_valid_record_with_blanks_around_its_values_stops_no_stream(memory: Store, record_type: str) -> None:
    node = CaseNode(memory, "360100")
    body = blanked(record(record_type))
    for audience in RECORD_TYPES[record_type].audiences:
        node.receive([read_entry(body)], "360102", "360100" if audience == DIRECTED else audience)
    before = node.tables()
    node.journal.rebuild()
    assert node.tables() == before


def test_dates_are_read_without_the_blanks_around_them(memory: Store) -> None:
    node = CaseNode(memory, "360100")
    catalogue = [blanked(record(name)) for name in ("Item", "Calendar")]
    assert all(b"\n 2026-01-01 <" in body for body in catalogue)
    node.receive([read_entry(body) for body in catalogue], "360000", "descendants")
    node.receive([read_entry(blanked(record("StatisticsSummary")))], "360102")
    with memory.reading() as connection:
        assert tuple(connection.execute(select(item.c.valid_from, item.c.valid_to)).one()) == (
            "2026-01-01",
            "2030-12-31",
        )
        assert connection.scalar(select(calendar.c.off_days)) == "2026-01-01 2026-01-02"
        # 2026-01-05 is day 739621 of the proleptic Gregorian calendar.
        assert newest_summary(connection, stream_ids(connection)["360102"], 739_621) is not None
