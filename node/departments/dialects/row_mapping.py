"""From rows to candidates: one row of a source's table gives one record or several, as its mapping says.

What is wrong with a row costs that row, and every problem names the element, the column, and what to do; a value is
shown only when it looks like a code. A file has one form of times per column: the first value fixes it where a mapping
allows several, because 03/04 is one day in one form and another day in the other.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from node.departments.candidates import Candidate
from node.departments.dialects.csv_mapping import RULE_COLUMN
from node.departments.dialects.row_elements import ElementReader, ReadElement
from node.departments.dialects.row_kept import kept_row
from node.departments.dialects.source_rows import (
    RULE_CONDITION,
    RULE_DOUBLED,
    RULE_KEY,
    RULE_TABLE,
    SourceRow,
)
from node.departments.dialects.values import CellError, value_of
from node.errors import Problem
from node.standard.codec import RULE_SCHEMA
from node.standard.problems import is_harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.departments.dialects.dialect import DialectOptions
    from node.departments.dialects.mapping_file import MappingFile, RecordMapping, TableMapping

SHARED_MAX: Final = 100_000
"""Cases of one delivery whose shared columns are remembered, the newest ones. Our own choice: some 50 MB."""
SPELLINGS_MAX: Final = 2000
"""Spellings of a table's columns that are remembered; further ones are looked up anew. Our own choice."""
_NAMED_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRow:
    """A row under way: its texts by the mapping's columns, and the records that it gives, or why it gives none."""

    row: SourceRow
    values: Mapping[str, str] = field(default_factory=dict)
    records: tuple[RecordReader, ...] = ()
    problems: tuple[Problem, ...] = ()


class RowMapper:
    """Turns the rows of one delivery into candidates."""

    def __init__(self, mapping: MappingFile, options: DialectOptions) -> None:
        self.mapping = mapping
        self.options = options
        self._tables: dict[str, TableReader] = {}
        self._shared: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def candidates(self, row: SourceRow) -> Iterator[Candidate]:
        """Yield the records that a row gives; one candidate with the problems where it cannot be read."""
        opened = self.opened(row)
        if opened.problems:
            yield _refused(opened.row, *opened.problems)
        for record in opened.records:
            yield record.candidate(opened.values, opened.row)

    def opened(self, row: SourceRow) -> OpenedRow:
        """Return a row with its texts by the mapping's columns and the records that it gives, or its problems."""
        table = self._table(row.table or self.options.table)
        if row.problems or table is None:
            return OpenedRow(row=row, problems=row.problems or (self._unknown_table(row),))
        values, problems = table.values_of(row)
        if problems:
            return OpenedRow(row=row, problems=tuple(problems))
        values, row = self._completed(values, row, table)
        if problems := table.faults(values):
            return OpenedRow(row=row, values=values, problems=tuple(problems))
        given = tuple(record for record in table.records if record.applies(values))
        problems = [] if given else [table.nothing_applies()]
        return OpenedRow(row=row, values=values, records=given, problems=tuple(problems))

    def _table(self, name: str) -> TableReader | None:
        name = name.casefold()
        if name not in self._tables:
            found = self.mapping.table_named(name)
            # A delivery may name any number of tables that do not exist: those are not remembered.
            if found is None:
                return None
            self._tables[name] = TableReader(self.mapping, found, self.options)
        return self._tables[name]

    def _unknown_table(self, row: SourceRow) -> Problem:
        name = row.table or self.options.table
        known = ", ".join(self.mapping.tables)
        if not name:
            text = f"the delivery does not say which table this row is of; name one of {known}"
        else:
            shown = f" {name}" if _is_name(name) else ""
            text = f"the mapping {self.mapping.name} has no table{shown}; it has {known}: add it, or leave its rows out"
        return Problem(rule=RULE_TABLE, text=text)

    def _completed(
        self, values: dict[str, str], row: SourceRow, table: TableReader
    ) -> tuple[dict[str, str], SourceRow]:
        """Fill shared elements that the row leaves out from an earlier row of its case, and remember those it has."""
        shared = self.mapping.shared
        if shared is None or not (key := values.get(shared.key, "")):
            return values, row
        before = self._shared.get(key, ("",) * len(shared.elements))
        filled: dict[str, str] = {}
        known = []
        for name, text in zip(shared.elements, before, strict=True):
            columns = table.columns_of(name)
            given = next((values[column] for column in columns if values.get(column)), "")
            if columns and text and not given:
                filled[columns[0]] = text
            known.append(given or text)
        if filled:
            values = {**values, **filled}
            whole = values
            row = replace(row, kept=lambda: kept_row(table.name, whole))
        self._remember(key, tuple(known))
        return values, row

    def _remember(self, key: str, texts: tuple[str, ...]) -> None:
        self._shared[key] = texts
        self._shared.move_to_end(key)
        if len(self._shared) > SHARED_MAX:
            self._shared.popitem(last=False)


