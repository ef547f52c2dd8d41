"""Records as rows of tables: what comes back is what went out, and what no cell can hold is refused."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects import BUILT_IN, DialectOptions, read, xlsx_writing
from node.departments.dialects.table_writing import cells_of, table_columns, write_csv
from node.departments.dialects.xlsx_writing import write_xlsx
from node.errors import UsageError
from tests.support.intake import generated

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class One:
    record_type: str
    content: Mapping[str, Any]


def cells(record_type: str, **content: Any) -> dict[str, str]:
    return {column.heading: text for column, text in cells_of(One(record_type, content)).items()}


def test_a_generated_month_goes_out_as_text_and_comes_back_the_same_in_order() -> None:
    records = generated(400)
    came = list(read("csv", BytesIO(write_csv(records, DialectOptions()))))
    assert [(one.record_type, one.content, one.problems) for one in came] == [
        (one.record_type, one.content, ()) for one in records
    ]


def test_codes_and_truth_are_written_as_people_say_them() -> None:
    assert cells("Acceptance", AcceptanceState="2", Deemed="true", ProjectType="7") == {
        "受理状态": "不予受理",
        "视为受理": "是",
        "办件类型": "7",
    }


def test_parts_and_lists_stand_in_one_cell_up_to_the_last_part_that_is_there() -> None:
    found = cells(
        "Application",
        MaterialItem=[{"MaterialName": "申请书", "Count": "1"}, {"MaterialName": "营业执照", "MediaType": "1"}],
        Actor={"Name": "测试甲"},
    )
    assert found == {"材料清单": "申请书^^^1|营业执照^电子", "经办人/姓名": "测试甲"}
    assert cells("Item", HandleForm=["1", "2"])["办理形式"] == "窗口|电脑端网上"


@pytest.mark.parametrize(
    "content",
    [
        {"Remark": "=1+1"},
        {"Remark": " x"},
        {"Remark": "x\n"},
        {"MaterialItem": [{"MaterialName": "a|b"}]},
        {"MaterialItem": [{"MaterialName": "a^b"}]},
        {"MaterialItem": [{"MaterialName": "a "}]},
    ],
)
@pytest.mark.parametrize("dialect", ["csv", "xlsx"])
def test_a_text_that_no_cell_can_hold_is_refused(content: dict[str, Any], dialect: str) -> None:
    writes = BUILT_IN[dialect].writes
    assert writes is not None
    with pytest.raises(UsageError, match="does not fit into a cell"):
        writes([One("Application", content)], DialectOptions())


def test_what_a_day_count_cannot_hold_stays_text_and_comes_back() -> None:
    times = [
        "2026-11-03T00:00:00+08:00",
        "2026-11-03T09:12:00.5+08:00",
        "2026-11-03T09:12:00+09:00",
        "2026-11-03T09:12:00Z",
        "2026-11-03T09:12:59+08:00",
        "1899-01-01T09:12:59+08:00",
        "9999-12-31T09:12:59+08:00",
    ]
    writes = BUILT_IN["xlsx"].writes
    assert writes is not None
    records = [One("Acceptance", {"EventTime": time, "PromiseDate": time[:10]}) for time in times]
    data = writes(records, DialectOptions())
    came = [one.content or {} for one in sorted(read("xlsx", BytesIO(data)), key=lambda one: one.place)]
    assert [one["EventTime"] for one in came] == times
    assert [one["PromiseDate"] for one in came] == [time[:10] for time in times]


def test_columns_are_in_the_order_of_the_standard_without_what_the_node_sets() -> None:
    names = [column.name for column in table_columns("Acceptance")]
    assert names[0] == "CaseNo"
    assert {"Salt", "Channel"}.isdisjoint(names)
    assert [column.required for column in table_columns("Acceptance") if column.name in {"CaseNo", "Actor/Name"}] == [
        True,
        False,
    ]


def test_more_than_a_spreadsheet_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    materials = [{"MaterialName": f"{number:0200d}"} for number in range(200)]
    long = One("Application", {"MaterialItem": materials})
    assert len(write_xlsx([One("Application", {"MaterialItem": materials[:160]})], DialectOptions())) > 0
    with pytest.raises(UsageError, match="do not fit into a spreadsheet"):
        write_xlsx([long], DialectOptions())
    monkeypatch.setattr(xlsx_writing, "ROWS_MAX", 2)
    two = [One("Acceptance", {"CaseNo": "A1"})] * 2
    assert len(list(read("xlsx", BytesIO(write_xlsx([*two, One("Fee", {"CaseNo": "A1"})], DialectOptions()))))) == 3
    with pytest.raises(UsageError, match="do not fit into a spreadsheet"):
        write_xlsx([*two, *two], DialectOptions())


@pytest.mark.parametrize("record_type", sorted(DEPARTMENT_TYPES))
def test_every_type_has_an_empty_table_whose_headings_are_known(record_type: str) -> None:
    for dialect in ("csv", "xlsx"):
        template = BUILT_IN[dialect].template
        assert template is not None
        (candidate,) = read(dialect, BytesIO(template(record_type)))
        assert [problem.rule for problem in candidate.problems] == ["empty"]
