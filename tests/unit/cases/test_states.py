"""The state table: complete, and what every kind of history ends in."""

from __future__ import annotations

import itertools

import pytest

from node.cases.life_cycle import Legality
from node.cases.states import (
    CASE_RECORD_TYPES,
    INSTANT_MACHINE,
    MACHINE,
    STATE_LABELS,
    STATE_RANKS,
    TRANSITIONS,
    TRIGGERS,
    Event,
    State,
    event_of,
    state_label,
)
from node.standard.families import RECORD_TYPES
from tests.support.case_records import WORDS, facts


def walk(line: str, *, instant: bool = False) -> tuple[State, list[Legality]]:
    machine = INSTANT_MACHINE if instant else MACHINE
    state, before, found = 0, 0, []
    for word in line.split():
        record_type, changes = WORDS[word]
        state, before, legality = machine.advance(state, before, event_of(facts(record_type, **changes)))
        found.append(legality)
    return State(state), found


# Each line is worked by hand along the table of the standard, section 1.3.
LEGAL = {
    "apply": State.APPLIED,
    "apply preaccept": State.PREACCEPTED,
    "apply prereject": State.PREREJECTED,
    "apply notice": State.SUPP_PENDING,
    "apply preaccept notice": State.SUPP_PENDING,
    "apply notice receipt": State.APPLIED,
    "apply notice timeout": State.CONCLUDED,
    "apply accept": State.ACCEPTED,
    "apply preaccept accept": State.ACCEPTED,
    "apply deem": State.ACCEPTED,
    "apply refuse": State.REFUSED,
    "apply conclude_refused": State.REFUSED,
    "apply refuse conclude_refused": State.REFUSED,
    "apply accept handle": State.HANDLING,
    "apply accept handle review": State.REVIEWING,
    "apply accept handle review decide": State.DECIDING,
    "apply accept handle review decide decide": State.DECIDING,
    "apply accept handle sendback2 handle review": State.REVIEWING,
    "apply accept handle review decide sendback3": State.HANDLING,
    "apply accept handle review sendback3": State.HANDLING,
    "apply accept handle sendback1": State.ACCEPTED,
    "apply accept handle special": State.SPECIAL_SUSPENDED,
    "apply accept handle special end": State.HANDLING,
    "apply accept extend": State.ACCEPTED,
    "apply accept handle extension": State.HANDLING,
    "apply accept handle review notice": State.SUPP_SUSPENDED,
    "apply accept handle review notice receipt": State.REVIEWING,
    "apply accept handle review decide grant": State.CONCLUDED,
    "apply accept handle review decide deny": State.CONCLUDED,
    "apply accept withdraw": State.CONCLUDED,
    "apply accept handle void": State.CONCLUDED,
    "apply accept handle forward": State.FORWARDED,
    "apply accept handle review decide grant collect": State.DELIVERED,
    "apply accept handle review decide grant certify": State.CERTIFIED,
    "apply accept handle review decide grant certify collect": State.DELIVERED,
    "apply accept handle review decide grant send returned send deliver": State.DELIVERED,
    "apply accept handle review decide grant certify send deliver collect": State.DELIVERED,
    "apply accept handle evaluate review decide grant collect evaluate": State.DELIVERED,
    "apply material accept paid handle review decide grant paid": State.CONCLUDED,
}

OUT_OF_ORDER = {
    # What the event says has happened, when it is further than the case had come.
    "accept": (State.ACCEPTED, Legality.SKIPPED),
    "apply grant": (State.CONCLUDED, Legality.SKIPPED),
    "apply accept decide": (State.DECIDING, Legality.SKIPPED),
    "apply accept handle grant": (State.CONCLUDED, Legality.SKIPPED),
    "apply notice accept": (State.ACCEPTED, Legality.ILLEGAL),
    "apply accept special grant": (State.CONCLUDED, Legality.ILLEGAL),
    # The state stays when it is not.
    "apply apply": (State.APPLIED, Legality.ILLEGAL),
    "apply accept handle accept": (State.HANDLING, Legality.ILLEGAL),
    "apply accept handle review decide grant accept": (State.CONCLUDED, Legality.ILLEGAL),
    "apply accept handle review decide grant handle": (State.CONCLUDED, Legality.ILLEGAL),
    "apply refuse handle": (State.REFUSED, Legality.ILLEGAL),
    "apply receipt": (State.APPLIED, Legality.ILLEGAL),
    "apply evaluate": (State.APPLIED, Legality.ILLEGAL),
    "apply accept send": (State.ACCEPTED, Legality.ILLEGAL),
    "apply accept deliver": (State.DELIVERED, Legality.SKIPPED),
    "apply accept handle review decide grant deliver send": (State.DELIVERED, Legality.ILLEGAL),
    "apply special": (State.APPLIED, Legality.ILLEGAL),
    "apply end": (State.APPLIED, Legality.ILLEGAL),
    "apply accept special notice": (State.SPECIAL_SUSPENDED, Legality.ILLEGAL),
    "apply paid": (State.APPLIED, Legality.ILLEGAL),
    "material": (State.NONE, Legality.ILLEGAL),
}


@pytest.mark.parametrize(("line", "state"), LEGAL.items())
def test_a_legal_history_ends_where_the_table_says(line: str, state: State) -> None:
    found, legality = walk(line)
    assert found is state
    assert set(legality) == {Legality.LEGAL}


@pytest.mark.parametrize(("line", "expected"), OUT_OF_ORDER.items())
def test_an_event_that_no_row_allows_still_leaves_a_defined_state(line: str, expected: tuple[State, Legality]) -> None:
    state, legality = walk(line)
    assert (state, legality[-1]) == expected


def test_an_instant_case_is_concluded_by_its_handler() -> None:
    assert walk("apply accept handle grant", instant=True) == (State.CONCLUDED, [Legality.LEGAL] * 4)


def test_the_machine_is_total() -> None:
    events = [event.value for event in Event]
    for state, before, event, machine in itertools.product(State, State, [*events, None], [MACHINE, INSTANT_MACHINE]):
        reached, kept, legality = machine.advance(int(state), int(before), event)
        assert State(reached) in STATE_RANKS
        assert State(kept) in STATE_RANKS
        assert legality in Legality


def test_an_unknown_code_is_no_event_and_moves_nothing() -> None:
    strange = facts("Acceptance", AcceptanceState="9")
    assert event_of(strange) is None
    assert MACHINE.advance(State.APPLIED, 0, None) == (State.APPLIED, 0, Legality.ILLEGAL)


def test_no_two_rows_contradict_each_other() -> None:
    keys = [(row.source, row.event, row.instant_only) for row in TRANSITIONS]
    assert len(keys) == len(set(keys))


def test_every_state_and_event_has_its_names_and_every_record_type_an_event() -> None:
    assert set(STATE_LABELS) == set(State) == set(STATE_RANKS)
    assert set(TRIGGERS) == set(Event)
    assert {name for name, entry in RECORD_TYPES.items() if entry.case_record} <= CASE_RECORD_TYPES
    assert state_label(13).chinese == "已办结"
    with pytest.raises(ValueError, match="99"):
        state_label(99)
