"""The open API as an OpenAPI 3.1 document: for programs that make clients, and for those that test this one.

It is made from what the code goes by: the dialects' media types, the limits, the record types, the statuses. ``GET
/api/v1/openapi.json`` answers with it, and the bundle of the standard holds one without a node's own figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args

from node.departments.answers import KEY_LENGTH_MAX
from node.departments.batches import BATCH_MAX
from node.departments.dialects import BUILT_IN
from node.departments.report import PROBLEMS_MAX, Outcome
from node.standard.families import RECORD_TYPES
from node.web.refusals import ERROR_SCHEMA, STATUSES
from node.web.signatures import DIGESTS, REQUIRED, REQUIRED_IF_SENT, VALIDITY_S

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = "yizhan.records/1"
VERSION: Final = "1.0"
"""Version of the interface: the second figure grows with what is added, the first with the address."""
_ERROR: Final = {"$ref": "#/components/schemas/Error"}
_ANSWER: Final = {"$ref": "#/components/schemas/Answer"}
_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_SHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _built_in_media_types() -> dict[str, str]:
    return {media: name for name, dialect in BUILT_IN.items() for media in dialect.media_types}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one node offers: its dialects by media type, and the bytes that a body may have (None: it is not known)."""

    media_types: Mapping[str, str] = field(default_factory=_built_in_media_types)
    body_bytes_max: int | None = None
    server: str = "/"


