"""Folding the records of a case into its state and findings. Pure: no tables, no clock.

Cases of every kind are folded here; what is their own stands in a ``LifeCycle``: ``APPROVAL`` below for approval cases
(办件), ``node.cases.penalties`` for penalties.

Two ways lead to the same result. ``replay`` folds a whole history and is the definition. ``advance_quietly`` adds one
record to the few numbers that a case remembers (``CaseMemory``), and only where it is certain that a replay would find
nothing new; in any doubt it says no and the case is replayed. A property test holds the two together.

**Order.** Records count in stream order. A record of the same type and Sequence with a higher DataVersion takes the
place of the earlier one, where that one stood; a lower version that arrives later, or the same one again, changes
nothing and is a finding. From the first quarantined record on, everything later of that case is held back.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.cases.division_rules import has_lapsed
from node.cases.findings import (
    CASE_TOO_LONG,
    DIVISION_LAPSED,
    GRANT,
    NO_CONTENT,
    SUPPLEMENT_NOTICES_MAX,
    VERSION_ORDER,
    VERSION_REPEATED,
    Finding,
    ItemTerms,
    Step,
    check_case,
    has_ended,
    materials_of,
    needs_reason,
    terms_on,
)
from node.cases.life_cycle import TARGET_STATE_BEFORE, TARGET_UNCHANGED
from node.cases.states import (
    CASE_RECORD_TYPES,
    INSTANT_MACHINE,
    INSTANT_PROJECT_TYPE,
    INSTANT_TARGETS,
    MACHINE,
    TARGETS,
    State,
    event_of,
)
from node.standard.facts import EVENT_S_MAX
from node.standard.families import CASE_HEADER, record_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from node.cases.division_rules import Versions
    from node.cases.life_cycle import StateMachine
    from node.standard.facts import Facts

CASE_RECORDS_MAX = 1_000
"""How many records of one case are evaluated; chosen by us so that no case can make a replay long."""

INSTANT = 1
FEE_DUE = 2
FINDINGS = 4
INCOMPLETE = 8
EMPTY = 16
UNGRANTED = 32

_HEAD = struct.Struct("<BBBHHI")
_SEQUENCE = struct.Struct("<BH")
_SEQUENCE_MAX = 0xFFFF
_COUNT_MAX = 0xFFFF
_NOTICES_MAX = 0xFF

# While a case has findings, only these can be added quietly: every other type may end or add one, because an earlier
# record may have been out of order without moving the case.
_HARMLESS_TYPES = frozenset({"ReviewStep", "SpecialProcedureEnd", "Extension", "Collection", "Evaluation"})


class CaseMemory:
    """What a case remembers between records; packs to some 20 bytes.

    ``before`` is the state before a suspension; ``last_s`` the newest event time in seconds since 1970, cut to 32
    bits; ``sequences`` the highest Sequence seen of each record type, cut to 16 bits.
    """

    __slots__ = ("before", "count", "flags", "last_s", "materials", "notices", "sequences", "state")

    def __init__(self) -> None:
        self.state = int(State.NONE)
        self.before = 0
        self.flags = EMPTY
        self.notices = 0
        self.materials = 0
        self.count = 0
        self.last_s = 0
        self.sequences: dict[int, int] = {}

    @classmethod
    def unpack(cls, state: int, flags: int, packed: bytes) -> CaseMemory:
        """Read what ``pack`` wrote; state and flags have columns of their own."""
        memory = cls.__new__(cls)
        memory.state = state
        memory.flags = flags
        memory.before, memory.notices, _, memory.materials, memory.count, memory.last_s = _HEAD.unpack_from(packed)
        memory.sequences = dict(_SEQUENCE.iter_unpack(packed[_HEAD.size :]))
        return memory

    def pack(self) -> bytes:
        """Return the bytes to store."""
        head = _HEAD.pack(self.before, self.notices, 0, self.materials, self.count, self.last_s)
        return head + b"".join([_SEQUENCE.pack(*pair) for pair in self.sequences.items()])

    def remember(self, facts: Facts, moment_s: int) -> None:
        """Take note of a record in effect; the state is moved by the caller."""
        self.flags &= ~EMPTY
        self.last_s = max(self.last_s, moment_s)
        self.note_sequence(facts)
        record_type = facts.record_type
        if record_type in {"Application", "Material", "SupplementReceipt"}:
            self.materials = min(_COUNT_MAX, self.materials + materials_of(facts))
        if record_type == "SupplementNotice":
            self.notices = min(_NOTICES_MAX, self.notices + 1)
        if facts.project_type is not None:
            instant = facts.project_type == INSTANT_PROJECT_TYPE
            self.flags = self.flags | INSTANT if instant else self.flags & ~INSTANT
        if record_type == "Conclusion":
            self.flags = self.flags & ~UNGRANTED if facts.code == GRANT else self.flags | UNGRANTED
        if (record_type == "Acceptance" and facts.due_fen > 0) or (record_type == "Fee" and facts.code == "2"):
            self.flags |= FEE_DUE

    def count_one(self) -> None:
        """Count a record that does not move the case."""
        self.count = min(_COUNT_MAX, self.count + 1)

    def note_sequence(self, facts: Facts) -> None:
        """Remember the highest Sequence of the record's type."""
        number = record_number(facts.record_type)
        sequence = min(facts.sequence, _SEQUENCE_MAX)
        if sequence > self.sequences.get(number, 0):
            self.sequences[number] = sequence


