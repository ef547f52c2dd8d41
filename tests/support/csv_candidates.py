"""Tables of one kind of row, and the candidates that they give."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from node.departments.dialects.csv_table import read_csv

if TYPE_CHECKING:
    from node.departments.candidates import Candidate


HEADINGS = "记录类型,办件编号,行政区划代码,办理机构代码,办理机构名称,实施编码,业务发生时间,办结结果,结果描述,办理人姓名"


ROW = "办结,A{0},369902,91350100M000100Y43,测试局,XK1,2026-11-03 09:12,准予,准予许可,测试甲"


def rows(*numbers: int) -> str:
    return "".join(f"{ROW.format(number)}\n" for number in numbers)


def candidates(text: str | bytes, record_type: str = "") -> list[Candidate]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_csv(BytesIO(data), record_type=record_type))


def rules(text: str | bytes) -> list[str | None]:
    return [one.problems[0].rule if one.problems else None for one in candidates(text)]
