"""Deliveries of the hall of ``tests.support.mappings`` in each form, and what becomes of them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.mapped import read_mapped
from tests.support.mappings import HALL, hall, result_row

if TYPE_CHECKING:
    from node.departments.candidates import Candidate


RIGHT = dict(result_row().values)


XML_ROW = "<row>" + "".join(f"<{name}>{text}</{name}>" for name, text in RIGHT.items()) + "</row>"


XML = f'<hall><table name="result">{XML_ROW}</table></hall>'


JSON = json.dumps({"result": [RIGHT]}, ensure_ascii=False)


TEXT = f"#table result\n{','.join(RIGHT)}\n{','.join(RIGHT.values())}\n"


def read(data: str | bytes, *, table: str = "", text: str = HALL) -> list[Candidate]:
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return list(read_mapped(hall(text), stream, DialectOptions(table=table, system="land")))


def told(data: str | bytes, *, table: str = "", text: str = HALL) -> list[tuple[str, int | None]]:
    """Return rule and line of every problem."""
    return [(one.rule, one.line) for candidate in read(data, table=table, text=text) for one in candidate.problems]


def said(data: str | bytes, *, table: str = "", text: str = HALL) -> str:
    return " / ".join(one.text for candidate in read(data, table=table, text=text) for one in candidate.problems)
