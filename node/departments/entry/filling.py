"""Filling: what was typed into a form becomes content, and what is wrong with it goes back to the fields.

Values are texts by the name of their field: ``CaseNo``, ``Actor/Name``, ``MaterialItem.0/MaterialName`` for the first
row of a repeated group; ``rows:MaterialItem`` is how many rows the form shows. They are read as generously as the cells
of a table (``node.departments.dialects.values``): a time without its offset, a label instead of its code.

The record is written one element a line, so that the line which intake names leads back to the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from node.departments.dialects.csv_mapping import DIALECT, date_of, time_of
from node.departments.dialects.values import CellError, simple_meaning
from node.departments.entry.fields import AREA, CHECKS, LINES, PATH_MARK, ROW_MARK, Field, Form, Group, Words
from node.departments.rules import rule_words
from node.standard.codec import RULE_SCHEMA
from node.standard.compose import SALT_BYTES, compose
from node.standard.facts import TREE_ZONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from node.errors import Problem
    from node.standard.shape import SimpleShape

ROWS_PREFIX: Final = "rows:"
NUMBERING: Final = "numbering"
"""Name of the choice who numbers the case: BY_NODE, or whoever fills the form in."""
BY_NODE: Final = "node"
CASE_NUMBER: Final = "CaseNo"
_LEAF: Final = re.compile(r"<?(\w+)[^<>]*>(.*)</\1>?\Z", re.DOTALL)
_BETWEEN_TAGS: Final = re.compile(r"(?<=>)(?=<)")
_DIGITS_MAX: Final = 5
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}\Z")
_UNFIT: Final = "it is not accepted"
"""Said of a value of which nothing more is known than that it does not fit."""
_VALUE_PROBLEM: Final = "; expected "
"""Stands in what is said of a value, and in nothing that is said of elements that are missing or misplaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """What is wrong with one field, in 中文 and English; ``name`` is the field's, "" for the form as a whole."""

    name: str
    label: str
    text: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A form that was filled in: the record's content as far as it can be read, and what cannot.

    ``leaves`` are the names of the fields that gave a value, in the order of the record's elements.
    """

    form: Form
    values: Mapping[str, str]
    content: Mapping[str, Any]
    leaves: tuple[str, ...]
    problems: tuple[FieldProblem, ...]

    @property
    def numbered_by_node(self) -> bool:
        """Whether the node is asked for a case number."""
        return self.values.get(NUMBERING) == BY_NODE and self.form.has(CASE_NUMBER)

    def with_number_of(self, foreign: str) -> Filled:
        """Return the same with a number of the source's own, by which the node numbers its case, if it has none."""
        if not self.numbered_by_node or self.content.get("OrigCaseNo"):
            return self
        # CaseNo stands before it; the name has no field of its own then.
        at = int("OrigSystem" in self.content)
        leaves = (*self.leaves[:at], "OrigCaseNo", *self.leaves[at:])
        return replace(self, content={**self.content, "OrigCaseNo": foreign}, leaves=leaves)

    def with_case(self, case_no: str) -> Filled:
        """Return the same with a case number in the place of the one that the node would give."""
        return replace(self, content={**self.content, CASE_NUMBER: case_no}, leaves=(CASE_NUMBER, *self.leaves))

    def markup(self) -> bytes:
        """Return the record as XML, one element a line; it has no channel and a salt that stands for the node's."""
        body = compose(self.form.record_type, self.content, salt=bytes(SALT_BYTES)).decode()
        return _BETWEEN_TAGS.sub("\n", body).encode()

    def placed(self, problems: Iterable[Problem]) -> Iterator[FieldProblem]:
        """Yield what intake found, each at its field where one can be told.

        Where fields are missing, intake stumbles over what stands in their place, and cannot tell whose case it is:
        only what it says of values counts then.
        """
        lines = dict(self._lines())
        for problem in problems:
            if self.problems and _VALUE_PROBLEM not in problem.text:
                continue
            name = lines.get(problem.line or 0, "")
            element = (problem.element or "").rpartition(PATH_MARK)[2]
            if not name or not name.endswith(element):
                name = self._named(problem.element or "")
            found = self.field(name)
            yield FieldProblem(name=name, label=found.label[0] if found else "", text=_words(problem, found))

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Yield the line on which each value stands (from 1), and the name of its field."""
        names = iter(self.leaves)
        line = 1
        for piece in self.markup().decode().split(">\n<"):
            leaf = _LEAF.match(piece)
            if leaf is not None and leaf[1] != "Salt":
                yield line, next(names, "")
            line += piece.count("\n") + 1

    def _named(self, element: str) -> str:
        """Return the name of the field of an element, of the whole group within rows, "" when there is none."""
        names: list[str] = []
        for part in element.split(PATH_MARK):
            names.append(part)
            found = self.field(PATH_MARK.join(names))
            if found is None:
                return ""
            if isinstance(found, Group) and found.repeated:
                break
        return PATH_MARK.join(names)

    def field(self, name: str) -> Field | Group | None:
        """Return the field, or the group, of a name, None when there is none."""
        entries = self.form.entries
        found: Field | Group | None = None
        for part in name.split(PATH_MARK):
            element = part.partition(ROW_MARK)[0]
            found = next((entry for entry in entries if entry.element == element), None)
            entries = found.entries if isinstance(found, Group) else ()
        return found


def read_form(form: Form, values: Mapping[str, str]) -> Filled:
    """Return what was typed as content, with a problem for each field that cannot be understood or is missing."""
    reading = _Reading(values)
    content = reading.entries(form.entries, "")
    return Filled(
        form=form,
        values=values,
        content=content,
        leaves=tuple(reading.leaves),
        problems=tuple(reading.problems),
    )


@dataclass(slots=True)
class _Reading:
    """Reads the values of one form in the order of its schema."""

    values: Mapping[str, str]
    leaves: list[str] = field(default_factory=list)
    problems: list[FieldProblem] = field(default_factory=list)

    def entries(self, entries: Iterable[Field | Group], prefix: str) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for entry in entries:
            name = prefix + entry.element
            value: Any
            if isinstance(entry, Field):
                value = self._field(entry, name)
            else:
                value = self._rows(entry, name) if entry.repeated else self._group(entry, name, needed=entry.required)
            if value:
                content[entry.element] = value
        return content

    def _field(self, entry: Field, name: str) -> str | list[str] | None:
        text = self.values.get(name, "").replace("\r\n", "\n").strip()
        if not text:
            by_node = name == CASE_NUMBER and self.values.get(NUMBERING) == BY_NODE
            if entry.required and not by_node:
                self._missing(entry, name)
            return None
        if name == CASE_NUMBER and self.values.get(NUMBERING) == BY_NODE:
            return None
        several = entry.control in {CHECKS, LINES}
        items = [line.strip() for line in text.split("\n") if line.strip()] if several else [text]
        try:
            read = [self._value(entry, item) for item in items]
        except CellError as error:
            zh, en = expected(entry)
            narrow = "；数字请用半角" if "full-width" in str(error) else ""
            told = en if str(error) == _UNFIT else f"{en}: {error}"
            self.problems.append(FieldProblem(name=name, label=entry.label[0], text=(zh + narrow, told)))
            return None
        self.leaves += [name] * len(read)
        return read if several else read[0]

    @staticmethod
    def _value(entry: Field, text: str) -> str:
        meaning = simple_meaning(
            entry.simple, time=lambda cell: time_of(cell, TREE_ZONE), day=date_of, truth=DIALECT["truth"]
        )
        value = meaning(text if entry.control == AREA else " ".join(text.split("\n")))
        if not _fits(value, entry.simple):
            raise CellError(_UNFIT)
        return value

    def _group(self, entry: Group, name: str, *, needed: bool) -> dict[str, Any] | None:
        begun = any(text.strip() for key, text in self.values.items() if key.startswith(f"{name}{PATH_MARK}"))
        return self.entries(entry.entries, f"{name}{PATH_MARK}") if begun or needed else None

    def _rows(self, entry: Group, name: str) -> list[dict[str, Any]]:
        count = rows_of(entry, name, self.values)
        rows = [self._group(entry, f"{name}{ROW_MARK}{row}", needed=False) for row in range(count)]
        found = [row for row in rows if row]
        if entry.required and not found:
            self._missing(entry, name)
        return found

    def _missing(self, entry: Field | Group, name: str) -> None:
        zh, en = entry.label
        self.problems.append(FieldProblem(name=name, label=zh, text=(f"请填写{zh}", f"{en} is required")))


def _fits(value: str, simple: SimpleShape) -> bool:
    """Tell whether the schema would take a value, so that all that is wrong is told at once: the parser stops early.

    Only facets that the schema of the standard uses are looked at; what this lets through, the parser judges.
    """
    if simple.codes:
        return any(value == code for code, _ in simple.codes)
    if simple.base in {"int", "long"}:
        number = int(value) if _NUMBER.match(value) else None
        return number is not None and (simple.value_min or 0) <= number <= (simple.value_max or number)
    if simple.length_max is not None and simple.base == "string" and len(value) > simple.length_max:
        return False
    return simple.pattern is None or re.fullmatch(simple.pattern, value) is not None


def rows_of(entry: Group, name: str, values: Mapping[str, str]) -> int:
    """Return how many rows of a repeated group a form shows: as many as were asked for, at least one."""
    given = values.get(f"{ROWS_PREFIX}{name}", "")
    return (
        max(1, min(int(given), entry.rows_max))
        if given.isascii() and given.isdecimal() and len(given) <= _DIGITS_MAX
        else 1
    )


def expected(entry: Field) -> Words:
    """Return that a value is not in the form that its field has, and what is."""
    if entry.choices:
        return ("不在可选的值之中，请从列表中选择", "not one of the choices; choose from the list")
    zh, en = entry.hint
    return (f"不符合要求，应为：{zh}" if zh else "不符合要求", f"not accepted; expected {en}" if en else "not accepted")


def _words(problem: Problem, found: Field | Group | None) -> Words:
    """Return a problem in both languages; its own text is English."""
    if problem.rule == RULE_SCHEMA and isinstance(found, Field):
        return expected(found)
    words = rule_words().get(problem.rule)
    zh = f"{words.what[0]}。{words.fix[0]}。" if words is not None else "未被接收"
    return (zh, problem.text)
