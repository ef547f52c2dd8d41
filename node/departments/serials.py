"""Serials: the last part of case numbers, counted per division, department, item and day.

Called where numbers are given out (``node.departments.numbering``), and where a number came back from elsewhere that
must not be given out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from node.departments.tables import case_serial
from node.standard.identifiers import CASE_NUMBER_LENGTH, CASE_SERIAL_MAX, case_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from sqlalchemy.engine import Connection

STEM_LENGTH: Final = 42
"""Characters of a case number before its serial: division 6, credit code 18, item 10, day 8."""
_DAY_AT: Final = 34


class Serials:
    """The counters of serials, per division, department, item and day; written once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: dict[tuple[str, str, str, str], int] = {}
        self._stored: set[tuple[str, str, str, str]] = set()

    def next_number(self, parts: dict[str, str], day: date) -> str | None:
        """Return the next number, None when the day's serials are used up."""
        key = _key_of(stem_of(parts, day))
        last = self._last[key] if key in self._last else self._read(key)
        if last >= CASE_SERIAL_MAX:
            return None
        self._last[key] = last + 1
        return case_number(parts["DivisionCode"], parts["OrgCode"], parts["TaskCode"], day, last + 1)

    def raise_to(self, key: tuple[str, str, str, str], serial: int) -> None:
        """Let the next number of these parts come behind ``serial``."""
        self._last[key] = max(self._read(key), serial)

    def save(self) -> None:
        """Write the counters back."""
        for key, last in self._last.items():
            if key in self._stored:
                self._connection.execute(update(case_serial).where(*_same(key)).values(serial=last))
            else:
                names = ("division", "organisation", "item", "day")
                self._connection.execute(insert(case_serial).values(**dict(zip(names, key, strict=True)), serial=last))

    def _read(self, key: tuple[str, str, str, str]) -> int:
        found: int | None = self._connection.scalar(select(case_serial.c.serial).where(*_same(key)))
        if found is not None:
            self._stored.add(key)
        return found or 0


def raise_serials(connection: Connection, case_numbers: Iterable[str]) -> None:
    """Let no serial be given out again that stands in one of these case numbers, which came back from elsewhere.

    Numbers of another layout than ``node.standard.identifiers.case_number`` says are none that this node gave out.
    """
    highest: dict[tuple[str, str, str, str], int] = {}
    for number in case_numbers:
        if len(number) == CASE_NUMBER_LENGTH and number[_DAY_AT:-1].isdigit():
            key = _key_of(number)
            highest[key] = max(highest.get(key, 0), int(number[STEM_LENGTH:-1]))
    serials = Serials(connection)
    for key, serial in highest.items():
        serials.raise_to(key, serial)
    serials.save()


def stem_of(parts: Mapping[str, str], day: date) -> str:
    """Return how the numbers of these parts of a header begin: all of them share serials.

    Raises ValueError when no number can be made of them.
    """
    # Of division and item the number holds a part only: what is equal there shares serials.
    return case_number(parts["DivisionCode"], parts["OrgCode"], parts["TaskCode"], day, 1)[:STEM_LENGTH]


def _key_of(stem: str) -> tuple[str, str, str, str]:
    return stem[:6], stem[6:24], stem[24:_DAY_AT], stem[_DAY_AT:STEM_LENGTH]


def _same(key: tuple[str, str, str, str]) -> tuple[Any, ...]:
    columns = (case_serial.c.division, case_serial.c.organisation, case_serial.c.item, case_serial.c.day)
    return tuple(column == value for column, value in zip(columns, key, strict=True))
