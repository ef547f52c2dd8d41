"""The OpenAPI document: valid by the specification's own schema, true to the code, and kept to by the service."""

from __future__ import annotations

import ast
import json
import re
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from schemathesis.specs.openapi.definitions import OPENAPI_31

from node.config import Listener
from node.departments.dialects import BUILT_IN
from node.departments.report import ImportReport, Verdict
from node.departments.sources import add_source
from node.errors import Problem, StoreUnavailableError
from node.web.app import create_face_app
from node.web.listeners import HttpListener
from node.web.open_api_document import Offer, open_api_document
from node.web.refusals import STATUSES
from tests.support.intake import wrapped
from tests.support.samples import record
from tests.support.whole_nodes import whole_node
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from flask.testing import FlaskClient

    from node.bootstrap import Node

PATH = "/api/v1/openapi.json"
FEE = record("Fee", DivisionCode="360102")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
EXAMPLES = 40
"""Requests that schemathesis makes up for an operation: some seconds."""


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = whole_node("360102")
    yield made
    made.close()


@pytest.fixture(scope="module")
def application(node: Node) -> Flask:
    return create_face_app(node)


@pytest.fixture(scope="module")
def key(node: Node) -> str:
    return add_source(node.store, "hall", clock=node.clock, randomness=node.randomness).key


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    return application.test_client()


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    found = client.get(PATH).get_json()
    assert isinstance(found, dict)
    return found


def validator(document: dict[str, Any], name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


def test_it_is_valid_by_the_schema_of_openapi_3_1(document: dict[str, Any]) -> None:
    jsonschema_rs.Draft202012Validator(OPENAPI_31).validate(document)
    assert document["openapi"] == "3.1.1"
    for name, schema in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema), name


def test_every_reference_in_it_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)))
    assert len(found) > 10
    for path in found:
        place: Any = document
        for part in path.split("/"):
            place = place[part]


def test_it_names_the_media_types_of_the_dialects_and_the_limits_of_the_node(
    node: Node, document: dict[str, Any]
) -> None:
    body = document["paths"]["/api/v1/records"]["post"]["requestBody"]
    assert set(body["content"]) == {media for dialect in BUILT_IN.values() for media in dialect.media_types}
    assert str(node.config.level.limits.request_bytes_max) in body["description"]
    assert "request_bytes_max" in json.dumps(open_api_document(Offer()))


def statuses_in_code() -> set[int]:
    """The statuses with which the modules of the open API refuse, and those of its answers."""
    found: set[int] = set()
    for name in ("open_api", "record_door", "bodies", "authentication", "rate_limits", "refusals"):
        tree = ast.parse((ROOT / f"node/web/{name}.py").read_text(encoding="utf-8"))
        for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
            named = getattr(call.func, "id", "")
            if named in {"RequestRefusedError", "_failed"} and isinstance(call.args[0], ast.Constant):
                found.add(int(str(call.args[0].value)))
    return found


def test_it_has_the_statuses_that_the_code_answers_with(document: dict[str, Any]) -> None:
    # 200 and 202 are answers; 405 and 500 come from the application around.
    assert statuses_in_code() | {200, 202, 405, 500} == set(STATUSES)
    assert {int(status) for status in document["paths"]["/api/v1/records"]["post"]["responses"]} == set(STATUSES)


def test_the_reference_page_has_the_same_statuses() -> None:
    page = (ROOT / "docs/reference/open-api.md").read_text(encoding="utf-8")
    assert {int(found) for found in re.findall(r"^\| ([2-5][0-9]{2}) \|", page, re.MULTILINE)} == set(STATUSES)


