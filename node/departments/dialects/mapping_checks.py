"""A mapping against the standard: elements and codes that exist, nothing required without a source, forms that read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects.mapping_file import CASE_NUMBER, ElementMapping, MappingFile, RecordMapping, leaf_paths
from node.departments.dialects.mapping_section import MappingError
from node.standard.compose import record_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.standard.shape import ElementShape


def check_mapping(mapping: MappingFile) -> None:
    """Raise MappingError for what the standard does not have, or cannot take from where the mapping says."""
    for variant in {one for table in mapping.codes.values() for one in table.variants} - set(mapping.variants):
        raise MappingError(f"variants: {variant} stands in a code table and is not among the variants of the file")
    _check_names(mapping)
    for name, table in mapping.tables.items():
        for number, record in enumerate(table.records, start=1):
            place = f"tables.{name}.records[{number}]"
            if record.record_type not in DEPARTMENT_TYPES:
                raise MappingError(f"{place}.type: {record.record_type[:64]} is no type that a department hands in")
            _check_record(mapping, record, place)


def shape_at(record_type: str, path: tuple[str, ...]) -> ElementShape | None:
    """Return the shape of an element by its path, None when the type has none."""
    shape: ElementShape | None = record_shape(record_type)
    for name in path:
        shape = None if shape is None else shape.child(name)
    return shape


def _check_names(mapping: MappingFile) -> None:
    seen: set[str] = set()
    for table in mapping.tables.values():
        for name in (table.name, *table.names):
            if name.casefold() in seen:
                raise MappingError(f"tables.{table.name}: the name {name} stands for two tables")
            seen.add(name.casefold())


def _check_record(mapping: MappingFile, record: RecordMapping, place: str) -> None:
    paths = set(leaf_paths(record.record_type))
    for element in record.elements:
        where = f"{place}.elements.{'/'.join(element.path)}"
        shape = shape_at(record.record_type, element.path)
        if shape is None or element.path not in paths:
            raise MappingError(f"{where}: {record.record_type} has no such element that a column can hold")
        _check_element(mapping, element, shape, where)
    given = {element.path for element in record.elements}
    missing = [path for path in paths if path not in given and path != CASE_NUMBER and _required(record, path)]
    if missing:
        names = ", ".join(sorted("/".join(path) for path in missing))
        raise MappingError(f"{place}: {record.record_type} needs {names}; name a column, a default or a constant")


def _required(record: RecordMapping, path: tuple[str, ...]) -> bool:
    """Tell whether a record without the element is always refused."""
    return all(shape is not None and shape.required for shape in _shapes(record.record_type, path))


def _shapes(record_type: str, path: tuple[str, ...]) -> Iterator[ElementShape | None]:
    for length in range(1, len(path) + 1):
        yield shape_at(record_type, path[:length])


def _check_element(mapping: MappingFile, element: ElementMapping, shape: ElementShape, where: str) -> None:
    if element.codes and shape.children:
        raise MappingError(f"{where}.codes: a list of items has no single code")
    if element.codes and element.codes not in mapping.codes:
        raise MappingError(f"{where}.codes: there is no code table {element.codes[:40]}")
    allowed = {code for code, _ in shape.simple.codes} if shape.simple is not None else set()
    for value in (element.constant, element.default):
        if value and allowed and value not in allowed:
            raise MappingError(f"{where}: {value[:40]} is not one of {', '.join(sorted(allowed))}")
    if element.codes and allowed:
        _check_codes(mapping, element.codes, allowed, where)
    base = shape.simple.base if shape.simple is not None else ""
    forms = element.times or mapping.times
    if base == "dateTime" and element.columns and (not forms or not all(form.timed for form in forms)):
        raise MappingError(f"{where}: a time needs forms (times) with hours and minutes")
    if base == "date" and element.columns and not (element.dates or mapping.dates):
        raise MappingError(f"{where}: a date needs forms (dates)")
    if element.parts and not shape.children:
        raise MappingError(f"{where}.parts: the element has no parts")
    unknown = sorted(name for name in element.parts if shape.child(name) is None)
    if unknown:
        raise MappingError(f"{where}.parts: there is no part {', '.join(unknown)}")


def _check_codes(mapping: MappingFile, name: str, allowed: set[str], where: str) -> None:
    table = mapping.codes[name]
    for codes in (table.plain or {}, *table.variants.values()):
        for code, meant in codes.items():
            if meant and meant not in allowed:
                raise MappingError(
                    f"{where}.codes: {name} turns {code} into {meant[:40]}, which is not one of "
                    f"{', '.join(sorted(allowed))}"
                )
