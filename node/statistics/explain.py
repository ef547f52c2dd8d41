"""Explaining a figure: from what a node published through its children's summaries down to the records that count.

A node holds the ``ancestors`` streams of everyone below it, so it opens each child's summary at the position that was
added, compares sums at every level, and counts the records itself. Nothing is asked of anybody. Reading only; every
list has a bound, and what is missing or does not add up is named, never skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from node.cases.view import masked
from node.journal import quarantine
from node.journal.holdings import find
from node.journal.records import stored
from node.journal.tables import record_key
from node.standard.codec import parse_unvalidated
from node.standard.compose import record_shape
from node.standard.facts import facts_of
from node.standard.seals import ANCESTORS, StreamName
from node.statistics.comparisons import comparisons
from node.statistics.contributions import counted_cases, counted_records
from node.statistics.counters import day_number
from node.statistics.indicators import DERIVED_INDICATORS, FigureKey, within_range
from node.statistics.summaries import (
    AGREED,
    DISPUTED,
    PENDING,
    WORDS,
    newest_summary,
    stated_by,
    stream_ids,
    summary_at,
)
from node.statistics.summary import state_day
from node.statistics.tables import summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.statistics.comparisons import Comparison
    from node.statistics.contributions import CountedRecord
    from node.statistics.stated import Stated
    from node.statistics.summaries import HeldSummary
    from node.trust.tree import Tree

OWN: Final = "own"
"""Verdict on this node's own summary: nobody judges itself."""
UNPUBLISHED: Final = "unpublished"
"""Verdict where this node has published nothing for the day: figures as counted now."""

NOT_REPORTED: Final = "not reported"
NOT_HELD: Final = "not held"
NO_CHILD: Final = "no child"
"""Why a child is missing: it published nothing, its summary did not arrive here, it stands elsewhere in the tree."""

MISSING_MAX: Final = 100
POSITIONS_MAX: Final = 20
RECORDS_MAX: Final = 500
TOUCHED_MAX: Final = 50_000
"""Bounds of one level, chosen by us: missing children and waiting records named, records shown, and records behind a
summary up to which its cases are counted again as they stood then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be explained.

    ``indicator`` may be a derived one; ``days`` are ``YYYY-MM-DD``; ``division`` is a code or its beginning and
    ``organisation`` a department's code, both empty for all. ``records_max`` records a level are shown (0: none, and
    they are not counted either), those of cases behind the number ``after``.
    """

    indicator: str
    days: tuple[str, ...]
    division: str = ""
    organisation: str = ""
    records_max: int = 20
    after: str = ""

    def amount(self, figures: Mapping[FigureKey, int]) -> int:
        """Return the sum of the figures that are asked for."""
        return sum(amount for key, amount in figures.items() if self.takes(key))

    def takes(self, key: FigureKey) -> bool:
        """Tell whether a figure is asked for."""
        addends = next((one.addends for one in DERIVED_INDICATORS if one.name == self.indicator), (self.indicator,))
        return (
            key.indicator in addends
            and key.division.startswith(self.division)
            and self.organisation in {"", key.organisation}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One summary that was added: its day, position (None: unpublished) and time, what it states, and its verdict.

    ``newest``: position of the newest summary of that day that is held, another one where it was restated since.
    """

    day: str
    position: int | None
    stated_at: datetime | None
    own: int
    subtree: int
    verdict: str
    newest: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A child that does not count on a day, and why."""

    node: str
    day: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRecord:
    """One record and what it adds; ``case_no`` is masked where the standard marks it."""

    stream: StreamName
    position: int
    record_type: str
    case_no: str
    day: str
    key: FigureKey
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One node of the explanation.

    ``adds_up``: subtree is own and the children's subtree. ``counted``: what the records held here add (None: not
    counted), ``record_count`` how many they are; ``after`` is the case number to go on behind, empty at the end.
    ``waiting`` are positions that are quarantined and not counted, ``waiting_count`` how many they are. ``comparisons``
    are those of the summaries in ``versions``, with the differences of what was asked for only.
    """

    node: str
    name: str
    own: int
    subtree: int
    verdict: str
    adds_up: bool
    versions: tuple[Version, ...]
    counted: int | None
    record_count: int
    records: tuple[ShownRecord, ...]
    after: str
    waiting: tuple[int, ...]
    waiting_count: int
    missing: tuple[Missing, ...]
    comparisons: tuple[Comparison, ...]
    children: tuple[Level, ...]

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Level]]:
        """Give this level and all below with their depths, parents first."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


