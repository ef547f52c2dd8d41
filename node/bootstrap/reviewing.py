"""Looking at quarantined records again when what stood against them may have changed (02, R8, R10).

Two things change: the program, which may know a record type by now (looked at when the node starts), and the tree,
which may give an origin the authority that it did not have when its record came before its certificate did (looked at
by ``Node.work``). Both go through the list in order of the keys, one short transaction for each page.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from node.journal import quarantine
from node.journal.entries import NO_AUTHORITY, read_entry
from node.journal.holdings import stream_names
from node.journal.records import records_at
from node.journal.replay import note_reason
from node.journal.settings import save_setting, setting
from node.journal.tables import position_of, stream_id_of
from node.trust.authority import check_authority
from node.trust.tree import DIGEST_SETTING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.entries import Entry
    from node.journal.records import StoredRecord
    from node.journal.store import Store, Transaction
    from node.journal.streams import Journal
    from node.trust.tree import Tree

PAGE: Final = 500
"""Records looked at in one transaction, so that intake never waits long. Chosen by us."""
PAGES_MAX: Final = 20
"""Pages that one call of ``after_tree_change`` looks at; the next call goes on behind them."""
REVIEWED_SETTING: Final = "quarantine.reviewed"
"""Setting: the tree for which records without authority were last looked at, and the last key seen; ``done`` at the
end."""
_DONE: Final = "done"


class Reviewing:
    """Requeues what may stand now; ``tree`` gives the tree as a connection sees it."""

    def __init__(self, store: Store, journal: Journal, tree: Callable[[Connection], Tree]) -> None:
        self._store = store
        self._journal = journal
        self._tree = tree

    def requeue(self, transaction: Transaction, keys: Sequence[int]) -> list[int]:
        """Read quarantined records again and apply those that follow the standard and have authority; return them.

        One that follows the standard now and has no authority keeps that as its reason.
        """
        connection = transaction.connection
        tree = self._tree(connection)
        names = stream_names(connection, {stream_id_of(key) for key in keys})
        allowed: list[int] = []
        for stored in records_at(connection, keys):
            entry = _read(stored)
            if entry.quarantine is None:
                stream = names[stream_id_of(stored.key)]
                reason = check_authority(tree, stream, entry.record_type, entry.facts, entry.element)
                if reason is not None:
                    entry.quarantine, entry.detail = NO_AUTHORITY, reason
                    note_reason(transaction, entry)
                    continue
            allowed.append(stored.key)
        return self._journal.requeue(transaction, allowed)

    def all_with(self, reasons: Sequence[str]) -> int:
        """Look at every record with one of ``reasons`` again; return how many were applied."""
        applied, after = 0, -1
        while keys := self._page(reasons, after):
            applied += len(self._store.write(lambda transaction, keys=keys: self.requeue(transaction, keys)))  # type: ignore[misc]
            after = keys[-1]
        return applied

    def after_tree_change(self) -> int:
        """Look again at records without authority when the tree changed since the last look; return how many stand now.

        Writes nothing as long as the tree is the same or no record waits.
        """
        applied = 0
        for _ in range(PAGES_MAX):
            with self._store.reading() as connection:
                digest = setting(connection, DIGEST_SETTING) or ""
                seen, _, place = (setting(connection, REVIEWED_SETTING) or "").rpartition(" ")
                if seen == digest and place == _DONE:
                    break
                after = int(place) if seen == digest and place else -1
                keys = self._keys(connection, (NO_AUTHORITY,), after)
            if not keys and after < 0:
                break
            applied += self._store.write(partial(self._step, keys=keys, digest=digest))
        return applied

    def _step(self, transaction: Transaction, *, keys: list[int], digest: str) -> int:
        place = str(keys[-1]) if len(keys) == PAGE else _DONE
        save_setting(transaction, REVIEWED_SETTING, f"{digest} {place}")
        return len(self.requeue(transaction, keys)) if keys else 0

    def _page(self, reasons: Sequence[str], after: int) -> list[int]:
        with self._store.reading() as connection:
            return self._keys(connection, reasons, after)

    @staticmethod
    def _keys(connection: Connection, reasons: Sequence[str], after: int) -> list[int]:
        return [one.key for one in quarantine.listed(connection, reasons=reasons, after=after, limit=PAGE)]


def _read(stored: StoredRecord) -> Entry:
    entry = read_entry(stored.body or b"", leaf=stored.leaf)
    entry.key, entry.position = stored.key, position_of(stored.key)
    return entry
