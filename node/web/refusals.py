"""Requests that the open API refuses as a whole, and the statuses with which it does.

``STATUSES`` is the one list of what the open API answers: its OpenAPI document and docs/reference/open-api.md follow.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from flask import Response

from node.errors import NotInitialisedError, TryLaterError, YizhanError

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR_SCHEMA: Final = "yizhan.error/1"
HTTP_CODE: Final = "YZ-HTTP"
"""The code of an error that has none of the tree in node/errors.py: the request itself is at fault."""
BUSY_RETRY_S: Final = 1
UNAVAILABLE_RETRY_S: Final = 10

STATUSES: Final[Mapping[int, str]] = {
    200: "At least one record was accepted, or had been before.",
    202: "Records wait: the node settles a doubt about its own database.",
    400: "The request is malformed: compression, Idempotency-Key, Content-Digest, or a dialect that does not exist.",
    401: "It is not proved where the request comes from.",
    405: "The address does not take this method.",
    406: "The answer is JSON, and the request's Accept does not take it.",
    413: "The body is too large, or has more records than one request may have.",
    415: "The Content-Type or the Content-Encoding is not accepted.",
    422: "Nothing of it was usable, or the Idempotency-Key was used with another body.",
    429: "The source has too many requests under way, or one of its limits is reached.",
    500: "The node failed to answer.",
    503: "The node cannot take anything in now.",
}
"""Statuses of ``POST /api/v1/records`` and what each means."""


class RequestRefusedError(Exception):
    """A request is refused as a whole, with an HTTP status; no record of it was looked at or none was written."""

    def __init__(
        self, status: int, what: str, *, why: str = "", action: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.why = why
        self.action = action
        self.headers = dict(headers or {})


def refusal(error: RequestRefusedError) -> Response:
    """Return the answer to a request that is refused."""
    return _failed(error.status, (HTTP_CODE, error.what, error.why, error.action), error.headers)


def try_later(error: TryLaterError | NotInitialisedError) -> Response:
    """Return the answer to a request that may come again: 503 and when."""
    busy = isinstance(error, TryLaterError) and error.code == "YZ-STORE-001"
    retry = {"Retry-After": str(BUSY_RETRY_S if busy else UNAVAILABLE_RETRY_S)}
    return _failed(503, _said(error), retry)


def _said(error: YizhanError) -> tuple[str, str, str, str]:
    return error.code, error.what, error.why, error.action


def _failed(status: int, said: tuple[str, str, str, str], headers: Mapping[str, str]) -> Response:
    document: dict[str, Any] = {
        "schema": ERROR_SCHEMA,
        **dict(zip(("code", "what", "why", "action"), said, strict=True)),
    }
    response = Response(json.dumps(document, ensure_ascii=False), status=status, content_type="application/json")
    response.headers.update(headers)
    return response
