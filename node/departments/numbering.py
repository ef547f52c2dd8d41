"""Case numbers for cases whose system has numbers of its own: the same foreign number always gets the same one of ours.

A record that brings ``OrigCaseNo`` and no ``CaseNo`` gets the number under which the pair (system, foreign number) is
known at this node, or a new one: division, department, item, day and serial (``node.standard.identifiers``). Numbers
are given out in a short transaction of their own, before the records are made, for what the source may hand in, and
stay given out whatever becomes of the records: offered again, a delivery meets the same numbers, so nothing is taken
twice.

Of two numbers that a delivery gives side by side the case number counts: where one record of a batch, or of the batch
before it, brings both, the others of that case get the number that it brings, unless records have another one already.

A pair names one case. A record that brings both numbers and contradicts what is known is refused where it is taken in
(rule ``foreign-number``), unless no record of the case that the pair stands for was ever taken in: then the number that
was given out is dropped for the one that it brings. What other nodes have signed is never refused for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from sqlalchemy import delete, select

from node.cases.tables import CASE_TABLES, PENALTY_TABLES
from node.departments.case_headers import (
    HEADER_BYTES,
    NUMBER_LENGTH_MAX,
    RULE_NUMBER,
    SYSTEM_LENGTH_MAX,
    has_number,
    names_a_case,
    parts_of,
)
from node.departments.serials import Serials, stem_of
from node.departments.tables import foreign_number
from node.errors import NotFoundError, Problem
from node.journal import holdings
from node.journal.statements import in_parameter, select_in_sql, upsert_sql
from node.standard.codec import SHAPES, VERSION
from node.standard.facts import TREE_ZONE, Facts
from node.standard.identifiers import CASE_SERIAL_MAX, DIVISION_LENGTHS, is_credit_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from sqlalchemy.engine import Connection

    from node.departments.candidates import Candidate
    from node.departments.rights import Objection
    from node.journal.store import Transaction
    from node.standard.seals import StreamName

T = TypeVar("T")

_UNFIT: Final = (
    f"OrigCaseNo has at most {NUMBER_LENGTH_MAX} characters and OrigSystem {SYSTEM_LENGTH_MAX}, all of them printable"
)
RULE_FOREIGN_NUMBER: Final = "foreign-number"
_INSERT_BEFORE: Final = re.compile(rb"<Orig(?:System|CaseNo)\s*>")
_CASE_NUMBER: Final = re.compile(r"[0-9A-Z]{1,50}\Z")
"""The form of CaseNo in the standard."""


class ForeignNumber(NamedTuple):
    """A case number of another system: unique together with the system's name."""

    system: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unnumbered:
    """A candidate that waits for its number, with what its header says."""

    place: int
    foreign: ForeignNumber
    facts: Facts
    parts: dict[str, str]
    needs_task: bool


Ask = Callable[["Facts", str], "Objection | None"]
"""Tells why a record with these facts of its header, and a number of this system, may not be handed in."""


def nobody_objects(_: Connection) -> Ask:
    """Let everybody hand in everything: for a check of conformance, which knows no source."""
    return lambda _facts, _system: None


class Writer(Protocol):
    """What numbers are given out on: a store, or what stands for one while nothing is to be kept."""

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a transaction and return what it returns."""


def number_cases(
    store: Writer,
    candidates: Sequence[Candidate],
    *,
    source: str,
    before: Sequence[Candidate] = (),
    rights: Callable[[Connection], Ask] = nobody_objects,
    stream: StreamName | None = None,
) -> Sequence[Candidate]:
    """Return the candidates, each with a case number as far as one can be told.

    ``source`` names the system where a record does not; ``before`` is the delivery's batch before this one, which may
    not be written yet; ``rights`` are asked, in the transaction that gives numbers out, before one is given; ``stream``
    tells by its records which known numbers are used (None: all of them). Costs nothing when every candidate has a
    number; else one transaction for all of them. A candidate for which none can be made gets a problem of rule
    ``case-number``, one that may not be handed in that of the objection.
    """
    unnumbered = [one for place, candidate in enumerate(candidates) if (one := _unnumbered(place, candidate, source))]
    if not unnumbered:
        return candidates
    # What no record of the standard can hold is not even asked for: nobody has checked these texts yet.
    waiting = [one for one in unnumbered if _can_stand(one.foreign)]
    brought = _brought(chain(before, candidates), {one.foreign for one in waiting}, source)
    settled = {one.foreign for candidate in before if (one := _unnumbered(0, candidate, source))} if brought else set()
    beside = _Beside(numbers=brought, settled=frozenset(settled), stream=stream)
    given = store.write(lambda one: _give_out(one, waiting, beside, rights(one.connection))) if waiting else _Given()
    numbered = list(candidates)
    for one in unnumbered:
        candidate = candidates[one.place]
        number = given.numbers.get(one.foreign)
        if one.place in given.objections or number is None:
            numbered[one.place] = replace(candidate, problems=candidate.located((given.problem(one),)))
        else:
            numbered[one.place] = _with_number(candidate, one.foreign.system, number)
    return numbered


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """The case numbers that a delivery brings, by the foreign numbers that others of its records wait with.

    ``settled`` are the pairs that the batch before waited with: what they got may be on its way into the stream.
    """

    numbers: dict[ForeignNumber, str]
    settled: frozenset[ForeignNumber]
    stream: StreamName | None

    def counting(self, connection: Connection, known: dict[ForeignNumber, str]) -> dict[ForeignNumber, str]:
        """Return the numbers that count: of pairs that are not known, or by a number that no record has."""
        return {
            pair: number
            for pair, number in self.numbers.items()
            if pair not in known or (known[pair] != number and self._is_free(connection, pair, known[pair]))
        }

    def _is_free(self, connection: Connection, pair: ForeignNumber, case_no: str) -> bool:
        return self.stream is not None and pair not in self.settled and not is_used(connection, self.stream, case_no)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What one transaction gave out: numbers by foreign number, why there is none, and objections by place."""

    numbers: dict[ForeignNumber, str] = field(default_factory=dict)
    faults: dict[ForeignNumber, str] = field(default_factory=dict)
    objections: dict[int, Objection] = field(default_factory=dict)

    def problem(self, one: _Unnumbered) -> Problem:
        """Return the problem of a candidate that got no number."""
        objection = self.objections.get(one.place)
        if objection is not None:
            return Problem(rule=objection.rule, line=1, text=objection.text)
        return Problem(rule=RULE_NUMBER, element="CaseNo", line=1, text=self.faults.get(one.foreign, _UNFIT))


