"""Intake: every record gets its verdict, and what was answered accepted stands in the stream once."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from io import BytesIO
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from node.departments import batches
from node.departments.accept import Intake, Job
from node.departments.answers import RequestKey
from node.departments.batches import BATCH_MAX
from node.departments.dialects import read
from node.departments.prepare import prepare
from node.departments.refused import count_refused
from node.departments.sources import OPERATOR, activity_by_source
from node.errors import DiskLowError, IdentityError, NotInitialisedError
from node.journal.room import DiskRoom
from node.journal.source_keys import lookup_many
from node.standard.codec import check_canonical, leaf_hash, parse_record
from node.standard.compose import salt_of
from node.standard.facts import facts_of
from tests.support.intake import CITY, NODE, generated, intake_on, offer, standard_records, table, wrapped
from tests.support.samples import record

if TYPE_CHECKING:
    from node.journal.records import StoredRecord


def stored(intake: Intake) -> list[StoredRecord]:
    with intake.store.reading() as connection:
        held = intake.journal.held(connection, intake.stream)
        return [] if held is None else intake.journal.stored(connection, intake.stream, 1, held.size)


def counts(report: object) -> tuple[int, ...]:
    return tuple(getattr(report, name) for name in ("offered", "accepted", "refused", "repeated"))


def test_accepted_records_stand_in_the_stream_in_order_and_canonical(intake: Intake) -> None:
    records = generated(20)
    report = offer(intake, wrapped(standard_records(records)), "standard")
    assert counts(report) == (20, 20, 0, 0)
    assert [verdict.position for verdict in report.verdicts] == list(range(1, 21))
    for one, found in zip(records, stored(intake), strict=True):
        assert found.body is not None
        element = parse_record(found.body)
        check_canonical(found.body, element)
        assert found.leaf == leaf_hash(found.body)
        facts = facts_of(element)
        assert (facts.record_type, facts.case_no, facts.channel) == (one.record_type, one.content["CaseNo"], "IMPORT")


def test_the_node_makes_the_salt_and_no_two_records_share_one(intake: Intake) -> None:
    offer(intake, wrapped(standard_records(generated(5))), "standard")
    salts = {salt_of(parse_record(one.body or b"")) for one in stored(intake)}
    assert len(salts) == 5
    assert bytes(16) not in salts


def test_the_same_delivery_again_is_repeated_and_names_where_it_stands(intake: Intake) -> None:
    data = wrapped(standard_records(generated(6)))
    offer(intake, data, "standard")
    again = offer(intake, data, "standard")
    assert counts(again) == (6, 0, 0, 6)
    assert [verdict.position for verdict in again.verdicts] == [1, 2, 3, 4, 5, 6]
    assert again.exit_code == 0
    assert len(stored(intake)) == 6


def test_the_same_record_through_another_dialect_is_repeated(intake: Intake) -> None:
    records = generated(6)
    offer(intake, wrapped(standard_records(records)), "standard")
    assert counts(offer(intake, table(records).encode(), "csv")) == (6, 0, 0, 6)


def test_a_record_twice_in_one_delivery_is_accepted_once(intake: Intake) -> None:
    body = standard_records(generated(1))[0]
    report = offer(intake, wrapped([body, body]), "standard")
    assert [(verdict.outcome, verdict.position) for verdict in report.verdicts] == [("accepted", 1), ("repeated", 1)]


@pytest.mark.parametrize("together", [True, False])
def test_the_same_key_with_other_content_is_a_conflict_and_says_what_to_do(intake: Intake, *, together: bool) -> None:
    first = record("Fee", DivisionCode=NODE, DataVersion="1")
    other = record("Fee", DivisionCode=NODE, DataVersion="1", AmountPaid="99")
    if together:
        verdicts = offer(intake, wrapped([first, other]), "standard").verdicts
    else:
        verdicts = offer(intake, first, "standard").verdicts + offer(intake, other, "standard").verdicts
    assert [verdict.outcome for verdict in verdicts] == ["accepted", "refused"]
    problem = verdicts[1].problems[0]
    assert problem.rule == "conflict"
    assert "DataVersion" in problem.text
    assert verdicts[1].refused_id is not None
    raised = offer(intake, record("Fee", DivisionCode=NODE, DataVersion="2", AmountPaid="99"), "standard")
    assert raised.accepted == 1


def test_one_bad_record_among_500_costs_that_record_only(intake: Intake) -> None:
    bodies = standard_records(generated(500))
    assert len(bodies) == 500
    bodies[250] = record("Fee", DivisionCode=NODE, FeeState="7")
    report = offer(intake, wrapped(bodies), "standard")
    assert counts(report) == (500, 499, 1, 0)
    assert report.exit_code == 9
    (problem,) = report.problems
    assert (problem.rule, problem.element, problem.line) == ("schema", "FeeState", 252)
    with intake.store.reading() as connection:
        assert count_refused(connection) == 1


def test_more_than_a_batch_is_taken_in_several_transactions(intake: Intake) -> None:
    before = intake.store.commits
    report = offer(intake, wrapped(standard_records(generated(BATCH_MAX + 1))), "standard")
    assert report.accepted == BATCH_MAX + 1
    assert intake.store.commits - before == 2


def test_a_division_that_the_node_does_not_serve_is_refused(intake: Intake) -> None:
    report = offer(intake, record("Fee", DivisionCode="369903"), "standard")
    assert report.problems[0].rule == "no-authority"
    assert "369903" in report.problems[0].text
    assert report.exit_code == 1


@pytest.mark.parametrize("name", ["PenaltyDecision", "Complaint", "Evaluation"])
def test_the_door_stamps_its_channel_on_whatever_departments_hand_in(intake: Intake, name: str) -> None:
    body = record(name, DivisionCode=NODE, Channel="SERIAL")
    assert counts(offer(intake, body, "standard")) == (1, 1, 0, 0)
    assert f"<Channel>{OPERATOR.channel}</Channel>".encode() in (stored(intake)[0].body or b"")
    assert counts(offer(intake, body, "standard")) == (1, 0, 0, 1)


@pytest.mark.parametrize("name", ["Division", "CertificateIssued", "StatisticsSummary", "SupervisionNotice", "Alarm"])
def test_a_department_cannot_hand_in_what_nodes_make(intake: Intake, name: str) -> None:
    report = offer(intake, record(name), "standard")
    assert [problem.rule for problem in report.problems] == ["not-for-departments"]
    assert stored(intake) == []


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b'<Fee xmlns="urn:yizhan:standard:2" Version="2.0"><CaseNo>1</CaseNo></Fee>', "unknown-namespace"),
        (b'<Fee xmlns="urn:yizhan:standard:1" Version="1.1"><CaseNo>1</CaseNo></Fee>', "newer-version"),
        (b'<Fee xmlns="urn:yizhan:standard:1" Version="x"><CaseNo>1</CaseNo></Fee>', "unknown-version"),
        (b'<Letter xmlns="urn:yizhan:standard:1" Version="1.0"><CaseNo>1</CaseNo></Letter>', "unknown-type"),
        (b'<Fee xmlns="urn:yizhan:standard:1" Version="1.0"/>', "not-xml"),
        (
            b'<Fee xmlns="urn:yizhan:standard:1" Version="1.0">' + b"<a>" * 200 + b"</a>" * 200 + b"</Fee>",
            "too-deep",
        ),
    ],
)  # fmt: skip
def test_what_is_no_record_of_this_version_is_refused_with_its_rule(intake: Intake, data: bytes, rule: str) -> None:
    report = offer(intake, data, "standard")
    assert counts(report) == (1, 0, 1, 0)
    assert report.problems[0].rule == rule


def test_item_and_organisation_of_its_own_division_may_be_handed_in(intake: Intake) -> None:
    bodies = [record("Item", DivisionCode=NODE), record("Organisation", DivisionCode=NODE)]
    report = offer(intake, wrapped(bodies), "standard")
    assert report.accepted == 2, report.problems


def test_a_source_hands_in_only_what_it_may(intake: Intake) -> None:
    body = record("Fee", DivisionCode=NODE)
    elsewhere = replace(OPERATOR, divisions=("369901",))
    other_department = replace(OPERATOR, organisations=("91110000600037341L",))
    own = replace(OPERATOR, divisions=(CITY,), organisations=("91350100M000100Y43",))
    assert offer(intake, body, "standard", source=elsewhere).problems[0].rule == "not-this-source"
    assert offer(intake, body, "standard", source=other_department).problems[0].rule == "not-this-source"
    assert offer(intake, body, "standard", source=own).accepted == 1


def test_sources_have_keys_of_their_own(intake: Intake) -> None:
    body = record("Fee", DivisionCode=NODE)
    hall = replace(OPERATOR, name="hall")
    assert offer(intake, body, "standard").accepted == 1
    assert offer(intake, body, "standard", source=hall).accepted == 1
    with intake.store.reading() as connection:
        assert {name: one.accepted for name, one in activity_by_source(connection).items()} == {"hall": 1, "import": 1}


def test_the_root_takes_records_too(intake: Intake) -> None:
    root = intake_on(intake.store, node_code="369000")
    assert offer(root, record("Fee", DivisionCode="369000"), "standard").accepted == 1
    assert str(root.stream) == "369000/ancestors"


@pytest.mark.parametrize("known", [True, False])
def test_before_it_has_joined_a_node_takes_nothing(intake: Intake, *, known: bool) -> None:
    stranger = intake_on(intake.store, node_code="369999")
    if not known:

        def unknown(_: object) -> object:
            raise IdentityError("no tree")

        stranger._load_tree = unknown  # type: ignore[assignment]
    with pytest.raises(NotInitialisedError, match="has not joined") as caught:
        offer(stranger, record("Fee"), "standard")
    assert caught.value.exit_code == 4


def test_the_key_and_its_record_commit_together_or_not_at_all(intake: Intake) -> None:
    class Failing:
        name = "failing"
        cuts: frozenset[str] = frozenset()
        calls = 0

        def apply(self, *_: object) -> None:
            self.calls += 1
            raise RuntimeError("projection")

    failing = intake_on(intake.store, Failing())  # type: ignore[arg-type]
    body = record("Fee", DivisionCode=NODE)
    with pytest.raises(RuntimeError, match="projection"):
        offer(failing, body, "standard")
    assert stored(intake) == []
    assert offer(intake, body, "standard").accepted == 1


def test_requests_of_several_threads_are_all_answered_and_stored_once(intake: Intake) -> None:
    bodies = standard_records(generated(40))
    outcomes: list[str] = []

    def send(body: bytes) -> None:
        outcomes.extend(verdict.outcome for verdict in offer(intake, body, "standard").verdicts)

    threads = [Thread(target=send, args=(body,)) for body in [*bodies, *bodies]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"accepted": 40, "repeated": 40}
    assert len(stored(intake)) == 40


def test_a_disk_that_fills_up_during_a_delivery_stops_it_between_batches(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_MAX", 4)
    asked: list[None] = []

    class Filling(DiskRoom):
        def check(self) -> None:
            asked.append(None)
            if len(asked) > 3:
                message = "full"
                raise DiskLowError(message)

    intake.room = Filling(intake.store, free_bytes_min=0)
    body = table(generated(12)).encode()
    with pytest.raises(DiskLowError):
        offer(intake, body, "csv")
    assert len(stored(intake)) == 8
    intake.room = DiskRoom(intake.store, free_bytes_min=0)
    report = offer(intake, body, "csv")
    assert counts(report) == (12, 4, 0, 8)


def test_the_same_request_twice_in_one_transaction_gets_one_answer(intake: Intake) -> None:
    candidates = list(read("standard", BytesIO(record("Fee", DivisionCode=NODE))))
    request = RequestKey(source=OPERATOR.name, key="k", body_hash=b"h")

    def job() -> Job:
        prepared = prepare(candidates, channel="API", randomness=intake.randomness)
        return Job(
            source=OPERATOR,
            dialect="standard",
            prepared=prepared,
            request=request,
            document=lambda verdicts: verdicts[0].outcome.encode(),
        )

    first, second = intake._commit([job(), job()])
    assert (first.answer, second.answer) == (b"accepted", b"accepted")
    assert second.verdicts == ()


def test_the_content_hash_leaves_out_what_the_node_put_in(intake: Intake) -> None:
    body = record("Fee", DivisionCode=NODE)
    offer(intake, body, "standard")
    bare = body.replace(b"<Salt>AAECAwQFBgcICQoLDA0ODw==</Salt>", b"").replace(b"<Channel>FILE</Channel>", b"")
    with intake.store.reading() as connection:
        key = facts_of(parse_record(body)).source_key
        known = lookup_many(connection, "import", [key])[key]
    assert known.content_hash == hashlib.sha256(bare).digest()


def test_a_batch_is_bounded_by_bytes_as_well(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_WEIGHT_MAX", 2_000)
    commits = intake.store.commits
    bodies = standard_records(generated(12))
    report = offer(intake, wrapped(bodies), "standard")
    assert report.accepted == 12
    # Each batch ends with the record by which it reaches the bound.
    expected, weight = 0, 0
    for body in bodies:
        weight += len(body)
        if weight >= 2_000:
            expected, weight = expected + 1, 0
    assert intake.store.commits - commits == expected + bool(weight)
    assert expected > 2
    before = intake.store.commits
    assert offer(intake, table(generated(12)).encode(), "csv").repeated == 12
    assert intake.store.commits - before > 1
