"""``yizhan conformance``: every record is told what is wrong with it; nothing is taken in, no person is shown."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from node.departments import conformance
from node.departments.conformance import judge_delivery
from node.departments.dialects import DialectOptions, Dialects, read
from node.departments.fetching import fetched
from node.errors import NotFoundError, UsageError
from node.randomness import SeededRandomness
from tests.support.homes import Home
from tests.support.intake import generated, standard_records, table, wrapped

if TYPE_CHECKING:
    from pathlib import Path


def call(path: Path, code: int) -> dict[str, Any]:
    return Home(path.parent / "no-home").call("conformance", str(path), code=code).document


def shown(path: Path, language: str, code: int) -> str:
    answer = Home(path.parent / "no-home").call(
        "--lang", language, "conformance", str(path), json_wanted=False, code=code
    )
    return answer.out + answer.err


def test_a_delivery_that_conforms_leaves_with_zero(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(table(generated(40)), encoding="utf-8")
    document = call(path, 0)
    assert (document["schema"], document["dialect"]) == ("yizhan.conformance/1", "csv")
    assert document["records"] == document["conforming"] == 40
    assert sum(document["by_type"].values()) == 40
    assert document["problems"] == []


def test_each_wrong_record_is_told_with_row_element_and_rule(tmp_path: Path) -> None:
    records = generated(6)
    lines = table(records).splitlines()
    place = lines[0].split(",").index("EventTime")
    cells = lines[3].split(",")
    cells[place] = "2026-02-30 09:00"
    lines[3] = ",".join(cells)
    path = tmp_path / "cases.csv"
    path.write_text("\n".join([*lines, lines[5], ""]), encoding="utf-8")
    document = call(path, 9)
    assert [(one["row"], one["element"], one["rule"]) for one in document["problems"]] == [
        (3, "EventTime", "schema"),
        (7, None, "repeated"),
    ]
    assert document["by_rule"] == {"schema": 1, "repeated": 1}


def test_what_is_illogical_in_a_case_is_a_hint_and_no_refusal(tmp_path: Path) -> None:
    records = [one for one in generated(60) if one.record_type == "Conclusion"][:1]
    path = tmp_path / "late.xml"
    path.write_bytes(wrapped(standard_records(records)))
    document = call(path, 0)
    assert {one["code"] for one in document["findings"]} >= {"LOGIC-NO-APPLICATION"}
    text = shown(path, "zh", 0)
    assert "环节不完整" in text
    assert "共 1 条，符合标准 1 条" in text


def test_nothing_usable_leaves_with_one_and_shows_no_person(tmp_path: Path) -> None:
    path = tmp_path / "broken.xml"
    body = next(one for one in standard_records(generated(60)) if b"<ApplicantName>" in one)
    path.write_bytes(wrapped([body.replace(b"<ApplyType>", b"<ApplyType>x")]))
    text = shown(path, "en", 1)
    assert "0 of 1 records conform" in text
    assert "测试" not in text


def test_numbers_of_other_systems_are_no_fault() -> None:
    given = [
        {**one.content, "OrigCaseNo": one.content["CaseNo"], "CaseNo": ""}
        for one in generated(60)
        if one.record_type == "Application"
    ][:2]
    document = {"records": [{"type": "Application", "content": one} for one in given]}
    seen = judge(json.dumps(document).encode(), "json")
    assert (seen.records, seen.conforming) == (2, 2)


def test_what_is_remembered_is_bounded_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "RECORDS_HELD_MAX", 3)
    monkeypatch.setattr(conformance, "PROBLEMS_MAX", 1)
    seen = judge(wrapped([b"<Unheard/>"] * 3 + standard_records(generated(6))), "standard")
    assert not seen.complete
    assert seen.findings == []
    assert (len(seen.problems), seen.problems_omitted) == (1, 2)


def judge(data: bytes, dialect: str) -> conformance.Conformance:
    candidates = Dialects().read(dialect, BytesIO(data), DialectOptions())
    return judge_delivery(candidates, randomness=SeededRandomness("conformance"))


def client(answers: dict[str, httpx.Response]) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(lambda request: answers[str(request.url)]))


def test_an_address_is_fetched_over_redirects() -> None:
    answers = {
        "http://vendor.example/a": httpx.Response(302, headers={"Location": "/b"}),
        "http://vendor.example/b": httpx.Response(200, content=wrapped(standard_records(generated(2)))),
    }
    with fetched("http://vendor.example/a", client=client(answers)) as stream:
        assert len(list(read("standard", stream))) == 2


@pytest.mark.parametrize(
    ("address", "answers", "error", "said"),
    [
        ("http://a:b@vendor.example/", {}, UsageError, "password"),
        ("ftp://vendor.example/", {}, UsageError, "http"),
        ("http://vendor.example/", {"http://vendor.example/": httpx.Response(404)}, NotFoundError, "404"),
        (
            "http://vendor.example/",
            {"http://vendor.example/": httpx.Response(200, content=b"12345")},
            NotFoundError,
            "4",
        ),
        (
            "https://vendor.example/",
            {"https://vendor.example/": httpx.Response(301, headers={"Location": "http://vendor.example/"})},
            UsageError,
            "https to http",
        ),
        (
            "http://vendor.example/",
            {"http://vendor.example/": httpx.Response(301, headers={"Location": "/"})},
            NotFoundError,
            "redirects",
        ),
    ],
)
def test_an_address_that_cannot_be_trusted_is_refused(
    address: str, answers: dict[str, httpx.Response], error: type[Exception], said: str
) -> None:
    with (
        pytest.raises(error, match=r"address|large|https") as caught,
        fetched(address, bytes_max=4, client=client(answers)),
    ):
        pass
    assert said in str(caught.value)
