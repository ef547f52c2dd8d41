"""Telling origins which of their records cannot be applied here: one Rejection for each run of positions (02, R8).

Called by ``Node.work``. Every run is told, however many there are; what has been looked at is remembered in memory, so
that a node that has nothing new to tell reads a few numbers and writes nothing. Keys are derived from the run, so a
repetition after a crash or a restart writes nothing new.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from node.bootstrap.jobs import TOLD_MAX
from node.errors import AuthorityError, RecordRefusedError
from node.journal import quarantine
from node.journal.entries import INVALID, NO_AUTHORITY
from node.journal.source_keys import lookup_many
from node.standard.families import RECORD_TYPES
from node.standard.seals import StreamName
from node.trust.produce import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy.engine import Connection

    from node.bootstrap.jobs import Producer
    from node.journal.quarantine import Quarantined
    from node.journal.store import Store, Transaction
    from node.standard.compose import Content
    from node.trust.tree import Tree

_REASONS: Final = {NO_AUTHORITY: "NO_AUTHORITY", INVALID: "INVALID"}
_TEXT_MAX: Final = 1000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive quarantined records of one stream with one reason."""

    stream: StreamName
    first: int
    last: int
    reason: str
    text: str

    @property
    def key(self) -> str:
        """What the Rejection is known by: without the last position, so that a run that grows is the same cause."""
        return f"rejection/{self.stream}/{self.first}/{_REASONS[self.reason]}"


class Rejections:
    """The rejections of one node; ``tree`` tells which origins a record can be directed to."""

    def __init__(self, store: Store, tree: Callable[[Connection], Tree], *, node_code: str) -> None:
        self._store = store
        self._tree = tree
        self._node_code = node_code
        self._done: tuple[object, ...] | None = None
        self._refused: set[str] = set()

    def write(self, produce: Producer) -> int:
        """Tell the next runs that nobody was told of, at most ``TOLD_MAX``; return how many records were written.

        Records that only wait for an upgrade of this node are no fault of the origin; control records are never
        rejected; an origin that is not in the tree is told once it is.
        """
        with self._store.reading() as connection:
            tree = self._tree(connection)
            seen = (tree, *quarantine.fingerprint(connection, reasons=tuple(_REASONS)))
            if seen == self._done:
                return 0
            runs = list(islice(self._untold(connection, tree), TOLD_MAX))
        if not runs:
            self._done = seen
            return 0
        return self._store.write(lambda transaction: sum(self._reject(transaction, run, produce) for run in runs))

    def _untold(self, connection: Connection, tree: Tree) -> Iterator[Run]:
        found = each_run(quarantine.each(connection, reasons=tuple(_REASONS)))
        wanted = (run for run in found if run.stream.origin != self._node_code and tree.knows(run.stream.origin))
        while some := list(islice(wanted, TOLD_MAX)):
            told = lookup_many(connection, SOURCE, [run.key for run in some])
            yield from (run for run in some if run.key not in told and run.key not in self._refused)

    def _reject(self, transaction: Transaction, run: Run, produce: Producer) -> bool:
        content: Content = {
            "Stream": str(run.stream),
            "FirstPosition": str(run.first),
            "LastPosition": str(run.last),
            "Reason": _REASONS[run.reason],
            "Text": (run.text or run.reason)[:_TEXT_MAX],
        }
        try:
            return produce(transaction, StreamName(self._node_code, run.stream.origin), "Rejection", content, run.key)
        except (AuthorityError, RecordRefusedError) as error:
            # One run that cannot be told must not keep the others from their origins; tried again after a restart.
            self._refused.add(run.key)
            _log.warning("rejection not written", extra={"key": run.key, "code": error.code, "why": str(error)})
            return False


def runs_of(found: Iterable[Quarantined]) -> list[Run]:
    """Return the runs among quarantined records (in order of their keys): what one Rejection each is about. Pure."""
    return list(each_run(found))


def each_run(found: Iterable[Quarantined]) -> Iterator[Run]:
    """Yield the runs as ``runs_of`` returns them, each when the record behind it was seen."""
    run: Run | None = None
    for one in found:
        known = RECORD_TYPES.get(one.record_type)
        if known is not None and known.control:
            continue
        follows = run is not None and (run.stream, run.reason, run.last + 1) == (one.stream, one.reason, one.position)
        if run is not None and follows:
            run = replace(run, last=one.position)
            continue
        if run is not None:
            yield run
        run = Run(stream=one.stream, first=one.position, last=one.position, reason=one.reason, text=one.detail)
    if run is not None:
        yield run
