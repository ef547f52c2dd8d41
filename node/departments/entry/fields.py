"""Forms made of the schema: which fields a record type has, what each is called, and what may stand in it.

Nothing is written down twice: names, labels, code tables, lengths and patterns come from the schema; ``hints.toml``
adds what its patterns mean in words. What the node sets itself has no field.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from node.standard.compose import record_shape
from node.standard.families import RECORD_TYPES
from node.standard.shape import english_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.standard.shape import ElementShape, SimpleShape

Words = tuple[str, str]
"""The same in 中文 and English."""

TEXT, AREA, LINES, SELECT, LIST, CHECKS = "text", "area", "lines", "select", "list", "checks"
TIME, DATE, NUMBER, AMOUNT = "time", "date", "number", "amount"
CHOICES_MAX: Final = 20
"""Codes up to which they are shown as a list to choose from; more are searched by typing. Our own choice."""
AREA_LENGTH_MIN: Final = 300
"""Characters from which a text gets several lines. Our own choice."""
ROW_MARK: Final = "."
"""Stands between the name of a repeated group and the number of its row, from 0."""
PATH_MARK: Final = "/"
_BY_NODE: Final = frozenset({"Salt", "Channel"})
_SELDOM: Final = frozenset({"OrigSystem", "OrigCaseNo", "Sequence", "DataVersion", "Correction"})
"""Elements of the header that a clerk hardly ever needs: they are folded away."""
_HINTS: Final = Path(__file__).parent / "hints.toml"
_OF_TYPES: Final[Mapping[str, Words]] = {
    "int": ("整数", "a whole number"),
    "long": ("整数", "a whole number"),
    "decimal": ("金额，如 120.50，不为负", "an amount such as 120.50, not negative"),
    "dateTime": ("日期和时间，如 2026-11-03 09:12", "a day with its time, such as 2026-11-03 09:12"),
    "date": ("日期，如 2026-11-03", "a day, such as 2026-11-03"),
    "boolean": ("是或否", "yes or no"),
    "base64Binary": ("base64 文本", "base64"),
}
_CONTROLS: Final = {
    "int": NUMBER,
    "long": NUMBER,
    "decimal": AMOUNT,
    "dateTime": TIME,
    "date": DATE,
    "boolean": SELECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of a record: the path of its element, what it is called, how it is typed, and what may stand in it.

    ``required``: the record needs it as soon as its group is there; ``always``: it needs it in any case. ``choices``
    are code, 中文 and English label. ``hint`` says in both languages what is expected.
    """

    path: tuple[str, ...]
    label: Words
    required: bool
    always: bool
    control: str
    simple: SimpleShape
    hint: Words
    choices: tuple[tuple[str, str, str], ...] = ()

    @property
    def element(self) -> str:
        """Return the name of the element."""
        return self.path[-1]

    @property
    def only_length(self) -> bool:
        """Whether all that is expected is one line no longer than its input lets anybody type: no need to say so."""
        return self.control == TEXT and self.hint[0].startswith("一行文字")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Elements under one element, in the order of the schema; ``rows_max`` is 1, or how often it may be repeated."""

    path: tuple[str, ...]
    label: Words
    required: bool
    entries: tuple[Field | Group, ...]
    rows_max: int = 1

    @property
    def element(self) -> str:
        """Return the name of the element."""
        return self.path[-1]

    @property
    def repeated(self) -> bool:
        """Return whether it has rows."""
        return self.rows_max > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What is shown together under a heading; ``folded``: closed until somebody opens it."""

    title: Words
    entries: tuple[Field | Group, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form of one record type; ``entries`` are all of its fields in the order of the schema."""

    record_type: str
    title: Words
    entries: tuple[Field | Group, ...]
    sections: tuple[Section, ...]

    def has(self, element: str) -> bool:
        """Tell whether the record has this element at its top."""
        return any(entry.element == element for entry in self.entries)


@cache
def form_of(record_type: str) -> Form:
    """Return the form of a record type; raises RecordRefusedError for one that the standard does not have."""
    shape = record_shape(record_type)
    shapes = [child for child in shape.children if child.name not in _BY_NODE]
    entries = tuple(_entry(child, (), always=True) for child in shapes)
    seldom = tuple(entry for entry in entries if entry.element in _SELDOM)
    head = {child.name for child in shapes if child.group} - _SELDOM
    sections = (
        Section(title=("基本信息", "Basics"), entries=tuple(one for one in entries if one.element in head)),
        Section(
            title=(f"{shape.label}内容", "Content"),
            entries=tuple(one for one in entries if one.element not in head | _SELDOM),
        ),
        Section(title=("不常用", "Seldom needed"), entries=seldom, folded=True),
    )
    return Form(
        record_type=record_type,
        title=(RECORD_TYPES[record_type].label, english_of(record_type)),
        entries=entries,
        sections=tuple(section for section in sections if section.entries),
    )


def fields_of(entries: tuple[Field | Group, ...]) -> Iterator[Field]:
    """Yield every field, those within groups included, in the order of the schema."""
    for entry in entries:
        if isinstance(entry, Field):
            yield entry
        else:
            yield from fields_of(entry.entries)


@cache
def pattern_hints() -> Mapping[str, Words]:
    """Return what the simple types with a pattern mean in words, by name."""
    return {name: (zh, en) for name, (zh, en) in tomllib.loads(_HINTS.read_text(encoding="utf-8")).items()}


def hint_of(simple: SimpleShape) -> Words:
    """Return what may stand in a value, in 中文 and English; "" where its choices say it."""
    if simple.codes:
        return ("", "")
    if simple.base in _OF_TYPES and simple.base != "string":
        zh, en = _OF_TYPES[simple.base]
        if simple.value_max is not None:
            return (
                f"{zh}，{simple.value_min} 至 {simple.value_max}",
                f"{en} from {simple.value_min} to {simple.value_max}",
            )
        return (zh, en)
    if simple.name in pattern_hints():
        return pattern_hints()[simple.name]
    if simple.length_max is not None:
        return (f"至多 {simple.length_max} 字", f"at most {simple.length_max} characters")
    return ("", "")


def _entry(shape: ElementShape, above: tuple[str, ...], *, always: bool) -> Field | Group:
    path, always = (*above, shape.name), always and shape.required
    label = (shape.label, english_of(shape.name))
    if shape.children:
        return Group(
            path=path,
            label=label,
            required=shape.required,
            entries=tuple(_entry(child, path, always=always) for child in shape.children),
            rows_max=shape.occurs_max or 1,
        )
    if shape.simple is None:
        message = f"{shape.name} has neither a value nor children"
        raise ValueError(message)
    return Field(
        path=path,
        label=label,
        required=shape.required,
        always=always,
        control=_control(shape, shape.simple),
        simple=shape.simple,
        hint=hint_of(shape.simple),
        choices=_choices(shape.simple),
    )


def _control(shape: ElementShape, simple: SimpleShape) -> str:
    if simple.codes:
        if shape.repeated:
            return CHECKS
        return SELECT if len(simple.codes) <= CHOICES_MAX else LIST
    if shape.repeated:
        return LINES
    if simple.base in _CONTROLS:
        return _CONTROLS[simple.base]
    return AREA if (simple.length_max or 0) >= AREA_LENGTH_MIN and simple.pattern is None else TEXT


def _choices(simple: SimpleShape) -> tuple[tuple[str, str, str], ...]:
    if simple.base == "boolean":
        return (("true", "是", "yes"), ("false", "否", "no"))
    return tuple((code, zh, en) for (code, zh), en in zip(simple.codes, simple.codes_english, strict=True))
