"""From rows to candidates: one row of a source's table gives one record or several, as its mapping says.

What is wrong with a row costs that row, and every problem names the element, the column, and what to do; a value is
shown only when it looks like a code. A file has one form of times per column: the first value fixes it where a mapping
allows several, because 03/04 is one day in one form and another day in the other.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from node.departments.candidates import Candidate
from node.departments.dialects.csv_mapping import RULE_COLUMN
from node.departments.dialects.mapping_checks import shape_at
from node.departments.dialects.mapping_file import CASE_NUMBER, template_columns
from node.departments.dialects.row_kept import kept_row
from node.departments.dialects.source_rows import (
    RULE_CODE,
    RULE_CONDITION,
    RULE_DOUBLED,
    RULE_KEY,
    RULE_TABLE,
    SourceRow,
)
from node.departments.dialects.values import (
    CellError,
    day_of_parts,
    element_meaning,
    half_width,
    simple_meaning,
    time_of_parts,
    value_of,
)
from node.errors import Problem
from node.standard.codec import RULE_SCHEMA
from node.standard.identifiers import is_case_number
from node.standard.problems import is_harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from node.departments.dialects.dialect import DialectOptions
    from node.departments.dialects.mapping_file import ElementMapping, MappingFile, RecordMapping, TableMapping
    from node.departments.dialects.time_forms import TimeForm
    from node.standard.shape import ElementShape

SHARED_MAX: Final = 100_000
"""Cases of one delivery whose shared columns are remembered, the newest ones. Our own choice: some 50 MB."""
_NAMED_MAX: Final = 5
_IN_BRACES: Final = re.compile(r"\{([^{}]+)\}")
_DIGEST_FIRST: Final = 100_000
_DIGEST_LAST: Final = 999_999


class RowMapper:
    """Turns the rows of one delivery into candidates."""

    def __init__(self, mapping: MappingFile, options: DialectOptions) -> None:
        self.mapping = mapping
        self.options = options
        self._tables: dict[str, TableReader | None] = {}
        self._shared: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def candidates(self, row: SourceRow) -> Iterator[Candidate]:
        """Yield the records that a row gives; one candidate with the problems where it cannot be read."""
        table = self._table(row.table or self.options.table)
        if row.problems or table is None:
            yield _refused(row, *(row.problems or (self._unknown_table(row),)))
            return
        values, problems = table.values_of(row)
        if problems:
            yield _refused(row, *problems)
            return
        values, row = self._completed(values, row, table)
        if problems := table.faults(values):
            yield _refused(row, *problems)
            return
        given = [record for record in table.records if record.applies(values)]
        for record in given:
            yield record.candidate(values, row)
        if not given:
            yield _refused(row, table.nothing_applies())

    def _table(self, name: str) -> TableReader | None:
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

    def values_of(self, row: SourceRow) -> tuple[dict[str, str], list[Problem]]:
        """Return a row's texts by the names of the mapping, and problems with its columns."""
        values: dict[str, str] = {}
        unknown: list[str] = []
        for column, text in row.values.items():
            name = self._canonical.get(column) or self._names.get(column.strip().casefold())
            if name is None:
                unknown.append(column)
                continue
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

    def candidate(self, values: Mapping[str, str], row: SourceRow) -> Candidate:
        """Return the record that the row gives, with a problem for each value that cannot be understood."""
        content: dict[str, Any] = {}
        problems = []
        for element in self._elements:
            found, problem = element.read(values)
            if problem is not None:
                problems.append(problem)
            elif found is not None:
                element.put(content, found)
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