class Recorded:
    """One record of a case as the journal holds it: its key, its facts (None: cannot be read), and whether applied.

    ``content`` is the whole record, empty where the life cycle judges by facts alone.
    """

    __slots__ = ("content", "facts", "key", "quarantined")

    def __init__(
        self, key: int, facts: Facts | None, *, quarantined: bool, content: Mapping[str, Any] = NO_CONTENT
    ) -> None:
        self.key = key
        self.facts = facts
        self.quarantined = quarantined
        self.content = content


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeCycle:
    """What tells one kind of case from another.

    ``name`` is that of its projection and ``header`` that of its records; ``machine`` gives the state table for a
    case's flags; ``check`` gives the findings of the records in effect. ``reads_reference``: findings depend on the
    catalogue and on divisions. ``reads_content``: they need whole records; such a case is replayed for every record.
    """

    name: str
    header: str
    record_types: frozenset[str]
    event_of: Callable[[Facts], str | None]
    machine: Callable[[int], StateMachine]
    check: Callable[[Sequence[Step], Sequence[ItemTerms]], list[Finding]]
    reads_reference: bool = False
    reads_content: bool = False


def _approval_machine(flags: int) -> StateMachine:
    return INSTANT_MACHINE if flags & INSTANT else MACHINE


APPROVAL = LifeCycle(
    name="cases",
    header=CASE_HEADER,
    record_types=CASE_RECORD_TYPES,
    event_of=event_of,
    machine=_approval_machine,
    check=check_case,
    reads_reference=True,
)
"""The life of an approval case (办件)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replay found: the memory to store, the steps in effect, findings, state after each record, held keys."""

    memory: CaseMemory
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    states: dict[int, int]
    held_back: frozenset[int]


def replay(
    records: Sequence[Recorded],
    items: Sequence[ItemTerms],
    life_cycle: LifeCycle = APPROVAL,
    divisions: Mapping[str, Versions] = NO_CONTENT,
) -> Outcome:
    """Fold a whole history, given in stream order, and check it against the known versions of its item.

    ``divisions`` holds the versions known of the division under which the case began, and perhaps of others.
    """
    memory = CaseMemory()
    memory.count = min(_COUNT_MAX, len(records))
    blocked = next((index for index, record in enumerate(records) if record.quarantined), len(records))
    findings = [Finding(CASE_TOO_LONG, record.key) for record in records[CASE_RECORDS_MAX : CASE_RECORDS_MAX + 1]]
    applied = records[: min(blocked, CASE_RECORDS_MAX)]
    slots, version_findings = _slots(applied)
    findings += version_findings
    steps, states = _fold(memory, slots, life_cycle)
    for record in applied:
        if record.facts is not None:
            memory.note_sequence(record.facts)
    findings += life_cycle.check(steps, items)
    if steps and begins_lapsed(steps[0].facts, divisions.get(steps[0].facts.division or "", ())):
        findings.append(Finding(DIVISION_LAPSED, steps[0].key))
    if blocked < len(records):
        memory.flags |= INCOMPLETE
    if findings:
        memory.flags |= FINDINGS
    return Outcome(
        memory=memory,
        steps=tuple(steps),
        findings=tuple(sorted(findings)),
        states={record.key: states.get(record.key, memory.state) for record in records},
        held_back=frozenset(record.key for record in records[blocked:] if not record.quarantined),
    )


def begins_lapsed(facts: Facts, versions: Versions) -> bool:
    """Tell whether a case whose first record this is begins under a division code that holds no more on its day.

    Later records may bear the old code: the case began under it (standard, 6.3).
    """
    return bool(versions) and facts.event_day is not None and has_lapsed(versions, facts.event_day)


