"""What is told at the source: results beside the file that was taken in, the reason beside one that was refused."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from adapters.contract import Outcome, RowProblem

COUNTS: Final = ("offered", "accepted", "repeated", "refused", "received")
PROBLEM_COLUMNS: Final = ("row", "line", "element", "rule", "text")
SCHEMA: Final = "yizhan.file-result/1"
_FORMULA_BEGINNINGS: Final = ("=", "+", "-", "@", "\t", "\r")
"""With what a cell begins that a spreadsheet takes for a formula."""


def result_json(file: str, key: str, at: datetime, outcome: Outcome, failed: str | None) -> bytes:
    """Return what became of a file as JSON in UTF-8; ``failed`` names the file of the refused records."""
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "file": file,
        "delivery_key": key,
        "answered_at": at.isoformat(timespec="seconds"),
        **{name: getattr(outcome, name) for name in COUNTS},
        "problems": [{name: getattr(problem, name) for name in PROBLEM_COLUMNS} for problem in outcome.problems],
        "problems_omitted": outcome.problems_omitted,
        "failed_rows": failed,
    }
    return json.dumps(told, ensure_ascii=False, indent=2).encode() + b"\n"


def result_csv(outcome: Outcome) -> bytes:
    """Return what became of a file as a table that spreadsheet programs open: UTF-8 with a byte order mark."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["item", *PROBLEM_COLUMNS])
    for name in (*COUNTS, "problems_omitted"):
        writer.writerow([name, "", "", "", "", getattr(outcome, name)])
    writer.writerows(["problem", *_cells(problem)] for problem in outcome.problems)
    return text.getvalue().encode("utf-8-sig")


def reason_text(file: str, reason: str) -> bytes:
    """Return the text that lies beside a refused file, for people; UTF-8 with a byte order mark."""
    return (
        f"文件“{file}”未被接收，原因：\r\n{reason}\r\n改正后请重新放入。\r\n\r\n"
        f"The file {file} was not taken in; the reason stands above. Mend it and put it into the folder again.\r\n"
    ).encode("utf-8-sig")


def _cells(problem: RowProblem) -> Iterator[str]:
    for name in PROBLEM_COLUMNS:
        value = getattr(problem, name)
        cell = "" if value is None else str(value)
        yield f"'{cell}" if cell.startswith(_FORMULA_BEGINNINGS) else cell
