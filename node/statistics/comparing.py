"""Comparing: the asker narrows a disputed figure down, the origin answers; both in jobs that are called by ``work``.

**Who asks.** The parent whose recomputation of a child's own figures differs: with its verdict it writes the first
FigureComparison into its stream to the child, which takes it with the answer to a long-poll like everything that goes
down. The child answers in its stream to the parent. Both streams are held by the ancestors too.

**What is compared.** Not the records, which both hold alike, but what each node counts of them: the contributions of
cases that its counters are the sum of. The origin answers from its cases as they are and names the size of its stream;
the asker counts its own as of that size. It then counts the few cases that differ from their records alone, which
tells whose count is wrong.

**Bounds.** An answer makes one more question at most, ``QUESTIONS_MAX`` in all; one that does not fit ends the
comparison. Keys are derived from summary and number, so a repetition after a crash writes nothing new.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from node.cases.tables import case_fact, case_state
from node.errors import StoreBusyError, StoreUnavailableError
from node.journal.holdings import find
from node.journal.records import history, record_at
from node.journal.tables import QUARANTINED
from node.standard.codec import parse_unvalidated
from node.standard.seals import ANCESTORS, StreamName
from node.statistics.compared import (
    ANSWER,
    EQUAL,
    MORE,
    NAMED,
    QUESTION,
    UNFIT,
    Answer,
    NamedDifference,
    Question,
    answer_content,
    question_content,
    read_answer,
    read_question,
)
from node.statistics.comparisons import open_comparisons
from node.statistics.contributions import counted_cases, counted_records
from node.statistics.counters import day_number
from node.statistics.indicators import within_range
from node.statistics.narrowing import QUESTIONS_MAX, WHOLE, UnfitAnswerError, next_step, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from node.journal.store import Store, Transaction
    from node.statistics.comparisons import Comparison
    from node.statistics.narrowing import Contribution, Difference
    from node.statistics.summary import Producer

OPEN_MAX: Final = 16
"""Comparisons with one origin that go on at once; chosen by us: a fault that disputes a year of days has one cause."""
RECORDS_NAMED_MAX: Final = 20
"""Records named of one difference, as the schema has it."""
_STORE_TROUBLE: Final = (DBAPIError, StoreBusyError, StoreUnavailableError)

_log = logging.getLogger(__name__)


def begin_comparison(
    transaction: Transaction, *, node_code: str, origin: str, position: int, day: str, produce: Producer
) -> bool:
    """Ask for everything that counts in the summary of ``origin`` at ``position``; False when that is asked already.

    Nothing is asked while ``OPEN_MAX`` comparisons with the origin go on.
    """
    if len(open_comparisons(transaction.connection, asker=node_code, origin=origin)) >= OPEN_MAX:
        return False
    question = Question(origin=origin, position=position, day=day, number=1, asked=(WHOLE,))
    return _ask(transaction, node_code, question, produce)


def compare_figures(store: Store, *, node_code: str, produce: Producer) -> int:
    """Answer what this node was asked, go on with what it was answered; return how many records were written.

    A comparison that fails is logged and left as it is; it does not keep the others.
    """
    with store.reading() as connection:
        asked = [one for one in open_comparisons(connection, origin=node_code) if one.answer_number < one.asked_number]
        told = [one for one in open_comparisons(connection, asker=node_code) if one.answer_number == one.asked_number]
    return sum(
        _alone(one, lambda one=one, work=work: work(store, one, node_code, produce))  # type: ignore[misc]
        for work, found in ((_answer, asked), (_go_on, told))
        for one in found
    )


def _alone(one: Comparison, work: Callable[[], int]) -> int:
    try:
        return work()
    except _STORE_TROUBLE:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on; only its class is logged.
        where = {"asker": one.asker, "origin": one.origin, "position": one.position, "why": type(error).__name__}
        _log.warning("comparison failed", extra=where)
        return 0


def _answer(store: Store, one: Comparison, node_code: str, produce: Producer) -> int:
    """Tell what this node counts in the ranges asked for."""
    with store.reading() as connection:
        question = read_question(parse_unvalidated(record_at(connection, one.asked_key).body or b""))
        held = find(connection, StreamName(node_code, ANCESTORS))
        told = () if held is None else tell(_contributions(connection, held.stream_id, one.day, None), question.asked)
    answer = Answer(
        position=one.position,
        day=one.day,
        number=one.asked_number,
        size=0 if held is None else held.size,
        told=tuple(told),
    )
    key = f"{ANSWER}:{one.asker}:{one.position}:{one.asked_number}"
    stream = StreamName(node_code, one.asker)
    return int(store.write(lambda transaction: produce(transaction, stream, ANSWER, answer_content(answer), key)))


def _go_on(store: Store, one: Comparison, node_code: str, produce: Producer) -> int:
    """Ask the next question, or say how it ended; nothing while the origin's stream is not held that far."""
    with store.reading() as connection:
        question = _next_question(connection, one)
    if question is None:
        return 0
    return int(store.write(lambda transaction: _ask(transaction, node_code, question, produce)))


