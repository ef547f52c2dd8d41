"""What a StatisticsSummary states, as values: reading its parts, composing them, and its content hash. Pure.

A summary too long for one record is written in parts at consecutive positions of its stream; the position of the last
part is the summary's version. Figures that are zero are not written.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from node.standard.codec import TAG_PREFIX
from node.statistics.indicators import FigureKey, Figures, add_figures, within_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RECORD_TYPE = "StatisticsSummary"
PART_BYTES_MAX = 200 * 1024
"""How large one part may grow, below the 256 KiB of a record; chosen by us."""
_HEAD_BYTES = 2 * 1024
_KEY_BYTES = 130
_VALUE_BYTES = 60
_CHILD_BYTES = 60

Content = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Stated:
    """One summary: ``day`` is ``YYYY-MM-DD``, ``children`` maps a child's code to the position that was added."""

    day: str
    definition_version: int
    own: Figures = field(default_factory=dict)
    subtree: Figures = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def content_hash(self) -> bytes:
        """Return 32 bytes that are equal exactly when two summaries state the same."""
        stated = [
            self.day,
            self.definition_version,
            sorted((*key, amount) for key, amount in self.own.items()),
            sorted((*key, amount) for key, amount in self.subtree.items()),
            sorted(self.children.items()),
            sorted(self.missing),
        ]
        return hashlib.sha256(json.dumps(stated, ensure_ascii=False).encode()).digest()


def part_of(element: Any) -> tuple[int, int]:
    """Return (part, parts) of a valid summary record, both from 1."""
    return int(element.findtext(f"{TAG_PREFIX}Part")), int(element.findtext(f"{TAG_PREFIX}Parts"))


def read_parts(elements: Iterable[Any]) -> Stated | None:
    """Return what the parts of one summary state together; None when they are not its parts 1 to n in order.

    They are taken one by one, and no further than the first that does not fit: a summary may be large.
    """
    stated: Stated | None = None
    expected = (0, 0)
    for element in elements:
        # The schema lets blanks stand around a date and a number.
        day = element.findtext(f"{TAG_PREFIX}Day").strip()
        version = int(element.findtext(f"{TAG_PREFIX}DefinitionVersion"))
        part, parts = part_of(element)
        if stated is None:
            stated, expected = Stated(day=day, definition_version=version), (0, parts)
        if (part, parts) != (expected[0] + 1, expected[1]) or (day, version) != (stated.day, stated.definition_version):
            return None
        expected = part, parts
        _take_part(stated, element)
    return stated if expected[0] == expected[1] else None


def _take_part(stated: Stated, element: Any) -> None:
    add_figures(stated.own, _figures(element.find(f"{TAG_PREFIX}Own")))
    subtree = element.find(f"{TAG_PREFIX}Subtree")
    add_figures(stated.subtree, _figures(subtree))
    for child in subtree.iterfind(f"{TAG_PREFIX}Child"):
        stated.children[child.get("Code")] = int(child.get("Position"))
    stated.missing += [missing.get("Code") for missing in subtree.iterfind(f"{TAG_PREFIX}Missing")]


def compose_parts(stated: Stated) -> list[Content]:
    """Return the content of each part, without RecordKey and EventTime, none larger than ``PART_BYTES_MAX``."""
    parts = _Parts(stated)
    for section, figures in (("Own", stated.own), ("Subtree", stated.subtree)):
        for key in _keys(figures):
            parts.add(section, key)
    contents = []
    for index, (own, subtree) in enumerate(parts.sections):
        first = index == 0
        children = [{"@Code": code, "@Position": str(at)} for code, at in sorted(stated.children.items())]
        missing = [{"@Code": code} for code in sorted(stated.missing)]
        contents.append(
            {
                "Day": stated.day,
                "DefinitionVersion": str(stated.definition_version),
                "Part": str(index + 1),
                "Parts": str(len(parts.sections)),
                "Own": {"Key": own},
                "Subtree": {"Child": children if first else [], "Missing": missing if first else [], "Key": subtree},
            }
        )
    return contents


def differing_keys(stated: Mapping[FigureKey, int], computed: Mapping[FigureKey, int]) -> list[FigureKey]:
    """Return the keys whose figures differ, sorted; a missing one is zero, one out of range differs always."""
    return sorted(key for key in {*stated, *computed} if not _agree(stated.get(key, 0), computed.get(key, 0)))


def _agree(stated: int, computed: int) -> bool:
    return stated == computed == within_range(computed)


class _Parts:
    """Fills one part after the other: per part the keys of Own and of Subtree."""

    def __init__(self, stated: Stated) -> None:
        self._room = PART_BYTES_MAX - _HEAD_BYTES - _CHILD_BYTES * (len(stated.children) + len(stated.missing))
        self.sections: list[tuple[list[Content], list[Content]]] = [([], [])]

    def add(self, section: str, key: Content) -> None:
        size = _KEY_BYTES + _VALUE_BYTES * len(key["Value"])
        if size > self._room:
            self.sections.append(([], []))
            self._room = PART_BYTES_MAX - _HEAD_BYTES
        self._room -= size
        self.sections[-1][0 if section == "Own" else 1].append(key)


def _keys(figures: Figures) -> Iterable[Content]:
    grouped: dict[tuple[str, str, str, str], list[Content]] = {}
    for key, amount in sorted(figures.items()):
        values = grouped.setdefault(key[:4], [])
        values.append({"@Indicator": key.indicator, "#text": str(amount)})
    for (division, organisation, task, channel), values in grouped.items():
        yield {"@Division": division, "@Org": organisation, "@Task": task, "@Channel": channel, "Value": values}


def _figures(section: Any) -> Figures:
    figures: Figures = {}
    for key in section.iterfind(f"{TAG_PREFIX}Key"):
        prefix = (key.get("Division"), key.get("Org"), key.get("Task"), key.get("Channel"))
        for value in key:
            figure = FigureKey(*prefix, value.get("Indicator"))
            figures[figure] = figures.get(figure, 0) + int(value.text)
    return {key: amount for key, amount in figures.items() if amount}