def effective(records: Sequence[Recorded]) -> list[Recorded]:
    """Return the records in effect of one case, in order: nothing from the first quarantined one on."""
    blocked = next((index for index, record in enumerate(records) if record.quarantined), len(records))
    slots, _ = _slots(records[: min(blocked, CASE_RECORDS_MAX)])
    return [slot[0] for slot in slots]


def _slots(records: Sequence[Recorded]) -> tuple[list[list[Recorded]], list[Finding]]:
    """Group records by (type, Sequence), the one in effect first in its slot; slots stand where they began."""
    slots: dict[tuple[str, int], list[Recorded]] = {}
    findings = []
    for record in records:
        facts = record.facts
        if facts is None:
            continue
        slot = slots.setdefault((facts.record_type, facts.sequence), [])
        held = slot[0].facts if slot else None
        if held is None or facts.data_version > held.data_version:
            slot.insert(0, record)
            continue
        repeated = facts.data_version == held.data_version
        findings.append(Finding(VERSION_REPEATED if repeated else VERSION_ORDER, record.key))
        slot.append(record)
    return list(slots.values()), findings


def _fold(
    memory: CaseMemory, slots: Sequence[Sequence[Recorded]], life_cycle: LifeCycle
) -> tuple[list[Step], dict[int, int]]:
    """Move ``memory`` through the records in effect; every record of a slot gets the state after its slot."""
    steps = []
    states: dict[int, int] = {}
    for slot in slots:
        facts = slot[0].facts
        if facts is None:  # pragma: no cover - slots hold readable records only; this tells the type checker so
            continue
        event = life_cycle.event_of(facts)
        met = memory.state
        memory.remember(facts, facts.event_s)
        memory.state, memory.before, legality = life_cycle.machine(memory.flags).advance(met, memory.before, event)
        states.update({record.key: memory.state for record in slot})
        steps.append(
            Step(
                key=slot[0].key,
                facts=facts,
                event=event,
                state_before=met,
                state_after=memory.state,
                legality=legality,
                content=slot[0].content,
            )
        )
    return steps, states


def advance_quietly(memory: CaseMemory, facts: Facts, items: Sequence[ItemTerms], versions: Versions = ()) -> bool:
    """Add one more record to a case if nothing can be wrong with it; False (nothing changed): the case needs a replay.

    Quiet is: a first data version with a new Sequence (of 16 bits, as they are remembered), dated not before anything
    known, by a legal row of the state table, and none of the records that can make or end a finding. ``versions`` are
    those known of the record's division.
    """
    number = record_number(facts.record_type)
    moment_s = facts.event_s
    if (
        facts.data_version != 1
        or not memory.sequences.get(number, 0) < facts.sequence <= _SEQUENCE_MAX
        or moment_s < memory.last_s
        or not 0 < moment_s < EVENT_S_MAX
        or memory.count >= CASE_RECORDS_MAX
        or (memory.flags & FINDINGS and facts.record_type not in _HARMLESS_TYPES)
        or (memory.flags & EMPTY and begins_lapsed(facts, versions))
    ):
        return False
    instant = memory.flags & INSTANT
    if facts.project_type is not None:
        instant = facts.project_type == INSTANT_PROJECT_TYPE
    event = event_of(facts)
    target = (INSTANT_TARGETS if instant else TARGETS).get((memory.state, event or ""))
    if target is None or _may_find(memory, facts, items, target):
        return False
    memory.count += 1
    memory.remember(facts, moment_s)
    if target == TARGET_STATE_BEFORE:
        memory.state, memory.before = memory.before, 0
    elif target != TARGET_UNCHANGED:
        suspending = target in {State.SUPP_SUSPENDED, State.SPECIAL_SUSPENDED}
        memory.before = memory.state if suspending else 0
        memory.state = target
    return True


def _may_find(memory: CaseMemory, facts: Facts, items: Sequence[ItemTerms], target: int) -> bool:
    """Tell whether a legal record may make a finding."""
    record_type = facts.record_type
    if record_type == "Acceptance":
        terms = terms_on(items, facts.event_day)
        short = terms is not None and memory.materials < terms.required_materials
        return short or needs_reason(facts)
    if record_type == "Conclusion":
        return bool(memory.flags & FEE_DUE) or needs_reason(facts)
    if record_type == "PreAcceptance":
        return needs_reason(facts)
    if record_type == "SupplementNotice":
        return target == State.SUPP_SUSPENDED or memory.notices >= SUPPLEMENT_NOTICES_MAX
    if record_type == "Certificate":
        return bool(memory.flags & UNGRANTED)
    if record_type == "Fee":
        terms = terms_on(items, facts.event_day)
        free = terms is not None and not terms.charges and facts.amount_fen > 0
        return free or has_ended(memory.state)
    return False
