"""The open API: nothing without a key, a verdict per record, and the same request gets the same answer."""

from __future__ import annotations

import gzip
import io
import json
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from flask import Flask

from node.departments import answers
from node.departments.dialects import BUILT_IN, DialectOptions, Dialects
from node.departments.source_changes import disable_source
from node.departments.sources import add_source
from node.errors import StoreBusyError, StoreUnavailableError
from node.web.open_api import open_api_blueprint
from node.web.record_door import OpenApiLimits
from node.web.refusals import RequestRefusedError
from tests.support.intake import NODE, generated, intake_on, standard_records, table, wrapped
from tests.support.national import ACCEPT, RESULT, STEP
from tests.support.samples import record
from tests.support.stores import memory

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from node.departments.accept import Intake
    from node.journal.store import Store

__all__ = ["memory"]

FEE = record("Fee", DivisionCode=NODE)
BAD = record("Fee", DivisionCode=NODE, FeeState="7")
LIMITS = OpenApiLimits(body_bytes_max=2_000_000, in_flight_max=2)
XML = "application/xml"


@pytest.fixture
def intake(memory: Store) -> Intake:
    return intake_on(memory)


@pytest.fixture
def client(intake: Intake) -> FlaskClient:
    application = Flask(__name__)
    application.register_blueprint(open_api_blueprint(intake, LIMITS))
    return application.test_client()


@pytest.fixture
def key(intake: Intake) -> str:
    return add_source(intake.store, "hall", clock=intake.clock, randomness=intake.randomness).key


