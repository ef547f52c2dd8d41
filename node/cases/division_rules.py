"""Divisions as reference data say they are: what stands above a code on a day, what took its place. Pure.

Everything is a function of the versions held of a code (``Held``), each with the days on which it holds; where a
question falls on a day, that is the record's own, never today (protocol, R9). ``node.cases.divisions`` reads versions
out of the store.

Three things may differ from the plain tree of divisions, and each is data of a ``Division`` record:

- **省直管县**: ``BusinessParentCode`` names who directs the business. ``ParentCode`` stays the city, which still owns
  the area, so figures go to both. Neither gives authority: that is the tree of nodes alone (R10).
- **开发区, 管理区**: kind MANAGED with a code that GB/T 2260 does not have; for everything else like any division.
- **Merged and renamed codes**: ``ValidTo`` and ``ReplacedBy``. The old code stays good for cases that began under it; a
  case that begins later has the new one, or a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from node.standard.division_codes import COUNTY_LEVEL, county_by_digits

DEPTH_MAX: Final = 8
"""Divisions one above another, and replacements one after another, that are followed: a circle must end."""


class HeldDivision(NamedTuple):
    """One version of a division. Dates are ``YYYY-MM-DD``: ``valid_from`` "" since ever, ``valid_to`` the last day."""

    code: str
    name: str
    level: int
    kind: str
    valid_from: str
    valid_to: str | None = None
    parent: str | None = None
    business_parent: str | None = None
    replaced_by: str | None = None


Versions = Sequence[HeldDivision]
Held = Callable[[str], Versions]
"""Gives every version held of a code, in any order; nothing for one that was never published."""


def version_in_force(versions: Versions, day: str) -> HeldDivision | None:
    """Return the newest version that holds on ``day`` (YYYY-MM-DD), None when none does."""
    holding = [one for one in versions if one.valid_from <= day and (one.valid_to is None or day <= one.valid_to)]
    return max(holding, key=_begin, default=None)


def version_for(versions: Versions, day: str) -> HeldDivision | None:
    """Return the version in force on ``day``, or else the newest of all; None when none is held."""
    return version_in_force(versions, day) or max(versions, key=_begin, default=None)


def has_lapsed(versions: Versions, day: str) -> bool:
    """Tell whether a published code is past its last day: new cases of ``day`` must use what took its place."""
    ended = any(one.valid_to is not None and one.valid_to < day for one in versions)
    return ended and version_in_force(versions, day) is None


def parents_on(held: Held, day: str, code: str, *, lapsed: bool = True) -> list[str] | None:
    """Return the codes above a division by ``ParentCode``, nearest first; None: it is not published.

    With ``lapsed``, of a division that holds no more the newest version counts: who asks what may be given away must
    not be told that an abolished division is free.
    """
    found: list[str] = []
    choose = version_for if lapsed else version_in_force
    for _ in range(DEPTH_MAX):
        version = choose(held((found or [code])[-1]), day)
        if version is None:
            return found or None
        if version.parent is None:
            break
        found.append(version.parent)
    return found


def successors(held: Held, code: str) -> list[str]:
    """Return what took the place of a division, one after the other."""
    found: list[str] = []
    for _ in range(DEPTH_MAX):
        newest = max(held((found or [code])[-1]), key=_begin, default=None)
        successor = None if newest is None else newest.replaced_by
        if successor is None or successor in (code, *found):
            break
        found.append(successor)
    return found


def code_for_new_cases(held: Held, day: str, code: str) -> str:
    """Return the code that a case beginning on ``day`` has to bear: itself, or the successor that holds on that day.

    Where no successor is known to hold, the code itself: nothing better can be said.
    """
    if not has_lapsed(held(code), day):
        return code
    holding = [one for one in successors(held, code) if version_in_force(held(one), day) is not None]
    return holding[0] if holding else code


def county_of(held: Held, day: str, code: str) -> str:
    """Return the county of a township or village, for reference data else by the first six digits (GB/T 10114).

    A code of county level or above gives itself.
    """
    above = parents_on(held, day, code) or []
    for one in [code, *above]:
        version = version_for(held(one), day)
        if version is not None and version.level <= COUNTY_LEVEL:
            return one
    return county_by_digits(code)


def reporting_parents(held: Held, day: str, code: str) -> tuple[str, ...]:
    """Return the divisions to which figures of this one go: its parent, and whoever directs its business.

    A county under the province's direct management reports to both city and province. Empty at the top, and for a
    division that is not published.
    """
    version = version_for(held(code), day)
    above = () if version is None else (version.parent, version.business_parent)
    return tuple(dict.fromkeys(one for one in above if one is not None))


def _begin(version: HeldDivision) -> str:
    return version.valid_from
