"""From a cell to an element: how one element of a record is read from a row, and what form of times its column has."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.departments.dialects.mapping_checks import shape_at
from node.departments.dialects.mapping_file import CASE_NUMBER, template_columns
from node.departments.dialects.source_rows import RULE_CODE
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from node.departments.dialects.dialect import DialectOptions
    from node.departments.dialects.mapping_file import ElementMapping, MappingFile
    from node.departments.dialects.time_forms import TimeForm
    from node.standard.shape import ElementShape

FOREIGN_NUMBER: Final = ("OrigCaseNo",)
"""Path of the case number of another system."""
_IN_BRACES: Final = re.compile(r"\{([^{}]+)\}")
_DIGEST_FIRST: Final = 100_000
_DIGEST_LAST: Final = 999_999


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadElement:
    """One element of one row: the column that gave it ("": none did), its value, or why it cannot be understood.

    ``path`` is where the value goes: that of the mapping, but ``OrigCaseNo`` for the case number of another system.
    """

    element: ElementMapping
    path: tuple[str, ...]
    shape: ElementShape
    column: str
    value: Any = None
    problem: Problem | None = None


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
        self._columns = element.columns
        self._name = element.path[-1]
        self._foreign = shape_at(record_type, FOREIGN_NUMBER) if element.path == CASE_NUMBER else None
        self._at_top = len(element.path) == 1 and element.path != CASE_NUMBER
        self._options = options
        self._mapping = mapping
        self._forms: dict[str, TimeForm] = {}
        self._column = ""
        codes = mapping.codes.get(element.codes)
        self._codes = None if codes is None else codes.chosen(options.variant)
        self._meaning = element_meaning(shape, self._single, items=mapping.items, parts=mapping.parts)

    def read(self, values: Mapping[str, str]) -> ReadElement:
        """Return the element with its value, or why its column cannot be understood; neither where nothing gives it."""
        value, problem = None, None
        try:
            value = self.value(values)
        except CellError as error:
            problem = self.problem(error)
        foreign = self._foreign if self._foreign is not None and value and not is_case_number(value) else None
        return ReadElement(
            element=self.element,
            path=self.element.path if foreign is None else FOREIGN_NUMBER,
            shape=foreign or self.shape,
            column=self._column,
            value=value,
            problem=problem,
        )

    def value(self, values: Mapping[str, str]) -> Any:
        """Return the element's value, None where nothing gives it; raises CellError, which ``problem`` explains."""
        for name in self._columns:
            cell = values.get(name)
            if cell:
                self._column = name
                value = self._meaning(value_of(cell))
                return self._whole(value) if self.element.parts else value
        self._column = ""
        return self.element.constant or self._without_column(values)

    def problem(self, error: CellError) -> Problem:
        """Return the problem with the column that was read last."""
        path = "/".join(self.element.path)
        rule = RULE_CODE if self._codes is not None else RULE_SCHEMA
        text = f"{self.shape.label} {path}, column {self._column}: {error}"
        return Problem(rule=rule, element=path, text=text)

    def put(self, content: dict[str, Any], value: Any) -> None:
        """Put a value into a record's content; a foreign case number goes where foreign numbers stand."""
        if self._at_top:
            content[self._name] = value
        elif self.element.path != CASE_NUMBER:
            target = content
            for name in self.element.path[:-1]:
                target = target.setdefault(name, {})
            target[self._name] = value
        elif is_case_number(value):
            content[self._name] = value
        else:
            content[FOREIGN_NUMBER[0]] = value
            if self._options.system:
                content.setdefault("OrigSystem", self._options.system)

    def _without_column(self, values: Mapping[str, str]) -> str | None:
        element = self.element
        if element.template and all(values.get(name) for name in template_columns(element.template)):
            return _IN_BRACES.sub(lambda found: self._part(values, found[1]), element.template)
        if element.digest and any(values.get(name) for name in element.digest):
            return _number_of(self._part(values, name) for name in element.digest)
        return element.default or None

    def _part(self, values: Mapping[str, str], name: str) -> str:
        """Return what a column gives to a template or digest, "" for nothing."""
        self._column = name
        part = value_of(values.get(name, ""))
        self._column = ""
        return part

    def _whole(self, value: Any) -> Any:
        """Return a list with what its items do not say."""
        return [{**self.element.parts, **item} for item in value]

    def _single(self, shape: ElementShape) -> Callable[[str], str]:
        if self._codes is not None:
            return self._coded(shape)
        return simple_meaning(shape.simple, time=self._time, day=self._day, truth=self._mapping.truth)

    def _coded(self, shape: ElementShape) -> Callable[[str], str]:
        """Return the meaning of a code: the mapping's tables first, then the standard's own label."""
        labels = {label: code for code, label in (shape.simple.codes if shape.simple is not None else ())}
        read = self._codes.read if self._codes is not None else half_width
        # A site's word may be the standard's label for something else: what the site says counts.
        own = self._codes.meanings.keys() if self._codes is not None else ()
        for label in own:
            labels.pop(label, None)
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


def _number_of(texts: Iterator[str]) -> str:
    """Return an ordinal made of texts: for rows that have a key of their own and no number within the case.

    Six digits, so that it stays clear of numbers that a source counts. One pair of rows of a case in 900,000 shares it:
    the second is then refused as a conflict, or is the next version of the first where the node counts versions.
    """
    hashed = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).digest()
    return str(_DIGEST_FIRST + int.from_bytes(hashed[:8]) % (_DIGEST_LAST - _DIGEST_FIRST + 1))
