"""Records as rows of tables, the way back of ``csv`` and ``xlsx``: columns of a record type, and values as cells.

A text that holds ``|`` or ``^`` within a list (materials, several values) cannot be told from the marks between items;
writing refuses it rather than to change it in silence.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from functools import cache
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from node.departments.dialects.csv_mapping import DIALECT, columns_of
from node.departments.dialects.values import FORMULA_MARK
from node.errors import UsageError
from node.standard.compose import record_shape
from node.standard.facts import TREE_ZONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from node.departments.dialects.dialect import DialectOptions, Written
    from node.standard.compose import Value
    from node.standard.shape import ElementShape, SimpleShape

TYPE_HEADING: Final = "RecordType"
TYPE_LABEL: Final[str] = "记录类型"
_BY_NODE: Final = frozenset({"Salt", "Channel"})
_ITEM: Final[str] = DIALECT["item_separator"]
_PART: Final[str] = DIALECT["part_separator"]
_TRUTH: Final = {"true": "是", "false": "否"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """One column that a record type may have: the path of its element, its 中文 heading, and the element.

    ``required``: a row is refused where it is empty.
    """

    path: tuple[str, ...]
    heading: str
    shape: ElementShape
    required: bool

    @property
    def name(self) -> str:
        """Return the heading made of identifiers."""
        return "/".join(self.path)


@cache
def table_columns(record_type: str) -> tuple[TableColumn, ...]:
    """Return the columns of a record type in the order of the standard; what the node sets itself is left out."""
    known = columns_of(record_type, TREE_ZONE)

    def walk(
        shape: ElementShape, path: tuple[str, ...], labels: tuple[str, ...], *, required: bool
    ) -> Iterator[TableColumn]:
        path, labels, required = (*path, shape.name), (*labels, shape.label), required and shape.required
        if shape.children and not shape.repeated:
            for child in shape.children:
                yield from walk(child, path, labels, required=required)
            return
        label = "/".join(labels)
        # Two elements of one label: the second is told by its identifiers.
        heading = label if label in known and known[label].path == path else "/".join(path)
        yield TableColumn(path=path, heading=heading, shape=shape, required=required)

    return tuple(
        column
        for child in record_shape(record_type).children
        if child.name not in _BY_NODE
        for column in walk(child, (), (), required=True)
    )


def cells_of(record: Written) -> dict[TableColumn, str]:
    """Return the cells of a record by column; raises UsageError for a text that no cell can hold."""
    cells = {}
    for column in table_columns(record.record_type):
        value: Any = record.content
        for name in column.path:
            value = value.get(name) if value else None
        if value not in (None, "", [], ()):
            cells[column] = _cell(value, column.shape)
    return cells


def write_csv(records: Iterable[Written], _: DialectOptions) -> bytes:
    """Return records as one table in UTF-8 with identifiers as headings and a column for their type."""
    rows = [{TYPE_HEADING: one.record_type, **{c.name: text for c, text in cells_of(one).items()}} for one in records]
    text = StringIO(newline="")
    writer = csv.DictWriter(text, _headings(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def _headings(rows: Iterable[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys([TYPE_HEADING, *(name for row in rows for name in row)]))


def _cell(value: Value, shape: ElementShape) -> str:
    if isinstance(value, str):
        text = _word(value, shape.simple)
        if text.startswith(FORMULA_MARK) or text != text.strip():
            raise _unfit(shape)
        return text
    items = value if isinstance(value, list | tuple) else [value]
    return _ITEM.join(_item(item, shape) for item in items)


def _item(item: Value, shape: ElementShape) -> str:
    """Return one item of a list: a word, or parts in the order of the schema up to the last that is there."""
    if isinstance(item, str):
        return _fit(_word(item, shape.simple), shape)
    values: Any = item or {}
    parts = [_fit(_word(values.get(child.name) or "", child.simple), shape) for child in shape.children]
    while parts and not parts[-1]:
        parts.pop()
    return _PART.join(parts)


def _fit(text: str, shape: ElementShape) -> str:
    if _ITEM in text or _PART in text or text != text.strip():
        raise _unfit(shape)
    return text


def _word(value: str, simple: SimpleShape | None) -> str:
    """Return a value as people write it: the label of a code that no other code shares, yes or no."""
    if simple is None:
        return value
    if simple.base == "boolean":
        return _TRUTH.get(value, value)
    if simple.codes:
        labels = Counter(label for _, label in simple.codes)
        label = dict(simple.codes).get(value, value)
        return label if labels[label] == 1 else value
    return value


def _unfit(shape: ElementShape) -> UsageError:
    return UsageError(
        f"A text of {shape.label} {shape.name} does not fit into a cell",
        why=f"it begins with {FORMULA_MARK} or a blank, ends with a blank, or has {_ITEM} or {_PART} within a list",
        action="write the records in the dialect standard or json",
    )
