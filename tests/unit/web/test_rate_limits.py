"""Limits of sources: requests, records and bytes in a window, what answers tell of them, and what gives back."""

from __future__ import annotations

import json
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from node.departments.source_changes import limit_source
from node.departments.sources import SourceLimits, add_source
from node.errors import StoreUnavailableError, UsageError
from node.web.open_api import open_api_blueprint
from tests.support.intake import NODE, intake_on, wrapped
from tests.support.samples import record
from tests.support.stores import memory

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from node.departments.accept import Intake
    from node.journal.store import Store

__all__ = ["memory"]

FEE = record("Fee", DivisionCode=NODE)


@pytest.fixture
def intake(memory: Store) -> Intake:
    return intake_on(memory)


@pytest.fixture
def client(intake: Intake) -> FlaskClient:
    application = Flask(__name__)
    application.register_blueprint(open_api_blueprint(intake))
    return application.test_client()


def key_of(intake: Intake, name: str = "hall", **limits: int) -> str:
    made = add_source(
        intake.store, name, clock=intake.clock, randomness=intake.randomness, limits=SourceLimits(**limits)
    )
    return made.key


def post(client: FlaskClient, key: str, body: bytes = FEE, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Authorization": f"Bearer {key}", "Content-Type": "application/xml", **named}
    return client.post("/api/v1/records", data=body, headers=given)


def advance(intake: Intake, seconds: float) -> None:
    intake.clock.advance(seconds)  # type: ignore[attr-defined] # A clock that is set.


def test_a_source_without_limits_is_told_of_none(client: FlaskClient, intake: Intake) -> None:
    answer = post(client, key_of(intake))
    assert answer.status_code == 200
    assert not [name for name in dict(answer.headers) if name.startswith("RateLimit")]


def test_so_many_requests_are_taken_in_a_minute_and_the_next_minute_again(client: FlaskClient, intake: Intake) -> None:
    key = key_of(intake, requests_per_minute=2)
    first = post(client, key)
    assert (first.status_code, first.headers["RateLimit-Policy"]) == (
        200,
        '"requests-per-minute";q=2;w=60;qu="requests"',
    )
    assert first.headers["RateLimit"] == '"requests-per-minute";r=1;t=60'
    advance(intake, 59.5)
    assert post(client, key).headers["RateLimit"] == '"requests-per-minute";r=0;t=1'
    refused = post(client, key)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.headers["RateLimit"] == '"requests-per-minute";r=0;t=1'
    assert "requests-per-minute" in refused.get_json()["what"]
    advance(intake, 0.5)
    assert post(client, key).headers["RateLimit"] == '"requests-per-minute";r=1;t=60'


def test_records_are_counted_whatever_becomes_of_them(client: FlaskClient, intake: Intake) -> None:
    key = key_of(intake, records_per_minute=3, records_per_day=4)
    bad = record("Fee", DivisionCode=NODE, FeeState="7")
    assert post(client, key, wrapped([FEE, bad])).headers["RateLimit"] == (
        '"records-per-minute";r=1;t=60, "records-per-day";r=2;t=86400'
    )
    refused = post(client, key, wrapped([FEE, FEE]))
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    advance(intake, 60)
    assert post(client, key, wrapped([FEE, FEE])).status_code == 200
    advance(intake, 60)
    refused = post(client, key)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(86_400 - 120))
    assert "4 of 4 records are used" in refused.get_json()["why"]
    advance(intake, 86_400 - 120)
    assert post(client, key).status_code == 200


def test_a_request_that_never_fits_is_not_asked_to_come_again(client: FlaskClient, intake: Intake) -> None:
    key = key_of(intake, records_per_minute=1)
    answer = post(client, key, wrapped([FEE, FEE]))
    assert (answer.status_code, "Retry-After" in answer.headers) == (413, False)
    assert "send fewer" in answer.get_json()["action"]


def test_bytes_are_counted_as_they_are_sent(client: FlaskClient, intake: Intake) -> None:
    size = len(FEE)
    key = key_of(intake, bytes_per_day=2 * size + 1)
    assert post(client, key).headers["RateLimit"] == f'"bytes-per-day";r={size + 1};t=86400'
    assert post(client, key).headers["RateLimit"] == '"bytes-per-day";r=1;t=86400'
    assert post(client, key).status_code == 429
    assert post(client, key, b"x" * (3 * size)).status_code == 413


def test_bytes_of_unstated_length_are_counted_when_they_are_there(client: FlaskClient, intake: Intake) -> None:
    key = key_of(intake, bytes_per_day=len(FEE))
    statuses = [
        client.post(
            "/api/v1/records",
            data=FEE,
            content_type="application/xml",
            headers={"Authorization": f"Bearer {key}", "Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
        ).status_code
        for _ in range(2)
    ]
    assert statuses == [200, 429]


def test_what_the_node_could_not_write_is_given_back(
    client: FlaskClient, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise StoreUnavailableError("disk full")

    key = key_of(intake, requests_per_minute=5, records_per_minute=1, bytes_per_day=len(FEE))
    with monkeypatch.context() as patch:
        patch.setattr(intake, "settle", fail)
        for _ in range(3):
            assert post(client, key).status_code == 503
    answer = post(client, key)
    assert (answer.status_code, answer.headers["RateLimit"].split(",")[0]) == (200, '"requests-per-minute";r=4;t=60')


def test_a_limit_that_is_set_counts_from_the_next_request_on(client: FlaskClient, intake: Intake) -> None:
    key = key_of(intake)
    for _ in range(3):
        assert post(client, key).status_code == 200
    limit_source(intake.store, "hall", {"requests_per_minute": 1})
    assert [post(client, key).status_code for _ in range(2)] == [200, 429]
    limit_source(intake.store, "hall", {"requests_per_minute": 0, "records_per_day": 9})
    answer = post(client, key)
    assert (answer.status_code, answer.headers["RateLimit"]) == (200, '"records-per-day";r=8;t=86400')


def test_sources_do_not_use_one_another_s_limits(client: FlaskClient, intake: Intake) -> None:
    keys = [key_of(intake, name, requests_per_minute=1) for name in ("hall", "tax")]
    assert [post(client, key).status_code for key in (*keys, *keys)] == [200, 200, 429, 429]


def test_many_requests_at_once_take_no_more_than_the_limit(client: FlaskClient, intake: Intake) -> None:
    key = key_of(intake, requests_per_minute=3)
    statuses: list[int] = []
    threads = [Thread(target=lambda: statuses.append(post(client, key).status_code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(statuses) == [200] * 3 + [429] * 5


def test_an_answer_that_is_repeated_is_a_request_too(client: FlaskClient, intake: Intake) -> None:
    key = key_of(intake, requests_per_minute=2)
    statuses = [post(client, key, Idempotency_Key="a").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize("value", [-1, 10**15 + 1])
def test_a_limit_has_bounds(intake: Intake, value: int) -> None:
    with pytest.raises(UsageError, match="cannot be the limit records_per_day"):
        key_of(intake, records_per_day=value)
    key_of(intake)
    with pytest.raises(UsageError):
        limit_source(intake.store, "hall", {"records_per_day": value})


def test_the_answer_says_json_like_every_other(client: FlaskClient, intake: Intake) -> None:
    key = key_of(intake, requests_per_minute=1)
    post(client, key)
    document: dict[str, Any] = json.loads(post(client, key).data)
    assert (document["schema"], document["code"]) == ("yizhan.error/1", "YZ-HTTP")
