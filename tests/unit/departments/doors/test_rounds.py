"""A round with a real process: what an adapter brings is taken in, remembered, and then answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.intake import generated, standard_records, wrapped

if TYPE_CHECKING:
    from tests.unit.departments.doors.conftest import Door


def delivery(count: int, seed: str = "door") -> bytes:
    return wrapped(standard_records(generated(count, seed=seed)))


def test_what_an_adapter_brings_is_taken_in_and_then_answered(door: Door) -> None:
    door.put("1.xml", delivery(5))
    door.put("2.xml", delivery(3, "other"))
    keeper = door.keeper()
    assert keeper.turn() == 0.2
    assert door.answers() == [
        "1.xml accepted 5 repeated 0 refused 0",
        "2.xml accepted 3 repeated 0 refused 0",
    ]
    assert door.records() == 8
    row = door.row
    assert (row.state, row.cursor, row.counts.deliveries, row.counts.accepted) == ("waiting", "2.xml", 2, 8)
