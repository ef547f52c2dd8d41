"""Handing over in a round: what is for the department goes down through the adapter's process, one by one.

Called by the keeper after a round of fetching, so that a department's system that takes no documents still brings some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.contract import DeliveryRejectedError, Document
from node.departments.delivering.queue import look

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.departments.accept import Intake
    from node.departments.delivering.acknowledging import Delivering, DueDocument
    from node.departments.delivering.routes import Route
    from node.departments.doors.doorway import Doorway

LOOKS_MAX: Final = 20
"""Parts of what arrived that are looked at in one round; the next round goes on."""


def has_documents(intake: Intake, delivering: Delivering, route: Route) -> bool:
    """Look what arrived for the department, and tell whether something waits to be handed over."""
    for _ in range(LOOKS_MAX):
        if not look(intake.store, route, intake.clock):
            break
    return bool(delivering.due(route.adapter, limit=1))


def hand_over(delivering: Delivering, route: Route, doorway: Doorway, may_go_on: Callable[[], bool]) -> int:
    """Hand over what waits, and note what became of it; return how many documents the department's system took.

    What the adapter raises comes out, but for a document that the system refuses: the others go on.
    """
    taken = 0
    for due in delivering.due(route.adapter):
        if not may_go_on():
            break
        try:
            doorway.deliver(_document(due), due.key)
        except DeliveryRejectedError as error:
            delivering.refused(due, str(error))
        else:
            delivering.delivered(route.adapter, due)
            taken += 1
    return taken


def _document(due: DueDocument) -> Document:
    return Document(content=due.body, record_type=due.record_type, organisation=due.queued.organisation, text=due.text)