def test_its_schemas_have_the_fields_of_the_values(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    verdict = Verdict(outcome="refused", record_type="Fee", problems=(Problem(rule="schema", text="no"),)).as_json()
    assert set(schemas["Verdict"]["properties"]) == set(verdict)
    assert set(schemas["Problem"]["properties"]) == {one.name for one in fields(Problem)}
    assert set(schemas["Answer"]["properties"]) == {*ImportReport().as_json(), "verdicts"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "schema"),
    [
        (wrapped([FEE, record("Fee", DivisionCode="360102", FeeState="7")]), {}, 200, "Answer"),
        (b"hello", {}, 422, "Answer"),
        (FEE, {"Authorization": "Bearer wrong"}, 401, "Error"),
        (FEE, {"Content-Type": "text/plain"}, 415, "Error"),
        (FEE, {"Content-Encoding": "gzip"}, 400, "Error"),
        (FEE, {"Accept": "text/html"}, 406, "Error"),
        (b"x" * (64 << 20), {}, 413, "Error"),
    ],
)
def test_answers_are_as_it_says(
    client: FlaskClient,
    key: str,
    document: dict[str, Any],
    body: bytes,
    headers: dict[str, str],
    status: int,
    schema: str,
) -> None:
    given = {"Authorization": f"Bearer {key}", "Content-Type": "application/xml", **headers}
    answer = client.post("/api/v1/records", data=body, headers=given)
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    validator(document, schema).validate(answer.get_json())
    told = document["paths"]["/api/v1/records"]["post"]["responses"][str(status)]["headers"]
    needed = [name for name in told if not name.startswith(("RateLimit", "Idempotency", "Date"))]
    assert [name for name in needed if name in answer.headers] or not needed or status == 415


def test_a_failure_of_the_node_is_as_it_says_too(
    client: FlaskClient, node: Node, key: str, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, status in ((StoreUnavailableError("gone"), 503), (ZeroDivisionError("secret"), 500)):

        def fail(_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(node.intake, "settle", fail)
            given = {"Authorization": f"Bearer {key}", "Content-Type": "application/xml"}
            answer = client.post("/api/v1/records", data=FEE, headers=given)
        assert answer.status_code == status
        validator(document, "Error").validate(answer.get_json())
        assert "secret" not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_another_method_is_answered_with_those_that_there_are(client: FlaskClient, method: str) -> None:
    answer = client.open("/api/v1/records", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    assert method == "HEAD" or answer.get_json()["code"] == "YZ-HTTP"


def test_options_and_head_are_answered(client: FlaskClient) -> None:
    options = client.options("/api/v1/records")
    assert (options.status_code, set(options.headers["Allow"].split(", "))) == (200, {"OPTIONS", "POST"})
    head = client.head(PATH)
    assert (head.status_code, head.data, head.content_type) == (200, b"", "application/json")


@pytest.mark.parametrize("accept", ["text/html", "text/*;q=0.5, image/png", "application/json;q=0"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_does_not_take_json_is_told_before_anything_is_done(
    client: FlaskClient, key: str, accept: str, method: str
) -> None:
    headers = {"Accept": accept, "Authorization": f"Bearer {key}", "Content-Type": "application/xml"}
    path = PATH if method == "GET" else "/api/v1/records"
    answer = client.open(path, method=method, headers=headers, data=FEE)
    assert (answer.status_code, answer.content_type) == (406, "application/json")


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.1", ""])
def test_who_takes_json_among_others_gets_it(client: FlaskClient, accept: str) -> None:
    assert client.get(PATH, headers={"Accept": accept}).status_code == 200


@contextmanager
def listening(application: Flask) -> Iterator[str]:
    """The address of the application behind a real listener."""
    place = Listener(host="127.0.0.1", port=0)
    served = HttpListener("face", application, place, threads=4, body_bytes_max=1_000_000)
    served.bind()
    served.start()
    try:
        yield served.address
    finally:
        served.stop()


def make_up(operation: Any, mode: schemathesis.GenerationMode, key: str) -> set[int]:
    """Let schemathesis make up requests, check the answers, and return their statuses.

    Whether made-up records are accepted is for the standard to say: only the form of the answers is looked at.
    """
    seen: set[int] = set()

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode))
    def answered(case: Any) -> None:
        response = case.call(headers={"Authorization": f"Bearer {key}"})
        seen.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    answered()
    return seen


@pytest.mark.timeout(120)
def test_what_schemathesis_makes_up_is_answered_as_the_document_says(application: Flask, key: str) -> None:
    with listening(application) as address:
        schema = schemathesis.openapi.from_url(f"{address}{PATH}")
        records, description = schema["/api/v1/records"]["POST"], schema[PATH]["GET"]
        seen = {status for mode in schemathesis.GenerationMode for status in make_up(records, mode, key)}
        # Without a parameter there is nothing to ask wrongly.
        described = make_up(description, schemathesis.GenerationMode.POSITIVE, key)
    assert {400, 422} <= seen
    assert described == {200}
