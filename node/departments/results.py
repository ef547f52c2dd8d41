"""Results: what became of each record of a delivery, one line a record, for a person or for the source's own system.

Written by ``yizhan import --results`` and by the pages for second entry while the verdicts come, so that a delivery of
any size needs no memory.
"""

from __future__ import annotations

import csv
import json
from io import TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from node.departments.failures import problems_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.departments.report import Verdict

SCHEMA: Final = "yizhan.import-results/1"
_FORMULA_BEGINS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""What spreadsheets take for the begin of a formula, those of Chinese and Japanese systems in full width too."""
COLUMNS: Final = ("row", "line", "verdict", "record_type", "key", "stream", "position", "refused_id", "problems")


class Results(Protocol):
    """A file of results under way."""

    def add(self, verdict: Verdict) -> None:
        """Write the next record's result."""

    def end(self) -> None:
        """Write what stands behind the last result; the file itself stays open."""


class ResultsTable:
    """Results as a table in UTF-8 with a byte order mark, by which spreadsheets know it; problems are one cell."""

    def __init__(self, output: BinaryIO) -> None:
        self._text = TextIOWrapper(output, encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._text, lineterminator="\r\n")
        self._writer.writerow(COLUMNS)

    def add(self, verdict: Verdict) -> None:
        """Write the next record's result."""
        told = {**verdict.as_json(), "problems": problems_text(verdict.problems)}
        self._writer.writerow([_cell(told[name]) for name in COLUMNS])

    def end(self) -> None:
        """Write what is held back; the file itself stays open."""
        self._text.detach()


def _cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula: types and keys are a sender's words."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_BEGINS) else text


class ResultsDocument:
    """Results as the JSON document ``yizhan.import-results/1``, one record a line, each as the open API answers."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._between = f'{{"schema": "{SCHEMA}", "results": [\n'

    def add(self, verdict: Verdict) -> None:
        """Write the next record's result."""
        self._output.write(f"{self._between}{json.dumps(verdict.as_json(), ensure_ascii=False)}".encode())
        self._between = ",\n"

    def end(self) -> None:
        """Write the end of the document; the file itself stays open."""
        begin = self._between if self._between != ",\n" else "\n"
        self._output.write(f"{begin}]}}\n".encode())


FORMS: Final[Mapping[str, type[ResultsTable | ResultsDocument]]] = {
    ".csv": ResultsTable,
    ".json": ResultsDocument,
}
"""How results are written, by the ending of the file's name."""
