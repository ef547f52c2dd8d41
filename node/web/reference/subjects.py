"""What the reference speaks of: record types, elements, simple types and code tables, and where each is used.

Made from the shapes of the schema, once per process; the templates only lay it out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from lxml import etree

from node.departments.candidates import DEPARTMENT_TYPES
from node.standard.checks import checked_elements
from node.standard.codec import SHAPES, parse_record, schema_parts
from node.standard.examples import example
from node.standard.families import RECORD_TYPES
from node.standard.shape import english_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.standard.families import RecordType
    from node.standard.shape import ElementShape, Parts, SimpleShape

_SOURCE: Final = re.compile(r"(GB/T 39046|up_\*|Guangdong|Shandong): ([^;]+?)(?:; ?|\. (?=The )|\.?$)")
_OURS: Final = re.compile(r"(?:The English name is|The name is|The codes are) ours\.?")
_STANDARD: Final = re.compile(r"\((GB [0-9]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The English documentation of a declaration, taken apart.

    ``text`` is prose; ``sources`` are the names that other standards have for it; ``ours``: the name is our own.
    """

    text: str
    sources: tuple[tuple[str, str], ...]
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One element in a table: its path below the record, how deep it stands, its shape and its note."""

    path: str
    depth: int
    shape: ElementShape
    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Elements whose numbers have check digits: ``standard`` such as ``GB 32100``, and (record type, element) pairs."""

    standard: str
    elements: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record type with all that its page shows."""

    kind: RecordType
    shape: ElementShape
    english: str
    header: tuple[Row, ...]
    own: tuple[Row, ...]
    checks: tuple[tuple[str, str], ...]
    example: str
    by_departments: bool

    @property
    def name(self) -> str:
        """Name of the type, which its page and its example are named after."""
        return self.kind.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Record types that one schema file declares."""

    name: str
    label: str
    note: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """Everything that has a page or an entry.

    ``elements`` gives by element name every (record type, row) in which it stands; ``uses`` gives by simple type the
    (record type, path) pairs of elements and attributes.
    """

    families: tuple[Family, ...]
    records: Mapping[str, Record]
    envelope: Mapping[str, tuple[Row, ...]]
    parts: Parts
    types: tuple[SimpleShape, ...]
    codes: tuple[SimpleShape, ...]
    elements: Mapping[str, tuple[tuple[str, Row], ...]]
    uses: Mapping[str, tuple[tuple[str, str], ...]]
    checks: tuple[Check, ...]

    def marked(self, mark: str) -> tuple[tuple[str, Row], ...]:
        """Return (record type, row) of each element with a mark: ``name``, ``identity``, ``contact``, ``important``."""
        every = (pair for pairs in self.elements.values() for pair in pairs)
        return tuple(
            (name, row)
            for name, row in every
            if mark == row.shape.privacy or (mark == "important" and row.shape.important)
        )


@cache
def subjects() -> Subjects:
    """Return what the reference of this version speaks of."""
    parts = schema_parts()
    records = {name: _record(kind) for name, kind in RECORD_TYPES.items()}
    elements = _elements(records)
    simple = sorted(parts.simple.values(), key=lambda one: one.name)
    return Subjects(
        families=tuple(_families(records, parts)),
        records=records,
        envelope={name: tuple(rows_of(shape)) for name, shape in SHAPES.items() if name not in RECORD_TYPES},
        parts=parts,
        types=tuple(one for one in simple if not is_table(one)),
        codes=tuple(one for one in simple if is_table(one)),
        elements=elements,
        uses=_uses(records),
        checks=tuple(_checks()),
    )


def is_table(simple: SimpleShape) -> bool:
    """Tell whether a simple type is a table of codes; one fixed value is none."""
    return len(simple.codes) > 1


def rows_of(shape: ElementShape) -> Iterator[Row]:
    """Yield a row for every element below ``shape``, in document order."""
    for path, child in shape.paths():
        yield Row(path=path, depth=path.count("/"), shape=child, note=note_of(child.note))


def note_of(text: str) -> Note:
    """Take the English documentation of a declaration apart."""
    sources = tuple((found[1], found[2].strip()) for found in _SOURCE.finditer(text))
    prose = _OURS.sub("", _SOURCE.sub("", text))
    return Note(text=prose.strip(" ;"), sources=sources, ours=bool(_OURS.search(text)))


def _record(kind: RecordType) -> Record:
    shape = SHAPES[kind.name]
    rows = list(rows_of(shape))
    heads = {child.name for child in shape.children if child.group}
    return Record(
        kind=kind,
        shape=shape,
        english=english_of(kind.name),
        header=tuple(row for row in rows if row.path.partition("/")[0] in heads),
        own=tuple(row for row in rows if row.path.partition("/")[0] not in heads),
        checks=tuple((element, _standard(text)) for element, text in checked_elements(kind.name)),
        example=readable(example(kind.name)),
        by_departments=kind.name in DEPARTMENT_TYPES,
    )


def readable(body: bytes) -> str:
    """Return a record with one element on a line, as people read it; the record itself has no such breaks."""
    element = parse_record(body)
    etree.indent(element)
    text: str = etree.tostring(element, encoding="unicode")
    return text


def _families(records: Mapping[str, Record], parts: Parts) -> Iterator[Family]:
    for name in dict.fromkeys(record.kind.family for record in records.values()):
        label, note = parts.files[name]
        members = tuple(record for record in records.values() if record.kind.family == name)
        yield Family(name=name, label=label, note=note, records=members)


def _elements(records: Mapping[str, Record]) -> Mapping[str, tuple[tuple[str, Row], ...]]:
    found: dict[str, list[tuple[str, Row]]] = {}
    for name, record in records.items():
        for row in (*record.header, *record.own):
            found.setdefault(row.shape.name, []).append((name, row))
    return {name: tuple(found[name]) for name in sorted(found)}


def _uses(records: Mapping[str, Record]) -> Mapping[str, tuple[tuple[str, str], ...]]:
    found: dict[str, dict[tuple[str, str], None]] = {}
    for name, record in records.items():
        for path, shape in (("", record.shape), *((row.path, row.shape) for row in (*record.header, *record.own))):
            if shape.simple is not None:
                found.setdefault(shape.simple.name, {})[name, path] = None
            for part in shape.attributes:
                found.setdefault(part.simple.name, {})[name, f"{path}@{part.name}"] = None
    return {name: tuple(pairs) for name, pairs in found.items()}


def _checks() -> Iterator[Check]:
    found: dict[str, list[tuple[str, str]]] = {}
    for name in RECORD_TYPES:
        for element, text in checked_elements(name):
            found.setdefault(_standard(text), []).append((name, element))
    for standard in sorted(found):
        yield Check(standard=standard, elements=tuple(dict.fromkeys(found[standard])))


def _standard(text: str) -> str:
    """Return the standard that a check's text names; raises ValueError when it names none."""
    named = _STANDARD.search(text)
    if named is None:
        message = f"a check digit's text has to name its standard: {text!r}"
        raise ValueError(message)
    return named[1]
