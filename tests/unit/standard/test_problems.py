from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.errors import RecordRefusedError
from node.standard import codec
from tests.support.samples import record

if TYPE_CHECKING:
    from collections.abc import Callable


def problem_text(body: bytes) -> str:
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(body)
    return " ".join(problem.text for problem in refused.value.problems)


def test_the_refusal_names_line_element_and_what_is_expected() -> None:
    body = record("Conclusion", ResultCode="MAYBE").replace(b"<ResultCode>", b"\n<ResultCode>")
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(body)
    (problem,) = refused.value.problems
    assert (problem.rule, problem.element, problem.line) == ("schema", "ResultCode", 2)
    assert "'MAYBE'" in problem.text
    assert "GRANT" in problem.text
    assert "办结结果代码" in problem.text
    assert codec.diagnose(body) == refused.value.problems


@pytest.mark.parametrize(
    ("element", "value", "shown"),
    [
        ("ApplicantIdType", "110105194912310021", False),
        ("ApplicantIdType", "13900000000", False),
        ("ApplicantIdType", "测试乙", False),
        ("Sequence", "13900000000 ", False),
        ("EventTime", "110105194912310021", False),
        ("EventTime", "0791-86250000 ", False),
        ("EventTime", "2026-02-30T09:30:00+08:00", True),
        ("ApplicantIdType", "ID-7", True),
        ("Sequence", "1.5", True),
    ],
)
def test_what_shifted_columns_put_where_a_code_belongs_is_not_quoted(element: str, value: str, *, shown: bool) -> None:
    body = record("Application", **{element: value})
    assert (value in problem_text(body)) == shown
    assert all((value in problem.text) == shown for problem in codec.diagnose(body))


@pytest.mark.parametrize(
    ("record_type", "changes", "secret"),
    [
        ("Application", {"ApplicantIdNo": "secret!"}, "secret"),
        ("Application", {"ApplicantName": " secret"}, "secret"),
        ("Application", {"ContactPhone": "secret" * 10}, "secret"),
        ("Application", {"Remark": "secret" * 300}, "secret"),
        ("Conclusion", {"Actor": {"Name": "\tsecret"}}, "secret"),
    ],
)
def test_no_personal_value_and_no_free_text_is_ever_quoted(
    record_type: str, changes: dict[str, object], secret: str
) -> None:
    body = record(record_type, **changes)
    assert secret not in problem_text(body)
    assert codec.diagnose(body)
    assert all(secret not in problem.text for problem in codec.diagnose(body))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda body: body.replace(b"<DataVersion>2</DataVersion>", b""), "DataVersion"),
        (lambda body: body.replace(b"ResultText>", b"ResultTxt>"), "ResultTxt"),
        (lambda body: body.replace(b"</FeeAmount></Conclusion>", b"</FeeAmount>secret</Conclusion>"), "Conclusion"),
        (lambda body: body.replace(b"<FeeAmount>120.50", b"<FeeAmount>"), "empty"),
        (lambda body: body.replace(b"<FeeAmount>", b'<FeeAmount Currency="secret">'), "FeeAmount"),
        (lambda body: body.replace(b"<FeeAmount>120.50", b"<FeeAmount><a>secret</a>"), "FeeAmount"),
        (
            lambda body: body.replace(b"<ResultCode>GRANT</ResultCode>", b"<ResultCode>GRANT</ResultCode>" * 2),
            "ResultText",
        ),
    ],
)
def test_structure_that_does_not_fit_is_explained_by_both_validators(
    changed: Callable[[bytes], bytes], words: str
) -> None:
    body = changed(record("Conclusion"))
    assert words in problem_text(body)
    assert codec.diagnose(body)
    assert "secret" not in " ".join(problem.text for problem in codec.diagnose(body)) + problem_text(body)


def test_a_summary_with_a_wrong_attribute_names_attribute_and_expectation() -> None:
    body = record("StatisticsSummary").replace(b'Channel="API"', b'Channel="PIGEON"')
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(body)
    assert "attribute Channel" in refused.value.problems[0].text
    assert "BLUETOOTH" in refused.value.problems[0].text
    assert "attribute Channel" in codec.diagnose(body)[0].text


def test_a_missing_attribute_is_explained() -> None:
    body = record("StatisticsSummary").replace(b' Channel="API"', b"")
    assert "Channel" in problem_text(body)
    assert any("Channel" in problem.text for problem in codec.diagnose(body))


def test_problems_are_bounded() -> None:
    keys = "".join('<Key Division="x" Org="x" Task="x" Channel="x"></Key>' for _ in range(100))
    body = record("StatisticsSummary").replace(b"<Own>", b"<Own>" + keys.encode())
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(body)
    assert len(refused.value.problems) <= codec.PROBLEMS_MAX
    assert len(codec.diagnose(body)) <= codec.PROBLEMS_MAX


def test_a_diagnosis_of_what_is_not_xml_says_the_same_as_the_parser() -> None:
    assert codec.diagnose(b"<a>")[0].rule == codec.RULE_NOT_XML


def test_what_is_missing_at_the_end_is_named() -> None:
    body = record("Fee", Payer=None, FeeState=None)
    assert "FeeState" in problem_text(body)
    assert "not complete; expected FeeState" in codec.diagnose(body)[0].text


def test_children_below_a_text_element_are_explained() -> None:
    body = record("Fee").replace(b"<FeeState>1", b"<FeeState><a></a>1")
    assert "FeeState" in problem_text(body)
    assert codec.diagnose(body)


def test_an_attribute_of_the_record_itself_is_explained() -> None:
    body = record("Fee").replace(b' Version="1.0"', b' Version="1.0" Other="x"')
    assert "Other" in problem_text(body)
    assert "attribute Other is not allowed" in codec.diagnose(body)[0].text


def test_a_problem_is_never_long() -> None:
    body = record("Fee").replace(b"FeeItem>", b"N" * 5000 + b">")
    assert all(len(problem.text) <= 300 for problem in codec.diagnose(body))
    assert all(len(problem.element or "") <= 300 for problem in codec.diagnose(body))
    assert len(problem_text(body)) <= 300


def test_a_summary_with_many_faults_of_xmlschema_is_bounded() -> None:
    days = b"".join(b"<OffDay>x</OffDay>" for _ in range(100))
    body = (
        record("Calendar")
        .replace(b"<OffDay>", days + b"<OffDay>", 1)
        .replace(b"</OffDay><OffDay>", b"</OffDay>\n<OffDay>")
    )
    assert len(codec.diagnose(body)) == codec.PROBLEMS_MAX
