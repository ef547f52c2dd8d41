"""The life of a penalty: legal histories by hand along the standard's table, and a machine that is total."""

from __future__ import annotations

import itertools

import pytest

from node.cases.life_cycle import Legality
from node.cases.penalty_states import (
    PENALTY_MACHINE,
    PENALTY_RECORD_TYPES,
    PENALTY_STATE_LABELS,
    PENALTY_STATE_RANKS,
    PENALTY_TRANSITIONS,
    PENALTY_TRIGGERS,
    PenaltyEvent,
    PenaltyState,
    penalty_event_of,
    penalty_state_label,
)
from node.cases.states import State
from node.standard.codec import SHAPES
from node.standard.facts import Facts
from node.standard.families import PENALTY_HEADER, RECORD_TYPES
from tests.support.penalty_records import outcome

# Each line is worked by hand along the table of the standard, section 2.1.
LEGAL = {
    "clue": PenaltyState.CLUE,
    "clue drop": PenaltyState.CLOSED,
    "clue onspot": PenaltyState.SERVED,
    "onspot pay close": PenaltyState.CLOSED,
    "clue file": PenaltyState.FILED,
    "clue file extend investigate investigate": PenaltyState.INVESTIGATING,
    "clue file investigate review": PenaltyState.REVIEWED,
    "clue file investigate sendback investigate review": PenaltyState.REVIEWED,
    "clue file investigate review investigate": PenaltyState.INVESTIGATING,
    "clue file investigate review legal": PenaltyState.LEGAL_REVIEWED,
    "clue file investigate review legal notify defend": PenaltyState.NOTIFIED,
    "clue file investigate review notify request announce": PenaltyState.HEARING,
    "clue file investigate review notify request announce hold legal discuss": PenaltyState.NOTIFIED,
    "clue file investigate review notify request giveup": PenaltyState.NOTIFIED,
    "clue file investigate review notify serveother decide": PenaltyState.DECIDED,
    "clue file investigate review spare serve unpenalised": PenaltyState.CLOSED,
    "clue file investigate review notify decide serve publish execute pay": PenaltyState.EXECUTED,
    "clue file investigate review notify decide serve publish execute sue pay close": PenaltyState.CLOSED,
    "clue file investigate review notify decide serve annul revoke withdraw": PenaltyState.CLOSED,
    "clue file revokefiling": PenaltyState.CLOSED,
    "clue file investigate terminate": PenaltyState.CLOSED,
}
OUT_OF_ORDER = {
    "file": (PenaltyState.FILED, Legality.SKIPPED),
    "clue investigate": (PenaltyState.INVESTIGATING, Legality.SKIPPED),
    "clue file investigate review decide": (PenaltyState.DECIDED, Legality.SKIPPED),
    "clue file investigate review notify decide pay": (PenaltyState.EXECUTED, Legality.SKIPPED),
    "clue file file": (PenaltyState.FILED, Legality.ILLEGAL),
    "clue file investigate review notify hold": (PenaltyState.NOTIFIED, Legality.ILLEGAL),
    "clue extend": (PenaltyState.CLUE, Legality.ILLEGAL),
    "clue drop file": (PenaltyState.CLOSED, Legality.ILLEGAL),
}


@pytest.mark.parametrize(("line", "state"), LEGAL.items())
def test_a_legal_history_ends_where_the_table_says(line: str, state: PenaltyState) -> None:
    found = outcome(line)
    assert found.memory.state == state
    assert {step.legality for step in found.steps} == {Legality.LEGAL}


@pytest.mark.parametrize(("line", "expected"), OUT_OF_ORDER.items())
def test_an_event_that_no_row_allows_still_leaves_a_defined_state(
    line: str, expected: tuple[PenaltyState, Legality]
) -> None:
    found = outcome(line)
    assert (found.memory.state, found.steps[-1].legality) == expected


def test_the_machine_is_total() -> None:
    for state, event in itertools.product(PenaltyState, [*PenaltyEvent, None]):
        reached, kept, legality = PENALTY_MACHINE.advance(int(state), 0, None if event is None else event.value)
        assert PenaltyState(reached) in PENALTY_STATE_RANKS
        assert kept == 0
        assert legality in Legality


def test_no_two_rows_contradict_each_other() -> None:
    keys = [(row.source, row.event) for row in PENALTY_TRANSITIONS]
    assert len(keys) == len(set(keys))


def test_every_state_and_event_has_its_names_and_every_code_an_event() -> None:
    assert set(PENALTY_STATE_LABELS) == set(PenaltyState) == set(PENALTY_STATE_RANKS)
    assert set(PENALTY_TRIGGERS) == set(PenaltyEvent)
    assert {name for name, entry in RECORD_TYPES.items() if entry.header == PENALTY_HEADER} == PENALTY_RECORD_TYPES
    for trigger in PENALTY_TRIGGERS.values():
        codes = {
            code for child in SHAPES[trigger.record_type].children if child.simple for code, _ in child.simple.codes
        }
        assert set(trigger.codes) <= codes
    assert penalty_state_label(112).chinese == "已结案"
    with pytest.raises(ValueError, match="99"):
        penalty_state_label(99)


def test_the_numbers_of_states_are_not_those_of_approval_cases() -> None:
    assert {int(state) for state in PenaltyState} & {int(state) for state in State} == {0}


def test_an_unknown_code_is_no_event_and_moves_nothing() -> None:
    strange = Facts("PenaltyFiling", "1.0")
    strange.code = "MAYBE"
    assert penalty_event_of(strange) is None
    assert PENALTY_MACHINE.advance(PenaltyState.CLUE, 0, None) == (PenaltyState.CLUE, 0, Legality.ILLEGAL)
