"""What writers of failed rows share: what they are told, what they answer, and the column that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from node.departments.dialects.csv_mapping import SKIP_MARK

if TYPE_CHECKING:
    from node.departments.dialects.dialect import DialectOptions

PROBLEM_HEADING: Final = f"{SKIP_MARK}问题"
"""Heading of the column that says what is wrong with a row; its mark makes every reader of tables leave it out."""


class Refusals(Protocol):
    """Which records of a delivery were refused, and why (``node.departments.failures``)."""

    def of_row(self, number: int) -> str | None:
        """Return what is wrong with a row (from 1), None when it was not refused."""

    def of_piece(self, number: int) -> str | None:
        """Return what is wrong with the record at this place (from 1) of a delivery without rows, None as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A delivery as it came, at its start, with what was said of it."""

    stream: BinaryIO
    options: DialectOptions


FailedWriter = Callable[[Delivered, Refusals, BinaryIO], int]
"""Writes the refused records of a delivery in the form in which they came; returns how many. With none it may leave
the output empty."""
