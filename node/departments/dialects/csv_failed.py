"""The refused rows of a table in a text file: same encoding, delimiter and headings, with a first column of problems.

The column stands first, so that a row with too few or too many cells stays what it was. Rows are copied as they stand,
whatever is wrong with their quotes. A file of failed rows that fails again gets its column anew.
"""

from __future__ import annotations

import codecs
import csv
import re
from io import StringIO
from typing import TYPE_CHECKING, BinaryIO

from node.departments.dialects.csv_mapping import all_headings
from node.departments.dialects.csv_rows import SAMPLE_BYTES, UTF_8, LineReader, encoding_of, read_rows
from node.departments.dialects.csv_table import TextHead, fault_of_text
from node.departments.dialects.failed_rows import PROBLEM_HEADING

if TYPE_CHECKING:
    from node.departments.dialects.failed_rows import Delivered, Refusals


def write_failed_csv(delivered: Delivered, refusals: Refusals, output: BinaryIO) -> int:
    """Write the refused rows of a delivery of the dialect ``csv``; return how many."""
    sample = delivered.stream.read(SAMPLE_BYTES)
    encoding = encoding_of(sample)
    if encoding is None or fault_of_text(sample) is not None:
        return 0
    lines = LineReader(delivered.stream, sample, encoding)
    head = TextHead.read(lines, all_headings(delivered.options.zone))
    if head.problems:
        return 0
    writer = _Writer(output, encoding, head)
    count = 0
    for number, row in enumerate(read_rows(lines, head.delimiter), start=1):
        text = refusals.of_row(number)
        if text is None or row.cut:
            continue
        if not count:
            # The mark settles the encoding, whatever stands in the refused rows, and spreadsheets know UTF-8 by it.
            output.write(codecs.BOM_UTF8 if encoding == UTF_8 else b"")
            writer.write_head()
        writer.write(text, row.text)
        count += 1
    return count


class _Writer:
    """Writes rows into a text as they stand, each behind a cell of its own."""

    def __init__(self, output: BinaryIO, encoding: str, head: TextHead) -> None:
        self._output = output
        self._encoding = encoding
        self._head = head
        mark = re.escape(head.delimiter)
        # A file of failed rows that is delivered again has such a cell already.
        again = bool(head.cells) and head.cells[0].strip() == PROBLEM_HEADING
        self._first = re.compile(rf'(?:"(?:[^"]|"")*"|[^"{mark}]*){mark}' if again else "")

    def write_head(self) -> None:
        """Write the headings."""
        self.write(PROBLEM_HEADING, self._head.text)

    def write(self, problem: str, text: str) -> None:
        """Write a row behind what is wrong with it."""
        found = self._first.match(text)
        line = self._cell(problem) + self._head.delimiter + (text[found.end() :] if found else text)
        # Bytes that were no text in this encoding are written as they came.
        self._output.write(line.encode(self._encoding, "surrogateescape"))

    def _cell(self, text: str) -> str:
        cell = StringIO(newline="")
        csv.writer(cell, delimiter=self._head.delimiter, lineterminator="").writerow([text])
        return cell.getvalue()
