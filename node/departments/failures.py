"""The refused records of a delivery, remembered while its verdicts come, so that they can be written out afterwards.

Filled by whoever takes a delivery in or previews it, read by ``node.departments.failed_rows``. What is wrong with a
record stands in a temporary file; of each refused record two numbers are held in memory, so that a delivery of any size
may be refused as a whole.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Final, Self

from node.departments.report import REFUSED
from node.departments.rules import rule_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.departments.report import Verdict
    from node.errors import Problem

TEXT_LENGTH_MAX: Final = 1_000
"""Characters that tell what is wrong with one record. Our own choice: some ten problems."""
_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024


class Failures:
    """Which records of one delivery were refused, and why; ``close`` it, or use it as a context manager.

    A record of a table is known by its row, one of anything else by its place among the verdicts, which come in the
    order of the delivery then.
    """

    def __init__(self) -> None:
        self.count = 0
        self._texts = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `close`.
        self._end = 0
        self._told = 0
        self._rows = _Places()
        self._pieces = _Places()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the temporary file go."""
        self._texts.close()

    def add(self, verdict: Verdict) -> None:
        """Take note of the next verdict of the delivery, whatever it is."""
        self._told += 1
        if verdict.outcome != REFUSED:
            return
        self.count += 1
        places = self._pieces if verdict.row is None else self._rows
        places.add(self._told if verdict.row is None else verdict.row, self._end)
        text = text_for_people(verdict.problems).encode("utf-8", "replace")
        self._end += self._texts.write(len(text).to_bytes(4) + text)

    def of_row(self, number: int) -> str | None:
        """Return what is wrong with a row of a table (from 1), None when it was not refused."""
        return self._text_at(self._rows.find(number))

    def of_piece(self, number: int) -> str | None:
        """Return what is wrong with the record at this place of a delivery without rows (from 1), None as above."""
        return self._text_at(self._pieces.find(number))

    def _text_at(self, begin: int | None) -> str | None:
        if begin is None:
            return None
        self._texts.seek(begin)
        return self._texts.read(int.from_bytes(self._texts.read(4))).decode()


class _Places:
    """Places of refused records and where their texts begin, in arrays; sorted when they are asked for."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._begins = array("Q")
        self._sorted = True

    def add(self, number: int, begin: int) -> None:
        """Remember a place."""
        self._sorted = self._sorted and (not self._numbers or self._numbers[-1] <= number)
        self._numbers.append(number)
        self._begins.append(begin)

    def find(self, number: int) -> int | None:
        """Return where the text of a place begins, None for one that is not remembered."""
        if not self._sorted:
            self._sort()
        at = bisect_left(self._numbers, number)
        return self._begins[at] if at < len(self._numbers) and self._numbers[at] == number else None

    def _sort(self) -> None:
        """Put the places in order: a spreadsheet is taken in by time, not as it stands."""
        order = sorted(range(len(self._numbers)), key=self._numbers.__getitem__)
        self._numbers = array("Q", (self._numbers[at] for at in order))
        self._begins = array("Q", (self._begins[at] for at in order))
        self._sorted = True


def problems_text(problems: Sequence[Problem]) -> str:
    """Return on one line what is wrong with a record: its rules and texts; they hold no personal data."""
    return _on_one_line(f"{problem.rule}: {problem.text}" for problem in problems)


def text_for_people(problems: Sequence[Problem]) -> str:
    """Return the same with what each rule means, in 中文, before it: clerks read it beside their rows or files."""
    words = rule_words()
    return _on_one_line(
        f"{words[problem.rule].what[0] if problem.rule in words else ''} {problem.rule}: {problem.text}"
        for problem in problems
    )


def _on_one_line(texts: Iterable[str]) -> str:
    return " ".join("; ".join(texts).split())[:TEXT_LENGTH_MAX]
