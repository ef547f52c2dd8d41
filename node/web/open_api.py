"""The open API: ``POST /api/v1/records``, for departments' systems that can push.

A request carries one batch in one dialect and gets one verdict per record. Nothing is open without proof of where it
comes from; with an ``Idempotency-Key`` the same request may be sent again until an answer comes, and gets the answer of
the first time. The view parses, calls intake, and answers. docs/reference/open-api.md is its reference, ``GET
/api/v1/openapi.json`` the same for programs.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, request

from node.departments.answers import KEY_LENGTH_MAX
from node.errors import ConfigurationError, NotInitialisedError, TryLaterError, UsageError
from node.web.authentication import Authentication
from node.web.bodies import expanded, read_body
from node.web.open_api_document import Offer, open_api_document
from node.web.rate_limits import BYTES
from node.web.record_door import OpenApiLimits, RecordDoor, Sent
from node.web.refusals import UNAVAILABLE_RETRY_S, RequestRefusedError, refusal, try_later

if TYPE_CHECKING:
    from node.departments.accept import Intake
    from node.departments.dialects import Dialects
    from node.web.rate_limits import Use

JSON: Final = "application/json"
_IDEMPOTENCY_KEY = re.compile(rf"[\x20-\x7e]{{1,{KEY_LENGTH_MAX}}}\Z")


def open_api_blueprint(
    intake: Intake, limits: OpenApiLimits | None = None, authentication: Authentication | None = None
) -> Blueprint:
    """Return the open API over an intake, whose store also holds the sources."""
    proving = authentication or Authentication(intake.store, intake.clock)
    return open_api_over(RecordDoor(intake, limits or OpenApiLimits(), proving))


def open_api_over(door: RecordDoor) -> Blueprint:
    """Return the open API over a door."""
    views = _Views(door)
    blueprint = Blueprint("open_api", __name__, url_prefix="/api/v1")
    blueprint.add_url_rule("/records", view_func=views.take_records, methods=["POST"])
    blueprint.add_url_rule("/openapi.json", view_func=views.describe)
    blueprint.register_error_handler(RequestRefusedError, refusal)
    blueprint.register_error_handler(TryLaterError, try_later)
    blueprint.register_error_handler(NotInitialisedError, try_later)
    return blueprint


class _Views:
    """The views, with the door that they share with other forms of the same request."""

    def __init__(self, door: RecordDoor) -> None:
        self._door = door

    def describe(self) -> Response:
        """Return the OpenAPI document of what stands here."""
        _check_accept()
        media_types = self._door.intake.dialects.by_media_type()
        offer = Offer(media_types=media_types, body_bytes_max=self._door.limits.body_bytes_max)
        return Response(json.dumps(open_api_document(offer), ensure_ascii=False, indent=1), content_type=JSON)

    def take_records(self) -> Response:
        """Take one batch in and answer with a verdict per record."""
        _check_accept()
        taken = self._door.take(self._door.authentication.caller(request), self._sent)
        response = Response(taken.answer, status=taken.status, content_type=JSON)
        if taken.replayed:
            response.headers["Idempotency-Replayed"] = "true"
        response.headers.update(taken.fields)
        return response

    def _sent(self, use: Use) -> Sent:
        dialect = self._dialect()
        key = idempotency_key(request.headers.get("Idempotency-Key"))
        limit = self._door.limits.body_bytes_max
        body = expanded(request, read_body(request, limit, lambda size: use.take(BYTES, size)), limit)
        return Sent(
            dialect=dialect,
            body=body,
            key=key,
            record_type=request.args.get("type", ""),
            table=request.args.get("table", ""),
        )

    def _dialect(self) -> str:
        """Return the dialect that the address names, or else the one that the Content-Type stands for."""
        dialects = self._door.intake.dialects
        if named := request.args.get("dialect", ""):
            return named_dialect(dialects, named)
        known = dialects.by_media_type()
        dialect = known.get(request.mimetype)
        if dialect is None:
            raise RequestRefusedError(
                415,
                "The Content-Type is not accepted.",
                why=f"{request.mimetype[:80]!r} names no form in which records can be sent",
                action=f"send one of {', '.join(known)}, or name a dialect in the address: ?dialect=NAME",
                headers={"Accept": ", ".join(known)},
            )
        return dialect


def named_dialect(dialects: Dialects, named: str) -> str:
    """Return the name of a dialect that a request names; RequestRefusedError when it cannot be used."""
    try:
        dialects.find(named)
    except UsageError as error:
        raise RequestRefusedError(400, f"{error.what}.", why=error.why, action=error.action) from error
    except ConfigurationError as error:
        retry = {"Retry-After": str(UNAVAILABLE_RETRY_S)}
        action = "tell the node's administrator; send the same request again when it is mended"
        raise RequestRefusedError(503, f"{error.what}.", why=error.why, action=action, headers=retry) from error
    return named


def idempotency_key(key: str | None) -> str | None:
    """Return the key of a request; RequestRefusedError for one that cannot be kept."""
    if key is not None and not _IDEMPOTENCY_KEY.match(key):
        raise RequestRefusedError(
            400,
            "The Idempotency-Key is not accepted.",
            why=f"a key has 1 to {KEY_LENGTH_MAX} visible ASCII characters",
            action="send a key of that form, for example a UUID, or none",
        )
    return key


def _check_accept() -> None:
    """Refuse a request that does not take the JSON of its answer, before anything of it is done."""
    wanted = request.accept_mimetypes
    if wanted and not wanted.quality(JSON):
        raise RequestRefusedError(
            406,
            "The answer is JSON, and this request does not take it.",
            why=f"its Accept is {str(request.headers.get('Accept'))[:80]!r}",
            action=f"send Accept: {JSON}, or no Accept",
        )
