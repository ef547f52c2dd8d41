"""From cells to content: which column is which element of a record type, and what a cell means there.

Nothing is written down twice: names, 中文 labels, code tables and types come from the schema; ``csv.toml`` adds the
words and forms seen in the field.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects.values import (
    CellError,
    element_meaning,
    read_date,
    read_time,
    simple_meaning,
    value_of,
)
from node.errors import Problem
from node.standard.codec import RULE_SCHEMA
from node.standard.compose import record_shape
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from node.standard.shape import ElementShape

RULE_COLUMN: Final = "column"
"""A cell stands in a column that its record type does not have, or is not in the form that its column has."""


def _load() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "csv.toml").read_text(encoding="utf-8"))


DIALECT: Final[Mapping[str, Any]] = _load()
TYPE_HEADINGS: Final = frozenset(DIALECT["type_headings"])
SKIP_MARK: Final[str] = DIALECT["skip_mark"]
_ITEM_SEPARATOR: Final[str] = DIALECT["item_separator"]
_PART_SEPARATOR: Final[str] = DIALECT["part_separator"]
_TIMES: Final = [re.compile(f"{entry['pattern']}\\Z", re.ASCII) for entry in DIALECT["times"]]
_DATES: Final = [re.compile(f"{entry['pattern']}\\Z", re.ASCII) for entry in DIALECT["dates"]]
_SET_BY_NODE: Final = frozenset({"Salt", "Channel"})


def _type_words() -> dict[str, str]:
    words = {word: name for word, name in DIALECT["record_types"].items() if name in RECORD_TYPES}
    for name, entry in RECORD_TYPES.items():
        words[entry.label] = words[name] = name
    return words


TYPE_WORDS: Final[Mapping[str, str]] = _type_words()
"""Record type by every word that a table may use for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Where a column's cells go: the path of element names, and what a cell means.

    ``lent`` says that the heading is the element's label in another record type only; ``base`` is the built-in type
    of one value (``dateTime``, ``date`` …).
    """

    path: tuple[str, ...]
    label: str
    meaning: Callable[[str], Any]
    lent: bool = False
    base: str = "string"

    def problem(self, text: str) -> Problem:
        """Return a problem with a cell of this column."""
        path = "/".join(self.path)
        return Problem(rule=RULE_SCHEMA, element=path, text=f"{self.label} {path}: {text}")


@cache
def columns_of(record_type: str, zone: tzinfo) -> Mapping[str, Column]:
    """Return the columns that a record type may have, by every heading that names them."""
    columns = dict(_own_columns(record_type, zone))
    by_path = {column.path: column for column in columns.values()}
    for word, paths in _further_words(zone).items():
        here = [path for path in paths if path in by_path]
        if len(here) == 1:
            columns.setdefault(word, replace(by_path[here[0]], lent=word not in DIALECT["headings"]))
    return columns


@cache
def _own_columns(record_type: str, zone: tzinfo) -> Mapping[str, Column]:
    """Return the columns by the names and labels of the record type's own schema."""
    columns: dict[str, Column] = {}
    for child in record_shape(record_type).children:
        _add(columns, child, (), (), zone)
    return columns


@cache
def _further_words(zone: tzinfo) -> Mapping[str, frozenset[tuple[str, ...]]]:
    """Return paths by further headings: the words of ``csv.toml``, and labels that an element has in another type.

    So one column 办理人姓名 serves a table of several types, in one of which that element is called 审批人姓名.
    """
    words: dict[str, frozenset[tuple[str, ...]]] = {}
    for name in sorted(DEPARTMENT_TYPES):
        for heading, column in _own_columns(name, zone).items():
            words[heading] = words.get(heading, frozenset()) | {column.path}
    for word, path in DIALECT["headings"].items():
        words[word] = frozenset({tuple(path.split("/"))})
    return words


