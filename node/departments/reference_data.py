"""Reference data that ship with the program or lie in a file: divisions, items, departments, calendars, as candidates.

Tables are in the dialect ``csv`` (or any other dialect); a calendar is a small TOML file, one a year. config/reference/
README.md says where the shipped facts come from.
"""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from node.departments.candidates import Candidate, unreadable
from node.departments.dialects import recognise
from node.departments.dialects.csv_table import read_csv
from node.departments.dialects.standard import read_standard
from node.departments.division_files import filled_divisions
from node.errors import NotFoundError, Problem
from node.standard.resources import reference_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

DIVISIONS, ORGANISATIONS, ITEMS, CALENDARS = "divisions", "organisations", "items", "calendar"
RECORD_TYPE_OF: Final = {
    DIVISIONS: "Division",
    ORGANISATIONS: "Organisation",
    ITEMS: "Item",
    CALENDARS: "Calendar",
}
"""What can be published from files, by the word of the command line."""
SHIPPED: Final = {
    DIVISIONS: "jiangxi_divisions.csv",
    ITEMS: "example_items.csv",
    ORGANISATIONS: "example_organisations.csv",
    CALENDARS: "calendar-*.toml",
}
RULE_CALENDAR: Final = "calendar"
_HEAD_BYTES: Final = 4096
_RANGE: Final = ".."
_DAYS_MAX: Final = 366


def shipped_files(kind: str) -> list[Path]:
    """Return the shipped files of one kind (a key of RECORD_TYPE_OF)."""
    return sorted(reference_folder().glob(SHIPPED[kind]))


def read_reference(kind: str, paths: Iterable[Path]) -> Iterator[Candidate]:
    """Yield the candidates of the files of one kind, in order; raises NotFoundError when one cannot be read."""
    for path in paths:
        try:
            if kind == CALENDARS:
                yield from read_calendar(path)
            elif kind == DIVISIONS:
                yield from filled_divisions(_read_table(kind, path))
            else:
                yield from _read_table(kind, path)
        except OSError as error:
            raise NotFoundError(
                f"The file {path} cannot be read",
                why=error.strerror or type(error).__name__,
                action="check its name and who may read it",
            ) from error


def read_calendar(path: Path) -> Iterator[Candidate]:
    """Yield the calendar of a TOML file: year, version, status, source_document, off_days, work_days.

    Days are ``2026-01-04`` or ranges ``2026-02-15..2026-02-23``. Weekends are off by rule and not listed.
    """
    data = path.read_bytes()
    try:
        values = tomllib.loads(data.decode("utf-8"))
        content = {
            "Year": str(values["year"]),
            "CalendarVersion": str(values["version"]),
            "Status": values["status"],
            "SourceDocument": values.get("source_document", ""),
            "OffDay": [day for entry in values["off_days"] for day in _days(entry)],
            "WorkDay": [day for entry in values["work_days"] for day in _days(entry)],
        }
    except (ValueError, KeyError, TypeError) as error:
        yield unreadable(Problem(rule=RULE_CALENDAR, text=f"{path.name} is no calendar: {error}"), kept=data)
        return
    yield Candidate(record_type="Calendar", content=content, kept=lambda: data, line=1)


def _read_table(kind: str, path: Path) -> Iterator[Candidate]:
    record_type = RECORD_TYPE_OF[kind]
    with path.open("rb") as stream:
        dialect = recognise(path.name, stream.read(_HEAD_BYTES))
        stream.seek(0)
        if dialect == "standard":
            yield from read_standard(stream)
        else:
            yield from read_csv(stream, record_type=record_type, types=frozenset({record_type}))


def _days(entry: Any) -> Iterator[str]:
    first, _, last = str(entry).partition(_RANGE)
    day, end = date.fromisoformat(first), date.fromisoformat(last or first)
    if not 0 <= (end - day).days < _DAYS_MAX:
        message = f"{entry} is not a range of days"
        raise ValueError(message)
    while day <= end:
        yield day.isoformat()
        day += timedelta(days=1)
