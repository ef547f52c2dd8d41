"""A round with a real process: what an adapter brings is taken in, remembered, and then answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.departments.doors.events import last_events
from node.departments.doors.folders import folder_of
from node.departments.refused import list_refused, show_refused
from node.departments.source_changes import disable_source
from node.journal.records import bodies
from tests.support.intake import generated, standard_records, table, wrapped

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


def test_the_same_again_is_repeated(door: Door) -> None:
    keeper = door.keeper()
    for name in ("1.xml", "2.xml"):
        door.put(name, delivery(4))
        keeper.turn()
    assert door.answers()[1] == "2.xml accepted 0 repeated 4 refused 0"
    assert (door.records(), door.row.counts.repeated) == (4, 4)


def test_a_round_that_brings_nothing_writes_nothing(door: Door) -> None:
    keeper = door.keeper()
    keeper.turn()
    commits = door.intake.store.commits
    for _ in range(5):
        assert keeper.turn() == 0.2
    assert door.intake.store.commits == commits


def test_a_round_takes_at_most_so_many_and_goes_on_at_once(door: Door) -> None:
    for number in range(3):
        door.put(f"{number}.xml", delivery(1, str(number)))
    keeper = door.keeper(deliveries_max=2)
    assert keeper.turn() == 0.0
    assert len(door.answers()) == 2
    assert keeper.turn() == 0.2
    assert len(door.answers()) == 3


def test_a_process_that_brings_more_than_it_was_asked_for_is_ended(door: Door) -> None:
    for number in range(3):
        door.put(f"{number}.xml", delivery(1, str(number)))
    keeper = door.keeper(deliveries_max=2)
    door.script("too-many")
    keeper.turn()
    assert (door.row.state, door.row.text) == ("broken", "it brought more deliveries than it was asked for")
    keeper.turn()
    assert [line.split()[0] for line in door.answers()] == ["0.xml", "1.xml", "2.xml"]


@pytest.mark.parametrize("settings", [{}, {"by_file": True}])
def test_a_large_delivery_comes_by_a_file(door: Door, settings: dict[str, bool]) -> None:
    # More than the 4 MiB that go through the pipe.
    padded = delivery(5).replace(b"</Records>", b" " * 5_000_000 + b"</Records>")
    door.put("1.xml", padded)
    door.keeper(settings=settings).turn()
    assert door.answers() == ["1.xml accepted 5 repeated 0 refused 0"]


@pytest.mark.parametrize("settings", [{}, {"by_file": True}])
def test_a_delivery_that_is_too_large_is_kept_in_part_and_the_source_told(
    door: Door, settings: dict[str, bool]
) -> None:
    content = delivery(5)
    door.put("1.xml", content)
    door.put("2.xml", delivery(1, "small")[:-1])
    keeper = door.keeper(bytes_max=len(content) - 1, settings=settings)
    keeper.turn()
    answer, following = door.answers()
    said = f"超过大小上限 too-large: the delivery has {len(content):,} bytes, more than its adapter may bring"
    assert answer.startswith(f"1.xml rejected {said}")
    assert following.startswith("2.xml accepted 1")
    with door.intake.store.reading() as connection:
        (kept,) = list_refused(connection)
    assert (kept.complete, kept.problems[0].rule, kept.source) == (False, "too-large", "hall")
    assert (door.row.counts.deliveries, door.row.counts.rejected) == (2, 1)


def test_what_nobody_can_read_is_kept_whole_and_the_source_told(door: Door) -> None:
    door.put("1.xml", b"\x00\x01\x02 no records at all")
    door.put("2.xml", delivery(2))
    door.keeper().turn()
    first, second = door.answers()
    # Clerks of a department read why beside their file.
    assert first.startswith("1.xml rejected 不是格式良好的 XML not-xml: it does not begin")
    assert second == "2.xml accepted 2 repeated 0 refused 0"
    (event,) = last_events(folder_of(door.home, "door"), 10)
    assert (event["event"], event["fields"]["name"]) == ("delivery not readable", "1.xml")
    with door.intake.store.reading() as connection:
        (kept,) = list_refused(connection)
        assert show_refused(connection, kept.id).content == b"\x00\x01\x02 no records at all"


def test_refused_records_come_back_in_a_file_of_their_form(door: Door) -> None:
    lines = table(generated(3)).splitlines(keepends=True)
    cells = lines[2].split(",")
    wrong = ",".join([*cells[:1], "not a number at all!", *cells[2:]])
    door.put("1.csv", "".join([*lines[:2], wrong, *lines[3:]]).encode())
    door.keeper().turn()
    accepted = len(lines) - 2
    assert door.answers() == [f"1.csv accepted {accepted} repeated 0 refused 1"]
    failed = (door.folder / "done" / "1.csv.failed").read_text(encoding="utf-8-sig").splitlines()
    assert len(failed) == 2
    assert "not a number at all!" in failed[1]


@pytest.mark.parametrize(("channels", "channel"), [({}, b"API"), ({"scripted": "SERIAL"}, b"SERIAL")])
def test_records_come_through_the_channel_of_the_kind_or_of_the_source(
    door: Door, channels: dict[str, str], channel: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.departments.doors.adapters_file.CHANNELS", channels)
    door.put("1.xml", delivery(1))
    door.keeper().turn()
    with door.intake.store.reading() as connection:
        ((body, _),) = bodies(connection, 1, 1, 1)
    # The source was added with the channel API; what the department wrote itself (FILE) does not count.
    assert b"<Channel>%b</Channel>" % channel in body


def test_an_answer_that_the_source_does_not_take_is_its_own_affair(door: Door) -> None:
    door.put("1.xml", delivery(2))
    door.script("acknowledge:never")
    keeper = door.keeper()
    assert keeper.turn() == 0.2
    assert (door.row.state, door.row.cursor, door.row.counts.accepted) == ("waiting", "1.xml", 2)


def test_a_source_that_goes_away_before_the_answer_gets_it_later(door: Door) -> None:
    door.put("1.xml", delivery(2))
    door.script("acknowledge:away")
    keeper = door.keeper()
    keeper.turn()
    assert (door.row.state, door.row.text, door.records()) == ("away", "the folder does not answer", 2)
    keeper.turn()
    assert door.answers() == ["1.xml accepted 0 repeated 2 refused 0"]


def test_a_source_is_left_alone_for_as_long_as_it_asks(door: Door) -> None:
    door.script("fetch:away-long")
    keeper = door.keeper()
    assert 7200.0 <= keeper.turn() <= 7201.0
    row = door.row
    assert (row.state, row.text, row.failures) == ("away", "come back tomorrow", 1)
    assert row.next_at is not None
    assert 7190 < (row.next_at - door.intake.clock.now()).total_seconds() < 7202


def test_a_delivery_that_a_source_never_hands_out_is_tried_again_later(door: Door) -> None:
    door.script("fetch:never")
    keeper = door.keeper()
    keeper.turn()
    assert (door.row.state, door.row.text) == ("away", "it is not taken")


def test_rests_grow_with_failures_of_one_sort_and_begin_anew(door: Door) -> None:
    door.script("fetch:away", "fetch:away", "fetch:away", "fetch:person", "fetch:away")
    keeper = door.keeper()
    # Half of the bound to all of it: 5 s, doubled each time; a person is given 300 s.
    rests = [keeper.turn() for _ in range(5)]
    bounds = [5.0, 10.0, 20.0, 300.0, 5.0]
    assert all(bound / 2 <= rest <= bound for rest, bound in zip(rests, bounds, strict=True))
    keeper.turn()
    assert (door.row.state, door.row.failures, door.row.next_at) == ("waiting", 0, None)


def test_a_source_that_was_closed_takes_nothing_in(door: Door) -> None:
    keeper = door.keeper()
    keeper.turn()
    disable_source(door.intake.store, "hall", clock=door.intake.clock)
    door.put("1.xml", delivery(2))
    keeper.turn()
    assert (door.row.state, door.records(), door.answers()) == ("needs_person", 0, [])


def test_a_dialect_that_went_missing_is_for_a_person(door: Door) -> None:
    door.put("1.xml", delivery(2))
    door.keeper(dialect="hall-rows").turn()
    assert door.row.state == "needs_person"
    assert "There is no dialect named 'hall-rows'" in door.row.text
    assert door.answers() == []


def test_a_new_opening_gets_the_cursor_of_what_was_answered_last(door: Door) -> None:
    door.put("1.xml", delivery(2))
    first = door.keeper()
    first.turn()
    first.let_go()
    door.put("2.xml", delivery(2, "second"))
    second = door.keeper()
    second.turn()
    assert door.row.cursor == "2.xml"
    assert door.row.counts.deliveries == 2
