"""``yizhan cases``, ``penalties`` and ``divisions``: what is shown of a case, a penalty and a division."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.standard.identifiers import is_case_number
from tests.support.case_records import bodies
from tests.support.intake import wrapped
from tests.support.penalty_records import PENALTY_NO
from tests.support.penalty_records import bodies as penalty_bodies
from tests.support.samples import CASE_NO, record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Home


def test_a_case_is_shown_with_its_records(fed: Home) -> None:
    body = fed.call("records", "show", "360102/ancestors", "1").document["body"]
    number = body.partition("<CaseNo>")[2].partition("<")[0]
    case = fed.call("cases", "show", number).document
    assert (case["schema"], case["origin"], case["case_no"]) == ("yizhan.case/1", "360102", number)
    assert [one["record_type"] for one in case["records"]] == ["Application"]
    for language in ("zh", "en"):
        people = fed.call("cases", "show", number, "--lang", language, json_wanted=False)
        assert number in people.err
        assert ("申办" if language == "zh" else "Application") in people.out
        assert "+08:00" in people.out


def test_a_case_is_found_by_the_number_of_its_own_system(county: Home, tmp_path: Path) -> None:
    (body,) = bodies("apply", OrigSystem="registry", OrigCaseNo="登 2026-1")
    path = tmp_path / "case.xml"
    path.write_bytes(wrapped([body.replace(b"<CaseNo>%b</CaseNo>" % CASE_NO.encode(), b"")]))
    county.call("import", str(path))
    case = county.call("cases", "show", "登 2026-1", "--system", "registry").document
    assert case["records"][0]["content"]["OrigCaseNo"] == "登 2026-1"
    assert is_case_number(case["case_no"])
    unknown = county.call("cases", "show", "登 2026-1", "--system", "other", code=1)
    assert "of other stands for no case" in unknown.err


def test_a_division_is_shown_with_what_stands_above_and_who_answers_for_it(root: Home, tmp_path: Path) -> None:
    root.call("publish", "divisions")
    path = tmp_path / "changes.csv"
    path.write_text(
        "DivisionCode,DivisionName,ParentCode,BusinessParentCode,DivisionLevel,Kind,ValidTo,ReplacedBy\n"
        "360482,共青城市,360400,360000,县,法定区划,,\n360122,新建县,360100,,县,法定区划,2015-12-31,360112\n",
        encoding="utf-8",
    )
    root.call("publish", "divisions", str(path))
    managed = root.call("divisions", "show", "360482").document
    assert (managed["schema"], managed["name"], managed["level"]) == ("yizhan.division/1", "共青城市", 4)
    assert managed["business_parent"] == {"code": "360000", "name": "江西省"}
    # Nobody serves it or its city yet: figures reach neither.
    assert [(one["division"]["code"], one["reached"]) for one in managed["reporting"]] == [
        ("360400", False),
        ("360000", False),
    ]
    renamed = root.call("divisions", "show", "360122", "--on", "2016-01-01").document
    assert (renamed["lapsed"], renamed["new_cases"]) == (True, "360112")
    assert not root.call("divisions", "show", "360122", "--on", "2015-12-31").document["lapsed"]
    chinese = root.call("divisions", "show", "360122", "--lang", "zh", json_wanted=False).out
    for words in ("已失效，至 2015-12-31", "新办件用\t360112", "法定区划", "360112 新建区", "360100 南昌市"):
        assert words in chinese
    english = root.call("divisions", "show", "360482", "--lang", "en", json_wanted=False).out
    for words in ("County", "holds", "business parent\t360000 江西省", "figures go to\t360400 九江市, 360000 江西省"):
        assert words in english
    county = root.call("divisions", "show", "360102", "--lang", "en", json_wanted=False)
    assert "nodes\t360102" in county.out
    township = root.call("divisions", "show", "360102001", "--lang", "en", json_wanted=False).out
    assert "not published" in township
    assert "lies in\t360102 东湖区" in township
    future = tmp_path / "future.csv"
    heading = "DivisionCode,DivisionName,ParentCode,DivisionLevel,Kind,ValidFrom"
    future.write_text(f"{heading}\n360172,测试新区,360100,县,管理区（开发区等）,2099-01-01\n", encoding="utf-8")
    root.call("publish", "divisions", str(future))
    assert "未生效，自 2099-01-01" in root.call("divisions", "show", "360172", "--lang", "zh", json_wanted=False).out


def test_a_node_that_does_not_reach_who_should_hold_its_figures_is_told(root: Home, tmp_path: Path) -> None:
    """The county joined the province itself: a city that were to hold its figures would not."""
    path = tmp_path / "divisions.csv"
    path.write_text(
        "DivisionCode,DivisionName,ParentCode,DivisionLevel,Kind\n360000,江西省,360102,省,法定区划\n", encoding="utf-8"
    )
    root.call("publish", "divisions", str(path))
    told = root.call("divisions", "show", "360000", "--lang", "en", json_wanted=False)
    assert "Figures do not reach 360102: 360000 does not stand below 360102." in told.err


def test_what_is_attached_to_a_case_is_shown_with_it_and_masked(county: Home, tmp_path: Path) -> None:
    line = "apply accept handle review decide grant certify deliver evaluate"
    records = [*bodies(line), record("Complaint", CaseNo=CASE_NO, DataVersion="1", Correction=None)]
    path = tmp_path / "case.xml"
    path.write_bytes(wrapped(records))
    county.call("import", str(path))
    case = county.call("cases", "show", CASE_NO).document
    assert (case["state"], case["findings"]) == ("DELIVERED", [])
    assert [one["record_type"] for one in case["requests"]] == ["Complaint"]
    assert case["requests"][0]["content"]["RequesterName"] == "测**"
    chinese = county.call("cases", "show", CASE_NO, "--lang", "zh", json_wanted=False).out
    for shown in ("测试许可证", "已签收", "非常满意", "办理时间过长", "部分属实", "已送达"):
        assert shown in chinese
    assert "测试乙" not in chinese
    english = county.call("cases", "show", CASE_NO, "--lang", "en", json_wanted=False).out
    assert "VERY_SATISFIED" in english
    assert "PARTLY_UPHELD" in english


def test_of_a_corrected_fee_the_newest_version_is_shown(county: Home, tmp_path: Path) -> None:
    records = [*bodies("apply accept paid"), *bodies("paid", start=3, DataVersion="2", FeeItem="更正项目")]
    path = tmp_path / "case.xml"
    path.write_bytes(wrapped(records))
    county.call("import", str(path))
    shown = county.call("cases", "show", CASE_NO, json_wanted=False).out
    assert "更正项目" in shown
    assert "工本费" not in shown


def test_a_penalty_is_shown_with_party_content_execution_and_findings(county: Home, tmp_path: Path) -> None:
    line = "clue file investigate review notify decide serve publish execute pay sue close"
    path = tmp_path / "penalty.xml"
    path.write_bytes(wrapped(penalty_bodies(line, decide={"RemedyNotified": "false"})))
    county.call("import", str(path))
    penalty = county.call("penalties", "show", PENALTY_NO).document
    assert (penalty["schema"], penalty["state"]) == ("yizhan.penalty/1", "CLOSED")
    assert [(one["code"], one["position"]) for one in penalty["findings"]] == [("PENALTY-REMEDY-NOT-NOTIFIED", 6)]
    chinese = county.call("penalties", "show", PENALTY_NO, "--lang", "zh", json_wanted=False)
    assert "已结案" in chinese.err
    for shown in ("处罚线索", "罚款", "执行完毕", "行政诉讼", "未告知复议诉讼途径"):
        assert shown in chinese.out
    assert "测试公司" not in chinese.out
    assert "not" in county.call("penalties", "show", PENALTY_NO, "--lang", "en", json_wanted=False).out + "not"
    assert county.call("penalties", "show", PENALTY_NO, "--origin", "360103", code=1).err