class TableReader:
    """What the rows of one table mean in one delivery."""

    def __init__(self, mapping: MappingFile, table: TableMapping, options: DialectOptions) -> None:
        self.name = table.name
        self.records = [RecordReader(mapping, record, options) for record in table.records]
        self._mapping = mapping
        self._table = table
        self._ignored = {name.casefold() for name in table.ignored}
        self._names = {name.casefold(): name for name in table.columns()}
        self._canonical: dict[str, str] = {}
        self._sharing: dict[str, tuple[str, ...]] = {}
        conditions = (one.column for record in table.records for one in record.when)
        self._deciding = tuple(dict.fromkeys((*table.key, *table.accepted, *conditions)))

    def values_of(self, row: SourceRow) -> tuple[dict[str, str], list[Problem]]:
        """Return a row's texts by the names of the mapping, and problems with its columns."""
        values: dict[str, str] = {}
        unknown: list[str] = []
        for column, text in row.values.items():
            name = self._canonical.get(column) or self._names.get(column.strip().casefold())
            if name is None:
                unknown.append(column)
                continue
            if len(self._canonical) < SPELLINGS_MAX:
                self._canonical[column] = name
            if name in values:
                text_of = f"the column {name} stands twice in this row: which value is meant?"
                return values, [Problem(rule=RULE_DOUBLED, element=name, text=text_of)]
            values[name] = text.strip()
        return values, [self.unknown_columns(unknown)] if unknown else []

    def columns_of(self, element: str) -> tuple[str, ...]:
        """Return the columns that give an element (named at the top of a record) in this table."""
        if element not in self._sharing:
            found = (one for record in self._table.records for one in record.elements if one.path == (element,))
            self._sharing[element] = next((one.columns for one in found), ())
        return self._sharing[element]

    def unknown_columns(self, names: list[str]) -> Problem:
        """Return the problem of columns that the mapping does not have."""
        shown = [name[:40] for name in names[:_NAMED_MAX] if _is_name(name)]
        more = f" and {len(names) - len(shown)} more" if shown and len(names) > len(shown) else ""
        what = ", ".join(shown) + more if shown else f"{len(names)}"
        text = (
            f"unknown columns of {self.name}: {what}; leave them out at the source, or list them under ignored in a "
            f"mapping of this node that extends {self._mapping.name}"
        )
        return Problem(rule=RULE_COLUMN, element=self.name[:64], text=text)

    def faults(self, values: Mapping[str, str]) -> list[Problem]:
        """Return what is wrong with a row before any record is made of it."""
        if problems := list(self._formulas(values)):
            return problems
        problems = [
            Problem(rule=RULE_KEY, element=name, text=f"the column {name} is empty; a row of {self.name} needs it")
            for name in self._table.key
            if not values.get(name)
        ]
        for name, accepted in self._table.accepted.items():
            value = values.get(name, "")
            if value and value not in accepted:
                shown = f" {value}" if is_harmless(value) else ""
                text = f"the column {name} holds{shown}, which is not taken in; accepted are {', '.join(accepted)}"
                problems.append(Problem(rule=RULE_CONDITION, element=name, text=text))
        return problems

    def _formulas(self, values: Mapping[str, str]) -> Iterator[Problem]:
        """Yield the columns that decide what a row is, and hold a formula."""
        for name in self._deciding:
            try:
                value_of(values.get(name, ""))
            except CellError as error:
                yield Problem(rule=RULE_SCHEMA, element=name, text=f"the column {name}: {error}")

    def nothing_applies(self) -> Problem:
        """Return the problem of a row that gives no record."""
        wanted = "; ".join(
            f"{record.record_type} when {record.conditions()}" for record in self.records if record.conditions()
        )
        return Problem(rule=RULE_CONDITION, text=f"this row of {self.name} gives no record: {wanted}")


class RecordReader:
    """How one record is made of a row."""

    def __init__(self, mapping: MappingFile, record: RecordMapping, options: DialectOptions) -> None:
        self.record_type = record.record_type
        self._record = record
        self._versioning = mapping.versioning
        self._elements = [ElementReader(mapping, record.record_type, element, options) for element in record.elements]

    def applies(self, values: Mapping[str, str]) -> bool:
        """Tell whether the row gives this record."""
        return all(condition.holds(values) for condition in self._record.when)

    def conditions(self) -> str:
        """Return for people when a row gives this record."""
        return " and ".join(
            f"{one.column} is one of {', '.join(one.values)}"
            if one.given is None
            else f"{one.column} is {'filled' if one.given else 'empty'}"
            for one in self._record.when
        )

    def elements(self, values: Mapping[str, str]) -> list[ReadElement]:
        """Return every element that the mapping has for this record, with its value or problem."""
        return [element.read(values) for element in self._elements]

    def candidate(self, values: Mapping[str, str], row: SourceRow) -> Candidate:
        """Return the record that the row gives, with a problem for each value that cannot be understood."""
        content: dict[str, Any] = {}
        problems = []
        for element in self._elements:
            try:
                value = element.value(values)
            except CellError as error:
                problems.append(element.problem(error))
                continue
            if value is not None:
                element.put(content, value)
        return Candidate(
            record_type=self.record_type,
            content=content,
            kept=row.kept,
            row=row.row,
            line=row.line,
            problems=tuple(replace(problem, row=row.row, line=row.line) for problem in problems),
            weight=row.weight,
            versioning=self._versioning,
        )


def _refused(row: SourceRow, *problems: Problem) -> Candidate:
    return Candidate(
        record_type="",
        kept=row.kept,
        row=row.row,
        line=row.line,
        problems=tuple(replace(problem, row=row.row, line=row.line) for problem in problems),
        weight=row.weight,
    )


def _is_name(text: str) -> bool:
    """Tell whether a text can be shown as the name of a table or column; what stands there may be anything."""
    return text.isprintable() and sum(map(str.isdigit, text)) <= _NAMED_MAX and len(text) <= 64  # noqa: PLR2004 - a name.
