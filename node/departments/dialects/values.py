"""What a value in a table means, whatever dialect it came in: times, dates, yes and no, codes and their labels, lists.

Called by the tables of the standard (``csv``, ``xlsx``) and by every mapping of rows. A value that is not in a form
that its element has raises CellError, whose text never holds the value.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from node.standard.shape import ElementShape, SimpleShape

    Meaning = Callable[[str], str]

FORMULA_MARK: Final = "="
"""Begins a formula in every program that makes tables."""
NOT_A_TIME: Final = "this is not a time; write it as 2026-11-03 09:12:00"
NOT_A_DATE: Final = "this is not a date; write it as 2026-11-03"

_STANDARD_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})\Z", re.ASCII
)
_POWER: Final = "E+"
_ROUNDED: Final = re.compile(r"-?\d(?:\.\d+)?E\+0?(?:1[1-9]|[2-9]\d|[1-9]\d\d)", re.ASCII)
"""What spreadsheets write into a text for a number of more than eleven digits: two identifiers become one."""
_FULL_WIDTH: Final = re.compile("[０-９]")
_BRACKETS: Final = re.compile(r"\[[^\]]*\]|\\[^SDW]")
_NUMBERS: Final = frozenset({"int", "long", "decimal"})
_DAY_SURE: Final = 28
_MONTHS: Final = 12
_HOURS: Final = 24


class CellError(Exception):
    """A cell is not in a form that its column has; the text says which, without the cell's value."""


def value_of(cell: str) -> str:
    """Return a cell that is no formula, whose result would be another one tomorrow, and no number without its end."""
    if cell.startswith(FORMULA_MARK):
        raise CellError("a formula stands where a value should be; copy the column and paste it as values")
    if _POWER in cell and _ROUNDED.fullmatch(cell):
        raise CellError(
            "a long number that a spreadsheet rounded, such as 3.69902E+17; format the column as text, enter it again"
        )
    return cell


def element_meaning(
    shape: ElementShape, single: Callable[[ElementShape], Meaning], *, items: Sequence[str], parts: str
) -> Callable[[str], Any]:
    """Return what a cell of an element means: one value, or a list where the element is repeated.

    ``single`` gives the meaning of one simple element, ``items`` the marks between items, ``parts`` the one between
    the parts of an item, which stand in the order of the schema.
    """
    if shape.children:
        columns = [(child.name, single(child)) for child in shape.children]
        return lambda cell: [_parts(item, columns, parts) for item in _items(cell, items)]
    meaning = single(shape)
    if shape.repeated:
        return lambda cell: [meaning(item) for item in _items(cell, items)]
    return meaning


def simple_meaning(
    simple: SimpleShape | None, *, time: Meaning, day: Meaning, truth: Mapping[str, str]
) -> Callable[[str], str]:
    """Return what one value of a simple type means; ``truth`` holds the words for true and false."""
    if simple is None:
        message = "an element within a list has no children of its own"
        raise ValueError(message)
    if simple.codes:
        return code_meaning({label: code for code, label in simple.codes})
    if simple.base == "dateTime":
        return time
    if simple.base == "date":
        return day
    if simple.base == "boolean":
        return lambda cell: truth.get(cell, cell)
    if simple.base in _NUMBERS or _ascii_only(simple.pattern):
        return half_width
    return str


def code_meaning(words: Mapping[str, str]) -> Callable[[str], str]:
    """Return the meaning of a closed table: a word of ``words`` stands for its code, a code for itself."""
    return lambda cell: words.get(cell) or half_width(cell)


def half_width(cell: str) -> str:
    """Return a value of digits and letters as it is; digits of the width of 中文 are told, because they look alike."""
    if not cell.isascii() and _FULL_WIDTH.search(cell):
        raise CellError("full-width digits (０–９) stand here; write them as 0–9")
    return cell


