"""Refused deliveries: kept whole, offered again, corrected, or discarded with a reason; never dropped in silence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, select

from node.departments import refused
from node.departments.refused import (
    count_refused,
    discard_refused,
    list_refused,
    offer_refused,
    show_refused,
)
from node.departments.sources import OPERATOR, add_source
from node.departments.tables import DISCARDED, OPEN, SETTLED, refused_delivery
from node.errors import NotFoundError, StateConflictError
from node.journal.settings import drop_setting
from tests.support.intake import NODE, generated, intake_on, offer, standard_records, table, wrapped
from tests.support.samples import record

if TYPE_CHECKING:
    from node.departments.accept import Intake
    from node.departments.refused import RefusedDelivery

BAD = record("Fee", DivisionCode=NODE, FeeState="7")
GOOD = record("Fee", DivisionCode=NODE)


def opened(intake: Intake) -> list[RefusedDelivery]:
    with intake.store.reading() as connection:
        return list_refused(connection)


def shown(intake: Intake, number: int) -> RefusedDelivery:
    with intake.store.reading() as connection:
        return show_refused(connection, number)


def test_each_refused_record_of_a_batch_is_a_delivery_of_its_own(intake: Intake) -> None:
    bodies = [*standard_records(generated(3)), BAD, record("Fee", DivisionCode="369903")]
    report = offer(intake, wrapped(bodies), "standard")
    first, second = opened(intake)
    assert [verdict.refused_id for verdict in report.verdicts if verdict.refused_id] == [first.id, second.id]
    assert (first.source, first.channel, first.dialect, first.record_type) == ("import", "IMPORT", "standard", "Fee")
    assert [problem.rule for problem in first.problems] == ["schema"]
    assert [problem.rule for problem in second.problems] == ["no-authority"]
    assert shown(intake, first.id).content == BAD
    assert first.content is None


def test_the_same_thing_refused_twice_is_one_delivery(intake: Intake) -> None:
    offer(intake, BAD, "standard")
    offer(intake, BAD, "standard")
    (one,) = opened(intake)
    assert one.times == 2


def test_the_list_shows_no_personal_data(intake: Intake) -> None:
    offer(intake, record("Application", DivisionCode=NODE, ApplicantIdNo="110105194912310021"), "standard")
    (one,) = opened(intake)
    assert "110105194912310021" not in repr(one.as_json())
    assert "测试乙" not in repr(one.as_json())


def test_offered_again_after_the_configuration_changed_it_is_settled(intake: Intake) -> None:
    county = offer(intake, record("Fee", DivisionCode="369903"), "standard")
    number = county.verdicts[0].refused_id
    assert number is not None
    city = intake_on(intake.store, node_code="369900")
    assert offer_refused(city, number, by="甲").accepted == 1
    one = shown(intake, number)
    assert (one.state, one.content, one.settled_by) == (SETTLED, None, "甲")
    with intake.store.reading() as connection:
        assert count_refused(connection) == 0


def test_offered_again_unchanged_it_stays_open_and_makes_no_second_delivery(intake: Intake) -> None:
    offer(intake, BAD, "standard")
    number = opened(intake)[0].id
    assert offer_refused(intake, number, by="甲").refused == 1
    assert [(one.id, one.times) for one in opened(intake)] == [(number, 2)]


def test_offered_corrected_it_is_settled(intake: Intake) -> None:
    offer(intake, BAD, "standard")
    number = opened(intake)[0].id
    report = offer_refused(intake, number, by="甲", corrected=GOOD)
    assert report.accepted == 1
    assert opened(intake) == []
    assert offer(intake, GOOD, "standard").repeated == 1


def test_a_correction_that_is_wrong_too_leaves_the_original_and_is_linked_to_it(intake: Intake) -> None:
    offer(intake, BAD, "standard")
    number = opened(intake)[0].id
    report = offer_refused(intake, number, by="甲", corrected=BAD.replace(b">7<", b">8<"))
    assert report.refused == 1
    first, second = opened(intake)
    assert (first.id, shown(intake, number).content) == (number, BAD)
    assert first.reason.endswith(f"see the refused deliveries {second.id}")
    assert offer_refused(intake, number, by="甲", corrected=GOOD).accepted == 1
    assert [one.id for one in opened(intake)] == [second.id]


@pytest.mark.parametrize("wrong", [b"", b"a holiday photo", b"a,b\n1,2\n"])
def test_a_wrong_file_never_costs_the_original(intake: Intake, wrong: bytes) -> None:
    offer(intake, BAD, "standard")
    number = opened(intake)[0].id
    assert offer_refused(intake, number, by="甲", corrected=wrong).exit_code != 0
    one = shown(intake, number)
    assert (one.state, one.content, one.settled_by) == (OPEN, BAD, "")


def test_what_was_accepted_meanwhile_is_repeated_and_settles_it(intake: Intake) -> None:
    elsewhere = record("Fee", DivisionCode="369903")
    offer(intake, elsewhere, "standard")
    city = intake_on(intake.store, node_code="369900")
    offer(city, elsewhere, "standard")
    report = offer_refused(city, opened(intake)[0].id, by="甲")
    assert (report.repeated, opened(intake)) == (1, [])


def test_a_row_of_a_table_without_types_is_offered_again_with_its_type(intake: Intake) -> None:
    records = [one for one in generated(60) if one.record_type == "Application"][:2]
    text = table(records).replace("RecordType,", "").replace("Application,", "")
    bad = text.replace(records[0].content["DivisionCode"], "36990x", 1).encode()  # type: ignore[arg-type]
    report = offer(intake, bad, "csv", record_type="申办")
    assert (report.accepted, report.refused) == (1, 1)
    (one,) = opened(intake)
    corrected = (shown(intake, one.id).content or b"").replace(b"36990x", b"369902")
    assert offer_refused(intake, one.id, by="甲", corrected=corrected).accepted == 1


def test_it_is_offered_in_the_name_of_its_source_and_channel(intake: Intake) -> None:
    made = add_source(intake.store, "hall", clock=intake.clock, randomness=intake.randomness)
    offer(intake, BAD, "standard", source=made.source)
    (one,) = opened(intake)
    offer_refused(intake, one.id, by="甲", corrected=GOOD)
    assert offer(intake, GOOD, "standard", source=made.source).repeated == 1
    with intake.store.reading() as connection:
        (stored,) = intake.journal.stored(connection, intake.stream, 1, 1)
    assert b"<Channel>API</Channel>" in (stored.body or b"")


def test_discarding_keeps_who_and_why_and_drops_the_content(intake: Intake) -> None:
    offer(intake, BAD, "standard")
    number = opened(intake)[0].id
    one = discard_refused(intake.store, number, reason="测试数据", by="乙", clock=intake.clock)
    assert (one.state, one.reason, one.settled_by, one.content) == (DISCARDED, "测试数据", "乙", None)
    assert one.as_json()["settled_at"] is not None
    for again in (
        lambda: discard_refused(intake.store, number, reason="x", by="乙", clock=intake.clock),
        lambda: offer_refused(intake, number, by="乙"),
    ):
        with pytest.raises(StateConflictError, match="discarded already"):
            again()


def test_what_was_discarded_and_comes_again_is_open_again(intake: Intake) -> None:
    offer(intake, BAD, "standard")
    number = opened(intake)[0].id
    discard_refused(intake.store, number, reason="测试", by="乙", clock=intake.clock)
    offer(intake, BAD, "standard")
    (one,) = opened(intake)
    assert (one.id, one.reason) == (number, "")
    assert shown(intake, number).content == BAD


def test_nothing_is_discarded_without_a_reason(intake: Intake) -> None:
    offer(intake, BAD, "standard")
    with pytest.raises(StateConflictError, match="reason"):
        discard_refused(intake.store, opened(intake)[0].id, reason="  ", by="乙", clock=intake.clock)


def test_a_number_that_does_not_exist_is_not_found(intake: Intake) -> None:
    with pytest.raises(NotFoundError):
        offer_refused(intake, 7, by="甲")
    with pytest.raises(NotFoundError):
        discard_refused(intake.store, 7, reason="x", by="乙", clock=intake.clock)


def test_what_was_cut_cannot_be_offered_as_it_is(intake: Intake) -> None:
    offer(intake, b"no xml" + b"x" * 2_000_000, "standard")
    (one,) = opened(intake)
    assert not one.complete
    with pytest.raises(StateConflictError, match="Only the beginning"):
        offer_refused(intake, one.id, by="甲")
    assert offer_refused(intake, one.id, by="甲", corrected=GOOD).accepted == 1


@pytest.mark.parametrize(("name", "value"), [("DELIVERIES_MAX", 2), ("KEPT_BYTES_MAX", 3000)])
def test_when_there_is_no_room_the_verdict_says_that_it_was_not_kept(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(refused, name, value)
    bodies = [record("Fee", DivisionCode=NODE, FeeState="7", Sequence=str(number)) for number in range(1, 9)]
    report = offer(intake, wrapped(bodies), "standard")
    assert report.refused == 8
    lost = [verdict for verdict in report.verdicts if verdict.refused_id is None]
    assert len(lost) == 8 - len(opened(intake)) >= 1
    assert all(verdict.problems[-1].rule == "not-kept" for verdict in lost)


def test_the_list_is_read_page_by_page_and_by_state(intake: Intake) -> None:
    bodies = [record("Fee", DivisionCode=NODE, FeeState="7", Sequence=str(number)) for number in range(1, 6)]
    offer(intake, wrapped(bodies), "standard", source=replace(OPERATOR, name="hall"))
    with intake.store.reading() as connection:
        first = list_refused(connection, limit=2)
        rest = list_refused(connection, after=first[-1].id)
        assert [one.id for one in [*first, *rest]] == [one.id for one in list_refused(connection, state=None)]
        assert list_refused(connection, state=DISCARDED) == []


def test_what_is_open_is_counted_through_every_change_and_without_reading_it_all(intake: Intake) -> None:
    def counted() -> tuple[int, int]:
        with intake.store.reading() as connection:
            sizes = connection.execute(select(refused_delivery.c.size).where(refused_delivery.c.state == OPEN)).all()
            assert count_refused(connection) == len(sizes)
            assert refused._tally(connection) == (len(sizes), sum(size for (size,) in sizes))
            return refused._tally(connection)

    assert counted() == (0, 0)
    offer(intake, wrapped([BAD, record("Fee", DivisionCode="369903"), GOOD]), "standard")
    offer(intake, BAD, "standard")
    assert counted()[0] == 2
    read: list[str] = []
    event.listen(intake.store.writer, "before_cursor_execute", lambda *sent: read.append(sent[2]))
    offer(intake, wrapped([BAD, record("Fee", DivisionCode=NODE, Sequence="9")]), "standard")
    assert not [one for one in read if "sum(" in one.lower()]
    first, second = opened(intake)
    discard_refused(intake.store, first.id, reason="测试", by="x", clock=intake.clock)
    assert counted()[0] == 1
    offer_refused(intake, second.id, by="x", corrected=GOOD)
    assert counted() == (0, 0)
    offer(intake, BAD, "standard")
    assert counted()[0] == 1
    # A database of an older version has no such setting: it is counted once.
    intake.store.write(lambda transaction: drop_setting(transaction, refused.TALLY_SETTING))
    assert counted()[0] == 1
