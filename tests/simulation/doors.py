"""The departments of one node in the simulation: what they hand in, again and again, and what they were answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from node.demo.catalogue import items_of
from node.demo.generator import GeneratedRecord, generate_month
from node.departments.candidates import Candidate
from node.departments.sources import OPERATOR
from node.standard.seals import ANCESTORS, StreamName
from tests.simulation.witness import InvariantBrokenError
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.bootstrap import Node
    from node.demo.chance import Chance
    from node.departments.report import Verdict

CASES = 6
"""Cases of one department; some thirty records, illogical, late and invalid ones among them."""
BATCH_MAX = 10
DIALECT = "standard"
OTHER_NAME = "另一个名称"


@dataclass(slots=True, kw_only=True)
class Door:
    """The departments of node ``code``: ``waiting`` is still to be handed in, in this order.

    ``accepted`` holds the position of every record that the node has answered for, by the source's own key; ``given``
    the records whose answer was heard, ``keys`` theirs; ``bad`` those that a faulty program of the node wrote once
    more, past intake. ``moves``: the machine was set back, so what it takes may still move to another position.
    """

    code: str
    waiting: list[GeneratedRecord]
    accepted: dict[str, int] = field(default_factory=dict)
    given: list[GeneratedRecord] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    bad: list[GeneratedRecord] = field(default_factory=list)
    moves: bool = False
    stands: int = 0
    """How much of its stream the machine held when it was set back: this is in every version."""

    def hand_in(self, node: Node, chance: Chance) -> str:
        """Hand in some of what waits, and something of what was handed in before; return what was answered.

        When the node stops before it answers, everything still waits.
        """
        count = min(len(self.waiting), chance.number(1, BATCH_MAX))
        offered = self.waiting[:count]
        if chance.happens(0.2):
            offered = offered[::-1]
        repeated = [chance.pick(self.given)] if self.given and chance.happens(0.4) else []
        alters = self.given and not self.moves and chance.happens(0.2)
        conflicting = [_altered(chance.pick(self.given))] if alters else []
        verdicts = self.offer(node, [*offered, *repeated, *conflicting])
        if any(verdict.outcome == "received" for verdict in verdicts):
            return "received: the node is in doubt, everything is offered again"
        self.waiting = self.waiting[count:]
        for record, verdict in zip(offered, verdicts, strict=False):
            self._expect(record, verdict, {"accepted", "repeated"} if record.valid else {"refused"})
        for record, verdict in zip(repeated, verdicts[count:], strict=False):
            self._expect(record, verdict, {"accepted", "repeated"} if self.moves else {"repeated"})
        for record, verdict in zip(conflicting, verdicts[count + len(repeated) :], strict=False):
            # Of an erased record nothing is known any more that could contradict.
            erased = verdict.position is not None and _is_erased(node, self.code, verdict.position)
            self._expect(record, verdict, {"repeated"} if erased else {"refused"})
        words = [verdict.outcome for verdict in verdicts]
        return " ".join(f"{word} {words.count(word)}" for word in dict.fromkeys(words))

    def forget(self, size: int) -> None:
        """Offer again what was answered and is lost: everything beyond ``size`` of the node's own stream."""
        lost = {key for key, position in self.accepted.items() if position > size}
        again = [record for record, key in zip(self.given, self.keys, strict=True) if key in lost]
        self.accepted = {key: position for key, position in self.accepted.items() if key not in lost}
        left = [(record, key) for record, key in zip(self.given, self.keys, strict=True) if key not in lost]
        self.given, self.keys = [record for record, _ in left], [key for _, key in left]
        self.waiting = [*again, *self.waiting]

    def offer(self, node: Node, records: Sequence[GeneratedRecord]) -> list[Verdict]:
        """Offer records to the node's intake; return its verdicts."""
        candidates = [
            Candidate(record_type=one.record_type, content=one.content, kept=lambda: b"<kept/>", row=row)
            for row, one in enumerate(records, start=1)
        ]
        return node.intake.accept(candidates, source=OPERATOR, dialect=DIALECT, keep_verdicts=True).verdicts

    def _expect(self, record: GeneratedRecord, verdict: Verdict, outcomes: set[str]) -> None:
        if verdict.outcome not in outcomes:
            raise InvariantBrokenError(f"I1: {self.code} answered {verdict} for {record.record_type}")
        if verdict.outcome == "refused":
            return
        assert verdict.position is not None
        if record.valid and verdict.key not in self.accepted:
            self.given.append(record)
            self.keys.append(verdict.key)
        if self.accepted.setdefault(verdict.key, verdict.position) != verdict.position and not self.moves:
            raise InvariantBrokenError(f"I1: {self.code} moved {verdict.key} to {verdict.position}")


def _is_erased(node: Node, code: str, position: int) -> bool:
    with node.store.reading() as connection:
        return node.journal.stored(connection, StreamName(code, ANCESTORS), position, position)[0].body is None


def make_doors(seed: int) -> dict[str, Door]:
    """Return the departments of every node but the province, each with a month's cases."""
    return {
        code: Door(code=code, waiting=_month(code, place.name, seed))
        for code, place in SEVEN.items()
        if place.parent is not None
    }


def _month(code: str, name: str, seed: int) -> list[GeneratedRecord]:
    return list(generate_month(items_of(code, name), cases=CASES, seed=seed).records)


def _altered(record: GeneratedRecord) -> GeneratedRecord:
    """Return a record with the key of another and other content."""
    content = {**record.content, "OrgName": OTHER_NAME}
    return GeneratedRecord(record_type=record.record_type, sent_at=record.sent_at, content=content)