class ElementReader:
    """How one element is made of a row; remembers which form of times the delivery uses."""

    def __init__(
        self, mapping: MappingFile, record_type: str, element: ElementMapping, options: DialectOptions
    ) -> None:
        shape = shape_at(record_type, element.path)
        if shape is None:
            message = f"{record_type} has no element {'/'.join(element.path)}"
            raise ValueError(message)
        self.element = element
        self.shape = shape
        self._options = options
        self._mapping = mapping
        self._forms: dict[str, TimeForm] = {}
        self._column = ""
        codes = mapping.codes.get(element.codes)
        self._codes = None if codes is None else codes.chosen(options.variant)
        self._meaning = element_meaning(shape, self._single, items=mapping.items, parts=mapping.parts)

    def read(self, values: Mapping[str, str]) -> tuple[Any, Problem | None]:
        """Return the element's value and None, or None and why its column cannot be understood."""
        element = self.element
        if element.constant:
            return element.constant, None
        self._column = next((name for name in element.columns if values.get(name)), "")
        cell = values.get(self._column, "")
        if not cell:
            return self._without_column(values), None
        try:
            return self._whole(self._meaning(value_of(cell))), None
        except CellError as error:
            rule = RULE_CODE if self._codes is not None else RULE_SCHEMA
            path = "/".join(element.path)
            text = f"{self.shape.label} {path}, column {self._column}: {error}"
            return None, Problem(rule=rule, element=path, text=text)

    def put(self, content: dict[str, Any], value: Any) -> None:
        """Put a value into a record's content; a foreign case number goes where foreign numbers stand."""
        path = self.element.path
        if path == CASE_NUMBER and not is_case_number(value):
            content["OrigCaseNo"] = value
            if self._options.system:
                content.setdefault("OrigSystem", self._options.system)
            return
        target = content
        for name in path[:-1]:
            target = target.setdefault(name, {})
        target[path[-1]] = value

    def _without_column(self, values: Mapping[str, str]) -> str | None:
        element = self.element
        if element.template and all(values.get(name) for name in template_columns(element.template)):
            return _IN_BRACES.sub(lambda found: values[found[1]], element.template)
        if element.digest and any(values.get(name) for name in element.digest):
            return _number_of(values.get(name, "") for name in element.digest)
        return element.default or None

    def _whole(self, value: Any) -> Any:
        """Return a list with what its items do not say."""
        if not self.element.parts:
            return value
        return [{**self.element.parts, **item} for item in value]

    def _single(self, shape: ElementShape) -> Callable[[str], str]:
        if self._codes is not None:
            return self._coded(shape)
        return simple_meaning(shape.simple, time=self._time, day=self._day, truth=self._mapping.truth)

    def _coded(self, shape: ElementShape) -> Callable[[str], str]:
        """Return the meaning of a code: the mapping's tables first, then the standard's own label."""
        labels = {label: code for code, label in (shape.simple.codes if shape.simple is not None else ())}
        read = self._codes.read if self._codes is not None else half_width
        return lambda cell: labels.get(cell) or read(half_width(cell))

    def _time(self, cell: str) -> str:
        found = self._parts(cell, self.element.times or self._mapping.times, "time")
        return time_of_parts(found.groupdict(), self._options.zone)

    def _day(self, cell: str) -> str:
        return day_of_parts(self._parts(cell, self.element.dates or self._mapping.dates, "date").groupdict())

    def _parts(self, cell: str, forms: tuple[TimeForm, ...], what: str) -> re.Match[str]:
        """Return the parts of a time by the form that this delivery uses in this column."""
        half_width(cell)
        fixed = self._forms.get(self._column)
        for form in forms:
            found = form.pattern.match(cell)
            if found is None:
                continue
            if fixed is not None and fixed is not form:
                raise CellError(
                    f"the form is {form.text}, earlier rows of this delivery have {fixed.text}: "
                    "send one form in one delivery"
                )
            self._forms[self._column] = form
            return found
        wanted = fixed.text if fixed is not None else " or ".join(form.text for form in forms)
        raise CellError(f"this is not a {what} in the form {wanted}")


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


def _number_of(texts: Iterator[str]) -> str:
    """Return an ordinal made of texts: for rows that have a key of their own and no number within the case.

    Six digits, so that it stays clear of numbers that a source counts. Two rows of one case share it once in some
    hundred thousand pairs; the second is then refused as a conflict, never lost.
    """
    hashed = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).digest()
    return str(_DIGEST_FIRST + int.from_bytes(hashed[:8]) % (_DIGEST_LAST - _DIGEST_FIRST + 1))
