"""Rights: what one source may hand in at this node, asked before a number is given out and again before it is written.

A source may be bound to divisions and departments; a *system*, whose own numbers records bring (``OrigSystem``), may
belong to sources; and the node itself may only write what it answers for (rule R10). A system belongs to the sources
that were added for it, and a source's own name is a system of its own. One that belongs to nobody is open to all. The
operator at the command line may speak for any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from node.departments.sources import IMPORT_SOURCE, owners_of
from node.journal.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.engine import Connection

    from node.departments.divisions import Divisions
    from node.departments.sources import Source
    from node.standard.facts import Facts

RULE_NO_AUTHORITY: Final = "no-authority"
RULE_NOT_THIS_SOURCE: Final = "not-this-source"


class Objection(NamedTuple):
    """Why a record is not taken from a source: a constant word, and a text for people."""

    rule: str
    text: str


class Rights:
    """The rights at this node as one transaction sees them. Every answer is found once."""

    def __init__(self, connection: Connection, divisions: Divisions, authority: Callable[[Entry], str | None]) -> None:
        self._connection = connection
        self._divisions = divisions
        self._authority = authority
        self._asked: dict[tuple[str, str | None], str | None] = {}
        self._owners: dict[str, frozenset[str]] = {}

    def learn_systems(self, systems: Iterable[str]) -> None:
        """Look up, with one statement, to whom systems belong that will be asked about."""
        unknown = set(systems) - self._owners.keys()
        if unknown:
            found = owners_of(self._connection, unknown)
            self._owners |= {system: found.get(system, frozenset()) for system in unknown}

    def objection(self, source: Source, entry: Entry, system: str | None) -> Objection | None:
        """Return why the source may not hand in a record of this type and with these facts, None when it may.

        ``system`` is the one whose number the record brings, None when it brings none.
        """
        facts = entry.facts
        text = source.objection(facts, self._divisions) if facts is not None else None
        text = text or (self._foreign_system(source, system) if system is not None else None)
        if text is not None:
            return Objection(RULE_NOT_THIS_SOURCE, text)
        text = self._of_node(entry)
        return None if text is None else Objection(RULE_NO_AUTHORITY, text)

    def header_objection(self, source: Source, facts: Facts, system: str) -> Objection | None:
        """Return the objection to a record of which nothing is known yet but its header."""
        return self.objection(source, Entry(record_type=facts.record_type, body=b"", leaf=b"", facts=facts), system)

    def _foreign_system(self, source: Source, system: str) -> str | None:
        self.learn_systems((system,))
        owners = self._owners[system]
        if not owners or source.name in owners or source.name == IMPORT_SOURCE:
            return None
        return (
            f"source {source.name} brings numbers of the system {system}, which belongs to "
            f"{', '.join(sorted(owners))}; `yizhan sources add NAME --system` makes a source that may speak for it"
        )

    def _of_node(self, entry: Entry) -> str | None:
        question = (entry.record_type, entry.facts.division if entry.facts is not None else None)
        if question not in self._asked:
            self._asked[question] = self._authority(entry)
        return self._asked[question]
