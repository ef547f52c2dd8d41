"""From records to rows, the way back of ``row_mapping``: the same mapping file says which column holds what.

Records of one case that the mapping takes from one row (application and acceptance of ``up_pro_accept``) go into one
row again, as long as no column would have to hold two values. What no column holds is left out:
``MappingFile.not_carried`` tells what.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from node.departments.dialects.mapping_checks import shape_at
from node.departments.dialects.mapping_file import CASE_NUMBER
from node.departments.dialects.time_forms import TimeForm, moment_of
from node.departments.dialects.values import FORMULA_MARK
from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import tzinfo

    from node.departments.dialects.dialect import DialectOptions, Written
    from node.departments.dialects.mapping_file import ElementMapping, MappingFile, RecordMapping, TableMapping
    from node.standard.shape import ElementShape


@dataclass(slots=True, kw_only=True)
class WrittenRow:
    """One row going out: its table, its texts by column, and the record mappings that are in it."""

    table: str
    values: dict[str, str] = field(default_factory=dict)
    holds: list[RecordMapping] = field(default_factory=list)


def rows_of(mapping: MappingFile, records: Iterable[Written], options: DialectOptions) -> list[WrittenRow]:
    """Return the rows that records make, in the order of their first records.

    Raises UsageError for a record that the mapping cannot carry at all, and for a code or text that no row can hold.
    """
    writer = _Writer(mapping, options)
    for record in records:
        writer.add(record)
    return writer.rows


class _Writer:
    def __init__(self, mapping: MappingFile, options: DialectOptions) -> None:
        self._mapping = mapping
        self._options = options
        self._codes = {name: table.chosen(options.variant).codes_out() for name, table in mapping.codes.items()}
        self._open: dict[tuple[str, ...], WrittenRow] = {}
        self.rows: list[WrittenRow] = []

    def add(self, record: Written) -> None:
        table, chosen = self._place(record)
        values = self._values(record, chosen)
        key = (table.name, *(values.get(name, "") for name in (*table.key, *_numbering(chosen))))
        row = self._open.get(key) if len(table.records) > 1 else None
        if row is None or not _fits(row, chosen, values):
            row = WrittenRow(table=table.name)
            self.rows.append(row)
            if len(table.records) > 1:
                self._open[key] = row
        row.values.update(values)
        row.holds.append(chosen)

    def _place(self, record: Written) -> tuple[TableMapping, RecordMapping]:
        """Return the table and the record mapping for a record: the first whose constants the record has."""
        other = ""
        for table in self._mapping.tables.values():
            for one in table.records:
                if one.record_type != record.record_type:
                    continue
                other = _other_constant(record.content, one.elements)
                if not other:
                    return table, one
        raise UsageError(
            f"The dialect {self._mapping.name} cannot carry {record.record_type}",
            why=f"no table of it holds such records{f' with {other}' if other else ''}",
            action="write the records in the dialect standard or json",
        )

    def _values(self, record: Written, chosen: RecordMapping) -> dict[str, str]:
        values: dict[str, str] = {}
        for element in chosen.elements:
            if not element.columns:
                continue
            found = _at(record.content, element.path)
            if element.path == CASE_NUMBER:
                found = record.content.get("OrigCaseNo") or found
            if found in (None, "", [], ()):
                continue
            column, text = element.columns[0], self._text(found, element, record.record_type)
            if values.setdefault(column, text) != text:
                raise UsageError(
                    f"The column {column} of {self._mapping.name} would hold two values",
                    why=f"{'/'.join(element.path)} and another element of {record.record_type} come from it and differ",
                    action="write the records in the dialect standard or json",
                )
        for condition in chosen.when:
            if condition.values:
                values.setdefault(condition.column, condition.values[0])
        return values

    def _text(self, value: Any, element: ElementMapping, record_type: str) -> str:
        shape = shape_at(record_type, element.path)
        if shape is None or isinstance(value, str):
            return self._simple(str(value), element, shape)
        mark = self._mapping.items[0]
        return mark.join(self._item(item, element, shape) for item in value)

    def _item(self, item: Any, element: ElementMapping, shape: ElementShape) -> str:
        """Return one item of a list: a word, or parts in the order of the schema up to the last that is there."""
        if isinstance(item, str):
            return self._unmarked(self._simple(item, element, shape), shape)
        parts = [self._unmarked(str(item.get(child.name) or ""), shape) for child in shape.children]
        while parts and not parts[-1]:
            parts.pop()
        return self._mapping.parts.join(parts)

    def _unmarked(self, text: str, shape: ElementShape) -> str:
        if any(mark in text for mark in (*self._mapping.items, self._mapping.parts)) or text != text.strip():
            raise _unfit(shape, "it holds a mark that stands between items of a list, or a blank at an end")
        return text

    def _simple(self, value: str, element: ElementMapping, shape: ElementShape | None) -> str:
        simple = shape.simple if shape is not None else None
        if element.codes:
            return self._code(value, element)
        if simple is not None and simple.base == "dateTime":
            return _moment(value, element.times or self._mapping.times, self._options.zone)
        if simple is not None and simple.base == "date":
            return _moment(value, element.dates or self._mapping.dates, self._options.zone)
        if simple is not None and simple.base == "boolean":
            return next((word for word, meant in self._mapping.truth.items() if meant == value), value)
        if shape is not None and (value.startswith(FORMULA_MARK) or value != value.strip()):
            raise _unfit(shape, f"it begins with {FORMULA_MARK} or a blank, or ends with a blank")
        return value

    def _code(self, value: str, element: ElementMapping) -> str:
        code = self._codes[element.codes].get(value)
        if code is None:
            variants = ", ".join(self._mapping.codes[element.codes].variants)
            raise UsageError(
                f"The dialect {self._mapping.name} has no code for {'/'.join(element.path)} {value}",
                why="no code means it, or provinces use its code for different things",
                action=f"name the variant behind @ in the dialect's name: {variants or 'this dialect has none'}",
            )
        return code


def _fits(row: WrittenRow, chosen: RecordMapping, values: Mapping[str, str]) -> bool:
    """Tell whether a record can go into a row: not there yet, and no column of either with another value."""
    if any(one.record_type == chosen.record_type for one in row.holds):
        return False
    shared = {name for one in row.holds for element in one.elements for name in element.columns[:1]}
    own = {element.columns[0] for element in chosen.elements if element.columns}
    return all(row.values.get(name, "") == values.get(name, "") for name in shared & own)


def _numbering(record: RecordMapping) -> tuple[str, ...]:
    """Return the column that numbers the records of a case."""
    return next((one.columns[:1] for one in record.elements if one.path == ("Sequence",)), ())


def _other_constant(content: Mapping[str, Any], elements: Sequence[ElementMapping]) -> str:
    """Return an element whose value is not the one that the mapping always gives it, with its value; "" for none."""
    others = (one.path for one in elements if one.constant and _at(content, one.path) != one.constant)
    return next((f"{'/'.join(path)} {_at(content, path) or 'left out'}" for path in others), "")


def _at(content: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = content
    for name in path:
        value = value.get(name) if value else None
    return value


def _moment(value: str, forms: tuple[TimeForm, ...], zone: tzinfo) -> str:
    """Return a time or a day in the first form; a day has no zone."""
    return forms[0].write(moment_of(value, zone) if "T" in value else date.fromisoformat(value))


def _unfit(shape: ElementShape, why: str) -> UsageError:
    return UsageError(
        f"A text of {shape.label} {shape.name} does not fit into a column",
        why=why,
        action="write the records in the dialect standard or json",
    )