def open_api_document(offer: Offer) -> dict[str, Any]:
    """Return the document."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "驿站开放接口 Yizhan open API",
            "version": VERSION,
            "summary": "部门系统报送记录 Departments' systems hand in records",
            "description": "One request carries one batch and gets one verdict per record.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": offer.server}],
        "security": [{"key": []}, {"signature": []}, {"certificate": []}],
        "tags": [{"name": "records", "description": "报送记录 Handing in records"}],
        "paths": {"/api/v1/records": {"post": _post(offer)}, "/api/v1/openapi.json": {"get": _get()}},
        "components": {"schemas": _schemas(), "securitySchemes": _security_schemes(), "headers": _headers()},
    }


def _post(offer: Offer) -> dict[str, Any]:
    return {
        "operationId": "handInRecords",
        "tags": ["records"],
        "summary": "报送一批记录 Hand in one batch of records",
        "description": f"At most {BATCH_MAX} records, in any dialect of the node. A bad record costs itself only.",
        "parameters": _parameters(),
        "requestBody": _body(offer),
        "responses": {str(status): _response(status) for status in STATUSES},
    }


def _get() -> dict[str, Any]:
    document = {"description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "operationId": "describe",
        "tags": ["records"],
        "summary": "本接口的说明 This description",
        "security": [],
        "responses": {"200": document, **{str(status): _response(status) for status in (405, 406, 500)}},
    }


def _parameters() -> list[dict[str, Any]]:
    key = {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX, "pattern": "^[ -~]+$"}
    texts = {
        "dialect": "NAME or NAME@VARIANT of any dialect of the node; the Content-Type does not count then.",
        "type": "Record type of a table without a column for it.",
        "table": "The source's table of rows that do not say it.",
    }
    return [
        *({"name": name, "in": "query", "description": text, "schema": _TEXT} for name, text in texts.items()),
        _header_parameter("Idempotency-Key", "The same request under it gets the answer of the first time.", key),
        _header_parameter(
            "Content-Encoding",
            "How the body is compressed: one member or frame.",
            {"type": "string", "enum": ["identity", "gzip", "x-gzip", "zstd"]},
        ),
        _header_parameter(
            "Content-Digest", f"RFC 9530 with {' or '.join(DIGESTS)}: of the body as it is sent.", {"type": "string"}
        ),
    ]


def _header_parameter(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _body(offer: Offer) -> dict[str, Any]:
    most = "the node's request_bytes_max" if offer.body_bytes_max is None else f"{offer.body_bytes_max} bytes"
    return {
        "required": True,
        "description": f"At most {most}, as sent and expanded.",
        "content": {media: _media(media, dialect) for media, dialect in offer.media_types.items()},
    }


def _media(media: str, dialect: str) -> dict[str, Any]:
    if dialect == "json":
        return {"schema": {"$ref": "#/components/schemas/Batch"}}
    # A body that is no JSON: one string, or bytes where it is no text.
    return {"schema": {} if media == _SHEET else _TEXT}


def _response(status: int) -> dict[str, Any]:
    schemas = {200: _ANSWER, 202: _ANSWER, 422: {"anyOf": [_ANSWER, _ERROR]}}
    names = [*_RESPONSE_HEADERS.get(status, ()), *_LIMIT_HEADERS]
    return {
        "description": STATUSES[status],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {"application/json": {"schema": schemas.get(status, _ERROR)}},
    }


_LIMIT_HEADERS: Final = ("RateLimit", "RateLimit-Policy")
_RESPONSE_HEADERS: Final[Mapping[int, tuple[str, ...]]] = {
    200: ("Idempotency-Replayed",),
    202: ("Idempotency-Replayed",),
    401: ("WWW-Authenticate", "Accept-Signature", "Date"),
    405: ("Allow",),
    415: ("Accept", "Accept-Encoding"),
    422: ("Idempotency-Replayed",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def _headers() -> dict[str, Any]:
    draft = "draft-ietf-httpapi-ratelimit-headers-10; only where the source has limits."
    texts = {
        "Accept": "The media types that are accepted.",
        "Accept-Encoding": "The compressions that are accepted.",
        "Accept-Signature": "What a signature has to cover (RFC 9421, section 5).",
        "Allow": "The methods that the address takes.",
        "Date": "This node's time, by which a sender can put its own right.",
        "Idempotency-Replayed": "true: the answer of the first time.",
        "RateLimit": f"What is left of the source's limits: {draft}",
        "RateLimit-Policy": f"The source's limits: {draft}",
        "Retry-After": "Seconds until the request may come again.",
        "WWW-Authenticate": "How a request proves where it comes from.",
    }
    numbers = {"Retry-After": {"type": "integer", "minimum": 1}, "Idempotency-Replayed": {"const": "true"}}
    return {name: {"description": text, "schema": numbers.get(name, _TEXT)} for name, text in texts.items()}


def _security_schemes() -> dict[str, Any]:
    covered = " ".join((*REQUIRED, *REQUIRED_IF_SENT))
    return {
        "key": {"type": "http", "scheme": "bearer", "description": "The source's API key."},
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Signature",
            "description": (
                f"RFC 9421 with Signature-Input: hmac-sha256 over {covered} (the last {len(REQUIRED_IF_SENT)} where "
                f"they are sent), with created, nonce and keyid; it counts {VALIDITY_S} s."
            ),
        },
        "certificate": {"type": "mutualTLS", "description": "A client certificate that is bound to the source."},
    }


def _schemas() -> dict[str, Any]:
    return {
        "Batch": _closed(records={"type": "array", "minItems": 1, "maxItems": BATCH_MAX, "items": _ref("Record")}),
        "Record": _closed(
            type={"type": "string", "enum": sorted(RECORD_TYPES)},
            content={"type": "object", "description": "Elements by name; one that may be repeated is a list."},
        ),
        "Answer": _closed(
            schema={"const": SCHEMA},
            **dict.fromkeys(("offered", "accepted", "refused", "repeated", "received"), _COUNT),
            problems={"type": "array", "maxItems": PROBLEMS_MAX, "items": _ref("Problem")},
            problems_omitted=_COUNT,
            verdicts={"type": "array", "items": _ref("Verdict")},
        ),
        "Verdict": _closed(
            verdict={"type": "string", "enum": list(get_args(Outcome))},
            record_type=_TEXT,
            key={**_TEXT, "description": "Type, case number, sequence and data version; empty where it is not known."},
            row=_or_null("integer"),
            line=_or_null("integer"),
            stream=_or_null("string"),
            position=_or_null("integer"),
            refused_id=_or_null("integer"),
            problems={"type": "array", "items": _ref("Problem")},
        ),
        "Problem": _closed(
            row=_or_null("integer"), line=_or_null("integer"), element=_or_null("string"), rule=_TEXT, text=_TEXT
        ),
        "Error": _closed(
            schema={"const": ERROR_SCHEMA},
            code={"type": "string", "pattern": "^YZ-[A-Z0-9-]+$"},
            what=_TEXT,
            why=_TEXT,
            action=_TEXT,
        ),
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


def _closed(**properties: Any) -> dict[str, Any]:
    """Return an object that has exactly these properties."""
    return {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}
