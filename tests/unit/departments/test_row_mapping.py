"""Rows become records as their mapping says, and every row that cannot says which column, why, and what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from node.departments.candidates import AUTOMATIC, GIVEN
from node.departments.dialects import row_mapping
from node.errors import Problem
from tests.support.mappings import CASE, HALL, hall, mapped, only, problem_of, result_row, row

ACCEPTED = {
    "no": CASE,
    "task": "XK1",
    "org": "11369902GE0000032F",
    "department": "测试局",
    "officer": "测试甲",
    "at": "2026-11-3 9:12:00",
    "state": "1",
    "days": "20",
}


def test_a_row_becomes_a_record() -> None:
    assert only(mapped(result_row(fee=" 12.50 "))) == {
        "CaseNo": CASE,
        "TaskCode": "XK1",
        "DivisionCode": "369902",
        "OrgCode": "11369902GE0000032F",
        "OrgName": "测试局",
        "Sequence": "1",
        "DataVersion": "1",
        "EventTime": "2026-11-03T09:12:00+08:00",
        "ResultCode": "GRANT",
        "ResultText": "办结",
        "HandleUserName": "测试甲",
        "FeeAmount": "12.50",
    }


def test_names_of_tables_and_columns_have_no_case() -> None:
    values = {name.upper(): text for name, text in result_row().values.items()}
    assert only(mapped(row("Result", **values)))["ResultCode"] == "GRANT"


def test_one_row_gives_each_record_whose_conditions_hold() -> None:
    both = mapped(row("accept", **ACCEPTED, missing="申请书；营业执照^1^2", asked_at="2026-11-2 9:00:00"))
    assert [one.record_type for one in both] == ["SupplementNotice", "Acceptance"]
    assert [one.problems for one in both] == [(), ()]
    notice, acceptance = (one.content or {} for one in both)
    assert notice["MaterialItem"] == [
        {"MediaType": "0", "CopyKind": "0", "Count": "1", "MaterialName": "申请书"},
        {"MediaType": "1", "CopyKind": "2", "Count": "1", "MaterialName": "营业执照"},
    ]
    assert notice["Reason"] == "材料不齐"
    assert acceptance["AcceptDocNo"] == f"受理{CASE}号"
    assert acceptance["StatutoryLimitUnit"] == "G"
    assert acceptance["Actor"] == {"Name": "测试甲"}
    assert [one.record_type for one in mapped(row("accept", **ACCEPTED))] == ["Acceptance"]


def test_a_row_that_gives_no_record_says_what_it_would_take() -> None:
    rule, text, _ = problem_of(mapped(row("accept", **{**ACCEPTED, "state": "3"})))
    assert rule == "condition"
    assert text == (
        "this row of accept gives no record: SupplementNotice when missing is filled; "
        "Acceptance when state is one of 1, 2 and at is filled"
    )


def test_dates_and_truth_are_read_by_the_mapping_s_words() -> None:
    content = only(mapped(row("accept", **ACCEPTED, promised="2026-11-30", deemed="是")))
    assert (content["PromiseDate"], content["Deemed"]) == ("2026-11-30", "true")


def test_a_number_of_another_system_is_kept_as_foreign() -> None:
    content = only(mapped(result_row(no="10131300500698857411409161687")))
    assert (content["OrigCaseNo"], content["OrigSystem"]) == ("10131300500698857411409161687", "land")
    assert "CaseNo" not in content
    assert "OrigSystem" not in only(mapped(result_row(no="123"), system=""))


def test_a_key_of_the_source_makes_a_sequence_that_stays_the_same() -> None:
    first, again, other = (only(mapped(result_row(row_id=key)))["Sequence"] for key in ("a", "a", "b"))
    assert first == again != other
    assert 100_000 <= int(first) <= 999_999
    assert only(mapped(result_row(row_id="a", step="2")))["Sequence"] == "2"


def test_a_mapping_says_who_counts_versions() -> None:
    assert mapped(result_row())[0].versioning == GIVEN
    automatic = hall('versioning = "automatic"\n' + HALL.lstrip())
    assert mapped(result_row(), mapping=automatic)[0].versioning == AUTOMATIC


@pytest.mark.parametrize(
    ("values", "rule", "element", "said"),
    [
        ({"no": ""}, "key", "no", "the column no is empty; a row of result needs it"),
        ({"at": "2026-11-3 24:00:00"}, "schema", "EventTime", "column at: 24:00 is no time of a day"),
        ({"at": "2026-2-30 9:00:00"}, "schema", "EventTime", "there is no day 02-30 in 2026"),
        ({"at": "２０２６-11-3 9:00:00"}, "schema", "EventTime", "full-width digits"),
        (
            {"at": "2026-11-3"},
            "schema",
            "EventTime",
            "this is not a time in the form YYYY-M-D h:mm:ss or YYYY/M/D h:mm",
        ),
        ({"at": "2026-11-03T09:00:00+08:00"}, "schema", "EventTime", "this is not a time in the form"),
        ({"fee": "１２"}, "schema", "FeeAmount", "full-width digits"),
        ({"result": "１"}, "code", "ResultCode", "full-width digits"),
        ({"result": "8"}, "code", "ResultCode", "the code 8 is not one of 0, 1, 2, 3, 9"),
        ({"result": "1"}, "code", "ResultCode", "(north: DENY, south: RETURN); name the variant behind @"),
        ({"result": "9"}, "code", "ResultCode", "the code 9 has no counterpart in the standard"),
        ({"fee": "=1+2"}, "schema", "FeeAmount", "a formula stands where a value should be"),
        ({"unit": "万元"}, "condition", "unit", "the column unit holds, which is not taken in; accepted are yuan"),
        ({"unit": "fen"}, "condition", "unit", "the column unit holds fen, which is not taken in"),
        ({"colour": "red"}, "column", "result", "unknown columns of result: colour; leave them out at the source"),
        ({"NO": CASE}, "doubled", "no", "the column no stands twice in this row"),
    ],
)
def test_what_is_wrong_with_a_row_names_column_reason_and_remedy(
    values: dict[str, str], rule: str, element: str, said: str
) -> None:
    found, text, where = problem_of(mapped(result_row(**values)))
    assert (found, where) == (rule, element)
    assert said in text


def test_several_wrong_values_are_all_told() -> None:
    (candidate,) = mapped(result_row(at="soon", result="8", fee="=1"))
    assert [problem.element for problem in candidate.problems] == ["EventTime", "ResultCode", "FeeAmount"]


def test_a_problem_never_shows_what_may_be_a_person_s() -> None:
    person = "110105194912310021"
    for values in ({"at": person}, {"result": person}, {"unit": person}, {person: "1"}, {"fee": f"={person}"}):
        (candidate,) = mapped(result_row(**values))
        assert candidate.problems
        assert person not in "".join(problem.text for problem in candidate.problems)


def test_a_table_that_the_mapping_does_not_have_is_refused_by_name() -> None:
    rule, text, _ = problem_of(mapped(row("fees", no=CASE)))
    assert rule == "table"
    assert text == "the mapping hall has no table fees; it has result, accept: add it, or leave its rows out"
    assert "does not say which table this row is of" in problem_of(mapped(row("", no=CASE)))[1]
    assert "110105194912310021" not in problem_of(mapped(row("110105194912310021", no=CASE)))[1]


def test_a_label_of_the_standard_stands_for_its_code() -> None:
    assert only(mapped(result_row(result="不予许可")))["ResultCode"] == "DENY"


def test_the_variant_chooses_among_provinces() -> None:
    assert only(mapped(result_row(result="1"), variant="north"))["ResultCode"] == "DENY"
    assert only(mapped(result_row(result="1"), variant="south"))["ResultCode"] == "RETURN"


def test_a_column_has_one_form_of_times_in_one_delivery() -> None:
    first, second, third = mapped(
        result_row(1, at="2026/11/3 9:12"), result_row(2, at="2026-11-3 9:12:00"), result_row(3, at="2026/11/4 9:12")
    )
    assert (first.problems, third.problems) == ((), ())
    (problem,) = second.problems
    assert problem.row == 2
    assert "the form is YYYY-M-D h:mm:ss, earlier rows of this delivery have YYYY/M/D h:mm" in problem.text
    # Another delivery begins anew.
    assert only(mapped(result_row(at="2026-11-3 9:12:00")))


def test_what_a_row_leaves_out_an_earlier_row_of_the_case_gave() -> None:
    first, second, other = mapped(
        result_row(1),
        result_row(2, org="", org_name=""),
        result_row(3, no="OTHER", org="", org_name=""),
    )
    assert (second.content or {})["OrgCode"] == "11369902GE0000032F"
    assert (second.content or {})["OrgName"] == "测试局"
    assert "OrgCode" not in (other.content or {})
    # It is kept with what was filled in: offered again by itself it has no earlier row.
    kept = json.loads(second.kept())
    assert (kept["table"], kept["rows"][0]["org"]) == ("result", "11369902GE0000032F")
    assert json.loads(first.kept())["rows"] == [dict(result_row(1).values)]


def test_cases_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_mapping, "SHARED_MAX", 2)
    rows = [result_row(number, no=f"N{number}") for number in range(3)]
    *_, forgotten, known = mapped(*rows, result_row(3, no="N0", org="", org_name=""), result_row(4, no="N2", org=""))
    assert "OrgCode" not in (forgotten.content or {})
    assert "OrgCode" in (known.content or {})


def test_a_row_that_could_not_be_read_keeps_its_problems() -> None:
    broken = replace(result_row(), problems=(Problem(rule="columns", text="too few"),))
    assert problem_of(mapped(broken))[:2] == ("columns", "too few")


def test_rows_are_numbered_as_their_source_numbered_them() -> None:
    candidates = mapped(*(result_row(number) for number in (1, 2, 3)))
    assert all(before.row == (after.row or 0) - 1 for before, after in pairwise(candidates))


def test_spellings_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_mapping, "SPELLINGS_MAX", 1)
    upper = {name.upper(): text for name, text in result_row().values.items()}
    first, second = mapped(row("RESULT", **upper), row("Result", **upper))
    assert first.content == second.content
    assert (first.problems, second.problems) == ((), ())


def test_what_a_site_says_of_a_word_counts_before_the_label_of_the_standard() -> None:
    # 退回 is the label of RETURN; this hall means a refusal by it.
    mapping = hall(HALL.replace('"1" = "DENY"', '"1" = "DENY"\n"退回" = "DENY"'))
    found = only(mapped(result_row(result="退回"), mapping=mapping, variant="north"))
    assert found["ResultCode"] == "DENY"
    assert only(mapped(result_row(result="准予"), mapping=mapping, variant="north"))["ResultCode"] == "GRANT"


@pytest.mark.parametrize(
    ("table", "changed", "element", "column"),
    [
        ("result", {"row_id": "=A1"}, "Sequence", "row_id"),
        ("result", {"no": "=A1"}, "no", "no"),
        ("result", {"unit": "=A1"}, "unit", "unit"),
        ("accept", {"state": "=A1"}, "state", "state"),
        ("accept", {"missing": "=A1"}, "missing", "missing"),
        ("accept", {"batch": "=A1"}, None, ""),
        ("accept", {"form": "=A1"}, "AcceptDocNo", "form"),
    ],
)
def test_a_formula_is_refused_wherever_a_column_is_used(
    table: str, changed: dict[str, str], element: str | None, column: str
) -> None:
    mapping = hall(HALL.replace('template = "受理{no}号"', 'template = "受理{form}号"'))
    given = result_row(**changed) if table == "result" else row("accept", **{**ACCEPTED, "form": "1", **changed})
    candidates = mapped(given, mapping=mapping)
    if element is None:
        assert [one.problems for one in candidates] == [()]
        return
    rule, text, named = problem_of(candidates)
    assert (rule, named) == ("schema", element)
    assert f"column {column}: a formula stands where a value should be" in text
