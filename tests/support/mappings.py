"""A small mapping of rows, and rows for it: a hall's cases, with applications and acceptances in one table."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final

from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.mapping_loading import mapping_of
from node.departments.dialects.row_kept import kept_row
from node.departments.dialects.row_mapping import RowMapper
from node.departments.dialects.source_rows import SourceRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.departments.candidates import Candidate
    from node.departments.dialects.mapping_file import MappingFile

CASE: Final = "36990211369902GE0000032FXK001320012026100800035K"
HALL: Final = """
label = "大厅"
english = "hall"
reads = ["xml", "json", "csv"]
times = ["YYYY-M-D h:mm:ss", "YYYY/M/D h:mm"]
dates = ["YYYY-M-D", "YYYY/M/D"]
items = ["|", "；"]
variants = ["north", "south"]
ignored = ["note"]

[xml]
roots = ["hall"]
table = "table"
name = "name"
row = "row"

[truth]
"是" = "true"
"否" = "false"

[shared]
key = "no"
elements = ["OrgCode", "OrgName"]

[elements]
CaseNo = "no"
TaskCode = "task"
DivisionCode = { column = "division", default = "369902" }
OrgCode = "org"
OrgName = { column = ["org_name", "department"] }
Sequence = { column = "step", digest = ["row_id"], default = "1" }
DataVersion = { constant = "1" }

[codes.result]
label = "结果"
[codes.result.variants.north]
"0" = "GRANT"
"1" = "DENY"
"2" = "VOID"
"9" = ""
[codes.result.variants.south]
"0" = "GRANT"
"1" = "RETURN"
"3" = "DENY"
[codes.result.written.north]
WITHDRAW = "2"

[codes.state]
label = "状态"
plain = { "1" = "1", "2" = "2" }

[tables.result]
label = "结果"
names = ["RESULTS"]
key = ["no"]
accepted = { unit = ["yuan"] }
[[tables.result.records]]
type = "Conclusion"
[tables.result.records.elements]
EventTime = "at"
ResultCode = { column = "result", codes = "result" }
ResultText = { column = "text", default = "办结" }
HandleUserName = "officer"
FeeAmount = "fee"

[tables.accept]
label = "受理"
key = ["no"]
ignored = ["batch"]
[[tables.accept.records]]
type = "SupplementNotice"
when = [{ column = "missing", given = true }]
[tables.accept.records.elements]
EventTime = "asked_at"
HandleUserName = "officer"
Reason = { column = "why", default = "材料不齐" }
MaterialItem = { column = "missing", parts = { MediaType = "0", CopyKind = "0", Count = "1" } }
[[tables.accept.records]]
type = "Acceptance"
when = [{ column = "state", is = ["1", "2"] }, { column = "at", given = true }]
[tables.accept.records.elements]
EventTime = "at"
AcceptanceState = { column = "state", codes = "state" }
AcceptDocNo = { template = "受理{no}号" }
HandleUserName = "officer"
StatutoryLimit = "days"
StatutoryLimitUnit = { constant = "G" }
ProjectType = { constant = "2" }
PromiseDate = "promised"
Deemed = "deemed"
"Actor/Name" = "officer"
"""


def hall(text: str = HALL) -> MappingFile:
    """Return the mapping of a text."""
    return mapping_of("hall", tomllib.loads(text))


def row(table: str, number: Any = 1, **values: Any) -> SourceRow:
    """Return one row."""
    return SourceRow(table=table, values=values, row=number, line=number, kept=lambda: kept_row(table, values))


def result_row(number: Any = 1, **values: Any) -> SourceRow:
    """Return a row of the table ``result`` that is right but for ``values``."""
    right = {"no": CASE, "task": "XK1", "org": "11369902GE0000032F", "org_name": "测试局", "officer": "测试甲"}
    return row("result", number, **{**right, "at": "2026-11-3 9:12:00", "result": "0", **values})


def mapped(
    *rows: SourceRow, mapping: MappingFile | None = None, variant: str = "", system: str = "land"
) -> list[Candidate]:
    """Return the candidates of the rows of one delivery."""
    mapper = RowMapper(mapping or hall(), DialectOptions(variant=variant, system=system))
    return [candidate for one in rows for candidate in mapper.candidates(one)]


def only(candidates: list[Candidate]) -> Mapping[str, Any]:
    """Return the content of the one candidate, which has no problems."""
    (candidate,) = candidates
    assert candidate.problems == ()
    return candidate.content or {}


def problem_of(candidates: list[Candidate]) -> tuple[str, str, str | None]:
    """Return rule, text and element of the one problem of the one candidate."""
    (candidate,) = candidates
    (problem,) = candidate.problems
    assert (problem.row, problem.line) == (candidate.row, candidate.line)
    return problem.rule, problem.text, problem.element
