"""Handing over in a round: what is for the department goes down through the adapter's process, one by one.

Called by the keeper after a round of fetching, so that a department's system that takes no documents still brings some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.contract import DeliveryRejectedError, Document
from node.departments.delivering.acknowledging import ROUND_MAX
from node.departments.delivering.queue import look

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.departments.accept import Intake
    from node.departments.delivering.acknowledging import Delivering, DueDocument
    from node.departments.delivering.routes import Route
    from node.departments.doors.doorway import Doorway
    from node.departments.doors.rounds import RoundDone

LOOKS_MAX: Final = 20
"""Parts of what arrived that are looked at in one round; the next round goes on."""


def hand_over(
    intake: Intake,
    delivering: Delivering,
    route: Route,
    doorway: Doorway,
    done: RoundDone,
    may_go_on: Callable[[], bool],
) -> bool:
    """Look what arrived for the department, hand over what waits, and note what became of it; tell whether more waits.

    ``done`` counts the documents that the department's system took, also when the round ends with an error. What the
    adapter raises comes out, but for a document that the system refuses: the others go on.
    """
    for _ in range(LOOKS_MAX):
        if not (behind := look(intake.store, route, intake.clock)):
            break
    waiting = delivering.due(route.adapter)
    for due in waiting:
        if not may_go_on():
            return True
        try:
            doorway.deliver(_document(due), due.key)
        except DeliveryRejectedError as error:
            delivering.refused(due, str(error))
        else:
            delivering.delivered(route.adapter, due)
            done.delivered += 1
    return behind > 0 or len(waiting) == ROUND_MAX


def _document(due: DueDocument) -> Document:
    return Document(content=due.body, record_type=due.record_type, organisation=due.queued.organisation, text=due.text)
