"""Rebuilding: everything derived is made anew from the records, compared with what stands, and put in its place.

The work happens in a workshop, so the node serves all the time. ``check`` only compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from node.errors import HomeInUseError
from node.upkeep.adopting import adopt_all
from node.upkeep.catching_up import ARRIVALS_PULLED, Follower
from node.upkeep.comparing import compare_all
from node.upkeep.projected import STANDING
from node.upkeep.replaying import fill
from node.upkeep.workshop import open_workshop

if TYPE_CHECKING:
    from node.journal.store import Store
    from node.upkeep.comparing import Compared
    from node.upkeep.projected import DerivedMaker
    from node.upkeep.replaying import Tell

SCHEMA: Final = "yizhan.rebuild/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild found: ``records`` were replayed; ``seconds`` is all the time that it took, copying included.

    ``put_right`` counts the rows that were written where something differed; 0 for a check.
    """

    records: int
    seconds: float
    tables: tuple[Compared, ...]
    put_right: int = 0

    @property
    def identical(self) -> bool:
        """Whether what stood was what the records say."""
        return not any(table.differing for table in self.tables)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "schema": SCHEMA,
            "identical": self.identical,
            "records": self.records,
            "seconds": round(self.seconds, 3),
            "records_per_s": round(self.records / self.seconds) if self.seconds else 0,
            "put_right": self.put_right,
            "tables": [
                {"name": one.name, "rows": one.rows, "differing": one.differing, "first": list(one.first)}
                for one in self.tables
            ],
        }


def check(store: Store, derive: DerivedMaker, tell: Tell) -> Rebuilt:
    """Make everything derived anew in a workshop and compare; the node's own tables stay as they are."""
    begun_s = perf_counter()
    with open_workshop(store, STANDING) as workshop:
        records, _ = fill(workshop, derive(), tell)
        tables = tuple(compare_all(workshop.connection))
    return Rebuilt(records=records, seconds=perf_counter() - begun_s, tables=tables)


def rebuild(store: Store, derive: DerivedMaker, tell: Tell, *, alone: bool) -> Rebuilt:
    """Make everything derived anew and put right what differs from it; the node serves meanwhile.

    ``alone`` tells that no process runs the node. Raises HomeInUseError when one does and has to be stopped first: what
    it remembers of a table is damaged there. Raises RebuildOvertakenError when all has to be done again.
    """
    begun_s = perf_counter()
    with open_workshop(store, STANDING) as workshop:
        derived = derive()
        records, reached = fill(workshop, derived, tell)
        tables = tuple(compare_all(workshop.connection))
        follower = Follower(workshop, derived, reached)
        if follower.made_dimensions and not alone:
            raise HomeInUseError(
                "A row of the table dimension is damaged, and the running node remembers it.",
                why="figures are kept under a key that is not the records'",
                action="Stop the node, run yizhan rebuild, start it again",
            )
        put_right = _put_right(store, follower) if any(table.differing for table in tables) else 0
    return Rebuilt(records=records, seconds=perf_counter() - begun_s, tables=tables, put_right=put_right)


def _put_right(store: Store, follower: Follower) -> int:
    """Catch up beside the working node as far as that goes, then adopt what is right."""
    more = True
    while more:
        with store.reading() as connection:
            more = follower.follow(connection) == ARRIVALS_PULLED
    return adopt_all(store, follower)