def post(client: FlaskClient, key: str, body: bytes, media_type: str = XML, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(
        "/api/v1/records", data=body, content_type=media_type, headers={"Authorization": f"Bearer {key}", **named}
    )


def counts(answer: TestResponse) -> tuple[int, ...]:
    document: dict[str, Any] = answer.get_json()
    return tuple(document[name] for name in ("offered", "accepted", "refused", "repeated"))


def stored(intake: Intake) -> int:
    with intake.store.reading() as connection:
        held = intake.journal.held(connection, intake.stream)
    return held.size if held else 0


def test_a_batch_gets_a_verdict_per_record(client: FlaskClient, key: str) -> None:
    bodies = standard_records(generated(3))
    answer = post(client, key, wrapped([bodies[0], BAD, bodies[1], bodies[0]]))
    assert answer.status_code == 200
    document = answer.get_json()
    assert document["schema"] == "yizhan.records/1"
    assert counts(answer) == (4, 2, 1, 1)
    assert [one["verdict"] for one in document["verdicts"]] == ["accepted", "refused", "accepted", "repeated"]
    assert [one["position"] for one in document["verdicts"]] == [1, None, 2, 1]
    refused = document["verdicts"][1]
    assert refused["problems"] == document["problems"]
    assert (refused["problems"][0]["element"], refused["refused_id"]) == ("FeeState", 1)


@pytest.mark.parametrize("media_type", ["text/csv", "text/csv; charset=gb18030"])
def test_a_table_is_a_batch_too(client: FlaskClient, key: str, media_type: str) -> None:
    body = table(generated(5)).encode("gb18030" if "gb" in media_type else "utf-8")
    assert counts(post(client, key, body, media_type)) == (5, 5, 0, 0)


def test_the_record_type_of_a_table_may_stand_in_the_address(client: FlaskClient, key: str) -> None:
    records = [one for one in generated(30) if one.record_type == "Application"][:2]
    body = table(records).replace("RecordType,", "").replace("Application,", "").encode()
    answer = client.post(
        "/api/v1/records?type=申办",
        data=body,
        content_type="text/csv",
        headers={"Authorization": f"bearer {key}"},
    )
    assert counts(answer) == (2, 2, 0, 0)


def test_the_channel_is_that_of_the_source(client: FlaskClient, key: str, intake: Intake) -> None:
    post(client, key, FEE)
    with intake.store.reading() as connection:
        (one,) = intake.journal.stored(connection, intake.stream, 1, 1)
    assert b"<Channel>API</Channel>" in (one.body or b"")


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "Basic aGFsbDp4", "Bearer 密钥"])
def test_without_a_key_nothing_is_taken(client: FlaskClient, intake: Intake, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = client.post("/api/v1/records", data=FEE, content_type=XML, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "yizhan sources add" in answer.get_json()["action"]
    assert stored(intake) == 0


def test_the_key_of_a_disabled_source_opens_nothing(client: FlaskClient, key: str, intake: Intake) -> None:
    disable_source(intake.store, "hall", clock=intake.clock)
    assert post(client, key, FEE).status_code == 401


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/octet-stream", "multipart/form-data"])
def test_an_unknown_media_type_is_refused(client: FlaskClient, key: str, media_type: str) -> None:
    answer = post(client, key, FEE, media_type)
    assert answer.status_code == 415
    assert "text/csv" in answer.get_json()["action"]


@pytest.mark.parametrize(("body", "rule"), [(b"", "empty"), (b"hello", "not-xml"), (BAD, "schema")])
def test_a_body_with_nothing_usable_is_answered_422_with_its_problems(
    client: FlaskClient, key: str, body: bytes, rule: str
) -> None:
    answer = post(client, key, body)
    assert answer.status_code == 422
    assert answer.get_json()["problems"][0]["rule"] == rule


def posted_in(client: FlaskClient, key: str, dialect: str, body: bytes, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(
        f"/api/v1/records?dialect={dialect}", data=body, headers={"Authorization": f"Bearer {key}", **named}
    )


def test_tables_are_taken_by_event_time_and_answered_in_the_order_of_the_request(
    client: FlaskClient, key: str, intake: Intake
) -> None:
    late = {**RESULT, "result_date": "soon"}
    tables = {"up_pro_accept": [ACCEPT], "up_pro_result": [late, RESULT], "up_pro_process": [STEP]}
    body = json.dumps(tables, ensure_ascii=False).encode()
    first = posted_in(client, key, "up@guangdong", body, Idempotency_Key="k")
    verdicts = first.get_json()["verdicts"]
    expected = [("Application", 1), ("Acceptance", 2), ("Conclusion", None), ("Conclusion", 4), ("ReviewStep", 3)]
    assert [(one["record_type"], one["position"]) for one in verdicts] == expected
    again = posted_in(client, key, "up@guangdong", body, Idempotency_Key="k")
    assert (again.get_json(), again.headers["Idempotency-Replayed"]) == (first.get_json(), "true")
    unnamed = posted_in(client, key, "up@guangdong", body).get_json()["verdicts"]
    assert [(one["record_type"], one["position"]) for one in unnamed] == expected
    with intake.store.reading() as connection:
        stream = [one.record_type for one in intake.journal.stored(connection, intake.stream, 1, 4)]
    assert stream == ["Application", "Acceptance", "ReviewStep", "Conclusion"]


def test_sheets_are_taken_by_event_time_too(client: FlaskClient, key: str) -> None:
    records = sorted(generated(30), key=lambda one: str(one.content["EventTime"]), reverse=True)
    writes = BUILT_IN["xlsx"].writes
    assert writes is not None
    verdicts = posted_in(client, key, "xlsx", writes(records, DialectOptions())).get_json()["verdicts"]
    times = {one["key"]: one["position"] for one in verdicts}
    assert {one["verdict"] for one in verdicts} == {"accepted"}
    assert [one["position"] for one in verdicts] != sorted(times.values())
    assert len(times) == len(records)


def test_of_tables_with_too_many_rows_nothing_is_taken(client: FlaskClient, key: str, intake: Intake) -> None:
    rows = [{**STEP, "row_guid": str(number)} for number in range(501)]
    body = json.dumps({"up_pro_process": rows}, ensure_ascii=False).encode()
    assert posted_in(client, key, "up", body).status_code == 413
    assert stored(intake) == 0


def test_only_posts_are_taken(client: FlaskClient) -> None:
    assert client.get("/api/v1/records").status_code == 405


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_may_be_compressed(client: FlaskClient, key: str, encoding: str) -> None:
    body = gzip.compress(FEE) if encoding == "gzip" else zstandard.ZstdCompressor().compress(FEE)
    assert counts(post(client, key, body, Content_Encoding=encoding)) == (1, 1, 0, 0)


def zstd_with_long_window() -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(b"x" * 1000) + compressor.flush()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(bytes(50_000_000)), 413),
        (zstandard.ZstdCompressor().compress(bytes(50_000_000)), 413),
        (zstandard.ZstdCompressor(write_content_size=False).compress(bytes(50_000_000)), 413),
        (zstd_with_long_window(), 413),
        (gzip.compress(FEE) + gzip.compress(FEE), 400),
        (zstandard.ZstdCompressor().compress(FEE) * 2, 400),
        (gzip.compress(FEE)[:-9], 400),
        (FEE, 400),
        (b"", 400),
    ],
)
def test_a_bomb_or_a_damaged_compression_is_refused(
    client: FlaskClient, key: str, intake: Intake, body: bytes, status: int
) -> None:
    answer = post(client, key, body, Content_Encoding="zstd")
    assert answer.status_code == status
    assert stored(intake) == 0