@dataclass(slots=True, kw_only=True)
class _Opened:
    """The summaries of one node that were found, by day, and the children that do not count."""

    held: dict[str, HeldSummary] = field(default_factory=dict)
    stated: dict[str, Stated] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)


def explain(connection: Connection, tree: Tree, asked: Asked, *, node_code: str, start: str | None = None) -> Level:
    """Return the figure of ``start`` (default: this node, ``node_code``) as this node can explain it.

    Raises NotFoundError when ``start`` is not in the tree.
    """
    code = start or node_code
    tree.node(code)
    return _Explainer(connection, tree, asked, node_code).level(code, None)


class _Explainer:
    """Walks down from one node."""

    def __init__(self, connection: Connection, tree: Tree, asked: Asked, node_code: str) -> None:
        self._connection = connection
        self._tree = tree
        self._asked = asked
        self._node_code = node_code
        self._ids = stream_ids(connection)

    def level(self, code: str, positions: Mapping[str, int] | None) -> Level:
        """Explain one node at the positions named by day; None: its newest summaries."""
        opened = self._open(code, positions)
        versions = tuple(self._version(code, day, opened) for day in sorted(opened.stated))
        below = self._children(code, opened)
        children = tuple(self.level(child, below[child]) for child in sorted(below))
        own, subtree = sum(one.own for one in versions), sum(one.subtree for one in versions)
        counted, record_count, as_of = self._count(code, opened)
        records, after = self._records(code, as_of)
        waiting, waiting_count = self._waiting(code)
        return Level(
            node=code,
            name=self._tree.name(code) if self._tree.knows(code) else "",
            own=own,
            subtree=subtree,
            verdict=_worst([one.verdict for one in versions]),
            adds_up=subtree == within_range(own + sum(child.subtree for child in children)),
            versions=versions,
            counted=counted,
            record_count=record_count,
            records=tuple(records),
            after=after,
            waiting=waiting,
            waiting_count=waiting_count,
            missing=tuple(opened.missing[:MISSING_MAX]),
            comparisons=self._comparisons(code, versions),
            children=children,
        )

    def _open(self, code: str, positions: Mapping[str, int] | None) -> _Opened:
        opened = _Opened()
        number = self._ids.get(code)
        for day in self._asked.days if positions is None else sorted(positions):
            held = None
            if number is not None and positions is None:
                held = newest_summary(self._connection, number, day_number(day))
            elif number is not None and positions is not None:
                held = summary_at(self._connection, number, positions[day])
            if held is not None:
                opened.held[day] = held
                opened.stated[day] = stated_by(self._connection, held)
            elif code == self._node_code and positions is None:
                children = self._tree.children(code)
                opened.stated[day] = state_day(self._connection, day, node_code=code, children=children)
            else:
                opened.missing.append(Missing(node=code, day=day, why=NOT_HELD if positions else NOT_REPORTED))
        return opened

    def _version(self, code: str, day: str, opened: _Opened) -> Version:
        stated, held = opened.stated[day], opened.held.get(day)
        own, subtree = self._asked.amount(stated.own), self._asked.amount(stated.subtree)
        if held is None:
            return Version(
                day=day, position=None, stated_at=None, own=own, subtree=subtree, verdict=UNPUBLISHED, newest=None
            )
        newest = newest_summary(self._connection, held.stream_id, held.day)
        return Version(
            day=day,
            position=held.position,
            stated_at=self._stated_at(held),
            own=own,
            subtree=subtree,
            verdict=OWN if code == self._node_code else self._verdict(held),
            newest=None if newest is None else newest.position,
        )

    def _stated_at(self, held: HeldSummary) -> datetime | None:
        (last,) = stored(self._connection, held.stream_id, held.position, held.position)
        return None if last.body is None else facts_of(parse_unvalidated(last.body)).event_at

    def _verdict(self, held: HeldSummary) -> str:
        query = select(summary.c.verdict).where(summary.c.last_key == record_key(held.stream_id, held.position))
        return WORDS[self._connection.execute(query).scalar_one()]

    def _children(self, code: str, opened: _Opened) -> dict[str, dict[str, int]]:
        """Return day and position of each child that counts, as a verdict counts them."""
        found: dict[str, dict[str, int]] = {}
        for day, stated in sorted(opened.stated.items()):
            for child, position in stated.children.items():
                if child == code or (self._tree.knows(child) and self._tree.parent(child) != code):
                    opened.missing.append(Missing(node=child, day=day, why=NO_CHILD))
                elif child not in self._ids:
                    opened.missing.append(Missing(node=child, day=day, why=NOT_HELD))
                else:
                    found.setdefault(child, {})[day] = position
            opened.missing += [Missing(node=child, day=day, why=NOT_REPORTED) for child in stated.missing]
        # A node that is in no tree has no level of its own: what cannot be walked is named, and adds nothing.
        for child in [child for child in found if not self._tree.knows(child)]:
            opened.missing += [Missing(node=child, day=day, why=NO_CHILD) for day in found.pop(child)]
        return found

    def _count(self, code: str, opened: _Opened) -> tuple[int | None, int, int | None]:
        """Return what the records held add, how many they are, and as of which size (None: as they stand now).

        They are counted as they stand now first: that is quick, and mostly what was published.
        """
        number = self._ids.get(code)
        if not self._asked.records_max:
            return None, 0, None
        if number is None:
            return 0, 0, None
        total, count = self._sum(number, None)
        stated = sum(self._asked.amount(one.own) for one in opened.stated.values())
        held = find(self._connection, StreamName(code, ANCESTORS))
        if total == stated or held is None or len(self._asked.days) != 1 or not opened.held:
            return total, count, None
        (version,) = opened.held.values()
        size = version.first_position - 1
        if held.size - size > TOUCHED_MAX:
            return total, count, None
        return (*self._sum(number, size), size)

    def _sum(self, number: int, size: int | None) -> tuple[int, int]:
        total = count = 0
        days = frozenset(map(day_number, self._asked.days))
        for case in counted_cases(self._connection, number, days, size=size):
            amounts = [self._asked.amount(figures) for figures in case.figures.values()]
            if any(amounts):
                total += sum(amounts)
                count += sum(self._asked.takes(key) for figures in case.figures.values() for key in figures)
        return total, count

    def _records(self, code: str, size: int | None) -> tuple[list[ShownRecord], str]:
        number, wanted = self._ids.get(code), self._asked.records_max
        found: list[ShownRecord] = []
        if number is None or not wanted:
            return found, ""
        days = frozenset(map(day_number, self._asked.days))
        last = ""
        for case in counted_cases(self._connection, number, days, size=size, after=self._asked.after):
            if not any(self._asked.takes(key) for figures in case.figures.values() for key in figures):
                continue
            if len(found) >= wanted:
                return found[:RECORDS_MAX], last
            last = case.case_no
            found += [
                self._shown(code, one)
                for one in counted_records(self._connection, case.case_id, case.last_key, size=size)
                if one.day in self._asked.days and self._asked.takes(one.key)
            ]
        return found[:RECORDS_MAX], ""

    def _shown(self, code: str, one: CountedRecord) -> ShownRecord:
        return ShownRecord(
            stream=StreamName(code, ANCESTORS),
            position=one.position,
            record_type=one.record_type,
            case_no=str(masked({"CaseNo": one.case_no}, record_shape(one.record_type))["CaseNo"]),
            day=one.day,
            key=one.key,
            amount=one.amount,
        )

    def _comparisons(self, code: str, versions: tuple[Version, ...]) -> tuple[Comparison, ...]:
        positions = {one.position for one in versions if one.position is not None}
        return tuple(
            replace(one, found=tuple(difference for difference in one.found if self._asked.takes(difference.key)))
            for one in comparisons(self._connection, origin=code, positions=positions)
        )

    def _waiting(self, code: str) -> tuple[tuple[int, ...], int]:
        """Return the first positions of a stream that are quarantined, and how many there are."""
        stream = StreamName(code, ANCESTORS)
        if code not in self._ids:
            return (), 0
        count = quarantine.count(self._connection, stream=stream)
        listed = quarantine.listed(self._connection, stream=stream, limit=POSITIONS_MAX) if count else []
        return tuple(one.position for one in listed), count


def _worst(verdicts: list[str]) -> str:
    """Return the verdict that a person has to look at first; empty where nothing was stated."""
    order = (WORDS[DISPUTED], WORDS[PENDING], UNPUBLISHED, WORDS[AGREED], OWN)
    return next((word for word in order if word in verdicts), "")