def _can_stand(pair: ForeignNumber) -> bool:
    """Tell whether OrigSystem and OrigCaseNo can hold these texts: bounded, and nothing in them that is no text."""
    return all(
        len(text) <= longest and text.isprintable()
        for text, longest in ((pair.system, SYSTEM_LENGTH_MAX), (pair.number, NUMBER_LENGTH_MAX))
    )


def known_numbers(connection: Connection, pairs: Iterable[ForeignNumber]) -> dict[ForeignNumber, str]:
    """Return our case numbers by foreign number, for those of ``pairs`` that are known."""
    wanted: dict[str, list[str]] = {}
    for pair in dict.fromkeys(pairs):
        wanted.setdefault(pair.system, []).append(pair.number)
    found: dict[ForeignNumber, str] = {}
    dialect = connection.dialect.name
    sql = select_in_sql(foreign_number, dialect, ("number", "case_no"), key="number", same="system")
    for system, numbers in wanted.items():
        for number, case_no in connection.exec_driver_sql(sql, (system, *in_parameter(dialect, numbers))):
            found[ForeignNumber(system, number)] = case_no
    return found


def case_of(connection: Connection, system: str, number: str) -> str:
    """Return our case number of a case of another system; raises NotFoundError when the pair stands for none here."""
    pair = ForeignNumber(system, number)
    found = known_numbers(connection, (pair,)).get(pair)
    if found is None:
        raise NotFoundError(
            f"The number {number[:100]} of {system[:50]} stands for no case at this node",
            why="numbers of other systems are known at the node that took the case in, as they stand in its records",
            action="ask that node, or look for the case's own number; the name of the system is that of OrigSystem, or "
            "else of the source",
        )
    return found


def is_used(connection: Connection, stream: StreamName, case_no: str) -> bool:
    """Tell whether a record of this case stands in the stream; one given out for what was refused is free again."""
    held = holdings.find(connection, stream)
    return held is not None and any(
        connection.scalar(
            select(fact.c.id).where(fact.c.stream_id == held.stream_id, fact.c.case_no == case_no).limit(1)
        )
        is not None
        for fact in (CASE_TABLES.fact, PENALTY_TABLES.fact)
    )


def remember_numbers(connection: Connection, numbers: dict[ForeignNumber, str]) -> None:
    """Store what foreign numbers stand for, instead of what they stood for; the caller found that nothing objects."""
    rows = sorted((pair.system, pair.number, case_no) for pair, case_no in numbers.items())
    if rows:
        connection.exec_driver_sql(upsert_sql(foreign_number, connection.dialect.name, put=("case_no",)), rows)


def forget_numbers(connection: Connection, pairs: Iterable[ForeignNumber]) -> None:
    """Forget what foreign numbers stood for: the records in which their cases began are gone (02, R12)."""
    for pair in pairs:
        same = (foreign_number.c.system == pair.system, foreign_number.c.number == pair.number)
        connection.execute(delete(foreign_number).where(*same))


class Asked(NamedTuple):
    """What a candidate without a case number asks for one by, and how such a number would begin ("": not known)."""

    foreign: ForeignNumber
    stem: str


def asked_by(candidate: Candidate, source: str) -> Asked | None:
    """Return by what a candidate asks for a case number, None for one that asks for none."""
    one = _unnumbered(0, candidate, source)
    if one is None:
        return None
    day = _day(one.parts)
    return Asked(one.foreign, "" if _fault_of(one) or day is None else stem_of(one.parts, day))


