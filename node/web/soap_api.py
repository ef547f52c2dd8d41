"""The SOAP service: ``POST /api/v1/soap``, for departments' systems that can only call a WSDL; that is at ``?wsdl``.

Its one operation, ``setDataXmlToFocus``, takes records as text through the same door as ``POST /api/v1/records``, with
the same credentials, limits and answers; a key may also stand in the message. docs/reference/soap.md is its reference.
Switched on by ``features.soap`` of the level.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, request
from markupsafe import escape

from node.departments.dialects import AUTO, recognise
from node.errors import NotInitialisedError, TryLaterError
from node.web.authentication import HOST
from node.web.bodies import expanded, read_body
from node.web.open_api import idempotency_key, named_dialect
from node.web.rate_limits import BYTES
from node.web.record_door import Sent
from node.web.refusals import RequestRefusedError, refusal, try_later
from node.web.soap_envelope import (
    SOAP_11,
    SOAP_12,
    UnderstandError,
    answer,
    fault,
    fault_status,
    media_type,
    read_call,
)

if TYPE_CHECKING:
    from node.web.rate_limits import Use
    from node.web.record_door import RecordDoor, Taken
    from node.web.soap_envelope import Call

OPERATION: Final = "setDataXmlToFocus"
PATH: Final = "/api/v1/soap"
ARGUMENTS: Final = frozenset({"key", "xml", "requestKey", "dialect", "recordType", "table"})
_MEDIA_TYPES: Final = {"text/xml": SOAP_11, "application/xml": SOAP_11, "application/soap+xml": SOAP_12}
_DECLARED: Final = re.compile(r"""\A(\ufeff?\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*)(["'])[A-Za-z0-9._-]+\2""")
_HEAD_BYTES: Final = 4096


def soap_api_over(door: RecordDoor, *, public_url: str = "") -> Blueprint:
    """Return the service over a door; ``public_url`` is how senders address this node where that differs."""
    views = _Views(door, public_url)
    blueprint = Blueprint("soap_api", __name__)
    blueprint.add_url_rule(PATH, view_func=views.describe, methods=["GET"])
    blueprint.add_url_rule(PATH, endpoint="call", view_func=views.call, methods=["POST"])
    return blueprint


class _Views:
    def __init__(self, door: RecordDoor, public_url: str) -> None:
        self._door = door
        self._public_url = public_url
        self._wsdl = files("node.web").joinpath("soap.wsdl").read_text(encoding="utf-8")

    def describe(self) -> Response:
        """Return the WSDL, with the address at which it was asked for."""
        host = request.headers.get("Host", "")
        if not self._public_url and not HOST.match(host):
            return refusal(RequestRefusedError(400, "The Host is malformed.", action="send the name of the node"))
        address = (self._public_url or f"{request.scheme}://{host}") + PATH
        return Response(self._wsdl.replace("ADDRESS", str(escape(address))), content_type="text/xml; charset=utf-8")

    def call(self) -> Response:
        """Take one call and answer it, a refusal as a fault."""
        version = _MEDIA_TYPES.get(request.mimetype, SOAP_11)
        try:
            call, sent_bytes = self._read()
            version = call.version
            taken = self._taken(call, sent_bytes)
        except UnderstandError:
            text = "A header of the message has to be understood, and is not: send none with mustUnderstand."
            content = fault(version, ours=False, text=text, understand=True)
            return Response(content, status=500, content_type=media_type(version))
        except RequestRefusedError as error:
            return _fault(version, refusal(error))
        except (TryLaterError, NotInitialisedError) as error:
            return _fault(version, try_later(error))
        response = Response(_answer(call, taken), content_type=media_type(version))
        response.headers.update(taken.fields)
        return response

    def _read(self) -> tuple[Call, int]:
        """Return the call, and how many bytes its request had. Who sends it may only stand in it."""
        if request.mimetype not in _MEDIA_TYPES:
            raise RequestRefusedError(
                415,
                "The Content-Type is not accepted.",
                why=f"{request.mimetype[:80]!r} is not that of a SOAP message",
                action=f"send one of {', '.join(_MEDIA_TYPES)}",
            )
        limit = self._door.limits.body_bytes_max
        body = read_body(request, limit, lambda _: None)
        call = read_call(expanded(request, body, limit), limit)
        if call.operation != OPERATION or call.arguments.keys() - ARGUMENTS:
            unknown = sorted({call.operation} - {OPERATION} or call.arguments.keys() - ARGUMENTS)
            raise RequestRefusedError(
                400,
                "The call is not one of this service.",
                why=f"{unknown[0][:80]} is not known",
                action=f"call {OPERATION} as the WSDL says: {PATH}?wsdl",
            )
        return call, len(body)

    def _taken(self, call: Call, sent_bytes: int) -> Taken:
        caller = self._door.authentication.caller(request, key=call.arguments.get("key", "").strip())

        def sent(use: Use) -> Sent:
            use.take(BYTES, sent_bytes)
            return self._sent(call)

        return self._door.take(caller, sent)

    def _sent(self, call: Call) -> Sent:
        text = call.arguments.get("xml", "")
        if not text.strip():
            raise RequestRefusedError(400, "The argument xml is empty.", action="put the records into it as text")
        # It was converted with the message: what it says about its own encoding is not true any more.
        body = _DECLARED.sub(r"\1\2UTF-8\2", text).lstrip().encode("utf-8", "surrogatepass")
        named = call.arguments.get("dialect", "").strip() or AUTO
        dialect = recognise("", body[:_HEAD_BYTES]) if named == AUTO else named
        return Sent(
            dialect=named_dialect(self._door.intake.dialects, dialect),
            body=body,
            key=idempotency_key(call.arguments.get("requestKey") or request.headers.get("Idempotency-Key")),
            record_type=call.arguments.get("recordType", ""),
            table=call.arguments.get("table", ""),
        )


def _answer(call: Call, taken: Taken) -> bytes:
    document = json.loads(taken.answer)
    counts = [(name, str(document[name])) for name in ("offered", "accepted", "repeated", "refused", "received")]
    replayed = ("replayed", "true" if taken.replayed else "false")
    verdicts = [("verdict", _verdict(one)) for one in document["verdicts"]]
    return answer(call.version, OPERATION, [("code", str(taken.status)), replayed, *counts, *verdicts])


def _verdict(verdict: dict[str, Any]) -> list[tuple[str, Any]]:
    texts = (
        ("outcome", "verdict"),
        ("recordType", "record_type"),
        ("recordKey", "key"),
        ("line", "line"),
        ("row", "row"),
    )
    problems = [
        ("problem", [(name, str(problem[name] or "")) for name in ("rule", "element", "text")])
        for problem in verdict["problems"]
    ]
    return [*((name, str(verdict[key] or "")) for name, key in texts), *problems]


def _fault(version: str, refused: Response) -> Response:
    """Return a refusal of the open API as a fault, with its headers (Retry-After, limits)."""
    document = json.loads(refused.get_data())
    detail = [("status", str(refused.status_code)), ("why", document["why"]), ("action", document["action"])]
    ours = refused.status_code >= 500 or refused.status_code == 429  # noqa: PLR2004 - RFC 9110.
    content = fault(version, ours=ours, text=document["what"], detail=detail)
    response = Response(content, status=fault_status(version, refused.status_code), content_type=media_type(version))
    for name, value in refused.headers.items():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response
