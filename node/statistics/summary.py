"""Publishing: a day's figures, own and of the whole subtree, as StatisticsSummary records in the own stream.

A job (the scheduler's, or the demonstration's) calls ``publish_statistics``. For every day whose own or child figures
may have changed it adds its own counters and the newest summary of each direct child, and writes a new version when
that states something else than the last one: late records restate a day by themselves. The counters stand at exactly
the records before the summary because both are read and written under the journal's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlalchemy import delete, select

from node.journal.holdings import find
from node.standard.seals import ANCESTORS, StreamName
from node.statistics.counters import day_number, day_text, figures_of_day
from node.statistics.indicators import DEFINITION_VERSION, add_figures, within_range
from node.statistics.stated import RECORD_TYPE, Stated, compose_parts
from node.statistics.summaries import HeldSummary, newest_summary, stated_by, stream_ids
from node.statistics.tables import changed_day

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.engine import Connection

    from node.journal.store import Store, Transaction
    from node.standard.compose import Content

DAYS_MAX = 400
"""How many days one call publishes; the next call goes on. Chosen by us: a year, restated, in one night."""


class Producer(Protocol):
    """Appends a record that the node makes itself, under a key derived from its cause, never twice."""

    def __call__(
        self, transaction: Transaction, stream: StreamName, record_type: str, content: Content, key: str
    ) -> bool:
        """Return False, with nothing written, when a record with this key was made before."""


def publish_statistics(
    store: Store,
    *,
    node_code: str,
    children: Collection[str],
    produce: Producer,
    days: Iterable[str] | None = None,
) -> list[tuple[str, int]]:
    """Publish what changed; return (day, position of the summary's last part) of each new version.

    ``children`` are the codes of the direct children by the tree. ``days`` (YYYY-MM-DD) publishes these days even when
    nothing is known of them, so that a level above can tell "nothing happened" from "not reported"; None: every day
    whose figures may have changed, oldest first, at most ``DAYS_MAX``. Repeating a call writes nothing new.
    """
    if days is None:
        with store.reading() as connection:
            query = select(changed_day.c.day).order_by(changed_day.c.day).limit(DAYS_MAX)
            chosen = [day_text(day) for day in connection.execute(query).scalars()]
    else:
        chosen = sorted(set(days))
    published = []
    for day in chosen:
        position = store.write(
            lambda transaction, day=day: _publish_day(  # type: ignore[misc]
                transaction, day, node_code=node_code, children=children, produce=produce, always=days is not None
            )
        )
        if position is not None:
            published.append((day, position))
    return published


def state_day(connection: Connection, day: str, *, node_code: str, children: Collection[str]) -> Stated:
    """Return what this node would state for a day now: own counters, and the newest summary of each child."""
    stated = Stated(day=day, definition_version=DEFINITION_VERSION)
    number = day_number(day)
    ids = stream_ids(connection)
    if node_code in ids:
        stated.own = figures_of_day(connection, ids[node_code], number)
    add_figures(stated.subtree, stated.own)
    for child in sorted(children):
        held = newest_summary(connection, ids[child], number) if child in ids else None
        if held is None:
            stated.missing.append(child)
            continue
        stated.children[child] = held.position
        add_figures(stated.subtree, stated_by(connection, held).subtree)
    # Added exactly first: the result does not depend on the order of the children.
    stated.subtree = {key: within_range(amount) for key, amount in stated.subtree.items()}
    return stated


def _publish_day(
    transaction: Transaction,
    day: str,
    *,
    node_code: str,
    children: Collection[str],
    produce: Producer,
    always: bool,
) -> int | None:
    """Write a new version of one day if it states something new; return its position."""
    connection = transaction.connection
    stated = state_day(connection, day, node_code=node_code, children=children)
    connection.execute(delete(changed_day).where(changed_day.c.day == day_number(day)))
    last = _last_version(connection, node_code, day)
    if last is not None and last.content_hash == stated.content_hash():
        return None
    if last is None and not always and not stated.own and not stated.children:
        return None
    stream = StreamName(node_code, ANCESTORS)
    # The version before is part of the cause: a day may come to state again what an older version stated.
    cause = (
        f"{RECORD_TYPE}:{day}:{DEFINITION_VERSION}:{last.position if last else 0}:{stated.content_hash().hex()[:16]}"
    )
    for part, content in enumerate(compose_parts(stated), start=1):
        produce(transaction, stream, RECORD_TYPE, content, f"{cause}:{part}")
    held = find(connection, stream)
    return None if held is None else held.size


def _last_version(connection: Connection, node_code: str, day: str) -> HeldSummary | None:
    own = stream_ids(connection).get(node_code)
    return None if own is None else newest_summary(connection, own, day_number(day))
