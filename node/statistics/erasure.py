"""What a redaction does to summaries that counted the record (02, R15, R16).

A Redaction stands in the stream of its record, so its place among the summaries is the same at every holder. Summaries
behind it do not count the record, for anybody. Those between the record and its Redaction do: they stay what they were,
and a day whose figures changed is stated again by its origin. Who has the record by its hash alone, from the beginning
or since a rebuild, cannot recompute them: if its figures agree nevertheless, the record did not count there, and it
agrees; if they differ, the summary is ``erased``: no verdict. Whoever still had the bytes when the Redaction came has
to arrive at the same, so what may change for it is compared anew, from the records that are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update

from node.cases.tables import case_state
from node.journal.records import history
from node.journal.replay import entries_of
from node.statistics.counters import day_number
from node.statistics.summaries import DISPUTED, PENDING
from node.statistics.tables import summary

if TYPE_CHECKING:
    from node.journal.records import StoredRecord
    from node.journal.store import Transaction


def unsettle(transaction: Transaction, target: StoredRecord, redaction: int) -> None:
    """Let summaries between a record that is about to be erased and its Redaction (a key) be compared anew.

    Those of a day on which any record of its case happened, because a version that it replaced may count again; and the
    disputed ones, whose difference may have been the record.
    """
    days = [day_number(day) for day in sorted(_days_of(transaction, target))]
    between = (
        summary.c.stream_id == target.stream_id,
        summary.c.last_key > target.key,
        summary.c.last_key < redaction,
        summary.c.own.is_(False),
        # Those of a definition that is not known here were never compared.
        or_(summary.c.own_verdict != PENDING, summary.c.recorded.is_(False)),
    )
    touched = or_(summary.c.day.in_(days), summary.c.own_verdict == DISPUTED)
    transaction.connection.execute(
        update(summary)
        .where(*between, touched)
        .values(own_verdict=PENDING, own_differing="[]", verdict=PENDING, differing="[]", recorded=False)
    )


def _days_of(transaction: Transaction, target: StoredRecord) -> set[str]:
    """Return the days (YYYY-MM-DD) on which the records of an approval case happened; none for anything else."""
    connection = transaction.connection
    last = connection.scalar(select(case_state.c.last_key).where(case_state.c.id == target.case_id))
    if target.case_id is None or last is None:
        return set()
    entries = entries_of(history(connection, target.case_id, last))
    return {one.facts.event_day for one in entries if one.facts is not None and one.facts.event_day is not None}
