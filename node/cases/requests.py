"""Consultations and complaints: the version in effect of each, whichever case, item or department it is about.

They are no part of a case's history: a complaint often comes from another node than the case (a city's hotline about a
county's window), and may come before it. So a case neither waits for one nor is held back by it; whoever looks at a
case finds them by its number. Their clocks are the business of supervision.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from node.cases.tables import request
from node.journal.records import records_at
from node.journal.replay import entries_of
from node.journal.statements import upsert_sql
from node.journal.tables import record, record_key
from node.standard.families import RECORD_TYPES, REQUEST_HEADER, record_number
from node.standard.seals import ANCESTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.journal.entries import Batch, Entry
    from node.journal.store import Transaction
    from node.standard.facts import Facts

REQUEST_RECORD_TYPES: frozenset[str] = frozenset(
    name for name, entry in RECORD_TYPES.items() if entry.header == REQUEST_HEADER
)
_PAGE_RECORDS: Final = 500
_PUT = ("record_key", "data_version", "case_no", "organisation", "division", "state", "asked_at")

Key = tuple[int, str]
"""Number of the record type, and the source's own key."""
Rank = tuple[int, int]
"""What is greater is in effect: the higher data version, and of one version the record that stands first."""


class RequestProjection:
    """Consultations and complaints by their own keys. Implements the journal's Projection."""

    name = "requests"
    cuts: frozenset[str] = frozenset()

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Take in the requests of batches."""
        for batch in batches:
            self._take(transaction, batch)

    def _take(self, transaction: Transaction, batch: Batch) -> None:
        if batch.stream.audience != ANCESTORS:
            return
        newest: dict[Key, tuple[Rank, Entry, Facts]] = {}
        for entry in batch.entries:
            facts = entry.facts
            if entry.quarantine is None and facts is not None and facts.record_type in REQUEST_RECORD_TYPES:
                key = (record_number(facts.record_type), facts.record_key or "")
                rank = (facts.data_version, -entry.key)
                if key not in newest or rank > newest[key][0]:
                    newest[key] = (rank, entry, facts)
        if newest:
            self._put(transaction, batch.stream_id, newest)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Take in requests that can be applied now; one whose bytes are gone makes way for the version before it."""
        if batch.stream.audience != ANCESTORS:
            return
        self._take(transaction, batch)
        gone = [entry.key for entry in batch.entries if not entry.body]
        for row in transaction.connection.execute(select(request).where(request.c.record_key.in_(gone))).all():
            self._fall_back(transaction, batch, row)

    def _fall_back(self, transaction: Transaction, batch: Batch, row: Any) -> None:
        """Drop the version in effect of a request, and put the best of what is left of it in its place.

        No index leads to the versions of a request: the records of its type are read, which only erasing does.
        """
        connection = transaction.connection
        connection.execute(delete(request).where(request.c.record_key == row.record_key))
        low, high = record_key(batch.stream_id, 1), record_key(batch.stream_id + 1, 0) - 1
        query = select(record.c.key).where(record.c.key.between(low, high), record.c.type_number == row.type_number)
        keys = list(connection.execute(query.order_by(record.c.key)).scalars())
        for at in range(0, len(keys), _PAGE_RECORDS):
            entries = entries_of(records_at(connection, keys[at : at + _PAGE_RECORDS]))
            same = [one for one in entries if one.facts is not None and one.facts.record_key == row.key]
            if same:
                self._take(transaction, replace(batch, entries=same))

    def clear(self, transaction: Transaction) -> None:
        """Drop all requests."""
        transaction.connection.execute(delete(request))

    def _put(self, transaction: Transaction, stream_id: int, newest: dict[Key, tuple[Rank, Entry, Facts]]) -> None:
        held = _held(transaction, stream_id, newest)
        rows = [
            (
                stream_id,
                *key,
                entry.key,
                facts.data_version,
                facts.case_no,
                facts.organisation,
                facts.division,
                facts.code,
                facts.event_s,
            )
            for key, (rank, entry, facts) in sorted(newest.items(), key=lambda item: item[0])
            if key not in held or rank > held[key]
        ]
        if rows:
            transaction.connection.exec_driver_sql(upsert_sql(request, transaction.dialect, put=_PUT), rows)


def _held(transaction: Transaction, stream_id: int, keys: dict[Key, tuple[Rank, Entry, Facts]]) -> dict[Key, Rank]:
    """Return the rank of what is in effect for those of the keys that are known."""
    columns = request.c
    query = select(columns.type_number, columns.key, columns.data_version, columns.record_key).where(
        columns.stream_id == stream_id, columns.key.in_({key for _, key in keys})
    )
    return {
        (number, key): (data_version, -record_key)
        for number, key, data_version, record_key in transaction.connection.execute(query)
    }
