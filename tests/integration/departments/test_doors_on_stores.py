"""The doors on every kind of store: intake, refused deliveries, stored answers, publishing."""

from __future__ import annotations

import json
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from node.departments.accept import Job
from node.departments.answers import RequestKey
from node.departments.callers import Callers
from node.departments.candidates import Candidate
from node.departments.credentials import Issuer
from node.departments.nonces import Nonce, take_nonces
from node.departments.notices import NoticeText, publish_notice
from node.departments.prepare import prepare
from node.departments.reference_data import DIVISIONS, read_reference, shipped_files
from node.departments.refused import discard_refused, list_refused, offer_refused, show_refused
from node.departments.source_changes import Change, Names, change_source, limit_source, rotate_source
from node.departments.sources import OPERATOR, activity_by_source, add_source, list_sources
from node.journal.store import Store, open_store
from node.trust.kept_secrets import KeptSecrets
from tests.support.intake import NODE, NOW, generated, intake_on, offer, publisher_on, standard_records, wrapped
from tests.support.samples import record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from node.departments.report import Verdict

pytestmark = pytest.mark.integration

BAD = record("Fee", DivisionCode=NODE, FeeState="7")


def test_accepted_repeated_and_refused_are_the_same_on_every_store(any_store: Store) -> None:
    intake = intake_on(any_store)
    data = wrapped([*standard_records(generated(600)), BAD])
    first, second = offer(intake, data, "standard"), offer(intake, data, "standard")
    assert (first.accepted, first.refused, second.repeated, second.refused) == (600, 1, 600, 1)
    with any_store.reading() as connection:
        assert {name: one.accepted for name, one in activity_by_source(connection).items()} == {"import": 600}
        (refused,) = list_refused(connection)
        assert (refused.times, show_refused(connection, refused.id).content) == (2, BAD)
    offer_refused(intake, refused.id, by="甲", corrected=record("Fee", DivisionCode=NODE))
    offer(intake, BAD, "standard")
    discard_refused(any_store, refused.id, reason="测试", by="甲", clock=intake.clock)
    with any_store.reading() as connection:
        assert list_refused(connection) == []


def test_a_stored_answer_is_found_again(any_store: Store) -> None:
    intake = intake_on(any_store)

    def job(body_hash: bytes) -> Job:
        fee = record("Fee", DivisionCode=NODE)
        candidate = Candidate(record_type="Fee", markup=fee, kept=lambda: fee, line=1)

        def document(verdicts: Sequence[Verdict]) -> bytes:
            return json.dumps([verdict.as_json() for verdict in verdicts]).encode()

        return Job(
            source=OPERATOR,
            dialect="standard",
            prepared=prepare([candidate], channel="API", randomness=intake.randomness),
            request=RequestKey(source="import", key="k", body_hash=body_hash),
            document=document,
        )

    first, again, other = (intake.settle(job(body_hash)) for body_hash in (b"1", b"1", b"2"))
    assert first.answer == again.answer
    assert (again.verdicts, other.other_body, other.answer) == ((), True, None)


def test_sources_are_known_by_their_keys(any_store: Store) -> None:
    intake = intake_on(any_store)
    made = add_source(any_store, "hall", clock=intake.clock, randomness=intake.randomness, organisations=["A", "B"])
    with any_store.reading() as connection:
        assert Callers(connection, NOW).by_key(made.key) == made.source == list_sources(connection)[0]


def test_sources_are_changed_and_their_nonces_are_taken_once(any_store: Store, tmp_path: Path) -> None:
    intake = intake_on(any_store)
    issuer = Issuer(randomness=intake.randomness, secrets=KeptSecrets(tmp_path))
    add_source(any_store, "hall", clock=intake.clock, randomness=intake.randomness, divisions=["369902"])
    change = Change(modes=("hmac", "certificate"), add=Names(certificates=("DNS:a.example.cn",), systems=("a",)))
    signing = change_source(any_store, "hall", change, clock=intake.clock, issuer=issuer)
    limit_source(any_store, "hall", {"bytes_per_day": 10**15})
    later = NOW + timedelta(hours=1)
    with any_store.reading() as connection:
        callers = Callers(connection, NOW)
        known = callers.by_key_id(signing.issued.key_id)
        assert known is not None
        assert (known.source.systems, known.source.limits.bytes_per_day) == (("a", "hall"), 10**15)
        assert KeptSecrets(tmp_path).unwrap(known.credential.value, "hall").decode() == signing.issued.secret
        assert callers.by_certificate("SHA256:x", ["DNS:a.example.cn"]) == [known.source]
    fresh = rotate_source(any_store, "hall", keep=timedelta(minutes=1), clock=intake.clock, issuer=issuer)
    with any_store.reading() as connection:
        found = [Callers(connection, later).by_key_id(one.issued.key_id) for one in (signing, fresh)]
    assert [one is None for one in found] == [True, False]
    nonce = Nonce(source="hall", nonce="0123456789abcdef", kept_until=later)

    def take(at: datetime) -> list[bool]:
        return any_store.write(lambda transaction: take_nonces(transaction, [nonce, None, nonce], at=at))

    assert [take(at) for at in (NOW, NOW, later)] == [[True, True, False], [False, True, False], [False, True, False]]


def test_publishing_again_makes_no_record(any_store: Store) -> None:
    publisher = publisher_on(any_store)
    reports = [publisher.publish(read_reference(DIVISIONS, shipped_files(DIVISIONS)), "Division") for _ in range(2)]
    assert [(report.published, report.unchanged) for report in reports] == [(112, 0), (0, 112)]
    text = NoticeText(subject="题", text="文", actor="人")
    numbers = [publish_notice(publisher, NODE, text, key=key).number for key in ("a", "a", "b")]
    assert (numbers[0] == numbers[1], numbers[1] == numbers[2]) == (True, False)


def test_two_processes_of_one_home_take_the_same_file_and_store_it_once(file_store: Store, tmp_path: Path) -> None:
    beside = open_store("sqlite:///journal.db", home=tmp_path)
    data = wrapped(standard_records(generated(1200)))
    reports = []

    def take(store: Store) -> None:
        reports.append(offer(intake_on(store, seed=str(id(store))), data, "standard"))

    threads = [Thread(target=take, args=(store,)) for store in (file_store, beside)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    beside.close()
    assert sum(report.accepted for report in reports) == 1200
    assert sum(report.repeated for report in reports) == 1200