def test_an_unknown_compression_is_refused(client: FlaskClient, key: str) -> None:
    answer = post(client, key, FEE, Content_Encoding="br")
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "gzip, zstd")


def test_a_body_beyond_the_limit_is_refused(client: FlaskClient, key: str) -> None:
    answer = post(client, key, b"x" * (LIMITS.body_bytes_max + 1))
    assert answer.status_code == 413


def test_a_body_of_unstated_length_is_counted_while_it_is_read(client: FlaskClient, key: str) -> None:
    answer = client.post(
        "/api/v1/records",
        input_stream=io.BytesIO(bytes(LIMITS.body_bytes_max + 1)),
        content_type=XML,
        headers={"Authorization": f"Bearer {key}", "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert answer.status_code == 413


def test_more_than_500_records_in_a_request_are_refused_and_none_is_taken(
    client: FlaskClient, key: str, intake: Intake
) -> None:
    answer = post(client, key, wrapped([FEE] * 501))
    assert answer.status_code == 413
    assert "500" in answer.get_json()["why"]
    assert stored(intake) == 0


def test_the_same_request_again_gets_the_same_answer(client: FlaskClient, key: str, intake: Intake) -> None:
    body = wrapped([FEE, BAD])
    first = post(client, key, body, Idempotency_Key="a-1")
    again = post(client, key, body, Idempotency_Key="a-1")
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert stored(intake) == 1
    assert counts(post(client, key, body)) == (2, 0, 1, 1)


def test_an_answer_of_422_is_repeated_as_422(client: FlaskClient, key: str) -> None:
    statuses = [post(client, key, BAD, Idempotency_Key="a-1").status_code for _ in range(2)]
    assert statuses == [422, 422]


@pytest.mark.parametrize("media_type", [XML, "application/json"])
def test_the_same_idempotency_key_with_another_body_is_refused(
    client: FlaskClient, key: str, intake: Intake, media_type: str
) -> None:
    post(client, key, FEE, Idempotency_Key="a-1")
    other = FEE if media_type != XML else record("Fee", DivisionCode=NODE, Sequence="9")
    answer = post(client, key, other, media_type, Idempotency_Key="a-1")
    assert (answer.status_code, stored(intake)) == (422, 1)
    assert "new key" in answer.get_json()["action"]


def test_idempotency_keys_belong_to_their_source(client: FlaskClient, key: str, intake: Intake) -> None:
    other = add_source(intake.store, "tax", clock=intake.clock, randomness=intake.randomness).key
    post(client, key, FEE, Idempotency_Key="a-1")
    answer = post(client, other, BAD, Idempotency_Key="a-1")
    assert "verdicts" in answer.get_json()


@pytest.mark.parametrize("value", ["", "x" * 201, "键"])
def test_an_idempotency_key_has_a_form(client: FlaskClient, key: str, value: str) -> None:
    answer = post(client, key, FEE, Idempotency_Key=value.encode().decode("latin-1"))
    assert answer.status_code == 400


def test_answers_are_kept_for_a_time_and_in_a_number(
    client: FlaskClient, key: str, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ANSWERS_MAX", 2)
    for number in range(4):
        post(client, key, FEE, Idempotency_Key=f"a-{number}")
    replayed = [
        post(client, key, FEE, Idempotency_Key=f"a-{number}").headers.get("Idempotency-Replayed") for number in (3, 2)
    ]
    assert replayed == ["true", "true"]
    assert "Idempotency-Replayed" not in post(client, key, FEE, Idempotency_Key="a-0").headers
    intake.clock.advance(8 * 86_400)  # type: ignore[attr-defined] # A clock that is set.
    post(client, key, FEE, Idempotency_Key="late")
    assert "Idempotency-Replayed" not in post(client, key, FEE, Idempotency_Key="a-3").headers


@pytest.mark.parametrize(
    ("error", "retry_after"), [(StoreBusyError("busy"), "1"), (StoreUnavailableError("disk full"), "10")]
)
def test_when_the_store_cannot_write_the_sender_is_told_when_to_come_again(
    client: FlaskClient,
    key: str,
    intake: Intake,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    retry_after: str,
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(intake, "settle", fail)
    answer = post(client, key, FEE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, retry_after)
    assert answer.get_json()["code"].startswith("YZ-STORE")


def test_before_it_has_joined_a_node_asks_to_come_again(memory: Store) -> None:
    stranger = intake_on(memory, node_code="369999")
    key = add_source(memory, "hall", clock=stranger.clock, randomness=stranger.randomness).key
    application = Flask(__name__)
    application.register_blueprint(open_api_blueprint(stranger))
    answer = post(application.test_client(), key, FEE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert answer.get_json()["code"] == "YZ-CONFIG-002"


def test_one_source_has_so_many_requests_under_way_and_no_more(
    client: FlaskClient, key: str, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, entered, go_on = intake.settle, [], Event()

    def held_up(job: Any) -> Any:
        entered.append(job)
        assert go_on.wait(10)
        return settle(job)

    monkeypatch.setattr(intake, "settle", held_up)
    threads = [Thread(target=post, args=(client, key, FEE)) for _ in range(LIMITS.in_flight_max)]
    for thread in threads:
        thread.start()
    while len(entered) < LIMITS.in_flight_max:
        Event().wait(0.001)
    answer = post(client, key, FEE)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert post(client, key, FEE).status_code == 200


def test_a_batch_of_json_is_taken(client: FlaskClient, key: str) -> None:
    body = json.dumps({"records": [{"type": "Fee", "content": {}}]}).encode()
    assert post(client, key, body, "application/json").status_code == 422


def test_a_refusal_says_what_why_and_what_to_do() -> None:
    error = RequestRefusedError(400, "what", why="why", action="action")
    assert (str(error), error.why, error.action, error.headers) == ("what", "why", "action", {})


def test_the_address_may_name_the_dialect_and_the_content_type_does_not_count_then(
    client: FlaskClient, key: str
) -> None:
    body = table(generated(2)).encode()
    headers = {"Authorization": f"Bearer {key}"}
    answer = client.post("/api/v1/records?dialect=csv", data=body, content_type="text/plain", headers=headers)
    assert (answer.status_code, answer.json["accepted"] if answer.json else None) == (200, 2)


def test_a_dialect_in_the_address_that_does_not_exist_is_told(client: FlaskClient, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    answer = client.post("/api/v1/records?dialect=soap", data=b"<x/>", content_type=XML, headers=headers)
    assert answer.status_code == 400
    assert answer.json is not None
    assert "soap" in answer.json["what"]
    assert "csv" in answer.json["action"]


def test_a_spreadsheet_is_a_body_like_any_other(client: FlaskClient, key: str) -> None:
    writes = BUILT_IN["xlsx"].writes
    assert writes is not None
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    answer = post(client, key, writes(generated(3), DialectOptions()), media_type)
    assert (answer.status_code, answer.get_json()["accepted"]) == (200, 3)


def test_a_dialect_of_the_site_whose_file_is_wrong_can_be_tried_again_later(memory: Store, tmp_path: Path) -> None:
    (tmp_path / "hall.xsl").write_text("<broken")
    intake = intake_on(memory, dialects=Dialects(folder=tmp_path))
    key = add_source(intake.store, "hall", clock=intake.clock, randomness=intake.randomness).key
    application = Flask(__name__)
    application.register_blueprint(open_api_blueprint(intake, LIMITS))
    headers = {"Authorization": f"Bearer {key}"}
    answer = application.test_client().post("/api/v1/records?dialect=hall", data=b"<x/>", headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
