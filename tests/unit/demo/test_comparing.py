from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from node.demo.comparing import (
    NOTICE_STREAM,
    REPLY_STREAM,
    compare_copies,
    compare_counts,
    compare_doors,
    compare_penalties,
    compare_seals,
    compare_statistics,
    copies_of,
    holders_found,
    holders_of,
    percentile,
)
from node.demo.settling import Expectation, compare_all

SIZES = {
    "360102/ancestors": 10,
    "360103/ancestors": 8,
    "360100/ancestors": 4,
    "360000/descendants": 20,
    "360000/trust": 4,
    NOTICE_STREAM: 1,
    REPLY_STREAM: 1,
}
CASES = {"360102": 3, "360103": 2}
EXPECTED = Expectation(cases=CASES, findings=2, statistics=True)


def status(code: str, cases: int, findings: int) -> dict[str, Any]:
    streams = [
        {
            "origin": name.split("/")[0],
            "audience": name.split("/")[1],
            "size": size,
            "sealed": size,
            "root": f"{size:02x}",
        }
        for name, size in SIZES.items()
        if code in holders_of(name)
    ]
    return {
        "node": {"level": "x"},
        "streams": streams,
        "cases": cases,
        "findings": findings,
        "penalties": cases,
        "penalty_findings": findings,
        "quarantined": 0,
        "statistics": {"state": "agreed"},
    }


@pytest.fixture
def statuses() -> dict[str, dict[str, Any]]:
    return deepcopy(
        {
            "360000": status("360000", 5, 2),
            "360100": status("360100", 5, 2),
            "360102": status("360102", 3, 1),
            "360103": status("360103", 2, 1),
        }
    )


def held(statuses: dict[str, dict[str, Any]]) -> dict[str, dict[str, tuple[int, str]]]:
    return {code: copies_of(one) for code, one in statuses.items()}


@pytest.mark.parametrize(
    ("stream", "holders"),
    [
        # Rule R11 written out by hand for this tree.
        ("360102/ancestors", {"360102", "360100", "360000"}),
        ("360100/ancestors", {"360100", "360000"}),
        ("360000/ancestors", {"360000"}),
        ("360000/descendants", {"360000", "360100", "360102", "360103"}),
        ("360100/descendants", {"360000", "360100", "360102", "360103"}),
        ("360000/trust", {"360000", "360100", "360102", "360103"}),
        ("360000/360102", {"360000", "360100", "360102"}),
        ("360102/360000", {"360000", "360100", "360102"}),
        ("360100/360103", {"360000", "360100", "360103"}),
    ],
)
def test_holders_are_those_of_the_rule(stream: str, holders: set[str]) -> None:
    assert holders_of(stream) == holders


def test_a_tree_in_order_has_nothing_wrong(statuses: dict[str, Any]) -> None:
    assert compare_all(statuses, EXPECTED) == []
    assert holders_found(held(statuses), NOTICE_STREAM) == ["360000", "360100", "360102"]


def test_a_missing_copy_is_named(statuses: dict[str, Any]) -> None:
    statuses["360000"]["streams"].pop(0)
    (problem,) = compare_copies(held(statuses))
    assert problem.startswith("360102/ancestors differs: 360000 has None")


def test_another_root_is_named(statuses: dict[str, Any]) -> None:
    statuses["360100"]["streams"][0]["root"] = "ff"
    (problem,) = compare_copies(held(statuses))
    assert "(10, 'ff')" in problem


def test_a_sibling_that_holds_what_is_not_for_it_is_named(statuses: dict[str, Any]) -> None:
    statuses["360103"]["streams"].append(
        {"origin": "360000", "audience": "360102", "size": 1, "sealed": 1, "root": "01"}
    )
    assert compare_copies(held(statuses)) == ["360103 holds 360000/360102, which is not for it"]


def test_a_stream_that_nobody_expected_is_compared_as_well(statuses: dict[str, Any]) -> None:
    statuses["360100"]["streams"].append(
        {"origin": "360100", "audience": "360102", "size": 2, "sealed": 2, "root": "02"}
    )
    (problem,) = compare_copies(held(statuses))
    assert problem.startswith("360100/360102 differs")


def test_unsealed_records_are_named(statuses: dict[str, Any]) -> None:
    statuses["360102"]["streams"][0]["sealed"] = 7
    assert compare_seals(statuses) == ["360102 has 3 unsealed records in 360102/ancestors"]


def test_lost_cases_quarantine_and_missing_findings_are_named(statuses: dict[str, Any]) -> None:
    statuses["360100"]["cases"] = 4
    statuses["360103"]["quarantined"] = 2
    statuses["360000"]["findings"] = 1
    wrong = compare_counts(statuses, cases=CASES, findings=2)
    assert wrong[:2] == ["360100 knows 4 cases, not 5", "360103 has 2 records in quarantine"]
    assert wrong[2].startswith("findings differ")


def test_penalties_that_differ_between_levels_are_named(statuses: dict[str, Any]) -> None:
    assert compare_penalties(statuses) == []
    statuses["360100"]["penalties"] = 4
    statuses["360102"]["penalty_findings"] = 0
    assert [problem.split()[0] for problem in compare_penalties(statuses)] == ["penalties", "penalty_findings"]


def test_too_few_findings_everywhere_are_named(statuses: dict[str, Any]) -> None:
    assert compare_counts(statuses, cases=CASES, findings=3) != []


def test_statistics_that_are_not_agreed_are_named(statuses: dict[str, Any]) -> None:
    statuses["360100"]["statistics"]["state"] = "disputed"
    statuses["360102"]["statistics"]["state"] = "none"
    assert compare_statistics(statuses) == ["statistics at 360100 are disputed"]
    assert compare_all(statuses, Expectation(cases=CASES, findings=2)) == []


def test_a_door_must_add_up_and_answer_what_was_offered() -> None:
    right = {"csv": {"offered": 5, "accepted": 4, "refused": 1, "repeated": 0}}
    assert compare_doors(right, right) == []
    lost = {"csv": {"offered": 5, "accepted": 3, "refused": 1, "repeated": 0}}
    assert len(compare_doors(lost, right)) == 2


def test_percentiles_by_nearest_rank() -> None:
    # Nearest rank: the smallest value with at least the share of values at or below it.
    values = [0.4, 0.1, 0.3, 0.2]
    assert [percentile(values, share) for share in (0.0, 0.25, 0.5, 0.75, 0.99)] == [0.1, 0.1, 0.2, 0.3, 0.4]
    assert percentile([], 0.5) == 0.0
