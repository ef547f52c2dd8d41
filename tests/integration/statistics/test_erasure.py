"""I3 with redactions: whoever had the bytes, never had them, or rebuilds comes to the same cases, figures, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from node.journal import alarms
from node.journal.entries import NO_AUTHORITY, Entry, read_entry
from node.standard.seals import ANCESTORS, StreamName
from node.statistics.recount import figures_from_records
from node.statistics.verdict import own_figures
from tests.integration.statistics.test_any_order import LINES, requeue, settled
from tests.support.case_nodes import CaseNode
from tests.support.case_records import WORDS, bodies, body, case_no
from tests.support.penalty_records import bodies as penalty_bodies
from tests.support.roll_up import DAY, FULL, directed, figures, publish, state, verdicts
from tests.support.samples import record
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.journal.records import StoredRecord
    from node.journal.store import Store

CITY, COUNTY = "360100", "360102"
STREAM = StreamName(COUNTY, ANCESTORS)
PENALTY = "clue file investigate review notify decide"


def size(node: CaseNode) -> int:
    with node.store.reading() as connection:
        held = node.journal.held(connection, STREAM)
    return held.size if held else 0


def as_sent(records: list[StoredRecord]) -> list[Entry]:
    """Return records as they travel: one without bytes by its leaf hash alone."""
    return [
        Entry(record_type="", body=b"", leaf=one.leaf) if one.body is None else read_entry(one.body) for one in records
    ]


def written(data: st.DataObject, county: CaseNode, number: int) -> None:
    """Let the county write something of a case, sometimes a request, a penalty, a second version."""
    words = [
        *data.draw(st.sampled_from(LINES)).split(),
        *data.draw(st.lists(st.sampled_from(sorted(WORDS)), max_size=1)),
    ]
    county.append(bodies(" ".join(words), case_no=case_no(number), start=20))
    if data.draw(st.booleans()):
        changes = {"hour": data.draw(st.sampled_from([1, 30, 60])), "data_version": data.draw(st.integers(1, 3))}
        county.append([body("Acceptance", case_no=case_no(1), **changes)])
    if data.draw(st.booleans()):
        version = str(data.draw(st.integers(1, 3)))
        county.append([record("Complaint", DataVersion=version, Correction=None, CaseNo=case_no(1))])
    if data.draw(st.booleans()):
        county.append(penalty_bodies(PENALTY))


def pulled(data: st.DataObject, city: CaseNode, county: CaseNode, aside: list[Entry]) -> None:
    """Let a holder take what is new, some of it quarantined for a while."""
    have = size(city)
    with county.store.reading() as connection:
        new = county.journal.stored(connection, STREAM, have + 1, size(county))
    entries = as_sent(new)
    for index in data.draw(st.sets(st.integers(0, 12), max_size=1)) & set(range(len(entries))):
        if entries[index].body:
            entries[index].quarantine = NO_AUTHORITY
            aside.append(entries[index])
    if entries:
        city.receive(entries, COUNTY)


def derived(node: CaseNode) -> dict[str, Any]:
    """Return all that a holder has derived, without the verdicts that it has written: they stay what they were."""
    found = settled(node)
    return {**found, "records": [row for row in found["records"] if row[0][0] == str(STREAM)]}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whoever_had_the_bytes_or_never_had_them_derives_the_same(data: st.DataObject) -> None:
    county = CaseNode(new_memory_store(), COUNTY)
    early, middle = CaseNode(new_memory_store(), CITY), CaseNode(new_memory_store(), CITY)
    aside: dict[CaseNode, list[Entry]] = {early: [], middle: []}
    for number in range(1, data.draw(st.integers(2, 4)) + 1):
        written(data, county, number)
        if data.draw(st.booleans()):
            publish(county)
        pulled(data, early, county, aside[early])
        if data.draw(st.booleans()):
            pulled(data, middle, county, aside[middle])
        if data.draw(st.booleans()):
            settled(early)
        for position in data.draw(st.lists(st.integers(1, size(county)), max_size=2)):
            county.redact(position)
        if data.draw(st.booleans()):
            publish(county)
    late = CaseNode(new_memory_store(), CITY)
    for holder in (early, middle):
        pulled(data, holder, county, aside[holder])
        requeue(holder, aside[holder])
    late.copy_from(county)
    expected = derived(late)
    assert derived(early) == expected
    assert derived(middle) == expected
    for holder in (early, late):
        holder.journal.rebuild()
        assert derived(holder) == expected
    own = derived(county)
    county.journal.rebuild()
    assert derived(county) == own
    assert {name: own[name] for name in ("cases", "findings", "requests", "counters")} == {
        name: expected[name] for name in ("cases", "findings", "requests", "counters")
    }
    with county.store.reading() as connection:
        recomputed = figures_from_records(connection, 1, size(county) + 1)
        assert own_figures(connection, COUNTY, "2026-01-01", "2026-02-28") == recomputed


def test_summaries_before_a_redaction_stay_and_the_day_is_stated_again(any_store: Store) -> None:
    county, city = CaseNode(any_store, COUNTY), CaseNode(new_memory_store(), CITY)
    county.append(bodies(FULL))
    publish(county)
    city.copy_from(county)
    assert verdicts(city) == 1
    county.redact(6)
    city.copy_from(county)
    verdicts(city)
    assert state(city) == ("erased", {COUNTY: "erased"})
    assert [one["Verdict"] for one in directed(city, COUNTY)] == ["AGREED"]
    assert [day for day, _ in publish(county)] == [DAY]
    city.copy_from(county)
    assert verdicts(city) == 1
    assert state(city) == ("agreed", {COUNTY: "agreed"})
    with county.store.reading() as connection:
        own = own_figures(connection, COUNTY, DAY, DAY)[DAY]
    expected = figures(applied=1, accepted=1)
    assert {key: own.get(key) for key in expected} == expected
    assert not any(key.indicator.startswith("concluded") for key in own)


def test_a_record_that_did_not_count_leaves_its_summaries_agreed() -> None:
    county, late = CaseNode(new_memory_store(), COUNTY), CaseNode(new_memory_store(), CITY)
    county.append([*bodies("apply accept"), *bodies("material", start=5)])
    publish(county)
    county.redact(3)
    late.copy_from(county)
    assert verdicts(late) == 1
    assert state(late) == ("agreed", {COUNTY: "agreed"})


def test_a_summary_above_an_awaited_record_waits_for_its_redaction() -> None:
    county, late = CaseNode(new_memory_store(), COUNTY), CaseNode(new_memory_store(), CITY)
    county.append(bodies("apply accept"))
    publish(county)
    county.redact(2)
    late.copy_from(county, cuts=(3,))
    with county.store.reading() as connection:
        before = county.journal.stored(connection, STREAM, 1, 3)
    waiting = CaseNode(new_memory_store(), CITY)
    waiting.receive(
        [
            Entry(record_type="", body=b"", leaf=one.leaf) if one.body is None else read_entry(one.body)
            for one in before
        ],
        COUNTY,
    )
    assert verdicts(waiting) == 0
    assert state(waiting) == ("pending", {COUNTY: "pending"})
    waiting.copy_from(county)
    verdicts(waiting)
    verdicts(late)
    assert state(waiting) == state(late) == ("erased", {COUNTY: "erased"})


def test_a_disputed_summary_stays_disputed_where_nothing_was_redacted(memory: Store) -> None:
    county = CaseNode(memory, COUNTY)
    county.append(bodies("apply"))
    county.redact(1, LeafHash="ab" * 32)
    with memory.reading() as connection:
        assert [one.kind for one in alarms.alarms(connection)] == ["REDACTION"]
        assert county.journal.stored(connection, STREAM, 1, 1)[0].body is not None
