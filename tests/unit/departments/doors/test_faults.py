"""What an adapter does wrong costs its own process and nothing else; everything comes again, nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.departments.doors.events import last_events
from node.departments.doors.folders import folder_of
from tests.unit.departments.doors.test_rounds import delivery

if TYPE_CHECKING:
    from tests.unit.departments.doors.conftest import Door

SECRET = "geheim/7&x"


def events(door: Door) -> str:
    return "\n".join(str(event) for event in last_events(folder_of(door.home, "door"), 100))


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("fetch:hang", "it hung: fetch took longer than its patience of 2 s"),
        ("fetch:talk-on", "it hung: fetch took longer than its patience of 2 s"),
        ("fetch:crash", "its process ended during fetch (killed by SIGSEGV)"),
        ("fetch:leave", "its process ended during fetch (exit code 3)"),
        ("fetch:defect", "it has a defect: ZeroDivisionError: division by zero near None"),
        ("fetch:flood-log", "it told more than 10,000 events during fetch"),
        ("fetch:flood-errors", "it wrote more than 16,777,216 bytes to standard error"),
        ("fetch:garble", "what it sent is no message: it is not of the form of messages"),
        ("fetch:long", "it sent a message of more than 5,242,880 bytes"),
        ("fetch:memory", "it has a defect: MemoryError: "),
        ("between:crash", "its process ended during next (killed by SIGSEGV)"),
        ("acknowledge:crash", "its process ended during acknowledge (killed by SIGSEGV)"),
        ("open:leave", "its process ended during open (exit code 3)"),
        ("no-key", "it does not keep to the contract: a delivery has no key of 1 to 200 characters"),
        ("wrong-source", "it does not keep to the contract: a delivery names another source"),
    ],
)
def test_a_process_that_breaks_is_ended_with_the_reason_and_the_next_one_goes_on(
    door: Door, deed: str, why: str
) -> None:
    door.script(deed)
    for number in range(3):
        door.put(f"{number}.xml", delivery(2, f"seed {number}"))
    keeper = door.keeper()
    # The first rest after a break is at most a second (rest.BOUNDS_S).
    assert 0.5 <= keeper.turn() <= 1.0
    assert (door.row.state, door.row.text) == ("broken", why)
    assert keeper.turn() == 0.2
    assert door.row.state == "waiting"
    assert door.records() == 6
    assert [line.split()[0] for line in door.answers()] == ["0.xml", "1.xml", "2.xml"]
    assert [event["event"] for event in last_events(folder_of(door.home, "door"), 2)][-1] == "adapter works again"
