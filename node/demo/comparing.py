"""Is everything where it should be, and nothing where it should not? Pure: status documents in, sentences out.

The demonstration's verdict does not trust any single node: it compares what the four say of themselves, and with what
was fed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from node.demo.plan import CITY, COUNTIES, NODES, PROVINCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Status = dict[str, Any]
"""A document ``yizhan.status/1``."""

AGREED: Final = "agreed"


def streams_of(status: Status) -> dict[str, tuple[int, str]]:
    """Return size and root of every stream that a node holds, by ``origin/audience``."""
    return {f"{one['origin']}/{one['audience']}": (one["size"], one["root"]) for one in status["streams"]}


def must_hold() -> dict[str, frozenset[str]]:
    """Return, for every stream that the four always have, the codes of its holders (rule R11)."""
    everyone = frozenset(plan.code for plan in NODES)
    upward = {f"{county.code}/ancestors": frozenset({county.code, CITY.code, PROVINCE.code}) for county in COUNTIES}
    return {
        **upward,
        f"{CITY.code}/ancestors": frozenset({CITY.code, PROVINCE.code}),
        f"{PROVINCE.code}/descendants": everyone,
        f"{PROVINCE.code}/trust": everyone,
    }


def compare_streams(statuses: Mapping[str, Status], directed: Mapping[str, frozenset[str]]) -> list[str]:
    """Return what is wrong with where streams are; empty when all is well.

    Args:
        statuses: one status document per node, by code.
        directed: per directed stream, the codes of exactly those that must hold it.
    """
    wrong: list[str] = []
    held = {code: streams_of(status) for code, status in statuses.items()}
    for stream, holders in {**must_hold(), **directed}.items():
        copies = {code: held[code].get(stream) for code in holders}
        if None in copies.values() or len(set(copies.values())) != 1:
            wrong.append(f"{stream} differs: " + ", ".join(f"{code} {copy}" for code, copy in sorted(copies.items())))
        wrong += [
            f"{code} holds {stream}, which is not for it" for code in held.keys() - holders if stream in held[code]
        ]
    wrong += [
        f"{code} has not sealed {one['size'] - one['sealed']} records of {one['origin']}/{one['audience']}"
        for code, status in statuses.items()
        for one in status["streams"]
        if one["sealed"] != one["size"]
    ]
    return wrong


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
        wrong.append(f"findings differ or are too few (made {findings}): {seen}")
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
        f"door {name}: {door} instead of {dict(expected[name])}"
        for name, door in doors.items()
        if door != expected[name]
    ]
    wrong += [
        f"door {name} does not add up: {door}"
        for name, door in doors.items()
        if door["offered"] != door["accepted"] + door["refused"] + door["repeated"]
    ]
    return wrong


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below or at which ``share`` (0 to 1) of ``values`` lie (nearest rank); 0 when there are none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
