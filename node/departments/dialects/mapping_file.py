"""What a mapping file says: for each table of a source, which records its rows are and where each element comes from.

``mapping_loading`` makes these values from a file and checks them; ``row_mapping`` reads rows by them, ``row_writing``
writes records back into rows. docs/reference/mapping-file.md explains every key; KEYS lists them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from node.standard.compose import record_shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.departments.dialects.dialect import Loss
    from node.departments.dialects.mapping_codes import CodeTable
    from node.departments.dialects.time_forms import TimeForm
    from node.standard.shape import ElementShape

XML: Final = "xml"
JSON: Final = "json"
CSV: Final = "csv"
FILE_FORMS: Final = (XML, JSON, CSV)
SET_BY_NODE: Final = frozenset({"Salt", "Channel"})
CASE_NUMBER: Final = ("CaseNo",)
FOREIGN_NUMBER: Final = ("OrigCaseNo",)
"""Where a number goes that is no case number of ours; the same column gives either."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "file": (
        "label",
        "english",
        "extends",
        "reads",
        "xml",
        "times",
        "dates",
        "truth",
        "items",
        "parts",
        "variants",
        "versioning",
        "ignored",
        "own",
        "shared",
        "elements",
        "codes",
        "tables",
        "cannot_carry",
    ),
    "xml": ("roots", "table", "name", "row", "field", "field_name"),
    "shared": ("key", "elements"),
    "codes": ("label", "plain", "variants", "written"),
    "tables": ("label", "names", "key", "ignored", "accepted", "records"),
    "records": ("type", "when", "elements"),
    "when": ("column", "given", "is"),
    "elements": ("column", "constant", "default", "codes", "times", "dates", "template", "digest", "parts"),
}
"""Every key that a mapping file may have, by the kind of table that it stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementMapping:
    """Where one element comes from.

    The first of ``columns`` that is filled gives it, else ``template`` (text with columns in braces), else ``digest``
    (a number made of columns), else ``default``; ``constant`` is always the same. ``codes`` names a code table,
    ``times`` and ``dates`` are its forms where they are not the file's; ``parts`` are what parts of an item are when
    the item does not say them.
    """

    path: tuple[str, ...]
    columns: tuple[str, ...] = ()
    constant: str = ""
    default: str = ""
    codes: str = ""
    times: tuple[TimeForm, ...] = ()
    dates: tuple[TimeForm, ...] = ()
    template: str = ""
    digest: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What has to be true of a row: a column is filled or empty (``given``), or holds one of ``values``."""

    column: str
    given: bool | None = None
    values: tuple[str, ...] = ()

    def holds(self, row: Mapping[str, str]) -> bool:
        """Tell whether it is true of a row's values; what is not given is empty."""
        value = row.get(self.column, "")
        return value in self.values if self.given is None else bool(value) == self.given


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMapping:
    """One record that a row of a table gives when all conditions hold."""

    record_type: str
    when: tuple[Condition, ...]
    elements: tuple[ElementMapping, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """One table of the source: its name, further names, and what its rows are.

    ``key`` are columns that must be filled, ``ignored`` those read past on purpose; ``accepted`` bounds what some
    columns may hold.
    """

    name: str
    label: str
    names: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    accepted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    records: tuple[RecordMapping, ...] = ()

    def columns(self) -> tuple[str, ...]:
        """Return every column that is known, in the order in which the mapping names them; ignored ones last."""
        known: dict[str, None] = dict.fromkeys(self.key)
        for record in self.records:
            for element in record.elements:
                known.update(dict.fromkeys((*element.columns, *element.digest, *template_columns(element.template))))
            known.update(dict.fromkeys(condition.column for condition in record.when))
        known.update(dict.fromkeys((*self.accepted, *sorted(self.ignored))))
        return tuple(known)


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlForm:
    """How rows stand in XML: elements around them, the one that holds a table, the row, and how columns are named.

    ``name`` is the attribute with the table's name, of ``table`` or, where there is none, of ``row``. Columns are child
    elements, or elements ``field`` with the attribute ``field_name``.
    """

    roots: tuple[str, ...]
    row: str
    name: str
    table: str = ""
    field: str = ""
    field_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedElements:
    """Elements that a row may leave out when an earlier row of the delivery with the same ``key`` gave them."""

    key: str
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFile:
    """A whole mapping file, checked. ``cannot_carry`` says what is lost beside what has no column.

    ``own`` are columns that the source's own definition, as far as it is public, does not have.
    """

    name: str
    label: str
    english: str
    reads: tuple[str, ...]
    xml: XmlForm | None
    times: tuple[TimeForm, ...]
    dates: tuple[TimeForm, ...]
    truth: Mapping[str, str]
    items: tuple[str, ...]
    parts: str
    variants: tuple[str, ...]
    versioning: str
    codes: Mapping[str, CodeTable]
    tables: Mapping[str, TableMapping]
    shared: SharedElements | None = None
    own: frozenset[str] = frozenset()
    cannot_carry: tuple[Loss, ...] = ()

    def table_named(self, name: str) -> TableMapping | None:
        """Return a table by one of its names, whatever the case of their letters; None when there is none."""
        wanted = name.casefold()
        for table in self.tables.values():
            if wanted in {known.casefold() for known in (table.name, *table.names)}:
                return table
        return None

    def record_types(self) -> frozenset[str]:
        """Return the record types that rows can give."""
        return frozenset(record.record_type for table in self.tables.values() for record in table.records)

    def not_carried(self, record_type: str) -> tuple[str, ...]:
        """Return the paths of elements that no column of any table of this mapping holds, in the schema's order."""
        carried: set[tuple[str, ...]] = {
            element.path
            for table in self.tables.values()
            for record in table.records
            if record.record_type == record_type
            for element in record.elements
        }
        if CASE_NUMBER in carried:
            carried.add(FOREIGN_NUMBER)
        return tuple("/".join(path) for path in leaf_paths(record_type) if path not in carried)


def leaf_paths(record_type: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths of what a column can hold: simple elements and lists, without what the node sets itself."""

    def walk(shape: ElementShape, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        path = (*path, shape.name)
        if shape.children and not shape.repeated:
            for child in shape.children:
                yield from walk(child, path)
        else:
            yield path

    for child in record_shape(record_type).children:
        if child.name not in SET_BY_NODE:
            yield from walk(child, ())


def template_columns(template: str) -> tuple[str, ...]:
    """Return the columns that a template names."""
    return tuple(part.partition("}")[0] for part in template.split("{")[1:])
