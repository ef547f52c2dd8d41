"""I3 over everything derived: cases, counters, summaries, reference data, in any order, cut, and time of requeue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, select

from node.cases.reference import repair_cases
from node.cases.tables import calendar, division, item, organisation
from node.journal.entries import NO_AUTHORITY, read_entry
from node.journal.tables import position_of
from node.statistics.tables import summary
from tests.support.case_nodes import CaseNode
from tests.support.case_records import WORDS, bodies, body, case_no, item_body
from tests.support.roll_up import entries_of, publish, verdicts
from tests.support.samples import record
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.journal.entries import Entry

CITY = "360100"
MATERIAL = {"MaterialName": "材料", "Originals": "1", "Copies": "0", "Required": "true"}
ASKS_FOUR = item_body(MaterialItem=[MATERIAL] * 4)
CATALOGUE = (
    ASKS_FOUR,
    item_body(IsFee="false", FeeBasis=None, FeeItem=None, MaterialItem=None),
    item_body(TaskVersion="2", ValidFrom="2026-01-06", MaterialItem=[MATERIAL] * 9),
    record("Calendar"),
    record("Calendar", CalendarVersion="2", OffDay=None),
    record("Organisation", OrgName="改名局"),
    record("Division"),
)
LINES = ("apply accept handle review decide grant", "apply notice receipt accept paid", "apply accept unpaid void")
Streams = dict[tuple[str, str], list[bytes]]


@st.composite
def streams(draw: st.DrawFn) -> Streams:
    """Give what four streams hold: a county's with its summaries, another's, and the catalogue from two origins."""
    county = CaseNode(new_memory_store(), "360102")
    for number in range(1, draw(st.integers(2, 3)) + 1):
        words = [*draw(st.sampled_from(LINES)).split(), *draw(st.lists(st.sampled_from(sorted(WORDS)), max_size=1))]
        county.append(bodies(" ".join(words), case_no=case_no(number), start=20))
        if draw(st.booleans()):
            county.append([body("Acceptance", case_no=case_no(1), hour=draw(st.sampled_from([1, 30])), data_version=2)])
        publish(county)
    county.append([*draw(st.lists(st.sampled_from(CATALOGUE[:3]), max_size=2)), record("Takeover")])
    return {
        ("360102", "ancestors"): [entry.body for entry in entries_of(county)],
        ("360103", "ancestors"): bodies(draw(st.sampled_from(LINES)), case_no=case_no(1)),
        ("360102", "descendants"): draw(st.lists(st.sampled_from(CATALOGUE[:3]), max_size=2)),
        ("360000", "descendants"): draw(st.permutations(CATALOGUE)),
    }


def settled(node: CaseNode) -> dict[str, Any]:
    """Let the jobs run until nothing is left, and return all that is derived, free of row numbers."""
    while repair_cases(node.store, node.cases):
        pass
    verdicts(node)
    with node.store.reading() as connection:
        held = {stream.stream_id: str(stream.stream) for stream in node.journal.streams(connection)}

        def rows(table: Table, key: str) -> list[tuple[Any, ...]]:
            others = [column for column in table.c if column.name not in {key, "stream_id", "first_key"}]
            found = connection.execute(select(table.c[key], *others)).all()
            return sorted(((held[row[0] >> 40], position_of(row[0]), *row[1:]) for row in found), key=repr)

        reference = {table.name: rows(table, "record_key") for table in (item, organisation, division, calendar)}
        return {**node.tables(), **reference, "summaries": rows(summary, "last_key")}


def requeue(node: CaseNode, entries: Sequence[Entry]) -> None:
    node.store.write(lambda transaction: node.journal.requeue(transaction, [entry.key for entry in entries]))


@settings(max_examples=25, deadline=None)
@given(streams(), st.data())
def test_what_is_derived_does_not_depend_on_order_cuts_or_the_time_of_a_requeue(
    held: Streams, data: st.DataObject
) -> None:
    whole = CaseNode(new_memory_store(), CITY)
    for (origin, audience), records in held.items():
        if records:
            whole.receive([read_entry(one) for one in records], origin, audience)
    expected = settled(whole)
    pieces = CaseNode(new_memory_store(), CITY)
    waiting = {name: [read_entry(one) for one in records] for name, records in held.items() if records}
    aside: list[Entry] = []
    while waiting:
        name = data.draw(st.sampled_from(sorted(waiting)))
        length = data.draw(st.integers(1, 8))
        chunk, waiting[name] = waiting[name][:length], waiting[name][length:]
        if not waiting[name]:
            del waiting[name]
        for index in data.draw(st.sets(st.integers(0, 7), max_size=2)) & set(range(len(chunk))):
            chunk[index].quarantine = NO_AUTHORITY
            aside.append(chunk[index])
        pieces.receive(chunk, *name)
        if data.draw(st.booleans()) and aside:
            requeue(pieces, [aside.pop(data.draw(st.integers(0, len(aside) - 1)))])
        if data.draw(st.booleans()):
            settled(pieces)
    requeue(pieces, aside)
    assert settled(pieces) == expected
    pieces.journal.rebuild()
    assert settled(pieces) == expected
