"""The SOAP service: the same door as the open API, for those who can only call a WSDL; called by zeep as they do."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import requests
import zeep
from flask import Flask
from werkzeug.serving import make_server
from zeep.exceptions import Fault

from node.departments.source_changes import disable_source
from node.departments.sources import add_source
from node.errors import StoreUnavailableError
from node.web.app import create_face_app
from node.web.authentication import Authentication
from node.web.open_api import open_api_over
from node.web.record_door import OpenApiLimits, RecordDoor
from node.web.soap_api import soap_api_over
from tests.support.intake import NODE, intake_on, table, wrapped
from tests.support.intake import generated as generated_records
from tests.support.samples import record
from tests.support.stores import memory
from tests.support.whole_nodes import whole_node
from tests.unit.web.test_face import without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from node.departments.accept import Intake
    from node.journal.store import Store

__all__ = ["memory"]

FEE = record("Fee", DivisionCode=NODE)
BAD = record("Fee", DivisionCode=NODE, FeeState="7")
PATH = "/api/v1/soap"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
OURS = "urn:yizhan:soap:1"


@pytest.fixture
def intake(memory: Store) -> Intake:
    return intake_on(memory)


@pytest.fixture
def application(intake: Intake) -> Flask:
    made = Flask(__name__)
    limits = OpenApiLimits(body_bytes_max=2_000_000, in_flight_max=2)
    door = RecordDoor(intake, limits, Authentication(intake.store, intake.clock))
    made.register_blueprint(open_api_over(door))
    made.register_blueprint(soap_api_over(door))
    return made


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    return application.test_client()


@pytest.fixture
def key(intake: Intake) -> str:
    return add_source(intake.store, "hall", clock=intake.clock, randomness=intake.randomness).key


@contextmanager
def served(application: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}{PATH}?wsdl"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def zeep_client(application: Flask, port: str = "RecordsSoap", **headers: str) -> Iterator[Any]:
    with served(application) as address, requests.Session() as session:
        session.headers.update(headers)
        untyped: Any = zeep
        yield untyped.Client(address, port_name=port, transport=untyped.Transport(session=session)).service


@pytest.mark.parametrize("port", ["RecordsSoap", "RecordsSoap12"])
def test_a_client_made_from_the_wsdl_hands_records_in(application: Flask, key: str, port: str) -> None:
    with zeep_client(application, port) as service:
        first = service.setDataXmlToFocus(key=key, xml=wrapped([FEE, BAD]).decode())
        assert (first.code, first.replayed) == (200, False)
        assert (first.offered, first.accepted, first.repeated, first.refused, first.received) == (2, 1, 0, 1, 0)
        assert [one.outcome for one in first.verdict] == ["accepted", "refused"]
        assert first.verdict[0].recordType == "Fee"
        assert first.verdict[0].recordKey
        assert first.verdict[1].problem[0].element == "FeeState"
        assert first.verdict[1].problem[0].text
        again = service.setDataXmlToFocus(key=key, xml=wrapped([FEE]).decode())
        assert (again.code, again.repeated) == (200, 1)
        nothing = service.setDataXmlToFocus(key=key, xml=BAD.decode())
        assert (nothing.code, nothing.refused) == (422, 1)


def test_the_same_request_under_its_key_gets_the_first_answer(application: Flask, key: str) -> None:
    with zeep_client(application) as service:
        first = service.setDataXmlToFocus(key=key, xml=FEE.decode(), requestKey="one")
        again = service.setDataXmlToFocus(key=key, xml=FEE.decode(), requestKey="one")
        assert (first.accepted, first.replayed) == (1, False)
        assert (again.accepted, again.replayed) == (1, True)
        with pytest.raises(Fault, match="another body") as caught:
            service.setDataXmlToFocus(key=key, xml=BAD.decode(), requestKey="one")
        assert caught.value.code == "soap:Client"


def test_the_source_may_be_proved_by_http_instead(application: Flask, key: str) -> None:
    with zeep_client(application, Authorization=f"Bearer {key}") as service:
        assert service.setDataXmlToFocus(xml=FEE.decode()).accepted == 1


def test_a_key_of_another_source_beside_the_header_is_refused(application: Flask, intake: Intake, key: str) -> None:
    other = add_source(intake.store, "other", clock=intake.clock, randomness=intake.randomness).key
    with (
        zeep_client(application, Authorization=f"Bearer {other}") as service,
        pytest.raises(Fault, match="does not prove"),
    ):
        service.setDataXmlToFocus(key=key, xml=FEE.decode())


@pytest.mark.parametrize("dialect", ["", "csv"])
def test_any_dialect_comes_through(application: Flask, key: str, dialect: str) -> None:
    rows = table(generated_records(3))
    with zeep_client(application) as service:
        told = service.setDataXmlToFocus(key=key, xml=rows, dialect=dialect)
        assert (told.offered, told.accepted) == (3, 3)


def test_a_declared_encoding_is_that_of_the_text_before_it_was_sent(application: Flask, key: str) -> None:
    with zeep_client(application) as service:
        text = "<?xml version='1.0' encoding=\"GBK\"?>\n" + FEE.decode()
        assert service.setDataXmlToFocus(key=key, xml=text).accepted == 1


def refused(client: FlaskClient, body: str | bytes, media_type: str = "text/xml", **headers: str) -> tuple[int, str]:
    """Return the status and the text of a fault."""
    found = client.post(PATH, data=body, content_type=media_type, headers=headers)
    return found.status_code, text_of(found)


def text_of(found: TestResponse) -> str:
    fault = ET.fromstring(found.data).find(f"{{{SOAP_11}}}Body/{{{SOAP_11}}}Fault")
    assert fault is not None
    return " ".join(part.strip() for part in fault.itertext())


def envelope(inner: str, header: str = "", version: str = SOAP_11) -> str:
    return f'<s:Envelope xmlns:s="{version}">{header}<s:Body>{inner}</s:Body></s:Envelope>'


def call(arguments: str, namespace: str = OURS, operation: str = "setDataXmlToFocus") -> str:
    return envelope(f'<o:{operation} xmlns:o="{namespace}">{arguments}</o:{operation}>')


def test_records_may_stand_in_cdata_and_arguments_in_no_namespace(client: FlaskClient, key: str) -> None:
    found = client.post(
        PATH, data=call(f"<key>{key}</key><xml><![CDATA[{FEE.decode()}]]></xml>"), content_type="text/xml"
    )
    assert found.status_code == 200
    assert b"<accepted>1</accepted>" in found.data


def test_a_body_may_be_compressed(client: FlaskClient, key: str) -> None:
    body = gzip.compress(call(f"<key>{key}</key><xml><![CDATA[{FEE.decode()}]]></xml>").encode())
    found = client.post(PATH, data=body, content_type="text/xml", headers={"Content-Encoding": "gzip"})
    assert b"<accepted>1</accepted>" in found.data


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("no xml", "cannot be read"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + call("<xml>&b;</xml>"), "a document type or entity is not allowed"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd">' + call("<xml>x</xml>"), "a document type or entity is not allowed"),
        ("<Records/>", "no SOAP envelope"),
        (f'<Envelope xmlns="{SOAP_11}"/>', "holds no call"),
        (envelope(""), "holds no call"),
        (envelope("<a/><b/>"), "holds no call"),
        (call("", namespace="urn:other"), "another service"),
        (call("", operation="dropAll"), "dropAll is not known"),
        (call("<xml>a</xml><more>b</more>"), "more is not known"),
        (call("<xml>a</xml><xml>b</xml>"), "stands twice"),
        (call("<xml><Fee/></xml>"), "use CDATA"),
        (call("<xml>" + "<a>" * 40 + "</a>" * 40 + "</xml>"), "cannot be read"),
    ],
)
def test_what_is_no_call_is_refused(client: FlaskClient, body: str, said: str) -> None:
    status, text = refused(client, body)
    assert status == 500
    assert text.startswith("soap:Client")
    assert said in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("<xml> </xml>", "xml is empty"),
        ("<xml>a</xml><dialect>none</dialect>", "no dialect named"),
        ("<xml>a</xml><requestKey>键</requestKey>", "Idempotency-Key"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(client: FlaskClient, key: str, arguments: str, said: str) -> None:
    assert said in refused(client, call(f"<key>{key}</key>{arguments}"))[1]


def test_nothing_is_open_without_a_key(client: FlaskClient, intake: Intake, key: str) -> None:
    sent = f"<xml><![CDATA[{FEE.decode()}]]></xml>"
    assert "401" in refused(client, call(sent))[1]
    assert "not known" in refused(client, call(f"<key>wrong</key>{sent}"))[1]
    disable_source(intake.store, "hall", clock=intake.clock)
    found = client.post(PATH, data=call(f"<key>{key}</key>{sent}"), content_type="text/xml")
    assert "disabled" in text_of(found)
    assert "Bearer" in found.headers["WWW-Authenticate"]


def test_a_content_type_that_is_no_soap_is_refused(client: FlaskClient) -> None:
    assert "415" in refused(client, call("<xml>a</xml>"), "application/json")[1]


def test_a_message_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert "413" in refused(client, call(f"<xml>{'x' * 2_000_001}</xml>"))[1]
    packed = gzip.compress(call(f"<xml>{'x' * 2_000_001}</xml>").encode())
    assert "413" in refused(client, packed, Content_Encoding="gzip")[1]


def test_a_header_that_has_to_be_understood_is_not(client: FlaskClient, key: str) -> None:
    header = '<s:Header><w:Security xmlns:w="urn:w" s:mustUnderstand="1"/></s:Header>'
    body = envelope(f'<o:setDataXmlToFocus xmlns:o="{OURS}"><key>{key}</key><xml>a</xml></o:setDataXmlToFocus>', header)
    assert refused(client, body)[1].startswith("soap:MustUnderstand")
    optional = body.replace('mustUnderstand="1"', 'mustUnderstand="0"')
    assert b"<refused>1</refused>" in client.post(PATH, data=optional, content_type="text/xml").data


def test_version_1_2_is_answered_in_kind(client: FlaskClient) -> None:
    for header, code, status in (
        ("", "soap:Sender", 401),
        ('<s:Header><a s:mustUnderstand="true"/></s:Header>', "soap:MustUnderstand", 500),
    ):
        body = envelope(f'<o:setDataXmlToFocus xmlns:o="{OURS}"><xml>a</xml></o:setDataXmlToFocus>', header, SOAP_12)
        found = client.post(PATH, data=body, content_type="application/soap+xml")
        assert found.status_code == status
        assert found.mimetype == "application/soap+xml"
        assert ET.fromstring(found.data).findtext(f".//{{{SOAP_12}}}Value") == code


def test_a_node_that_cannot_take_anything_in_says_when_to_come_again(
    client: FlaskClient, intake: Intake, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise StoreUnavailableError("The database is away", why="a test", action="wait")

    monkeypatch.setattr(type(intake), "settle", away)
    body = call(f"<key>{key}</key><xml><![CDATA[{FEE.decode()}]]></xml>")
    found = client.post(PATH, data=body, content_type="text/xml")
    assert text_of(found).startswith("soap:Server")
    assert int(found.headers["Retry-After"]) > 0


def test_what_is_told_of_a_record_is_always_xml(client: FlaskClient, key: str) -> None:
    odd = '{"records": [{"type": "F\\u0000ee", "content": {}}]}'
    found = client.post(PATH, data=call(f"<key>{key}</key><xml>{odd}</xml>"), content_type="text/xml")
    assert ET.fromstring(found.data).find(f".//{{{OURS}}}problem") is not None


def test_the_wsdl_names_the_address_at_which_it_was_asked_for(client: FlaskClient, intake: Intake) -> None:
    found = client.get(f"{PATH}?wsdl", headers={"Host": "node.example:8443"})
    assert found.mimetype == "text/xml"
    assert found.data.count(b'location="http://node.example:8443/api/v1/soap"') == 2
    assert client.get(PATH, headers={"Host": 'a"b'}).status_code == 400
    made = Flask(__name__)
    door = RecordDoor(intake, OpenApiLimits(), Authentication(intake.store, intake.clock))
    made.register_blueprint(soap_api_over(door, public_url="https://gate.example"))
    assert b'location="https://gate.example/api/v1/soap"' in made.test_client().get(PATH).data


def test_it_answers_only_where_the_level_switches_it_on() -> None:
    node = whole_node("360100")
    try:
        assert create_face_app(node).test_client().get(PATH).status_code == 404
        on = create_face_app(without(node, soap=True)).test_client()
        assert on.get(PATH).status_code == 200
        assert on.post("/api/v1/records").status_code == 401
        alone = create_face_app(without(node, soap=True, open_api=False)).test_client()
        assert alone.get(PATH).status_code == 200
        assert alone.post("/api/v1/records").status_code == 404
    finally:
        node.close()