@cache
def all_headings(zone: tzinfo, types: frozenset[str] = DEPARTMENT_TYPES) -> frozenset[str]:
    """Return every heading that any of ``types`` knows."""
    return TYPE_HEADINGS.union(*(columns_of(name, zone) for name in types))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMapping:
    """How the rows of one record type in one table are read: cell index, column, heading, for each column that counts.

    ``foreign`` are columns of other record types: their cells have to be empty. ``defaults`` are added where the table
    has no such column.
    """

    record_type: str
    cells: tuple[tuple[int, Column], ...]
    foreign: tuple[tuple[int, str], ...]
    defaults: Mapping[str, str]

    def content(self, fields: list[str]) -> tuple[dict[str, Any], list[Problem]]:
        """Return a row's content, and a problem for each cell that cannot be understood. Empty cells are left out."""
        content: dict[str, Any] = dict(self.defaults)
        problems = []
        for index, column in self.cells:
            # Most columns of a table of several types are empty: the cheap question comes first.
            if not fields[index] or not (cell := fields[index].strip()):
                continue
            try:
                value = column.meaning(value_of(cell))
            except CellError as error:
                problems.append(column.problem(str(error)))
                continue
            target = content
            name = column.path[-1]
            for above in column.path[:-1]:
                target = target.setdefault(above, {})
            # Defaults are only given where no column names the element.
            if name in target:
                problems.append(column.problem("two columns of this row give a value"))
            target[name] = value
        for index, heading in self.foreign:
            if fields[index] and fields[index].strip():
                text = f"{RECORD_TYPES[self.record_type].label} {self.record_type} has no column {heading}"
                problems.append(Problem(rule=RULE_COLUMN, element=heading[:64], text=text))
        return content, problems


def mapping_of(record_type: str, headings: tuple[str, ...], zone: tzinfo) -> RowMapping:
    """Return the mapping of one record type for a table with these headings."""
    known = columns_of(record_type, zone)
    cells, foreign = [], []
    for index, heading in enumerate(headings):
        if skipped(heading) or heading in TYPE_HEADINGS:
            continue
        if heading not in known:
            foreign.append((index, heading))
        elif known[heading].path[0] not in _SET_BY_NODE:
            cells.append((index, known[heading]))
    shape = record_shape(record_type)
    present = {column.path[0] for _, column in cells}
    defaults = {name: value for name, value in DIALECT["defaults"].items() if shape.child(name) and name not in present}
    return RowMapping(record_type=record_type, cells=tuple(cells), foreign=tuple(foreign), defaults=defaults)


def skipped(heading: str) -> bool:
    """Tell whether a column is left out on purpose."""
    return not heading or heading.startswith(SKIP_MARK)


def _add(
    columns: dict[str, Column], shape: ElementShape, path: tuple[str, ...], labels: tuple[str, ...], zone: tzinfo
) -> None:
    path, labels = (*path, shape.name), (*labels, shape.label)
    if shape.children and not shape.repeated:
        for child in shape.children:
            _add(columns, child, path, labels, zone)
        return
    base = shape.simple.base if shape.simple is not None else "string"
    column = Column(path=path, label=shape.label, meaning=_meaning(shape, zone), base=base)
    for heading in ("/".join(path), ".".join(path), "/".join(labels)):
        columns.setdefault(heading, column)


def _meaning(shape: ElementShape, zone: tzinfo) -> Callable[[str], Any]:
    def single(one: ElementShape) -> Callable[[str], str]:
        return simple_meaning(
            one.simple,
            time=lambda cell: time_of(cell, zone),
            day=date_of,
            truth=DIALECT["truth"],
        )

    return element_meaning(shape, single, items=(_ITEM_SEPARATOR,), parts=_PART_SEPARATOR)


def time_of(cell: str, zone: tzinfo) -> str:
    """Return a time of the standard from one of the loose forms of ``csv.toml``; raises CellError as ``read_time``."""
    return read_time(cell, _TIMES, zone)


def date_of(cell: str) -> str:
    """Return a date of the standard from one of the loose forms of ``csv.toml``; raises CellError as ``read_date``."""
    return read_date(cell, _DATES)