def _unnumbered(place: int, candidate: Candidate, source: str) -> _Unnumbered | None:
    if candidate.problems or not names_a_case(candidate.record_type) or has_number(candidate):
        return None
    parts = parts_of(candidate)
    if parts is None:
        return None  # What is no XML, the parser names.
    if not parts["OrigCaseNo"]:
        return None  # Preparing says so, beside whatever else is wrong.
    task = SHAPES[candidate.record_type].child("TaskCode")
    return _Unnumbered(
        place=place,
        foreign=ForeignNumber(parts["OrigSystem"] or source, parts["OrigCaseNo"]),
        facts=_facts_of(candidate.record_type, parts),
        parts=parts,
        needs_task=task is not None and task.required,
    )


def _brought(candidates: Iterable[Candidate], wanted: set[ForeignNumber], source: str) -> dict[ForeignNumber, str]:
    """Return the case numbers that candidates bring themselves for foreign numbers that others of them wait with."""
    found: dict[ForeignNumber, str] = {}
    for candidate in candidates:
        if candidate.problems or not has_number(candidate):
            continue
        parts = parts_of(candidate)
        if parts is None or not _CASE_NUMBER.match(parts["CaseNo"]):
            continue
        pair = ForeignNumber(parts["OrigSystem"] or source, parts["OrigCaseNo"])
        if pair in wanted:
            found.setdefault(pair, parts["CaseNo"])
    return found


def _with_number(candidate: Candidate, system: str, number: str) -> Candidate:
    if candidate.content is not None:
        return replace(candidate, content={**candidate.content, "CaseNo": number, "OrigSystem": system})
    markup = candidate.markup or b""
    at = _INSERT_BEFORE.search(markup, 0, HEADER_BYTES)
    begin = at.start() if at else 0
    inserted = b"<CaseNo>%b</CaseNo>" % number.encode()
    if at is not None and at[0].startswith(b"<OrigCaseNo"):
        inserted += b"<OrigSystem>%b</OrigSystem>" % system.encode()
    return replace(candidate, markup=markup[:begin] + inserted + markup[begin:])


def _give_out(transaction: Transaction, waiting: Sequence[_Unnumbered], beside: _Beside, ask: Ask) -> _Given:
    """Return what can be given to those that wait and may be handed in."""
    connection = transaction.connection
    # Where the header says too little to be asked about, that is what is told.
    asked = ((one.place, ask(one.facts, one.foreign.system)) for one in waiting if not _fault_of(one))
    objections = {place: objection for place, objection in asked if objection is not None}
    entitled = [one for one in waiting if one.place not in objections]
    numbers = known_numbers(connection, (one.foreign for one in entitled))
    wanted = {one.foreign for one in entitled}
    fresh = {pair: number for pair, number in beside.counting(connection, numbers).items() if pair in wanted}
    faults: dict[ForeignNumber, str] = {}
    serials = Serials(connection)
    for one in entitled:
        if one.foreign in numbers or one.foreign in fresh:
            continue
        day = _day(one.parts)
        fault = _fault_of(one)
        number = None if fault or day is None else serials.next_number(one.parts, day)
        if number is None:
            faults[one.foreign] = fault or f"{CASE_SERIAL_MAX} cases of this item, department and day have numbers"
        else:
            fresh[one.foreign] = number
    serials.save()
    remember_numbers(connection, fresh)
    return _Given(numbers=numbers | fresh, faults=faults, objections=objections)


def _facts_of(record_type: str, parts: dict[str, str]) -> Facts:
    """Return the facts by which rights are asked, as far as the header says them."""
    facts = Facts(record_type, VERSION)
    day = _day(parts)
    facts.division, facts.organisation = parts["DivisionCode"] or None, parts["OrgCode"] or None
    facts.event_day = day.isoformat() if day is not None else None
    return facts


def _fault_of(one: _Unnumbered) -> str:
    """Return why no number can be made, "" when it can."""
    parts = one.parts
    needed = ("DivisionCode", "OrgCode", *(("TaskCode",) if one.needs_task else ()), "EventTime")
    missing = [name for name in needed if not parts[name]]
    if missing:
        return f"no case number can be given: {', '.join(missing)} is missing"
    if not is_credit_code(parts["OrgCode"]):
        return "no case number can be given: OrgCode is no unified social credit code (GB 32100)"
    division = parts["DivisionCode"]
    if not (division.isascii() and division.isdigit() and len(division) in DIVISION_LENGTHS):
        return "no case number can be given: DivisionCode has not 6, 9 or 12 digits"
    return "" if _day(parts) else "no case number can be given: EventTime is no time"


def _day(parts: dict[str, str]) -> date | None:
    """Return the day of the event in the tree's zone, as projections and statistics have it; None: it is no time."""
    try:
        moment = datetime.fromisoformat(parts["EventTime"].strip())
        return moment.astimezone(TREE_ZONE).date() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
