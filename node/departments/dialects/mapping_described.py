"""A mapping for people: which column of which table goes where, with codes, and what is lost on the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects.dialect import DescribedColumn, DescribedTable, Loss
from node.departments.dialects.mapping_checks import shape_at
from node.departments.dialects.mapping_file import leaf_paths
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.departments.dialects.mapping_file import ElementMapping, MappingFile, RecordMapping


def described_tables(mapping: MappingFile) -> tuple[DescribedTable, ...]:
    """Return a table for each record that a row of a source's table gives."""
    return tuple(
        DescribedTable(
            name=table.name,
            record_type=record.record_type,
            columns=tuple(_column(mapping, record, element) for element in record.elements),
        )
        for table in mapping.tables.values()
        for record in table.records
    )


def losses(mapping: MappingFile) -> tuple[Loss, ...]:
    """Return what a record loses that goes out by a mapping and comes in again."""
    return (*mapping.cannot_carry, *_elements_lost(mapping), _types_lost(mapping))


def source_of(element: ElementMapping) -> str:
    """Return where an element comes from, in the words of a mapping file."""
    if element.constant:
        return f"= {element.constant}"
    parts = [" | ".join(element.columns)] if element.columns else []
    if element.template:
        parts.append(element.template)
    if element.digest:
        parts.append(f"digest of {', '.join(element.digest)}")
    if element.default:
        parts.append(f"else {element.default}")
    return "; ".join(parts)


def _column(mapping: MappingFile, record: RecordMapping, element: ElementMapping) -> DescribedColumn:
    shape = shape_at(record.record_type, element.path)
    labels = dict(shape.simple.codes) if shape is not None and shape.simple is not None else {}
    codes = tuple(labels.items())
    if element.codes:
        table = mapping.codes[element.codes]
        meant = table.plain if table.plain is not None else next(iter(table.variants.values()))
        codes = tuple((code, labels.get(value, value) or "–") for code, value in meant.items())
    return DescribedColumn(
        source=source_of(element),
        element="/".join(element.path),
        required=shape is not None and shape.required and len(element.path) == 1,
        codes=codes,
    )


def _elements_lost(mapping: MappingFile) -> Iterator[Loss]:
    """Yield what no column holds: first what is lost wherever it stands, then what is lost in one type."""
    lost = {name: mapping.not_carried(name) for name in sorted(mapping.record_types())}
    holders: dict[str, list[str]] = {}
    for name in lost:
        for path in leaf_paths(name):
            holders.setdefault("/".join(path), []).append(name)
    always = [path for path, names in holders.items() if len(names) > 1 and all(path in lost[name] for name in names)]
    if always:
        labelled = "、".join(_labelled(holders[path][0], path) for path in always)
        yield Loss(
            chinese=f"凡有下列元素的记录：{labelled}", english=f"every record that has them: {', '.join(always)}"
        )
    for name, paths in lost.items():
        own = [path for path in paths if path not in always]
        if own:
            labelled = "、".join(_labelled(name, path) for path in own)
            yield Loss(chinese=f"{RECORD_TYPES[name].label} {name}：{labelled}", english=f"{name}: {', '.join(own)}")


def _labelled(record_type: str, path: str) -> str:
    """Return the 中文 label of an element and its path."""
    shape = shape_at(record_type, tuple(path.split("/")))
    return f"{shape.label} {path}" if shape is not None else path


def _types_lost(mapping: MappingFile) -> Loss:
    lost = sorted(DEPARTMENT_TYPES - mapping.record_types())
    labelled = "、".join(f"{RECORD_TYPES[name].label} {name}" for name in lost)
    return Loss(chinese=f"下列类型的记录：{labelled}", english=f"records of the types {', '.join(lost)}")
