"""Is everything where it should be, and nothing where it should not? Pure: what nodes say in, sentences out.

The demonstration's verdict does not trust any single node: it compares what the four say of themselves, and with what
was fed. An empty list means that all is well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from node.demo.plan import CITY, COUNTIES, NODES, NOTICE_TO, PROVINCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Status = dict[str, Any]
"""A document ``yizhan.status/1``."""

Copies = dict[str, tuple[int, str]]
"""What one node holds: size and root (empty where not known) of each stream, by ``origin/audience``."""

AGREED: Final = "agreed"
NOTICE_STREAM: Final = f"{PROVINCE.code}/{NOTICE_TO.code}"
REPLY_STREAM: Final = f"{NOTICE_TO.code}/{PROVINCE.code}"

_PARENTS: Final = {plan.code: plan.parent for plan in NODES}
_EVERYONE: Final = frozenset(_PARENTS)
_EXPECTED: Final = (
    *(f"{county.code}/ancestors" for county in COUNTIES),
    f"{CITY.code}/ancestors",
    f"{PROVINCE.code}/descendants",
    f"{PROVINCE.code}/trust",
    NOTICE_STREAM,
    REPLY_STREAM,
)


def ancestors_of(code: str) -> frozenset[str]:
    """Return the codes of every node above ``code``."""
    parent = _PARENTS.get(code)
    return frozenset() if parent is None else ancestors_of(parent) | {parent}


def holders_of(stream: str) -> frozenset[str]:
    """Return the codes of exactly those nodes that must hold ``stream`` (rule R11 of the exchange)."""
    origin, _, audience = stream.partition("/")
    if audience == "trust":
        return _EVERYONE
    if audience == "ancestors":
        return ancestors_of(origin) | {origin}
    if audience == "descendants":
        below = frozenset(code for code in _EVERYONE if origin in ancestors_of(code))
        return below | ancestors_of(origin) | {origin}
    return ancestors_of(origin) | ancestors_of(audience) | {origin, audience}


def copies_of(status: Status) -> Copies:
    """Return what a node says that it holds."""
    return {f"{one['origin']}/{one['audience']}": (one["size"], one["root"]) for one in status["streams"]}


def compare_copies(held: Mapping[str, Copies], expected: Iterable[str] = _EXPECTED) -> list[str]:
    """Return what is wrong with where streams are: a holder lacks or differs, or somebody holds what is not for it.

    Args:
        held: what each node holds, by node code.
        expected: streams that must exist; every other one that any node holds is compared as well.
    """
    wrong: list[str] = []
    for stream in sorted({*expected, *(name for copies in held.values() for name in copies)}):
        holders = holders_of(stream)
        copies = {code: held[code].get(stream) for code in sorted(holders)}
        if None in copies.values() or len(set(copies.values())) != 1:
            wrong.append(f"{stream} differs: " + ", ".join(f"{code} has {copy}" for code, copy in copies.items()))
        strangers = sorted(code for code in held.keys() - holders if stream in held[code])
        wrong += [f"{code} holds {stream}, which is not for it" for code in strangers]
    return wrong


def compare_seals(statuses: Mapping[str, Status]) -> list[str]:
    """Return what is wrong with seals: records that are held and not under a checkpoint."""
    return [
        f"{code} has {one['size'] - one['sealed']} unsealed records in {one['origin']}/{one['audience']}"
        for code, status in statuses.items()
        for one in status["streams"]
        if one["sealed"] != one["size"]
    ]


def compare_counts(statuses: Mapping[str, Status], *, cases: Mapping[str, int], findings: int) -> list[str]:
    """Return what is wrong with how many cases and findings are known.

    Args:
        statuses: one status document per node, by code.
        cases: how many cases were fed, by the county's code.
        findings: how many cases were made illogical; there may be more findings, never fewer.
    """
    total = sum(cases.values())
    expected = {**cases, CITY.code: total, PROVINCE.code: total}
    wrong = [
        f"{code} knows {statuses[code]['cases']} cases, not {count}"
        for code, count in expected.items()
        if statuses[code]["cases"] != count
    ]
    wrong += [
        f"{code} has {status['quarantined']} records in quarantine"
        for code, status in statuses.items()
        if status["quarantined"]
    ]
    seen = {code: statuses[code]["findings"] for code in (CITY.code, PROVINCE.code)}
    seen["counties"] = sum(statuses[county.code]["findings"] for county in COUNTIES)
    if len(set(seen.values())) != 1 or seen["counties"] < findings:
        wrong.append(f"findings differ or are too few ({findings} cases were made illogical): {seen}")
    return wrong


def compare_penalties(statuses: Mapping[str, Status]) -> list[str]:
    """Return what is wrong with how many penalties, and findings about them, are known at each level."""
    wrong = []
    for name in ("penalties", "penalty_findings"):
        seen = {code: statuses[code][name] for code in (CITY.code, PROVINCE.code)}
        seen["counties"] = sum(statuses[county.code][name] for county in COUNTIES)
        if len(set(seen.values())) != 1:
            wrong.append(f"{name} differ: {seen}")
    return wrong


def compare_statistics(statuses: Mapping[str, Status]) -> list[str]:
    """Return what is wrong with the verdicts of the nodes that have children."""
    return [
        f"statistics at {code} are {statuses[code]['statistics']['state']}"
        for code in (CITY.code, PROVINCE.code)
        if statuses[code]["statistics"]["state"] != AGREED
    ]


def compare_doors(doors: Mapping[str, Mapping[str, int]], expected: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return what is wrong with what the doors answered, by door, against what was offered on purpose."""
    wrong = [
        f"door {name} answered {dict(door)}, not {dict(expected[name])}"
        for name, door in doors.items()
        if door != expected[name]
    ]
    wrong += [
        f"door {name} does not add up: {dict(door)}"
        for name, door in doors.items()
        if door["offered"] != door["accepted"] + door["refused"] + door["repeated"]
    ]
    return wrong


def holders_found(held: Mapping[str, Copies], stream: str) -> list[str]:
    """Return the codes of the nodes that do hold ``stream``, in order."""
    return sorted(code for code, copies in held.items() if stream in copies)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below or at which ``share`` (0 to 1) of ``values`` lie (nearest rank); 0 when there are none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
