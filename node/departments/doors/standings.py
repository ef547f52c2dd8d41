"""How far the installed kinds have come on the scale of adapters: ``yizhan adapters scale``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from adapters.scale import Step, standing
from node.departments.doors.kinds import find_kind, find_kinds
from node.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection

    from node.departments.doors.kinds import FoundKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """The answer of a kind to one rule, whether it counts, and its reason or what is wrong with it."""

    rule: str
    step: str
    counts: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KindStanding:
    """The step that a kind has reached (none, bronze, silver, gold), and its answers in the order of the scale.

    ``reason`` says why a kind cannot be used at all; it has no answers then.
    """

    name: str
    step: str
    answers: tuple[RuleAnswer, ...]
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def kind_standings(names: Collection[str] = ()) -> list[KindStanding]:
    """Return the standing of the kinds named, of all that are installed when none is; raises NotFoundError."""
    return [_standing(one) for one in ([_found(name) for name in names] if names else find_kinds().values())]


def _found(name: str) -> FoundKind:
    found = find_kind(name)
    if not found.package and found.kind is None:
        raise NotFoundError(
            f"There is no kind named {name[:40]!r}", why=found.reason, action="see `yizhan adapters kinds`"
        )
    return found


def _standing(found: FoundKind) -> KindStanding:
    if found.kind is None:
        return KindStanding(name=found.name, step=_word(Step.NONE), answers=(), reason=found.reason)
    reached = standing(found.kind)
    answers = tuple(
        RuleAnswer(rule=one.rule.name, step=_word(one.rule.step), counts=one.counts, text=one.text)
        for one in reached.answers
    )
    return KindStanding(name=found.name, step=_word(reached.step), answers=answers)


def _word(step: Step) -> str:
    return step.name.lower()
