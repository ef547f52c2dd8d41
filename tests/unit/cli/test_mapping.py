"""``yizhan mapping check``: each row of a sample, each element with its value or error, and nothing taken in."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from node.cli import run_program
from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Home

EXAMPLES = ROOT / "docs" / "examples"
PERSON = "生成测试人"
STEP = {
    "project_no": "FOREIGN-1",
    "row_guid": "7",
    "task_code": "XK1",
    "region_code": "369902",
    "org_code": "11369902GE0000032F",
    "org_name": "测试区城市管理局",
    "process_name": "承办",
    "event_name": "通过",
    "event_start_time": "2026-10-09 09:00:00",
    "handle_user_name": PERSON,
    "handle_explain": "同意",
}


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    code = run_program(["--json", "mapping", "check", *arguments])
    taken = capsys.readouterr()
    return code, json.loads(taken.out), taken.err


def sample(folder: Path, table: str, *rows: dict[str, Any]) -> str:
    path = folder / "sample.json"
    path.write_text(json.dumps({table: list(rows)}), encoding="utf-8")
    return str(path)


def test_the_example_is_right_in_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    code, document, _ = check(capsys, str(EXAMPLES / "hall.csv"), "--mapping", str(EXAMPLES / "hall.toml"))
    assert code == 0
    assert (document["schema"], document["checked"], document["right"]) == ("yizhan.mapping-check/1", 2, 2)
    first, second = document["rows"]
    assert [record["type"] for record in first["records"]] == ["Acceptance"]
    assert [record["type"] for record in second["records"]] == ["Acceptance", "Conclusion"]
    fields = {field["element"]: field for field in second["records"][1]["fields"]}
    assert fields["ResultCode"] == {
        "element": "ResultCode",
        "label": "办结结果代码",
        "source": "结果",
        "column": "结果",
        "value": "GRANT",
        "error": "",
    }
    assert fields["EventTime"]["value"] == "2026-11-05T15:30:00+08:00"


def test_a_person_s_name_is_masked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, document, _ = check(capsys, sample(tmp_path, "up_pro_process", STEP), "--mapping", "up")
    assert code == 0
    fields = {field["element"]: field["value"] for field in document["rows"][0]["records"][0]["fields"]}
    assert fields["HandleUserName"] == "生****"
    assert PERSON not in json.dumps(document, ensure_ascii=False)


def test_lists_are_shown_with_their_parts_and_numbers_of_persons_masked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fields = {
        "SBLSH": "FOREIGN-2",
        "SXBM": "XK1",
        "XZQHDM": "369902",
        "SLBMZZJGDM": "11369902GE0000032F",
        "SLBMMC": "测试局",
        "SBSJ": "2026-10-9 9:00:00",
        "SXMC": "占道",
        "TJFS": "0",
        "SQRLX": "2",
        "SQRMC": PERSON,
        "SQRZJLX": "001",
        "SQRZJHM": "91999999GE00335476",
        "SBCLQD": "申请书；营业执照^1^2",
    }
    code, document, _ = check(capsys, sample(tmp_path, "EX_GDBS_SB", fields), "--mapping", "exinfo")
    assert code == 0
    shown = {field["element"]: field["value"] for field in document["rows"][0]["records"][0]["fields"]}
    assert shown["MaterialItem"] == "申请书 | 营业执照, 1, 2"
    assert shown["ApplicantIdNo"] == "919*************76"
    assert (shown["OrigCaseNo"], "CaseNo" in shown) == ("FOREIGN-2", False)


def test_an_error_stands_at_its_element(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong = {**STEP, "event_start_time": "2026-02-30 09:00:00"}
    code, document, _ = check(capsys, sample(tmp_path, "up_pro_process", wrong, STEP), "--mapping", "up")
    assert code == 9
    assert [row["right"] for row in document["rows"]] == [False, True]
    fields = {field["element"]: field for field in document["rows"][0]["records"][0]["fields"]}
    assert "there is no day 02-30 in 2026" in fields["EventTime"]["error"]
    assert fields["EventTime"]["value"] == ""


def test_the_standard_is_asked_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong = {**STEP, "org_code": "99", "event_name": None}
    code, document, _ = check(capsys, sample(tmp_path, "up_pro_process", wrong), "--mapping", "up")
    assert code == 1
    (record,) = document["rows"][0]["records"]
    fields = {field["element"]: field["error"] for field in record["fields"]}
    assert fields["OrgCode"]
    assert not record["right"]


def test_a_row_that_is_none_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = sample(tmp_path, "up_other", STEP)
    code, document, _ = check(capsys, path, "--mapping", "up")
    assert code == 1
    assert document["rows"][0]["problems"][0]["rule"] == "table"
    empty = tmp_path / "empty.json"
    empty.write_text("", encoding="utf-8")
    code, document, _ = check(capsys, str(empty), "--mapping", "up")
    assert (code, document["rows"][0]["problems"][0]["rule"]) == (1, "empty")


def test_people_see_a_table_of_each_record(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = sample(tmp_path, "up_pro_process", STEP, {**STEP, "project_no": ""})
    assert run_program(["mapping", "check", path, "--mapping", "up", "--lang", "zh"]) == 9
    taken = capsys.readouterr()
    heading, *lines = taken.out.splitlines()
    assert heading == "table\trow\ttype\telement\tcolumn\tvalue\terror"
    assert "up_pro_process\t1\tReviewStep\tStepCode\tprocess_name\t1\t" in lines
    assert "up_pro_process\t1\tReviewStep\tOrigCaseNo\tproject_no\tFOREIGN-1\t" in lines
    assert heading not in lines
    assert "the column project_no is empty" in taken.err
    assert "检查 2 行，正确 1 行。" in taken.err


def test_a_terminal_shows_a_table_of_each_record(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    path = sample(tmp_path, "up_pro_process", STEP, {**STEP, "row_guid": "8"})
    assert run_program(["mapping", "check", path, "--mapping", "up", "--lang", "zh"]) == 0
    taken = capsys.readouterr()
    assert "up_pro_process 1 ReviewStep" in taken.out
    assert "up_pro_process 2 ReviewStep" in taken.out
    assert "记录类型" not in taken.out


def test_a_number_of_ours_stays_the_case_number(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ours = "36990211369902GE0000032FXK001320012026100800035K"
    path = sample(tmp_path, "up_pro_process", {**STEP, "project_no": ours})
    code, document, _ = check(capsys, path, "--mapping", "up")
    fields = {field["element"]: field for field in document["rows"][0]["records"][0]["fields"]}
    assert (code, fields["CaseNo"]["value"], "OrigCaseNo" in fields) == (0, ours, False)


def test_what_the_standard_says_beyond_the_elements_names_row_and_record(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    unsaid = dict.fromkeys(("handle_user_name", "handle_explain", "event_name"))
    path = sample(tmp_path, "up_pro_process", STEP, {**STEP, **unsaid})
    assert run_program(["mapping", "check", path, "--mapping", "up"]) == 9
    assert "up_pro_process 2 ReviewStep schema ReviewStep: " in capsys.readouterr().err


def test_only_so_many_rows_are_looked_at(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = sample(tmp_path, "up_pro_process", *({**STEP, "row_guid": str(number)} for number in range(30)))
    assert check(capsys, path, "--mapping", "up")[1]["checked"] == 20
    assert check(capsys, path, "--mapping", "up", "--rows", "3")[1]["checked"] == 3


@pytest.mark.parametrize("arguments", [("--mapping", "up@shandong"), ("--mapping", "up", "--variant", "shandong")])
def test_a_variant_may_be_chosen(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    row = {**STEP, "result_type": "1", "result_date": "2026-10-09 09:00:00", "result_explain": "不予许可"}
    for name in ("row_guid", "process_name", "event_name", "event_start_time", "handle_explain"):
        del row[name]
    code, document, _ = check(capsys, sample(tmp_path, "up_pro_result", row), *arguments)
    fields = {field["element"]: field["value"] for field in document["rows"][0]["records"][0]["fields"]}
    assert (code, fields["ResultCode"], document["variant"]) == (0, "DENY", "shandong")


def test_a_mapping_of_the_node_is_found_by_its_name(county: Home) -> None:
    (county.folder / "mappings").mkdir()
    shutil.copy(EXAMPLES / "hall.toml", county.folder / "mappings")
    answer = county.call("mapping", "check", str(EXAMPLES / "hall.csv"), "--mapping", "hall")
    assert answer.document["right"] == 2
    assert county.call("dialects", "show", "hall").document["tables"]
    report = county.call("import", str(EXAMPLES / "hall.csv"), "--dialect", "hall", code=None).document
    # The division of the example does not exist, so this node may not write it; the rows themselves are right.
    assert (report["offered"], {one["rule"] for one in report["problems"]}) == (3, {"no-authority"})


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--mapping", "none"), 2, "There is no mapping named 'none'"),
        (("--mapping", "csv"), 2, "There is no mapping named 'csv'"),
        (("--mapping", "up@east"), 2, "has no variant"),
        (("--mapping", "up", "--variant", "east"), 2, "has no variant"),
        (("--mapping", "no such"), 2, "is not NAME or NAME@VARIANT"),
        (("--mapping", "/nowhere/hall.toml"), 4, "cannot be used"),
        (("--mapping", "up", "--rows", "0"), 2, "--rows"),
        ((), 2, "--mapping"),
    ],
)
def test_mistakes_in_the_call(
    arguments: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(["mapping", "check", str(EXAMPLES / "hall.csv"), *arguments]) == code
    assert said in capsys.readouterr().err


def test_both_how_to_pages_show_the_same_file() -> None:
    pages = [
        (ROOT / f"docs/how-to/{name}").read_text(encoding="utf-8") for name in ("site-mapping.md", "site-mapping.zh.md")
    ]
    blocks = [[part.partition("```")[0] for part in page.split("```toml\n")[1:]] for page in pages]
    assert blocks[0] == blocks[1]
    example = (EXAMPLES / "hall.toml").read_text(encoding="utf-8")
    for block in blocks[0][:-1]:
        assert block in example, block
