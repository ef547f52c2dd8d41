"""Verdicts: every holder recomputes a summary and says whether it agrees, in a record to the summary's origin.

Own figures were compared when the summary arrived, with the counters at exactly its position
(``node.statistics.summaries``); where an unread record stood below it, the comparison waits until that is applied
and is then made from the records, for all summaries of a stream in one reading of it. The subtree is compared with own
figures plus the children's summaries at the positions that it names; it waits until those are held.
``publish_verdicts`` is called by a job; its records have keys derived from the summary, so none is written twice.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from node.errors import StoreBusyError, StoreUnavailableError
from node.journal.holdings import find
from node.journal.tables import record_key, stream_id_of
from node.journal.tables import stream as stream_table
from node.standard.seals import ANCESTORS, StreamName
from node.statistics.comparing import begin_comparison
from node.statistics.counters import day_number, day_text, figures_of_day
from node.statistics.indicators import Figures, add_figures
from node.statistics.recount import figures_at
from node.statistics.summaries import (
    AGREED,
    DIFFERING_MAX,
    DISPUTED,
    ERASED,
    PENDING,
    WORDS,
    Difference,
    HeldSummary,
    compare,
    compare_own,
    first_unread,
    held_summary,
    newest_summary,
    stated_by,
    stream_ids,
    summary_at,
)
from node.statistics.tables import summary
from node.trust.tables import node_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.store import Store, Transaction
    from node.statistics.summary import Producer

T = TypeVar("T")

RECORD_TYPE = "SummaryVerdict"
VERDICTS_MAX = 500
"""How many summaries one call judges; the next call goes on. Chosen by us."""

NONE = "none"
_STORE_TROUBLE = (DBAPIError, StoreBusyError, StoreUnavailableError)
"""What fails for every summary alike, and passes: the caller tries again later."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What this node found of one summary of another node."""

    origin: str
    position: int
    key: int
    day: str
    verdict: int
    own_disputed: bool
    differing: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsState:
    """``overall`` and per origin: ``agreed``, ``disputed``, ``pending``, ``erased``, ``none`` where no summary is held.

    Of every day only the newest version counts.
    """

    overall: str
    origins: dict[str, str]


def publish_verdicts(store: Store, *, node_code: str, produce: Producer, children: Collection[str] = ()) -> int:
    """Judge the summaries held that can be judged, write the verdicts, and return how many were written.

    Where the own figures of one of ``children`` (codes of direct children) are disputed in its newest summary of the
    day, the comparison begins that finds the cases which differ (``node.statistics.comparing``).

    What has to wait (an unread record below, a child's summary not held yet) stays pending for the next call. A
    summary that cannot be judged or answered is logged and left open; it does not keep the others from their verdicts.
    """
    _recount(store)
    with store.reading() as connection:
        verdicts = list(_judged(connection))
    written = 0
    for verdict in verdicts:
        try:
            written += store.write(
                lambda transaction, verdict=verdict: _write(transaction, verdict, node_code, produce, children)  # type: ignore[misc]
            )
        except _STORE_TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on; only its class is logged.
            _log.warning("verdict failed", extra=_failure(verdict.origin, verdict.position, error))
    return written


def judge_all(transaction: Transaction) -> None:
    """Settle every summary that can be judged, and write no record of it: for a rebuild in a copy."""
    connection = transaction.connection
    while found := _comparable(connection):
        _save_own(transaction, found)
    while verdicts := list(_judged(connection)):
        for verdict in verdicts:
            _settle(transaction, verdict)


def statistics_state(connection: Connection) -> StatisticsState:
    """Return how far the summaries of others that this node holds are agreed, for status and demonstration."""
    newest = (
        select(func.max(summary.c.last_key).label("last_key"))
        .where(summary.c.own.is_(False))
        .group_by(summary.c.stream_id, summary.c.day)
        .subquery()
    )
    query = (
        select(stream_table.c.origin, summary.c.verdict)
        .join(newest, newest.c.last_key == summary.c.last_key)
        .join(stream_table, stream_table.c.id == summary.c.stream_id)
        .distinct()
    )
    found: dict[str, set[int]] = {}
    for origin, verdict in connection.execute(query):
        found.setdefault(origin, set()).add(verdict)
    origins = {origin: _overall(verdicts) for origin, verdicts in sorted(found.items())}
    return StatisticsState(overall=_overall(set().union(*found.values())), origins=origins)