def _ask(transaction: Transaction, node_code: str, question: Question, produce: Producer) -> bool:
    key = f"{QUESTION}:{question.origin}:{question.position}:{question.number}"
    return produce(transaction, StreamName(node_code, question.origin), QUESTION, question_content(question), key)


def _next_question(connection: Connection, one: Comparison) -> Question | None:
    asked = read_question(parse_unvalidated(record_at(connection, one.asked_key).body or b""))
    answer = read_answer(parse_unvalidated(record_at(connection, one.answer_key).body or b""))
    number = one.asked_number + 1
    held = find(connection, StreamName(one.origin, ANCESTORS))
    if answer.day != one.day or answer.size < one.position:
        return Question(origin=one.origin, position=one.position, day=one.day, number=number, outcome=UNFIT)
    if held is None or held.size < answer.size:
        return None
    own = _contributions(connection, held.stream_id, one.day, answer.size)
    try:
        step = next_step(answer.told, asked.asked, asked.waiting, own, found_before=len(one.found))
    except UnfitAnswerError:
        return Question(origin=one.origin, position=one.position, day=one.day, number=number, outcome=UNFIT)
    found = tuple(_named(connection, held.stream_id, one.day, answer.size, difference) for difference in step.found)
    last = not step.asked or number > QUESTIONS_MAX
    more = asked.more or step.more or (last and bool(step.asked))
    return Question(
        origin=one.origin,
        position=one.position,
        day=one.day,
        number=number,
        asked=() if last else step.asked,
        waiting=() if last else step.waiting,
        found=found,
        more=more,
        outcome=_outcome(more=more, found=bool(found or one.found)) if last else "",
    )


def _outcome(*, more: bool, found: bool) -> str:
    return MORE if more else NAMED if found else EQUAL


def _contributions(connection: Connection, stream_id: int, day: str, size: int | None) -> Iterator[Contribution]:
    for case in counted_cases(connection, stream_id, frozenset({day_number(day)}), size=size):
        for key, amount in case.figures.get(day, {}).items():
            yield case.case_no, key, within_range(amount)


def _named(connection: Connection, stream_id: int, day: str, size: int, difference: Difference) -> NamedDifference:
    """Count a case that differs from its records alone, and tell whose count is wrong."""
    query = (
        select(case_fact.c.id, case_state.c.last_key)
        .join(case_state, case_state.c.id == case_fact.c.id)
        .where(case_fact.c.stream_id == stream_id, case_fact.c.case_no == difference.case_no)
    )
    row = connection.execute(query).first()
    counted = 0
    records: list[int] = []
    quarantined = False
    if row is not None:
        for one in counted_records(connection, row.id, row.last_key, size=size):
            if (one.day, one.key) == (day, difference.key):
                counted += one.amount
                records.append(one.position)
        held = history(connection, row.id, row.last_key)
        quarantined = any(one.flags & QUARANTINED and one.position <= size for one in held)
    counted = within_range(counted)
    return NamedDifference(
        case_no=difference.case_no,
        key=difference.key,
        stated=difference.stated,
        computed=difference.computed,
        counted=counted,
        cause="QUARANTINED" if quarantined else _cause(difference, counted),
        records=tuple(records[:RECORDS_NAMED_MAX]),
    )


def _cause(difference: Difference, counted: int) -> str:
    if counted == difference.computed:
        return "ORIGIN"
    return "HOLDER" if counted == difference.stated else "UNCLEAR"
