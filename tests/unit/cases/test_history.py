"""The short way (one record added quietly) and the definition (a replay) never differ."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from node.cases.findings import VERSION_REPEATED, Finding, ItemTerms
from node.cases.history import (
    CASE_RECORDS_MAX,
    FINDINGS,
    CaseMemory,
    Recorded,
    advance_quietly,
    effective,
    replay,
)
from tests.support.case_records import WORDS, facts

ITEMS = (ItemTerms(version=1, valid_from="2026-01-05", valid_to=None, charges=False, required_materials=3),)
# Words that make long legal histories likely, and every other word now and then.
LINES = (
    "apply accept handle review decide grant collect",
    "apply material accept paid handle review decide deny",
    "apply notice receipt accept unpaid handle grant paid",
    "apply accept special end handle notice receipt withdraw",
)

word = st.sampled_from(sorted(WORDS))
steps = st.builds(
    lambda line, odd, at: [*line.split()[:at], *odd, *line.split()[at:]],
    st.sampled_from(LINES),
    st.lists(word, max_size=3),
    st.integers(0, 8),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Recorded]:
    """Give a case: mostly legal, with odd records, repeated sequences, corrected versions and times out of order."""
    records = []
    counts: dict[str, int] = {}
    first_sequence = draw(st.sampled_from([0, 0, 65_534, 999_000]))
    for index, name in enumerate(draw(steps)):
        record_type, changes = WORDS[name]
        counts[record_type] = counts.get(record_type, 0) + 1
        values: dict[str, Any] = {
            # Sequences reach 999,999; a case remembers 16 bits of them.
            "sequence": max(1, counts[record_type] - draw(st.sampled_from([0, 0, 0, 0, 1]))) + first_sequence,
            "data_version": draw(st.sampled_from([1, 1, 1, 1, 2])),
            "hour": index + draw(st.sampled_from([0, 0, 0, 0, 0, -3])),
            **changes,
        }
        quarantined = draw(st.sampled_from([False] * 20 + [True]))
        records.append(Recorded(index + 1, facts(record_type, **values), quarantined=quarantined))
    return records


def plain(memory: CaseMemory) -> tuple[object, ...]:
    return tuple(getattr(memory, name) for name in CaseMemory.__slots__)


@settings(max_examples=600, deadline=None)
@given(histories(), st.sampled_from([(), ITEMS]))
def test_adding_records_one_by_one_equals_a_replay(records: list[Recorded], items: tuple[ItemTerms, ...]) -> None:
    memory = CaseMemory()
    findings: tuple[Finding, ...] = ()
    for count, record in enumerate(records, start=1):
        if record.quarantined:
            return
        assert record.facts is not None
        whole = replay(records[:count], items)
        if not advance_quietly(memory, record.facts, items):
            memory, findings = whole.memory, whole.findings
        assert findings == whole.findings
        memory = CaseMemory.unpack(memory.state, memory.flags, memory.pack())
        assert plain(memory) == plain(whole.memory)


@settings(max_examples=100, deadline=None)
@given(histories())
def test_what_a_case_remembers_survives_packing(records: list[Recorded]) -> None:
    memory = replay(records, ()).memory
    assert plain(CaseMemory.unpack(memory.state, memory.flags, memory.pack())) == plain(memory)


@settings(max_examples=100, deadline=None)
@given(histories())
def test_the_records_in_effect_are_those_that_a_replay_walked(records: list[Recorded]) -> None:
    assert [record.key for record in effective(records)] == [step.key for step in replay(records, ()).steps]


def test_a_sequence_beyond_16_bits_that_comes_twice_is_found_and_counts_once() -> None:
    memory = CaseMemory()
    records = [
        Recorded(key, facts(record_type, sequence=sequence, hour=key), quarantined=False)
        for key, record_type, sequence in ((1, "Application", 1), (2, "Material", 70_000), (3, "Material", 70_000))
    ]
    assert advance_quietly(memory, facts("Application"), ())
    assert not advance_quietly(memory, facts("Material", sequence=70_000, hour=2), ())
    assert replay(records, ()).findings == (Finding(VERSION_REPEATED, 3),)


def test_a_case_at_its_limit_is_not_advanced_quietly() -> None:
    memory = replay([Recorded(1, facts("Application"), quarantined=False)], ()).memory
    memory.count = CASE_RECORDS_MAX
    assert not advance_quietly(memory, facts("Acceptance", hour=1), ())


def test_a_case_with_findings_is_replayed_when_a_record_may_end_one() -> None:
    memory = replay([Recorded(1, facts("Application"), quarantined=False)], ()).memory
    memory.flags |= FINDINGS
    assert not advance_quietly(memory, facts("Material", hour=1), ())
    assert not advance_quietly(memory, facts("Acceptance", hour=1), ())
    memory.flags &= ~FINDINGS
    assert advance_quietly(memory, facts("Acceptance", hour=1), ())
    memory.flags |= FINDINGS
    assert advance_quietly(memory, facts("ReviewStep", hour=2, StepCode="1"), ())


def test_times_outside_of_what_is_remembered_are_left_to_the_replay() -> None:
    ancient = facts("Application", EventTime="1969-12-31T00:00:00+08:00")
    assert ancient.event_s == 0
    assert not advance_quietly(CaseMemory(), ancient, ())
    assert not advance_quietly(CaseMemory(), facts("Application", EventTime="2200-01-01T00:00:00+08:00"), ())
