"""Spreadsheets of one kind of row, and the candidates that they give."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from node.departments.dialects.xlsx import read_xlsx
from tests.support.spreadsheets import raw_row, raw_spreadsheet

if TYPE_CHECKING:
    from node.departments.candidates import Candidate


HEADINGS = ("记录类型", "办件编号", "业务发生时间", "法定办结时限", "备注")


ROW = ("受理", "A20261103001", "2026-11-03 09:12", "5", "")


def read(data: bytes, **options: Any) -> list[Candidate]:
    return list(read_xlsx(BytesIO(data), **options))


def only(data: bytes, **options: Any) -> Candidate:
    (candidate,) = read(data, **options)
    return candidate


def content(data: bytes, **options: Any) -> dict[str, Any]:
    candidate = only(data, **options)
    assert candidate.problems == ()
    return dict(candidate.content or {})


def rule_and_text(data: bytes) -> tuple[str, str]:
    candidate = only(data)
    (problem,) = candidate.problems
    return problem.rule, problem.text


def cell(value: str, kind: str = "n") -> bytes:
    """Return a table of one row whose fourth column, a limit in days, holds a raw cell."""
    return raw_spreadsheet(
        raw_row(1, *HEADINGS) + raw_row(2, "受理", "A1", "2026-11-03 09:12", f'<c t="{kind}"><v>{value}</v></c>', "")
    )
