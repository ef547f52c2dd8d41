"""What is counted: every indicator defined once, in one table. Pure.

Own figures are a function of fields of the origin's own ``ancestors`` records: no reference data, no other stream, no
clock (02, R16). Only additive indicators are counted and travel; derived ones are computed after adding. A day is the
date of the event's own time in the tree's time zone, the key is day × division × department × item × channel.
docs/reference/indicators.md repeats the table; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.standard.facts import Facts

DEFINITION_VERSION = 1
"""Changes with every change of meaning of an indicator; a summary names the one it was made with."""

COUNT = "count"
FEN = "fen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One additive indicator.

    ``number`` is stored: never change or reuse one. ``record_type`` and ``codes`` (empty: any) say which records in
    effect count; each adds 1, or its paid amount where the unit is fen (分).
    """

    number: int
    name: str
    chinese: str
    definition: str
    unit: str
    record_type: str
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedIndicator:
    """An indicator that is the sum of additive ones, computed when it is shown."""

    name: str
    chinese: str
    definition: str
    unit: str
    addends: tuple[str, ...]


class FigureKey(NamedTuple):
    """What a figure is about, apart from its day; an empty text where the record named none."""

    division: str
    organisation: str
    task: str
    channel: str
    indicator: str


Figures = dict[FigureKey, int]
"""Figures of one day; never holds a zero."""

_RESULTS = (
    ("GRANT", "准予"),
    ("DENY", "不予许可"),
    ("RETURN", "退回"),
    ("VOID", "作废"),
    ("DELETE", "删除"),
    ("FORWARD", "转报"),
    ("SUPP_TIMEOUT", "补正逾期"),
    ("WITHDRAW", "撤回"),
    ("TERMINATE", "终止"),
    ("REFUSE", "不予受理"),
    ("OTHER", "其他"),
)
_FIRST_RESULT_NUMBER = 20


def _count(number: int, name: str, chinese: str, definition: str, record_type: str, *codes: str) -> Indicator:
    return Indicator(
        number=number,
        name=name,
        chinese=chinese,
        definition=definition,
        unit=COUNT,
        record_type=record_type,
        codes=codes,
    )


INDICATORS: tuple[Indicator, ...] = (
    _count(1, "applied", "申请数", "Application records in effect", "Application"),
    _count(2, "accepted", "受理数", "Acceptance records in effect that accept", "Acceptance", "1"),
    _count(3, "refused", "不予受理数", "Acceptance records in effect that refuse", "Acceptance", "2"),
    _count(4, "supplement_notices", "补正告知数", "SupplementNotice records in effect", "SupplementNotice"),
    _count(
        5,
        "special_procedures",
        "特别程序数",
        "SpecialProcedureStart records in effect, both kinds",
        "SpecialProcedureStart",
    ),
    Indicator(
        number=6,
        name="fees",
        chinese="收费金额",
        definition="sum of AmountPaid of Fee records in effect that are paid",
        unit=FEN,
        record_type="Fee",
        codes=("1",),
    ),
    *(
        _count(
            _FIRST_RESULT_NUMBER + index,
            f"concluded.{code}",
            f"办结数({label})",
            f"Conclusion records in effect with result {code}",
            "Conclusion",
            code,
        )
        for index, (code, label) in enumerate(_RESULTS)
    ),
)

DERIVED_INDICATORS: tuple[DerivedIndicator, ...] = (
    DerivedIndicator(
        name="concluded",
        chinese="办结数",
        definition="sum of concluded.* over all results",
        unit=COUNT,
        addends=tuple(f"concluded.{code}" for code, _ in _RESULTS),
    ),
)

INDICATOR_NUMBERS: Mapping[str, int] = {indicator.name: indicator.number for indicator in INDICATORS}
INDICATOR_NAMES: Mapping[int, str] = {indicator.number: indicator.name for indicator in INDICATORS}


FIGURE_MIN: Final = -(2**63)
FIGURE_MAX: Final = 2**63 - 1
"""What a figure may be: the range of ``Figure`` in types.xsd."""


def _rule_table() -> dict[tuple[str, str | None], Indicator]:
    return {
        (indicator.record_type, code): indicator for indicator in INDICATORS for code in (indicator.codes or (None,))
    }


_RULES = _rule_table()


def contribution(facts: Facts) -> Sequence[tuple[int, int]]:
    """Return (indicator number, amount) pairs that a record in effect adds on its day; empty: it is not counted."""
    if facts.event_day is None:
        return ()
    record_type = facts.record_type
    indicator = _RULES.get((record_type, facts.code)) or _RULES.get((record_type, None))
    if indicator is None:
        return ()
    amount = facts.amount_fen if indicator.unit == FEN else 1
    return ((indicator.number, amount),) if amount else ()


def with_derived(figures: Mapping[FigureKey, int]) -> Figures:
    """Return the figures with the derived indicators added."""
    extended = dict(figures)
    for derived in DERIVED_INDICATORS:
        for key, amount in figures.items():
            if key.indicator in derived.addends:
                total = key._replace(indicator=derived.name)
                extended[total] = extended.get(total, 0) + amount
    return extended


def within_range(amount: int) -> int:
    """Return the amount, or the nearest one that a record can carry: a figure is an ``xs:long``, 64 bits signed."""
    return max(FIGURE_MIN, min(FIGURE_MAX, amount))


def add_figures(total: Figures, figures: Mapping[FigureKey, int]) -> None:
    """Add ``figures`` to ``total`` in place; keys that come to zero go."""
    for key, amount in figures.items():
        summed = total.get(key, 0) + amount
        if summed:
            total[key] = summed
        else:
            total.pop(key, None)
