"""Where a request comes from: keys, signatures and certificates, what they refuse, and that none is taken twice."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from node.departments import nonces
from node.departments.credentials import Issuer
from node.departments.source_changes import Change, change_source, disable_source, rotate_source
from node.departments.sources import NewSource, add_source
from node.departments.tables import signature_nonce
from node.errors import StoreUnavailableError
from node.trust.kept_secrets import SOURCES_KEY_FILE, KeptSecrets
from node.web.authentication import Authentication
from node.web.open_api import open_api_blueprint
from tests.support.intake import NODE, NOW, intake_on
from tests.support.samples import record
from tests.support.signing import COVERED, signed
from tests.support.stores import memory

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from node.departments.accept import Intake
    from node.journal.store import Store

__all__ = ["memory"]

FEE = record("Fee", DivisionCode=NODE)
XML = "application/xml"
URL = "http://localhost/api/v1/records"
NONCE = "0123456789abcdef"


@pytest.fixture
def intake(memory: Store) -> Intake:
    return intake_on(memory)


@pytest.fixture
def secrets(tmp_path: Path) -> KeptSecrets:
    return KeptSecrets(tmp_path)


def application(intake: Intake, secrets: KeptSecrets | None, *, public_url: str = "") -> FlaskClient:
    made = Flask(__name__)
    authentication = Authentication(intake.store, intake.clock, secrets=secrets, public_url=public_url)
    made.register_blueprint(open_api_blueprint(intake, authentication=authentication))
    return made.test_client()


@pytest.fixture
def client(intake: Intake, secrets: KeptSecrets) -> FlaskClient:
    return application(intake, secrets)


def added(intake: Intake, secrets: KeptSecrets, name: str = "hall", *modes: str, **settings: Any) -> NewSource:
    chance = intake.randomness
    return add_source(
        intake.store, name, clock=intake.clock, randomness=chance, secrets=secrets, modes=modes or ("hmac",), **settings
    )


@pytest.fixture
def hall(intake: Intake, secrets: KeptSecrets) -> NewSource:
    return added(intake, secrets)


def fields(made: NewSource, body: bytes = FEE, url: str = URL, **changes: Any) -> dict[str, str]:
    """The header fields of a request that a source signs, its Content-Type included."""
    given: dict[str, Any] = {
        "key_id": made.issued.key_id,
        "secret": made.issued.secret,
        "created": NOW,
        "nonce": NONCE,
        "headers": {"Content-Type": XML},
    }
    return signed(url, body, **{**given, **changes})


def post(
    client: FlaskClient, headers: dict[str, str], body: bytes = FEE, path: str = "", **options: Any
) -> TestResponse:
    return client.post(f"/api/v1/records{path}", data=body, headers=headers, **options)


def stored(intake: Intake) -> int:
    with intake.store.reading() as connection:
        held = intake.journal.held(connection, intake.stream)
    return held.size if held else 0


def kept(intake: Intake) -> int:
    with intake.store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(signature_nonce)) or 0


def test_a_signed_request_is_taken_and_the_secret_is_not_in_the_database(
    client: FlaskClient, intake: Intake, hall: NewSource
) -> None:
    answer = post(client, fields(hall))
    assert (answer.status_code, stored(intake), kept(intake)) == (200, 1, 1)
    assert not hall.key
    with intake.store.reading() as connection:
        tables = connection.exec_driver_sql("SELECT * FROM source_credential").all()
    assert hall.issued.secret not in repr(tables)
    assert hall.issued.secret not in repr(hall)


def test_a_compressed_body_is_signed_as_it_is_sent(client: FlaskClient, hall: NewSource) -> None:
    body = gzip.compress(FEE)
    headers = {"Content-Type": XML, "Content-Encoding": "gzip", "Idempotency-Key": "k"}
    covered = (*COVERED, "content-encoding", "idempotency-key")
    assert post(client, fields(hall, body, headers=headers, covered=covered), body).status_code == 200


def test_a_request_that_comes_again_is_refused(client: FlaskClient, intake: Intake, hall: NewSource) -> None:
    headers = fields(hall)
    assert post(client, headers).status_code == 200
    again = post(client, headers)
    assert again.status_code == 401
    assert "taken before" in again.get_json()["why"]
    assert post(client, fields(hall, nonce=NONCE[::-1])).get_json()["repeated"] == 1
    assert stored(intake) == 1


def test_another_process_of_the_home_knows_the_nonce_too(
    client: FlaskClient, intake: Intake, secrets: KeptSecrets, hall: NewSource
) -> None:
    headers = fields(hall)
    assert post(client, headers).status_code == 200
    assert post(application(intake, secrets), headers).status_code == 401


def test_of_one_request_sent_twice_at_once_one_is_taken(
    client: FlaskClient, intake: Intake, hall: NewSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, together, answers = intake.settle, Barrier(2, timeout=20), []

    def settle_together(job: Any) -> Any:
        # Both have been found new before either is taken.
        together.wait()
        return settle(job)

    monkeypatch.setattr(intake, "settle", settle_together)
    headers = fields(hall)
    threads = [Thread(target=lambda: answers.append(post(client, headers))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert (stored(intake), kept(intake)) == (1, 1)


def test_a_request_that_the_node_could_not_write_may_come_again_as_it_is(
    client: FlaskClient, intake: Intake, hall: NewSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise StoreUnavailableError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(intake, "settle", fail)
        assert post(client, fields(hall)).status_code == 503
    assert kept(intake) == 0
    assert post(client, fields(hall)).status_code == 200


def test_a_signature_that_ends_while_its_body_comes_is_refused(
    client: FlaskClient, intake: Intake, hall: NewSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = intake.settle

    def settle_late(job: Any) -> Any:
        intake.clock.advance(300)  # type: ignore[attr-defined] # A clock that is set.
        return settle(job)

    monkeypatch.setattr(intake, "settle", settle_late)
    assert post(client, fields(hall)).status_code == 401
    assert (stored(intake), kept(intake)) == (0, 0)


def test_nonces_are_forgotten_when_their_signatures_have_ended(
    client: FlaskClient, intake: Intake, hall: NewSource
) -> None:
    post(client, fields(hall))
    intake.clock.advance(300)  # type: ignore[attr-defined] # A clock that is set.
    later = NOW + timedelta(seconds=300)
    assert post(client, fields(hall, created=later, nonce=NONCE[::-1])).status_code == 200
    assert kept(intake) == 1


def test_so_many_nonces_of_a_source_are_kept_and_no_more(
    client: FlaskClient, intake: Intake, secrets: KeptSecrets, hall: NewSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonces, "NONCES_MAX", 2)
    answers = [post(client, fields(hall, nonce=f"{number}{NONCE}")) for number in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "10"
    assert post(client, fields(added(intake, secrets, "tax"))).status_code == 200


@pytest.mark.parametrize(
    ("changes", "path", "why"),
    [
        ({"secret": "yzs_wrong"}, "", "does not stand over POST http://localhost/api/v1/records"),
        ({"key_id": "hall/99"}, "", "keyid is not known"),
        ({"key_id": "hall"}, "", "keyid is not known"),
        ({"key_id": "other/1"}, "", "keyid is not known"),
        ({}, "?type=x", "does not stand over"),
        ({"url": "https://localhost/api/v1/records"}, "", "does not stand over"),
        ({"url": "http://node.example.cn/api/v1/records"}, "", "does not stand over"),
        ({"covered": COVERED[:3]}, "", "does not cover content-type"),
        ({"created": NOW - timedelta(seconds=300)}, "", "it ended 0 s ago by this node's clock"),
        ({"created": NOW + timedelta(seconds=61)}, "", "61 s ahead of this node's clock"),
    ],
)
def test_a_signature_that_does_not_stand_is_refused_with_the_reason_and_the_time(
    client: FlaskClient, intake: Intake, hall: NewSource, changes: dict[str, Any], path: str, why: str
) -> None:
    answer = post(client, fields(hall, **changes), path=path)
    assert answer.status_code == 401
    assert why in answer.get_json()["why"]
    assert answer.headers["Date"] == "Tue, 03 Nov 2026 01:00:00 GMT"
    assert answer.headers["Accept-Signature"] == (
        'yizhan=("@method" "@target-uri" "content-digest");created;alg="hmac-sha256"'
    )
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="yizhan"'
    assert (stored(intake), kept(intake)) == (0, 0)


def test_a_body_that_is_not_what_was_signed_is_refused(client: FlaskClient, intake: Intake, hall: NewSource) -> None:
    answer = post(client, fields(hall), FEE + b"\n")
    assert (answer.status_code, answer.get_json()["what"]) == (400, "The Content-Digest is not that of the body.")
    assert (stored(intake), kept(intake)) == (0, 0)


def test_the_body_of_a_request_that_proves_nothing_is_not_read(client: FlaskClient, hall: NewSource) -> None:
    class Unread(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise AssertionError("the body was read")

    headers = fields(hall, secret="yzs_wrong")
    for given in (headers, {"Content-Type": XML}, {"Content-Type": XML, "Authorization": "Bearer x"}):
        answer = client.post(
            "/api/v1/records", headers=given, input_stream=Unread(), environ_overrides={"CONTENT_LENGTH": "5"}
        )
        assert answer.status_code == 401


def test_a_digest_counts_for_whoever_sends_one(client: FlaskClient, intake: Intake, secrets: KeptSecrets) -> None:
    key = added(intake, secrets, "tax", "key").key
    headers = {"Authorization": f"Bearer {key}", "Content-Type": XML, "Content-Digest": "sha-256=:AAAA:"}
    assert post(client, headers).status_code == 400


def test_a_disabled_source_signs_nothing(client: FlaskClient, intake: Intake, hall: NewSource) -> None:
    disable_source(intake.store, "hall", clock=intake.clock)
    assert post(client, fields(hall)).status_code == 401


def test_behind_a_proxy_the_public_address_is_what_is_signed(
    intake: Intake, secrets: KeptSecrets, hall: NewSource
) -> None:
    client = application(intake, secrets, public_url="https://node.example.cn/yizhan")
    headers = fields(hall, url="https://node.example.cn/yizhan/api/v1/records?type=Fee")
    assert post(client, headers, path="?type=Fee").status_code == 200
    assert post(client, fields(hall, nonce=NONCE[::-1])).status_code == 401


@pytest.mark.parametrize(
    ("base", "host"),
    [
        ("http://localhost", "LOCALHOST"),
        ("http://localhost", "localhost:80"),
        ("http://localhost:8440", "localhost:8440"),
        ("http://[::1]:8440", "[::1]:8440"),
    ],
)
def test_the_address_is_that_of_the_host_without_a_usual_port(
    client: FlaskClient, hall: NewSource, base: str, host: str
) -> None:
    headers = {**fields(hall, url=f"{base}/api/v1/records"), "Host": host}
    assert post(client, headers).status_code == 200


def test_the_address_is_signed_as_it_is_written_and_may_be_whole(client: FlaskClient, hall: NewSource) -> None:
    written = "/api/v1/%72ecords?type=%46ee"
    headers = fields(hall, url=f"http://localhost{written}")
    assert post(client, headers, environ_overrides={"REQUEST_URI": written}).status_code == 200
    headers = fields(hall, nonce=NONCE[::-1])
    assert post(client, headers, environ_overrides={"REQUEST_URI": URL}).status_code == 200


def test_a_host_that_is_none_is_refused(client: FlaskClient, hall: NewSource) -> None:
    assert post(client, fields(hall), environ_overrides={"HTTP_HOST": "a/b"}).status_code == 400


def test_an_old_secret_counts_until_it_ends(
    client: FlaskClient, intake: Intake, secrets: KeptSecrets, hall: NewSource
) -> None:
    issuer = Issuer(randomness=intake.randomness, secrets=secrets)
    fresh = rotate_source(intake.store, "hall", keep=timedelta(hours=1), clock=intake.clock, issuer=issuer)
    assert fresh.issued.key_id != hall.issued.key_id
    assert post(client, fields(hall, nonce="a" * 16)).status_code == 200
    assert post(client, fields(fresh, nonce="b" * 16)).status_code == 200
    intake.clock.advance(3600)  # type: ignore[attr-defined] # A clock that is set.
    later = NOW + timedelta(hours=1)
    assert post(client, fields(hall, nonce="c" * 16, created=later)).status_code == 401
    assert post(client, fields(fresh, nonce="d" * 16, created=later)).status_code == 200


def test_without_the_key_of_the_home_signatures_wait(
    client: FlaskClient, intake: Intake, tmp_path: Path, hall: NewSource
) -> None:
    answer = post(application(intake, None), fields(hall))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    (tmp_path / "keys" / SOURCES_KEY_FILE).unlink()
    answer = post(application(intake, KeptSecrets(tmp_path)), fields(hall))
    assert answer.status_code == 503
    assert "cannot be read" in answer.get_json()["why"]
    assert post(client, fields(hall)).status_code == 200


def test_a_source_that_has_to_sign_is_not_open_by_key_and_the_other_way_round(
    client: FlaskClient, intake: Intake, secrets: KeptSecrets
) -> None:
    both = added(intake, secrets, "both", "key", "hmac")
    keyed = {"Authorization": f"Bearer {both.key}", "Content-Type": XML}
    assert post(client, keyed).status_code == 200
    assert post(client, fields(both)).status_code == 200
    assert post(client, {**fields(both, nonce="a" * 16), **keyed}).status_code == 200
    issuer = Issuer(randomness=intake.randomness, secrets=secrets)
    change_source(intake.store, "both", Change(modes=("hmac",)), clock=intake.clock, issuer=issuer)
    assert post(client, keyed).status_code == 401
    assert post(client, {**fields(both, nonce="b" * 16), **keyed}).status_code == 401


def test_everything_that_is_sent_has_to_be_of_one_source(
    client: FlaskClient, intake: Intake, secrets: KeptSecrets, hall: NewSource
) -> None:
    other = {"Authorization": f"Bearer {added(intake, secrets, 'tax', 'key').key}"}
    answer = post(client, {**fields(hall), **other})
    assert (answer.status_code, "comes from hall and tax" in answer.get_json()["why"]) == (401, True)
    wrong = {"Authorization": "Bearer yz_wrong"}
    assert post(client, {**fields(hall), **wrong}).status_code == 401
    half = fields(hall)
    del half["Signature"]
    assert post(client, half).status_code == 401


@pytest.mark.parametrize(
    "said",
    [
        {"SSL_CLIENT_VERIFY": "SUCCESS"},
        {"SSL_CLIENT_CERT": "no certificate", "SSL_CLIENT_VERIFY": "SUCCESS"},
        {
            "SSL_CLIENT_CERT": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "SSL_CLIENT_VERIFY": "SUCCESS",
        },
        {"SSL_CLIENT_CERT": "no certificate", "SSL_CLIENT_VERIFY": "NONE"},
    ],
)
def test_a_certificate_that_cannot_be_read_is_nobody_s(client: FlaskClient, said: dict[str, str]) -> None:
    assert post(client, {"Content-Type": XML}, environ_overrides=said).status_code == 401


def test_the_time_of_a_signature_is_a_number_of_seconds_however_far_away(client: FlaskClient, hall: NewSource) -> None:
    for created in (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)):
        assert post(client, fields(hall, created=created)).status_code == 401