def own_figures(connection: Connection, node_code: str, first_day: str, last_day: str) -> dict[str, Figures]:
    """Return this node's own figures by day as the counters hold them now; days are ``YYYY-MM-DD``, both included."""
    number = stream_ids(connection).get(node_code)
    if number is None:
        return {}
    days = range(day_number(first_day), day_number(last_day) + 1)
    found = {day_text(day): figures_of_day(connection, number, day) for day in days}
    return {day: figures for day, figures in found.items() if figures}


def subtree_figures(connection: Connection, node_code: str, first_day: str, last_day: str) -> dict[str, Figures]:
    """Return the subtree figures by day that ``node_code`` published last; days are ``YYYY-MM-DD``, both included."""
    number = stream_ids(connection).get(node_code)
    if number is None:
        return {}
    query = (
        select(summary.c.day)
        .where(summary.c.stream_id == number, summary.c.day.between(day_number(first_day), day_number(last_day)))
        .distinct()
        .order_by(summary.c.day)
    )
    figures = {}
    for day in connection.execute(query).scalars().all():
        held = newest_summary(connection, number, day)
        if held is not None:
            figures[day_text(day)] = stated_by(connection, held).subtree
    return figures


def _overall(verdicts: set[int]) -> str:
    for verdict in (DISPUTED, PENDING, ERASED, AGREED):
        if verdict in verdicts:
            return WORDS[verdict]
    return NONE


def _recount(store: Store) -> None:
    """Compare the own figures that could not be compared at their arrival, where nothing is in the way any more."""
    with store.reading() as connection:
        found = _comparable(connection)
    if found:
        store.write(lambda transaction: _save_own(transaction, found))


def _comparable(connection: Connection) -> list[tuple[HeldSummary, int, str]]:
    """Return what was found of the next own figures that can be compared now."""
    origins = _origins(connection)
    return [one for waiting in _recountable(connection) for one in _recounted(connection, waiting, origins)]


def _recountable(connection: Connection) -> Iterator[list[HeldSummary]]:
    """Give the summaries that can be compared now, those of one stream together, ``VERDICTS_MAX`` at most."""
    pending = (summary.c.recorded.is_(False), summary.c.own_verdict == PENDING)
    left = VERDICTS_MAX
    for number in connection.execute(select(summary.c.stream_id).where(*pending).distinct()).scalars().all():
        query = select(summary).where(*pending, summary.c.stream_id == number)
        lowest = first_unread(connection, number)
        if lowest is not None:
            query = query.where(summary.c.first_key < lowest)
        waiting = [held_summary(row) for row in connection.execute(query.order_by(summary.c.last_key).limit(left))]
        if waiting:
            yield waiting
        left -= len(waiting)
        if not left:
            return


def _recounted(
    connection: Connection, waiting: Sequence[HeldSummary], origins: Mapping[int, str]
) -> Iterator[tuple[HeldSummary, int, str]]:
    """Give (summary, own verdict, differing figures as JSON) of summaries of one stream, which is read once."""
    wanted = [(held.first_position, day_text(held.day)) for held in waiting]
    for held, counted in zip(waiting, figures_at(connection, waiting[0].stream_id, wanted), strict=True):
        stated = _alone(partial(stated_by, connection, held), origins[held.stream_id], held.position)
        if stated is not None:
            verdict, differing = compare_own(connection, record_key(held.stream_id, held.position), stated, counted)
            yield held, verdict, json.dumps(differing)


def _save_own(transaction: Transaction, found: Iterable[tuple[HeldSummary, int, str]]) -> None:
    for held, verdict, differing in found:
        statement = update(summary).where(summary.c.last_key == record_key(held.stream_id, held.position))
        transaction.connection.execute(statement.values(own_verdict=verdict, own_differing=differing))


def _judged(connection: Connection) -> Iterator[Verdict]:
    """Give a verdict on each open summary that can be judged now, oldest first."""
    origins = _origins(connection)
    query = select(summary).where(summary.c.recorded.is_(False), summary.c.own_verdict != PENDING)
    found = 0
    for row in connection.execute(query.order_by(summary.c.last_key)).all():
        held = held_summary(row)
        origin = origins[held.stream_id]
        verdict = _alone(partial(_judge, connection, held, origin), origin, held.position)
        if verdict is not None:
            yield verdict
            found += 1
        if found >= VERDICTS_MAX:
            return


