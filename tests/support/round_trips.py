"""What has to be left of a record that went out by a mapping and came in again."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.departments.candidates import Candidate
    from node.departments.dialects.dialect import Written
    from node.departments.dialects.mapping_file import MappingFile


def carried(mapping: MappingFile, records: Iterable[Written]) -> list[Any]:
    """Return the records whose type the mapping has."""
    return [one for one in records if one.record_type in mapping.record_types()]


def expected(mapping: MappingFile, record: Written, variant: str) -> dict[str, Any]:
    """Return a record's content without what no column holds, with codes as they come back."""
    content = copy.deepcopy(dict(record.content))
    for path in mapping.not_carried(record.record_type):
        _remove(content, path.split("/"))
    for table in mapping.tables.values():
        for one in table.records:
            if one.record_type != record.record_type:
                continue
            for element in one.elements:
                value = content.get(element.path[0])
                if element.codes and isinstance(value, str):
                    reading = mapping.codes[element.codes].chosen(variant)
                    content[element.path[0]] = reading.read(reading.codes_out()[value])
    return content


def by_key(records: Iterable[tuple[str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Return records in an order that does not depend on how they were delivered."""
    return sorted(
        ((name, content["CaseNo"], content["Sequence"], content) for name, content in records), key=lambda one: one[:3]
    )


def came_back(candidates: Iterable[Candidate]) -> list[tuple[str, Any]]:
    """Return type and content of each candidate; none may have a problem."""
    found = list(candidates)
    assert [problem for one in found for problem in one.problems] == []
    return [(one.record_type, dict(one.content or {})) for one in found]


def _remove(content: dict[str, Any], path: list[str]) -> None:
    *above, name = path
    target: Any = content
    for step in above:
        target = target.get(step) if isinstance(target, dict) else None
    if isinstance(target, dict):
        target.pop(name, None)
        if above and not target:
            content.pop(above[0], None)
