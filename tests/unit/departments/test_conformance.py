"""Conformance: the verdict on each record of a delivery, without a node."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from node.departments import conformance, seen_keys
from node.departments.conformance import Checked, Conformance, check_delivery
from node.departments.dialects import Dialects
from node.errors import UsageError
from node.randomness import SeededRandomness
from node.standard.examples import example
from node.web.reference.samples import first_case, sample_delivery, writable

CASE = first_case()
DELIVERY = sample_delivery("standard", CASE)


def check(data: bytes, name: str = "case.xml", dialect: str = "auto") -> tuple[Conformance, list[Checked]]:
    told: list[Checked] = []
    randomness = SeededRandomness("conformance")
    stream = io.BytesIO(data)
    found = check_delivery(stream, name, randomness=randomness, dialects=Dialects(), dialect=dialect, told=told.append)
    return found, told


@pytest.mark.parametrize("dialect", writable())
def test_the_sample_of_every_dialect_conforms(dialect: str) -> None:
    found, told = check(sample_delivery(dialect, CASE), dialect=dialect)
    assert (found.records, found.conforming, found.exit_code) == (len(told), len(told), 0), found.problems
    assert found.records > 0
    assert found.hints == []


def test_each_record_is_told_with_its_problems() -> None:
    found, told = check(DELIVERY.replace(b">PASS<", b">NOD<", 1))
    assert [bool(one.problems) for one in told] == [False, False, True, False, False, False, False]
    (problem,) = told[2].problems
    assert (problem.rule, problem.element) == ("schema", "Action")
    assert (found.exit_code, found.first(), found.rules) == (9, [("schema", 1)], {"schema": 1})


@pytest.mark.parametrize("data", [b"", b"<Records", b"<Records/>", b"no table at all", b"\x00\x01"])
def test_a_delivery_with_nothing_usable_leaves_with_one(data: bytes) -> None:
    assert check(data)[0].exit_code == 1


def test_the_same_record_twice_is_counted_and_conforms() -> None:
    found, _ = check(sample_delivery("standard", [*CASE, CASE[0]]))
    assert (found.repeated, found.conforming, found.exit_code) == (1, 8, 0)


def test_other_content_under_a_known_key_is_a_conflict() -> None:
    other = replace(CASE[2], content={**CASE[2].content, "StepName": "复核"})
    found, told = check(sample_delivery("standard", [*CASE, other]))
    assert [problem.rule for problem in told[-1].problems] == ["conflict"]
    assert found.exit_code == 9


def test_an_illogical_order_is_a_hint_and_no_problem() -> None:
    found, _ = check(sample_delivery("standard", [*CASE[:1], *CASE[5:]]))
    assert found.exit_code == 0
    hint = found.hints[0].as_json()
    assert (hint["code"], hint["record_type"], hint["label"]) == ("LOGIC-STEPS-INCOMPLETE", "Conclusion", "环节不完整")
    assert hint["line"] is not None


def test_limits_are_kept_and_what_is_beyond_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PROBLEMS_MAX", 1), ("HINTS_MAX", 0), ("CASE_RECORDS_HELD_MAX", 3)):
        monkeypatch.setattr(conformance, name, value)
    monkeypatch.setattr(seen_keys, "KEYS_MAX", 2)
    found, _ = check(DELIVERY.replace(b">PASS<", b">NOD<", 2))
    assert (len(found.problems), found.problems_omitted) == (1, 1)
    assert (found.keys_unchecked, found.records_unplayed) == (3, 2)
    assert (found.hints, found.hints_omitted > 0) == ([], True)


def test_problems_never_hold_personal_data() -> None:
    number = "369902199001011239"
    wrong = replace(CASE[0], content={**CASE[0].content, "ApplicantIdNo": number, "ApplicantName": "某" * 500})
    found, told = check(sample_delivery("json", [wrong]), "case.json")
    assert found.exit_code == 1
    assert number not in str(told) + str(found.as_json())
    assert "某某某" not in str(told) + str(found.as_json())


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(UsageError):
        check(DELIVERY, dialect="soap")


def test_records_in_canonical_form_are_counted() -> None:
    assert check(example("Conclusion"))[0].canonical == 1
    assert check(example("Item", full=False))[0].canonical == 1
    assert check(DELIVERY)[0].canonical == 0
    assert check(sample_delivery("json", CASE), name="case.json")[0].canonical == 0


def test_penalties_are_replayed_too() -> None:
    found, _ = check(example("PenaltyDecision", full=False))
    assert (found.conforming, found.cases) == (1, 1)
    assert found.hints
