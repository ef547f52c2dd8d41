"""One round of an adapter: deliveries are fetched, taken in, remembered, and then answered, one by one.

The order for each delivery is fixed: the intake's commits, then the adapter's row (cursor and counts), then the answer
to the source. Killed in between, the delivery comes again and its records are *repeated*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from adapters.contract import DeliveryRejectedError
from node.departments.doors.book import Counts, count
from node.departments.doors.taking_in import FileGoneError, take_in
from node.departments.preparing import Preparer
from node.departments.sources import find_source
from node.errors import InDoubtError
from node.journal.doubt import find_doubt

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.departments.accept import Intake
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.doorway import Doorway
    from node.departments.doors.messages import Brought
    from node.departments.doors.taking_in import TakenIn
    from node.departments.sources import Source

REASON_LENGTH_MAX: Final = 300


@dataclass(slots=True, kw_only=True)
class RoundDone:
    """What a round brought, and took down (``delivered`` documents).

    ``answer_error`` is what the source said to the last answer that it did not take.
    """

    deliveries: int = 0
    rejected: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    delivered: int = 0
    answer_error: str = ""

    def add(self, taken: TakenIn) -> None:
        """Count a delivery."""
        outcome = taken.outcome
        self.deliveries += 1
        self.rejected += bool(taken.unread)
        self.accepted += outcome.accepted
        self.repeated += outcome.repeated
        self.refused += outcome.refused

    def as_json(self) -> dict[str, int | str]:
        """Return it for programs."""
        return {
            "deliveries": self.deliveries,
            "rejected": self.rejected,
            "accepted": self.accepted,
            "repeated": self.repeated,
            "refused": self.refused,
            "delivered": self.delivered,
            "answer_error": self.answer_error,
        }


def run_round(
    intake: Intake,
    config: AdapterConfig,
    doorway: Doorway,
    done: RoundDone,
    *,
    limit: int,
    taken: Callable[[TakenIn], bool] = lambda _: True,
) -> None:
    """Take in at most ``limit`` deliveries; ``done`` says what came, also when the round ends with an error.

    ``taken`` is told of each delivery that was answered and says whether to go on. Raises the adapter's errors,
    BrokenDoorError and InterruptedDoorError; NotFoundError when the source is not there (any more), UsageError or
    ConfigurationError for the dialect, and TryLaterError when the node can take nothing in: then nothing was answered.
    """
    delivery = doorway.fetch(limit)
    with Preparer() as preparer:
        for number in range(1, limit + 1):
            if delivery is None:
                return
            result = _taken_in(intake, config, doorway, delivery, preparer)
            done.add(result)
            _answer(doorway, result, done)
            if not taken(result):
                doorway.leave_off()
                return
            if number == limit:
                _ensure_end(doorway)
                return
            delivery = doorway.next()


def open_source(intake: Intake, config: AdapterConfig) -> Source:
    """Return the source of an adapter when deliveries can be taken in for it.

    Raises NotFoundError when it is not there or was disabled, InDoubtError, DiskLowError and NotInitialisedError when
    the node takes nothing in.
    """
    intake.check_open()
    with intake.store.reading() as connection:
        doubt = find_doubt(connection)
        if doubt is not None:
            raise InDoubtError("This node is in doubt about its own database.", why=doubt.reason)
        return find_source(connection, config.source)


def _taken_in(
    intake: Intake, config: AdapterConfig, doorway: Doorway, delivery: Brought, preparer: Preparer
) -> TakenIn:
    """Take in one delivery, and remember in the adapter's row that it is."""
    source = open_source(intake, config)
    try:
        result = take_in(intake, source, config, delivery, preparer)
    except FileGoneError as error:
        raise doorway.broke(f"the file of a delivery cannot be read: {error}") from error
    if result.is_undecided:
        raise InDoubtError("This node is in doubt about its own database.", why="it began during the delivery")
    counts = Counts(
        deliveries=1,
        rejected=int(bool(result.unread)),
        accepted=result.outcome.accepted,
        repeated=result.outcome.repeated,
        refused=result.outcome.refused,
    )
    at = intake.clock.now()
    intake.store.write(lambda transaction: count(transaction, config.name, counts, cursor=delivery.cursor, at=at))
    return result


def _answer(doorway: Doorway, result: TakenIn, done: RoundDone) -> None:
    """Tell the source; that it does not take the answer for good is its own affair: the delivery is held here."""
    try:
        if result.unread:
            doorway.reject(result.unread[:REASON_LENGTH_MAX])
        else:
            doorway.acknowledge(result.outcome)
    except DeliveryRejectedError as error:
        done.answer_error = str(error)


def _ensure_end(doorway: Doorway) -> None:
    if doorway.next() is not None:
        raise doorway.broke("it brought more deliveries than it was asked for")