def _origins(connection: Connection) -> dict[int, str]:
    return {number: origin for origin, number in stream_ids(connection).items()}


def _alone(work: Callable[[], T], origin: str, position: int) -> T | None:
    """Do work about one summary; None, and a line in the log, when that fails: others do not have to wait for it."""
    try:
        return work()
    except _STORE_TROUBLE:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on; only its class is logged.
        _log.warning("summary cannot be judged", extra=_failure(origin, position, error))
        return None


def _failure(origin: str, position: int, error: Exception) -> dict[str, object]:
    return {"origin": origin, "position": position, "why": type(error).__name__}


def _judge(connection: Connection, held: HeldSummary, origin: str) -> Verdict | None:
    """Compare the subtree and join it with what was found of own figures; None while a child is waited for."""
    stated = stated_by(connection, held)
    subtree = dict(stated.own)
    for child in _children(connection, origin, stated.children):
        if child is None:
            return None
        add_figures(subtree, child)
    below, below_differing = compare(stated.subtree, subtree)
    return Verdict(
        origin=origin,
        position=held.position,
        key=record_key(held.stream_id, held.position),
        day=stated.day,
        verdict=DISPUTED if below == DISPUTED else held.own_verdict,
        own_disputed=held.own_verdict == DISPUTED,
        differing=tuple(dict.fromkeys([*held.own_differing, *below_differing])),
    )


def _children(connection: Connection, origin: str, children: dict[str, int]) -> Iterable[Figures | None]:
    """Give the subtree figures of each child's summary at the position named; None: not held as far as that.

    A held position that is no summary adds nothing, nor does a node that stands elsewhere than directly below
    ``origin``, so that naming one shows as a difference.
    """
    query = select(node_tree.c.code, node_tree.c.parent).where(node_tree.c.code.in_(children))
    parents = {row.code: row.parent for row in connection.execute(query)}
    for code, position in sorted(children.items()):
        if code == origin or parents.get(code, origin) != origin:
            yield {}
            continue
        held = find(connection, StreamName(code, ANCESTORS))
        if held is None or held.size < position:
            yield None
            continue
        child = summary_at(connection, held.stream_id, position)
        yield {} if child is None else stated_by(connection, child).subtree


def _write(
    transaction: Transaction, verdict: Verdict, node_code: str, produce: Producer, children: Collection[str]
) -> int:
    """Write one verdict record and note that it is written; 1 when it is new. What was erased nobody can judge."""
    _settle(transaction, verdict)
    if verdict.verdict == ERASED:
        return 0
    stream = StreamName(node_code, verdict.origin)
    key = f"{RECORD_TYPE}:{verdict.origin}:{verdict.position}"
    written = produce(transaction, stream, RECORD_TYPE, _content(verdict), key)
    if verdict.own_disputed and verdict.origin in children and _is_newest(transaction.connection, verdict):
        begin_comparison(
            transaction,
            node_code=node_code,
            origin=verdict.origin,
            position=verdict.position,
            day=verdict.day,
            produce=produce,
        )
    return int(written)


def _settle(transaction: Transaction, verdict: Verdict) -> None:
    values: dict[str, Any] = {
        "verdict": verdict.verdict,
        "differing": json.dumps(verdict.differing),
        "recorded": True,
    }
    transaction.connection.execute(update(summary).where(summary.c.last_key == verdict.key).values(**values))


def _is_newest(connection: Connection, verdict: Verdict) -> bool:
    newest = newest_summary(connection, stream_id_of(verdict.key), day_number(verdict.day))
    return newest is not None and newest.position == verdict.position


def _content(verdict: Verdict) -> dict[str, Any]:
    names = ("@Division", "@Org", "@Task", "@Channel", "@Indicator", "@Stated", "@Computed")
    return {
        "Origin": verdict.origin,
        "Position": str(verdict.position),
        "Day": verdict.day,
        "Verdict": "AGREED" if verdict.verdict == AGREED else "DISPUTED",
        "Differing": [
            dict(zip(names, map(str, difference), strict=True)) for difference in verdict.differing[:DIFFERING_MAX]
        ],
    }
