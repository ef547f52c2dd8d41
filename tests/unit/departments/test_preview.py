"""A preview says what taking a delivery in would say, record by record, and leaves nothing behind."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from node.departments import batches, seen_keys
from node.departments import preview as preview_module
from node.departments.dialects import DialectOptions
from node.departments.preview import preview, preview_json
from node.departments.sources import OPERATOR, add_source
from node.departments.tables import case_serial, foreign_number, refused_delivery, source_activity
from node.errors import NotInitialisedError
from node.journal.doubt import Doubt, save_doubt
from node.journal.tables import metadata
from node.trust.tree import Tree
from tests.support.intake import NODE, generated, intake_on, offer, standard_records, table, wrapped

if TYPE_CHECKING:
    from node.departments.accept import Intake
    from node.departments.report import ImportReport, Verdict
    from node.departments.sources import Source
    from node.journal.store import Store


def previewed(
    intake: Intake, data: bytes, dialect: str, source: Source = OPERATOR
) -> tuple[ImportReport, list[Verdict]]:
    told: list[Verdict] = []
    candidates = intake.dialects.read(dialect, BytesIO(data), DialectOptions())
    return preview(intake, candidates, source=source, dialect=dialect, told=told.append), told


def counts(store: Store) -> dict[str, int]:
    """How many rows every table has."""
    with store.reading() as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(one)) or 0 for name, one in metadata.tables.items()
        }


def shown(verdicts: list[Verdict]) -> list[Any]:
    """Verdicts without what only an import can know: where an accepted record stands, what number was kept."""
    hidden = {"stream", "position", "refused_id"}
    return [{name: value for name, value in one.as_json().items() if name not in hidden} for one in verdicts]


@pytest.mark.parametrize("batch", [500, 2])
def test_a_preview_says_what_the_import_says_and_writes_nothing(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(batches, "BATCH_MAX", batch)
    bodies = standard_records(generated(8))
    offer(intake, wrapped(bodies[:2]), "standard")
    other = bodies[1].replace(b"+08:00</EventTime>", b".5+08:00</EventTime>")
    wrong = bodies[3].replace(b"<Sequence>1<", b"<Sequence>0<")
    foreign = bodies[4].replace(NODE.encode(), b"110101")
    data = wrapped([bodies[0], other, bodies[2], wrong, foreign, bodies[5], bodies[5], bodies[6]])
    before = counts(intake.store)
    report, told = previewed(intake, data, "standard")
    assert counts(intake.store) == before
    expected = offer(intake, data, "standard")
    assert shown(told) == shown(expected.verdicts)
    assert {one.outcome for one in told} == {"accepted", "repeated", "refused"}
    assert [one.position for one in told if one.outcome == "repeated"][:1] == [1]
    document = preview_json(report)
    assert document == {**expected.as_json(), "schema": "yizhan.import-preview/1"}


def test_other_content_under_a_key_of_the_same_file_is_told(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_MAX", 1)
    body = standard_records(generated(1))[0]
    other = body.replace(b"+08:00</EventTime>", b".5+08:00</EventTime>")
    assert other != body
    _, told = previewed(intake, wrapped([body, body, other]), "standard")
    assert [one.outcome for one in told] == ["accepted", "repeated", "refused"]
    assert [one.rule for one in told[2].problems] == ["conflict"]


def unnumbered(count: int) -> bytes:
    """Acceptances of cases that have numbers of their own system only, all of one day."""
    content = dict(next(one.content for one in generated(30) if one.record_type == "Acceptance"))
    del content["CaseNo"]
    records = [
        {"type": "Acceptance", "content": {**content, "OrigSystem": "hall", "OrigCaseNo": f"S{number}"}}
        for number in range(count)
    ]
    return json.dumps({"records": [*records, records[0]]}).encode()


def test_numbers_are_shown_as_they_would_be_given_and_stay_free(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = intake_on(any_store)
    monkeypatch.setattr(batches, "BATCH_MAX", 2)
    data = unnumbered(5)
    _, told = previewed(intake, data, "json")
    assert counts(intake.store)[foreign_number.name] == counts(intake.store)[case_serial.name] == 0
    taken = offer(intake, data, "json")
    assert shown(told) == shown(taken.verdicts)
    assert [one.outcome for one in told] == [*["accepted"] * 5, "repeated"]
    assert len({one.key for one in told}) == 5
    # What stands already is repeated, and a further case gets the next number.
    _, again = previewed(intake, unnumbered(6), "json")
    assert [one.outcome for one in again] == [*["repeated"] * 5, "accepted", "repeated"]
    assert again[5].key not in {one.key for one in told}


def test_what_is_remembered_is_bounded(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_MAX", 1)
    monkeypatch.setattr(preview_module, "NUMBERS_MAX", 0)
    monkeypatch.setattr(seen_keys, "KEYS_MAX", 0)
    report, _ = previewed(intake, unnumbered(2), "json")
    assert report.accepted == 3


def test_a_source_sees_its_own_bounds(intake: Intake) -> None:
    made = add_source(
        intake.store, "hall", clock=intake.clock, randomness=intake.randomness, divisions=["369903"]
    ).source
    report, told = previewed(intake, wrapped(standard_records(generated(2))), "standard", made)
    assert report.exit_code == 1
    assert {problem.rule for one in told for problem in one.problems} == {"not-this-source"}
    assert counts(intake.store)[refused_delivery.name] == counts(intake.store)[source_activity.name] == 0


def test_a_node_in_doubt_says_that_records_would_wait(intake: Intake) -> None:
    intake.store.write(lambda transaction: save_doubt(transaction, Doubt(reason="test", since=intake.clock.now())))
    data = table(generated(2)).encode() + b"Fee"
    report, told = previewed(intake, data, "csv")
    # The last row has no line end: whether it is right is decided later, too.
    assert [one.outcome for one in told] == ["received"] * 3
    assert (report.received, report.exit_code) == (3, 0)
    assert shown(told) == shown(offer(intake, data, "csv").verdicts)


def test_before_the_node_has_joined_nothing_is_previewed(memory: Store) -> None:
    intake = intake_on(memory)
    intake._load_tree = lambda _: Tree([], root="")
    with pytest.raises(NotInitialisedError):
        previewed(intake, table(generated(1)).encode(), "csv")
