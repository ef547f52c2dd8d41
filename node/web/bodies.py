"""Bodies of requests that bring records: read within the limit, compared with their digest, and expanded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.errors import RecordRefusedError
from node.standard.codec import RULE_TOO_LARGE
from node.standard.compression import expand_limited
from node.web.refusals import RequestRefusedError
from node.web.signatures import SignatureRefusedError, check_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Request

_ENCODINGS: Final = frozenset({"gzip", "x-gzip", "zstd"})


def read_body(request: Request, limit: int, counted: Callable[[int], None]) -> bytes:
    """Return the body as it was sent, at most ``limit`` bytes; it is what its Content-Digest says, if it has one.

    ``counted`` is told its bytes, before they are read where the request says how many there are.
    """
    stated = request.content_length
    if (stated or 0) > limit:
        raise too_large(limit)
    if stated is not None:
        counted(stated)
    body = request.stream.read(limit + 1)
    if len(body) > limit:
        raise too_large(limit)
    if stated is None:
        counted(len(body))
    _check_digest(request, body)
    return body


def expanded(request: Request, body: bytes, limit: int) -> bytes:
    """Return a body without its Content-Encoding, within the limit."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        return body
    if encoding not in _ENCODINGS:
        raise RequestRefusedError(
            415,
            "The Content-Encoding is not accepted.",
            why=f"{encoding[:40]!r} cannot be expanded here",
            action="send gzip, zstd or no compression",
            headers={"Accept-Encoding": "gzip, zstd"},
        )
    try:
        return expand_limited(body, limit)
    except RecordRefusedError as error:
        if error.problems[0].rule == RULE_TOO_LARGE:
            raise too_large(limit) from error
        raise RequestRefusedError(400, "The body cannot be expanded.", why=error.why, action=error.action) from error


def too_large(limit: int) -> RequestRefusedError:
    """Return the refusal of a body of more than ``limit`` bytes."""
    return RequestRefusedError(
        413, "The body is too large.", why=f"at most {limit} bytes, expanded", action="send fewer records at a time"
    )


def _check_digest(request: Request, body: bytes) -> None:
    field = request.headers.get("Content-Digest")
    if field is None:
        return
    try:
        check_digest(field, body)
    except SignatureRefusedError as error:
        raise RequestRefusedError(
            400,
            "The Content-Digest is not that of the body.",
            why=str(error),
            action="send the SHA-256 or SHA-512 of the body as it is sent, compressed or not (RFC 9530)",
        ) from error
