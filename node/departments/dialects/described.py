"""What a dialect makes of what it reads, for people: its tables, their columns, and where each goes.

Called by ``yizhan dialects show`` and ``template``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects.csv_mapping import TYPE_WORDS
from node.departments.dialects.dialect import DescribedColumn, DescribedTable
from node.departments.dialects.table_writing import TYPE_LABEL, table_columns
from node.errors import UsageError
from node.standard.codec import SHAPES, TAG_PREFIX
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.standard.shape import ElementShape, Shape

XSL: Final = "{http://www.w3.org/1999/XSL/Transform}"
CALLS_FOLLOWED: Final = 2
"""Calls of templates within one another that are followed; a record is not built deeper."""


def heading_tables() -> tuple[DescribedTable, ...]:
    """Return a table for each record type that a department may hand in, with the headings of ``csv`` and ``xlsx``."""
    return tuple(
        DescribedTable(
            name=RECORD_TYPES[name].label,
            record_type=name,
            columns=tuple(
                DescribedColumn(
                    source=column.heading,
                    element=column.name,
                    required=column.required,
                    codes=column.shape.simple.codes if column.shape.simple is not None else (),
                )
                for column in table_columns(name)
            ),
        )
        for name in RECORD_TYPES
        if name in DEPARTMENT_TYPES
    )


def template_csv(record_type: str) -> bytes:
    """Return a table of a record type without rows, with 中文 headings, for people to fill in."""
    headings = [TYPE_LABEL, *(column.heading for column in table_columns(record_type))]
    return (",".join(headings) + "\r\n").encode("utf-8-sig")


def department_type(word: str) -> str:
    """Return the record type that a word names, as a table may name it; raises UsageError for one that no table has."""
    name = TYPE_WORDS.get(word, word)
    if name not in DEPARTMENT_TYPES:
        known = ", ".join(RECORD_TYPES[one].label for one in RECORD_TYPES if one in DEPARTMENT_TYPES)
        raise UsageError(
            f"{word[:40]!r} is not a record type that departments hand in",
            why="no name, 中文 label or further word of a table says so",
            action=f"Use one of: {known}",
        )
    return name


@dataclass(frozen=True, slots=True)
class StylesheetTables:
    """Reads out of a stylesheet which expression goes where: each record type that it makes is a table."""

    document: Any

    def __call__(self) -> tuple[DescribedTable, ...]:
        """Return the tables in the order of the stylesheet."""
        return tuple(self._tables())

    def _tables(self) -> Iterator[DescribedTable]:
        for element in self.document.iter(f"{TAG_PREFIX}*"):
            name = etree.QName(element).localname
            if name in RECORD_TYPES:
                template = next(element.iterancestors(f"{XSL}template"), None)
                source = "" if template is None else template.get("match") or template.get("name") or ""
                columns = tuple(self._columns(element, SHAPES.get(name), ()))
                yield DescribedTable(name=source, record_type=name, columns=columns)

    def _columns(self, element: Any, shape: Any, path: tuple[str, ...], depth: int = 0) -> Iterator[DescribedColumn]:
        for child in element:
            if child.tag in {f"{XSL}call-template", f"{XSL}apply-templates"} and depth < CALLS_FOLLOWED:
                for template in self._called(child):
                    yield from self._columns(template, shape, path, depth + 1)
            elif child.tag.startswith(TAG_PREFIX):
                name = etree.QName(child).localname
                below = shape.child(name) if shape is not None else None
                if any(True for _ in child.iterchildren(f"{TAG_PREFIX}*")):
                    yield from self._columns(child, below, (*path, name), depth)
                else:
                    yield _column(child, (*path, name), below)
            elif child.tag.startswith(XSL):
                yield from self._columns(child, shape, path, depth)

    def _called(self, call: Any) -> Iterator[Any]:
        """Yield the templates that a call may mean: the one of its name, those for the last step of its path."""
        last = (call.get("select") or "").rpartition("/")[2]
        for template in self.document.iterchildren(f"{XSL}template"):
            if (template.get("name") == call.get("name") and call.get("name")) or (
                last and template.get("match") == last
            ):
                yield template


def _column(element: Any, path: tuple[str, ...], shape: ElementShape | Shape | None) -> DescribedColumn:
    sources = [one.get("select", "") for one in element.iter(f"{XSL}value-of")]
    simple = getattr(shape, "simple", None)
    return DescribedColumn(
        source=" | ".join(dict.fromkeys(sources)) or (element.text or "").strip(),
        element="/".join(path),
        required=bool(getattr(shape, "required", False)),
        codes=simple.codes if simple is not None else (),
    )