def read_time(cell: str, forms: Iterable[re.Pattern[str]], zone: tzinfo) -> str:
    """Return a time of the standard from one of ``forms`` or the standard's own; ``zone`` is meant without offset.

    Raises CellError for anything else, for a day that does not exist, and for an hour beyond 23.
    """
    if _STANDARD_TIME.match(cell):
        _check_day(cell[:4], int(cell[5:7]), int(cell[8:10]))
        _check_hour(int(cell[11:13]))
        return cell
    for form in forms:
        found = form.match(cell)
        if found:
            return time_of_parts(found.groupdict(), zone)
    half_width(cell)
    raise CellError(NOT_A_TIME)


def read_date(cell: str, forms: Iterable[re.Pattern[str]]) -> str:
    """Return a date of the standard from one of ``forms``; raises CellError for anything else."""
    for form in forms:
        found = form.match(cell)
        if found:
            return day_of_parts(found.groupdict())
    half_width(cell)
    raise CellError(NOT_A_DATE)


def time_of_parts(parts: Mapping[str, str | None], zone: tzinfo) -> str:
    """Return a time of the standard from the named parts of a form; raises CellError where it does not exist."""
    hour = int(parts["hour"] or 0)
    if hour >= _HOURS:
        _check_hour(hour)
    digits = parts.get("fraction") or ""
    # Databases write .0 behind whole seconds; it says nothing more.
    fraction = f".{digits}" if digits.strip("0") else ""
    clock = f"{hour:02d}:{int(parts['minute'] or 0):02d}:{int(parts.get('second') or 0):02d}{fraction}"
    return f"{day_of_parts(parts)}T{clock}{_offset(parts.get('offset'), zone)}"


def day_of_parts(parts: Mapping[str, str | None]) -> str:
    """Return a date of the standard from the named parts of a form; raises CellError for a day that does not exist."""
    year, month, day = parts["year"] or "", int(parts["month"] or 0), int(parts["day"] or 0)
    _check_day(year, month, day)
    return f"{year}-{month:02d}-{day:02d}"


@cache
def zone_offset(zone: tzinfo) -> str:
    """Return the offset of a zone without summer time as ``+08:00``."""
    seconds = int((zone.utcoffset(None) or _no_offset(zone)).total_seconds())
    return f"{'-' if seconds < 0 else '+'}{abs(seconds) // 3600:02d}:{abs(seconds) // 60 % 60:02d}"


def _items(cell: str, marks: Sequence[str]) -> list[str]:
    for mark in marks[1:]:
        cell = cell.replace(mark, marks[0])
    return [item.strip() for item in cell.split(marks[0]) if item.strip()]


def _parts(item: str, parts: list[tuple[str, Callable[[str], str]]], mark: str) -> dict[str, Any]:
    texts = [text.strip() for text in item.split(mark)]
    if len(texts) > len(parts):
        names = mark.join(name for name, _ in parts)
        raise CellError(f"{len(texts)} parts; at most {len(parts)} are expected: {names}")
    return {name: meaning(text) for (name, meaning), text in zip(parts, texts, strict=False) if text}


def _check_day(year: str, month: int, day: int) -> None:
    """Refuse a day that no calendar has; most days need no calendar to be known."""
    if 0 < day <= _DAY_SURE and 0 < month <= _MONTHS:
        return
    try:
        date(int(year), month, day)
    except ValueError:
        raise CellError(f"there is no day {month:02d}-{day:02d} in {year}") from None


def _check_hour(hour: int) -> None:
    if hour == _HOURS:
        raise CellError("24:00 is no time of a day; write 00:00 of the next day")
    if hour > _HOURS:
        raise CellError(f"{hour} is no hour of a day")


def _offset(given: str | None, zone: tzinfo) -> str:
    if given is None:
        return str(zone_offset(zone))
    return given if given == "Z" or ":" in given else f"{given[:3]}:{given[3:]}"


def _no_offset(zone: tzinfo) -> Any:
    message = f"{zone} has no fixed offset; a table's times need one"
    raise ValueError(message)


def _ascii_only(pattern: str | None) -> bool:
    """Tell whether a schema pattern lets only digits, Latin letters and marks through, so that ０ is a slip."""
    return pattern is not None and "\\S" not in pattern and "." not in _BRACKETS.sub("", pattern)
