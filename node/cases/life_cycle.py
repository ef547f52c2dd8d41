"""The words in which a life cycle is written down: labels, triggers, legal transitions. Pure.

The tables themselves stand in ``node.cases.states`` (approval cases).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Generic, TypeVar

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
