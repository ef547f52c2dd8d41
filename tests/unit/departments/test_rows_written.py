"""Rows on the way back: records go out in each form and come back; a mapping makes a dialect."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects import Dialects
from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.mapped import dialect_of, write_mapped
from node.errors import UsageError
from tests.support.hall_deliveries import JSON, read
from tests.support.mappings import CASE, HALL, hall

if TYPE_CHECKING:
    from pathlib import Path

    from node.departments.candidates import Candidate


FIXED = {"AcceptanceState": "1", "StatutoryLimitUnit": "G", "ProjectType": "2"}


def test_records_go_out_in_each_form_and_come_back() -> None:
    mapping = hall()
    records = [candidate for candidate in read(JSON) if not candidate.problems]
    for form in mapping.reads:
        data = write_mapped(mapping, _written(records), DialectOptions(), form=form)
        assert [one.content for one in read(data)] == [one.content for one in records], form
    assert write_mapped(mapping, _written(records), DialectOptions()).startswith(b"<?xml")


def test_records_of_one_case_go_into_one_row_as_they_came() -> None:
    mapping = hall()
    row = {"no": CASE, "task": "XK1", "org": "11369902GE0000032F", "org_name": "测试局", "officer": "测试甲"}
    times = {"at": "2026-11-3 9:12:00", "asked_at": "2026-11-2 9:00:00"}
    more = {"state": "2", "days": "20", "missing": "申请书^1", "promised": "2026-11-30", "deemed": "否"}
    records = read(json.dumps({"accept": [{**row, **times, **more}]}))
    assert [one.problems for one in records] == [(), ()]
    written = json.loads(write_mapped(mapping, _written(records), DialectOptions(), form="json"))
    assert len(written["accept"]) == 1
    assert written["accept"][0]["missing"] == "申请书^1^0^1"
    assert (written["accept"][0]["state"], written["accept"][0]["deemed"]) == ("2", "否")
    assert [one.content for one in read(json.dumps(written))] == [one.content for one in records]
    # Two acceptances of one case, or one by another officer, are two rows.
    twice = json.loads(write_mapped(mapping, _written([*records, records[1]]), DialectOptions(), form="json"))
    assert len(twice["accept"]) == 2
    other = dict(records[1].content or {}, HandleUserName="测试乙", Actor={"Name": "测试乙"})
    apart = [Out("SupplementNotice", records[0].content or {}), Out("Acceptance", other)]
    assert len(json.loads(write_mapped(mapping, apart, DialectOptions(), form="json"))["accept"]) == 2


class Out:
    """A record going out."""

    def __init__(self, record_type: str, content: Any) -> None:
        self._record_type = record_type
        self._content = dict(content)

    @property
    def record_type(self) -> str:
        return self._record_type

    @property
    def content(self) -> dict[str, Any]:
        return self._content


def _written(candidates: list[Candidate]) -> list[Out]:
    return [Out(one.record_type, one.content or {}) for one in candidates]


@pytest.mark.parametrize(
    ("record_type", "changed", "said"),
    [
        ("Fee", {}, "cannot carry Fee no table of it holds such records"),
        ("Acceptance", {**FIXED, "ProjectType": "1"}, "holds such records with ProjectType 1"),
        ("Conclusion", {"ResultCode": "RETURN"}, "name the variant behind @ in the dialect's name: north, south"),
        ("Acceptance", {**FIXED, "Actor": {"Name": "测试乙"}}, "officer of hall would hold two values"),
        ("Conclusion", {"ResultText": "=1+1"}, "begins with = or a blank"),
        ("Conclusion", {"ResultText": " 办结"}, "begins with = or a blank"),
        ("SupplementNotice", {"MaterialItem": [{"MaterialName": "甲|乙"}]}, "a mark that stands between items"),
    ],
)
def test_what_cannot_go_out_is_refused_rather_than_changed(
    record_type: str, changed: dict[str, object], said: str
) -> None:
    (right,) = read(JSON)
    with pytest.raises(UsageError) as caught:
        write_mapped(hall(), [Out(record_type, {**(right.content or {}), **changed})], DialectOptions())
    assert said in f"{caught.value.what} {caught.value.why} {caught.value.action}"


def test_a_text_holds_one_table() -> None:
    (right,) = read(JSON)
    records = [Out("Conclusion", right.content), Out("SupplementNotice", {**(right.content or {}), "Reason": "少"})]
    with pytest.raises(UsageError, match="cannot be written as one csv file"):
        write_mapped(hall(), records, DialectOptions(), form="csv")
    with pytest.raises(UsageError, match="cannot be written as one ods file"):
        write_mapped(hall(), records[:1], DialectOptions(), form="ods")


def test_a_foreign_number_goes_out_as_it_came() -> None:
    (candidate,) = read(JSON.replace(CASE, "29-FOREIGN"))
    assert (candidate.content or {})["OrigCaseNo"] == "29-FOREIGN"
    out = Out("Conclusion", {**(candidate.content or {}), "CaseNo": CASE})
    assert b"29-FOREIGN" in write_mapped(hall(), [out], DialectOptions(), form="json")


def test_a_mapping_makes_a_dialect() -> None:
    dialect = dialect_of(hall())
    assert (dialect.name, dialect.label, dialect.kind, dialect.variants) == ("hall", "大厅", "rows", ("north", "south"))
    assert dialect.endings == (".xml", ".json", ".csv")
    assert dialect.recognises is not None
    assert dialect.recognises("a.xml", b"<?xml version='1.0'?>\n<hall>")
    assert dialect.recognises("a.xml", b"<hall>")
    assert not dialect.recognises("a.xml", b"<halls>")
    assert not dialect.recognises("a.json", b"{")
    assert dialect.tables is not None
    (conclusion, *_) = dialect.tables()
    codes = {column.element: column.codes for column in conclusion.columns}["ResultCode"]
    assert ("1", "不予许可") in codes
    sources = {column.element: column.source for column in conclusion.columns}
    assert sources["OrgName"] == "org_name | department"
    assert sources["DataVersion"] == "= 1"
    assert sources["Sequence"] == "step; digest of row_id; else 1"
    assert any(loss.english.startswith("Conclusion: ") for loss in dialect.cannot_carry)


def test_a_site_s_mapping_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "hall.toml").write_text(HALL, encoding="utf-8")
    dialects = Dialects(folder=tmp_path)
    assert dialects.find("hall").site
    (candidate,) = dialects.read("hall@north", io.BytesIO(JSON.replace('"0"', '"1"').encode()))
    assert (candidate.content or {})["ResultCode"] == "DENY"
    with pytest.raises(UsageError, match="has no variant"):
        dialects.find("hall@east")
