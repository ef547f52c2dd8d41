from __future__ import annotations

import secrets
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from node.demo.applicants import NOWHERE
from node.demo.catalogue import ITEM_PLANS, items_of
from node.demo.generator import Month, generate_month
from node.demo.paths import PATHS
from node.demo.workdays import MONTH_END, MONTH_START, is_working_day
from node.errors import RecordRefusedError
from node.standard.codec import parse_record
from node.standard.compose import compose
from node.standard.identifiers import is_case_number, is_citizen_number, is_credit_code

if TYPE_CHECKING:
    from node.demo.generator import GeneratedRecord

CASES = 300


@pytest.fixture(scope="module")
def month() -> Month:
    return generate_month(items_of("360102", "东湖区"), cases=CASES, seed=7)


def test_the_same_seed_gives_the_same_month(month: Month) -> None:
    again = generate_month(items_of("360102", "东湖区"), cases=CASES, seed=7)
    assert again == month
    assert generate_month(items_of("360102", "东湖区"), cases=CASES, seed=8) != month


def test_two_divisions_have_no_case_in_common(month: Month) -> None:
    other = generate_month(items_of("360103", "西湖区"), cases=CASES, seed=7)
    assert not numbers(month) & numbers(other)


def test_no_cases_give_an_empty_month() -> None:
    empty = generate_month(items_of("360102", "东湖区"), cases=0, seed=7)
    assert empty == Month(records=(), cases=0, illogical=0, late=0, invalid=0)


def test_every_case_is_there_and_counted(month: Month) -> None:
    valid = {record.content["CaseNo"] for record in month.records if record.valid}
    assert len(valid) == month.cases == CASES
    assert all(is_case_number(str(number)) for number in valid)


def test_records_come_in_the_order_of_sending_and_lie_in_the_month(month: Month) -> None:
    times = [record.sent_at for record in month.records]
    assert times == sorted(times)
    assert times[0] >= MONTH_START
    assert times[-1] < MONTH_END


def test_a_share_is_illogical_late_refused_and_invalid(month: Month) -> None:
    # Weights of node.demo.paths: 10 of 100 illogical, 6 of 100 late, less what the end of the month cuts off.
    assert CASES * 0.03 < month.illogical < CASES * 0.15
    assert CASES * 0.01 < month.late < CASES * 0.10
    assert month.invalid == sum(not record.valid for record in month.records) == 3
    refused = [r for r in month.records if r.record_type == "Acceptance" and r.content["AcceptanceState"] == "2"]
    assert CASES * 0.02 < len(refused) < CASES * 0.12


def test_every_kind_of_case_record_occurs(month: Month) -> None:
    assert {record.record_type for record in month.records} == {
        "Application",
        "PreAcceptance",
        "Acceptance",
        "ReviewStep",
        "SupplementNotice",
        "SupplementReceipt",
        "SpecialProcedureStart",
        "SpecialProcedureEnd",
        "Extension",
        "Fee",
        "Conclusion",
        "Collection",
    }


def test_the_weights_are_percent() -> None:
    assert sum(path.weight for path in PATHS.values()) == 100


def test_offices_act_on_working_days_only(month: Month) -> None:
    late_evening = timedelta(hours=20)
    for record in month.records:
        assert is_working_day(record.sent_at.date())
        assert timedelta(hours=record.sent_at.hour) < late_evening


def test_applicants_are_nobody_and_their_numbers_are_well_formed(month: Month) -> None:
    applications = [record for record in month.records if record.record_type == "Application" and record.valid]
    kinds = Counter(str(record.content["ApplicantType"]) for record in applications)
    assert set(kinds) == {"1", "2"}
    for record in applications:
        number = str(record.content["ApplicantIdNo"])
        assert str(record.content["ApplicantName"]).startswith("生成测试")
        if record.content["ApplicantType"] == "1":
            assert number.startswith(NOWHERE)
            assert is_citizen_number(number)
        else:
            assert number[2:8] == NOWHERE
            assert is_credit_code(number)


def test_departments_have_valid_credit_codes_and_items_their_own_codes() -> None:
    items = items_of("360102", "东湖区")
    assert len({item.task_code for item in items}) == len(ITEM_PLANS)
    assert all(is_credit_code(item.department.credit_code) for item in items)
    assert len({item.department.credit_code for item in items}) == len({plan.department for plan in ITEM_PLANS})


def test_valid_records_follow_the_standard_and_the_others_do_not_all(month: Month) -> None:
    for record in month.records:
        if record.valid:
            parse_record(record_bytes(record))
    wrong_codes = [r for r in month.records if not r.valid and r.record_type == "Acceptance"]
    assert wrong_codes
    for record in wrong_codes:
        with pytest.raises(RecordRefusedError):
            parse_record(record_bytes(record))
    wrong_checks = [r for r in month.records if not r.valid and r.record_type == "Application"]
    assert wrong_checks
    for record in wrong_checks:
        number = str(record.content["ApplicantIdNo"])
        assert not is_citizen_number(number)
        assert not is_credit_code(number)


def test_the_parts_of_a_pair_carry_the_same_number(month: Month) -> None:
    starts = {key(record) for record in month.records if record.record_type == "SpecialProcedureStart"}
    ends = {key(record) for record in month.records if record.record_type == "SpecialProcedureEnd"}
    assert ends
    assert ends <= starts


def key(record: GeneratedRecord) -> tuple[str, str]:
    return str(record.content["CaseNo"]), str(record.content["Sequence"])


def numbers(month: Month) -> set[str]:
    return {cast("str", record.content["CaseNo"]) for record in month.records}


def record_bytes(record: GeneratedRecord) -> bytes:
    return compose(record.record_type, {**record.content, "Channel": "IMPORT"}, salt=secrets.token_bytes(16))
