"""``yizhan redact``: asked before it is done, told afterwards, and shown as what it is everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Answer, Home

RECORD = "360102/ancestors/1"
WHY = ("--approval", "赣〔2026〕1号", "--reason", "当事人信息误填")


def redact(home: Home, *more: str, code: int = 0, record: str = RECORD) -> Answer:
    return home.call("redact", record, *WHY, *more, code=code)


def test_it_is_not_done_without_a_yes(fed: Home) -> None:
    refused = redact(fed, code=2).document
    assert (refused["code"], "--yes" in refused["action"]) == ("YZ-USAGE-001", True)
    assert fed.call("records", "show", "360102/ancestors", "1").document["flags"] == []


def test_a_redacted_record_is_shown_as_what_it_is(fed: Home) -> None:
    case_no = part_of(fed, "CaseNo")
    assert redact(fed, "--yes").document == {
        "schema": "yizhan.redact/1",
        "record": RECORD,
        "stream": "360102/ancestors",
        "ordered": False,
        "new": True,
        "refused": [],
    }
    shown = fed.call("records", "show", "360102/ancestors", "1").document
    assert (shown["flags"], shown["body"], shown["type"]) == (["redacted"], None, "")
    assert shown["redaction"] == {
        "position": 7,
        "approval": "赣〔2026〕1号",
        "case_no": case_no,
        "reason": "当事人信息误填",
    }
    people = fed.call("records", "show", "360102/ancestors", "1", "--lang", "zh", json_wanted=False)
    assert (people.out, "已擦除：批准文号 赣〔2026〕1号" in people.err) == ("", True)
    assert "redacted" in fed.call("records", "list", "360102/ancestors", json_wanted=False).out
    status = fed.call("status", code=None).document
    assert (status["redacted"], status["awaited"]) == (1, 0)


def part_of(home: Home, name: str) -> str:
    """Return the text of an element of the first record."""
    body: str = home.call("records", "show", "360102/ancestors", "1").document["body"]
    return body.split(f"<{name}>")[1].split(f"</{name}>", maxsplit=1)[0]


def test_what_its_source_sends_again_does_not_come_back(fed: Home, tmp_path: Path) -> None:
    table = (tmp_path / "applications.csv").read_text(encoding="gb18030")
    other = table.replace(part_of(fed, "ApplicantName"), "另一人")
    assert other != table
    redact(fed, "--yes")
    for number, text in enumerate((table, other)):
        path = tmp_path / f"again-{number}.csv"
        path.write_text(text, encoding="gb18030")
        report = fed.call("import", str(path)).document
        assert (report["repeated"], report["accepted"], report["refused"]) == (6, 0, 0)
    assert fed.call("refused", "list").document["deliveries"] == []


def test_refused_deliveries_that_name_the_case_are_told(fed: Home, tmp_path: Path) -> None:
    table = (tmp_path / "applications.csv").read_text(encoding="gb18030")
    path = tmp_path / "other.csv"
    path.write_text(table.replace(part_of(fed, "ApplicantName"), "另一人"), encoding="gb18030")
    fed.call("import", str(path), code=9)
    (delivery,) = fed.call("refused", "list").document["deliveries"]
    assert redact(fed, "--yes").document["refused"] == [delivery["id"]]
    people = fed.call("redact", RECORD.replace("/1", "/2"), *WHY, "--yes", "--lang", "en", json_wanted=False)
    assert "refused deliveries" not in people.err


def test_a_second_time_there_is_nothing_left_to_do(fed: Home) -> None:
    redact(fed, "--yes")
    answer = redact(fed, "--yes", code=1).document
    assert (answer["code"], "redacted already" in answer["what"]) == ("YZ-STATE-001", True)


def test_a_redaction_is_never_redacted_itself(fed: Home) -> None:
    redact(fed, "--yes")
    answer = redact(fed, "--yes", record="360102/ancestors/7", code=1).document
    assert (answer["code"], "never redacted" in answer["what"]) == ("YZ-STATE-001", True)


@pytest.mark.parametrize("record", ["360102/ancestors/99", "360000/descendants/1"])
def test_what_is_not_held_cannot_be_redacted(fed: Home, record: str) -> None:
    assert redact(fed, "--yes", record=record, code=1).document["code"] == "YZ-NAME-001"


def test_people_are_told_in_their_language(fed: Home) -> None:
    done = fed.call("redact", RECORD, *WHY, "--yes", "--lang", "zh", json_wanted=False)
    assert f"{RECORD} 已擦除" in done.err


def test_a_case_shows_the_place_of_what_was_erased_and_is_gone_without_any_record(fed: Home) -> None:
    case_no = part_of(fed, "CaseNo")
    redact(fed, "--yes")
    answer = fed.call("cases", "show", case_no, code=1).document
    assert answer["code"] == "YZ-NAME-001"
