"""Money, days and weight of administrative penalties: what the checks count with. Pure."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from node.standard.facts import fen

if TYPE_CHECKING:
    from collections.abc import Mapping

CITIZEN_SUMMARY_FEN: Final = 20_000
"""What may be imposed on a citizen on the spot, in fen: 200 yuan (行政处罚法 art. 51)."""
UNIT_SUMMARY_FEN: Final = 300_000
"""What may be imposed on a legal person or other organisation on the spot: 3,000 yuan (行政处罚法 art. 51)."""

_SUMMARY_KINDS = frozenset({"FINE", "WARNING"})
_AMOUNTS = ("PenaltyFine", "ConfiscatedAmount")
_DAYS = ("SuspensionDays", "DetentionDays")


def amount_of(content: Mapping[str, Any], name: str) -> int:
    """Return an amount of a record in fen, 0 where it does not stand."""
    text = content.get(name)
    return fen(text) if text else 0


def days_between(first: str | None, last: str | None) -> int | None:
    """Return calendar days from one day (YYYY-MM-DD) to another, None where one is not known."""
    if first is None or last is None:
        return None
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def certainly_late(begin: date, end: date, working_days: int) -> bool:
    """Tell whether more than so many working days lie between two days whatever the calendar.

    Among any 2 n + 15 days more than n are working days, whatever weekends and holidays fall into them. The bound is
    ours, and wide on purpose: what is found here must never be wrong.
    """
    return (end - begin).days > 2 * working_days + 14


def years_after(day: date, years: int) -> date:
    """Return the same day so many years later; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def heavier(decided: Mapping[str, Any], proposed: Mapping[str, Any]) -> bool:
    """Tell whether a penalty has a kind that was not proposed, or more money or days than were."""
    if set(decided.get("PenaltyKind", ())) - set(proposed.get("PenaltyKind", ())):
        return True
    if any(amount_of(decided, name) > amount_of(proposed, name) for name in _AMOUNTS):
        return True
    return any(int(decided.get(name) or 0) > int(proposed.get(name) or 0) for name in _DAYS)


def over_summary_limit(content: Mapping[str, Any]) -> bool:
    """Tell whether a penalty is more than may be imposed on the spot (行政处罚法 art. 51)."""
    limit = CITIZEN_SUMMARY_FEN if content["PartyType"] == "CITIZEN" else UNIT_SUMMARY_FEN
    return bool(set(content.get("PenaltyKind", ())) - _SUMMARY_KINDS) or amount_of(content, "PenaltyFine") > limit
