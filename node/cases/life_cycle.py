"""The words in which a life cycle is written down: labels, triggers, legal transitions. Pure.

The tables themselves stand in ``node.cases.states`` (approval cases) and ``node.cases.penalty_states`` (penalties).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

StateType = TypeVar("StateType", bound=IntEnum)
EventType = TypeVar("EventType", bound=StrEnum)


class Effect(Enum):
    """Targets that are not one state."""

    UNCHANGED = "unchanged"
    STATE_BEFORE = "the state before the suspension"


class Legality(IntEnum):
    """How an event fits the state that it met: by a row, by leaping over states, or not at all."""

    LEGAL = 0
    SKIPPED = 1
    ILLEGAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name in both languages of the screens."""

    chinese: str
    english: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """The record that carries an event: its type and the deciding codes (empty: whatever the code)."""

    record_type: str
    codes: tuple[str, ...]
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition(Generic[StateType, EventType]):
    """One legal step.

    ``support`` names the law and article, or the practice, that stands behind the row. ``clock`` uses the marks of the
    standard: S start, P pause, R resume, X extend, E end, – none; N notice clock, D delivery clock. ``instant_only``
    rows hold for instant cases (即办件) alone.
    """

    source: StateType
    event: EventType
    target: StateType | Effect
    clock: str
    support: str
    instant_only: bool = False


# The hot path reads plain integers: a target state, or one of the two effects as a negative number.
TARGET_UNCHANGED = -1
TARGET_STATE_BEFORE = -2
_EFFECT_NUMBERS = {Effect.UNCHANGED: TARGET_UNCHANGED, Effect.STATE_BEFORE: TARGET_STATE_BEFORE}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachine:
    """A state table as numbers. Total: every event, None among them, leaves a case in a defined state.

    ``targets`` maps state and event to the next state or one of the two numbers above; ``landings`` says where a case
    stands after an event that no row allows; ``ranks`` how far a state has come, and from ``terminal_rank`` on a case
    has ended. ``waiting`` are states in which nothing can be leapt over; ``suspending`` the events that remember the
    state before, ``suspended`` the states that they lead to.
    """

    targets: Mapping[tuple[int, str], int]
    landings: Mapping[str, int]
    ranks: Mapping[int, int]
    terminal_rank: int
    waiting: frozenset[int] = frozenset()
    suspended: frozenset[int] = frozenset()
    suspending: frozenset[str] = frozenset()

    def advance(self, state: int, before: int, event: str | None) -> tuple[int, int, Legality]:
        """Return (state, state before the suspension, legality) after ``event`` met a case in ``state``.

        An event that no row allows moves a case to where the event says it is, when that is further than it had come;
        else the state stays. Leaping over steps is ``SKIPPED``, everything else that no row allows ``ILLEGAL``.
        """
        target = self.targets.get((state, event or ""))
        if target is not None:
            return self._arrive(state, before, event, target)
        landing = self.landings.get(event or "")
        if landing is None or self.ranks[landing] <= self.ranks[state]:
            return state, before, Legality.ILLEGAL
        leapt = state not in self.waiting and self.ranks[state] < self.terminal_rank
        return landing, 0, Legality.SKIPPED if leapt else Legality.ILLEGAL

    def _arrive(self, state: int, before: int, event: str | None, target: int) -> tuple[int, int, Legality]:
        """Carry out a legal row."""
        if target == TARGET_UNCHANGED:
            return state, before, Legality.LEGAL
        if target == TARGET_STATE_BEFORE:
            return before, 0, Legality.LEGAL
        if target in self.suspended and event in self.suspending:
            return target, state, Legality.LEGAL
        return target, 0, Legality.LEGAL


def targets_of(rows: Iterable[Transition[StateType, EventType]]) -> dict[tuple[int, str], int]:
    """Return the rows of a state table as numbers."""
    return {
        (int(row.source), row.event.value): _EFFECT_NUMBERS[row.target]
        if isinstance(row.target, Effect)
        else int(row.target)
        for row in rows
    }


def trigger(record_type: str, codes: str, chinese: str, english: str) -> Trigger:
    """Return a trigger; ``codes`` are joined by blanks."""
    return Trigger(record_type=record_type, codes=tuple(codes.split()), label=Label(chinese=chinese, english=english))
