"""The open API: ``POST /api/v1/records``, for departments' systems that can push.

A request carries one batch in one dialect and gets one verdict per record. Nothing is open without proof of where it
comes from; with an ``Idempotency-Key`` the same request may be sent again until an answer comes, and gets the answer of
the first time. The view parses, calls intake, and answers. docs/reference/open-api.md is its reference, ``GET
/api/v1/openapi.json`` the same for programs.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, request

from node.departments.accept import Intake, Job
from node.departments.answers import KEY_LENGTH_MAX, RequestKey, body_hash_of
from node.departments.batches import BATCH_MAX
from node.departments.dialects import DialectOptions
from node.departments.report import ImportReport, Verdict
from node.errors import ConfigurationError, NotInitialisedError, RecordRefusedError, TryLaterError, UsageError
from node.standard.codec import RULE_TOO_LARGE
from node.standard.compression import expand_limited
from node.trust.kept_secrets import KeptSecrets
from node.web.authentication import Authentication, replayed
from node.web.open_api_document import SCHEMA, Offer, open_api_document
from node.web.rate_limits import BYTES, RECORDS, REQUESTS, RateLimits
from node.web.refusals import BUSY_RETRY_S, UNAVAILABLE_RETRY_S, RequestRefusedError, refusal, try_later
from node.web.signatures import SignatureRefusedError, check_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from node.bootstrap import Node
    from node.departments.sources import Source
    from node.web.authentication import Caller
    from node.web.rate_limits import Use

BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes of a body, as sent and as expanded. Our own choice: 500 records of a usual size several times over."""
IN_FLIGHT_MAX: Final = 8
"""Requests of one source at the same time, so that one system cannot take every thread. Our own choice."""
JSON: Final = "application/json"

_ENCODINGS: Final = frozenset({"gzip", "x-gzip", "zstd"})
_IDEMPOTENCY_KEY = re.compile(rf"[\x20-\x7e]{{1,{KEY_LENGTH_MAX}}}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApiLimits:
    """The bounds of the open API: bytes of a body (sent and expanded), and requests of one source at the same time."""

    body_bytes_max: int = BODY_BYTES_MAX
    in_flight_max: int = IN_FLIGHT_MAX


def create_open_api(node: Node) -> Blueprint:
    """Return the open API of a node, bounded by its level's ``request_bytes_max``."""
    config = node.config
    authentication = Authentication(
        node.store,
        node.clock,
        secrets=KeptSecrets(config.home, passphrase_file=config.key_passphrase_file),
        public_url=config.face.public_url,
    )
    limits = OpenApiLimits(body_bytes_max=config.level.limits.request_bytes_max)
    return open_api_blueprint(node.intake, limits, authentication)


def open_api_blueprint(
    intake: Intake, limits: OpenApiLimits | None = None, authentication: Authentication | None = None
) -> Blueprint:
    """Return the open API over an intake, whose store also holds the sources."""
    door = _Door(intake, limits or OpenApiLimits(), authentication or Authentication(intake.store, intake.clock))
    blueprint = Blueprint("open_api", __name__, url_prefix="/api/v1")
    blueprint.add_url_rule("/records", view_func=door.take_records, methods=["POST"])
    blueprint.add_url_rule("/openapi.json", view_func=door.describe)
    blueprint.register_error_handler(RequestRefusedError, refusal)
    blueprint.register_error_handler(TryLaterError, try_later)
    blueprint.register_error_handler(NotInitialisedError, try_later)
    return blueprint


class _Door:
    """The views, with what they need."""

    def __init__(self, intake: Intake, limits: OpenApiLimits, authentication: Authentication) -> None:
        self._intake = intake
        self._limits = limits
        self._authentication = authentication
        self._rates = RateLimits(intake.clock)
        self._lock = threading.Lock()
        self._in_flight: dict[str, int] = {}

    def describe(self) -> Response:
        """Return the OpenAPI document of what stands here."""
        _check_accept()
        offer = Offer(media_types=self._intake.dialects.by_media_type(), body_bytes_max=self._limits.body_bytes_max)
        return Response(json.dumps(open_api_document(offer), ensure_ascii=False, indent=1), content_type=JSON)

    def take_records(self) -> Response:
        """Take one batch in and answer with a verdict per record."""
        _check_accept()
        caller = self._authentication.caller(request)
        use = self._rates.use_of(caller.source)
        try:
            with self._counted(caller.source):
                answer = self._taken(caller, use)
        except RequestRefusedError as error:
            error.headers |= use.fields()
            raise
        except (TryLaterError, NotInitialisedError):
            # What the node could not serve is none of the source's doing.
            use.give_back()
            raise
        answer.headers.update(use.fields())
        return answer

    def _taken(self, caller: Caller, use: Use) -> Response:
        use.take(REQUESTS, 1)
        job, document = self._job(caller, use)
        settled = self._intake.settle(job)
        if settled.replayed:
            raise replayed(self._intake.clock.now())
        if settled.other_body:
            raise RequestRefusedError(
                422,
                "This Idempotency-Key was used with another body.",
                why="the same key stands for the same request",
                action="use a new key for a new request",
            )
        if settled.answer is not None:
            return _answered(settled.answer, replayed=not settled.verdicts)
        return _answered(document(settled.verdicts), replayed=False)

    def _job(self, caller: Caller, use: Use) -> tuple[Job, Callable[[Sequence[Verdict]], bytes]]:
        """Read and prepare the request's records, everything that needs no lock; return what makes the answer too."""
        source = caller.source
        dialect = self._dialect()
        key = _idempotency_key()
        body = self._body(use)
        self._intake.check_open()
        record_type = request.args.get("type", "")
        table = request.args.get("table", "")
        options = DialectOptions(record_type=record_type, table=table, system=source.name)
        batch = list(self._intake.dialects.read(dialect, BytesIO(body), options, records_max=BATCH_MAX + 1))
        if len(batch) > BATCH_MAX:
            raise RequestRefusedError(
                413,
                "The request has too many records.",
                why=f"at most {BATCH_MAX} are taken in one request",
                action="send them in several requests",
            )
        use.take(RECORDS, len(batch))
        named = body_hash_of(f"{dialect}?{record_type}{table and '&'}{table}", body)
        document = partial(_document, [candidate.place for candidate in batch])
        job = Job(
            source=source,
            dialect=dialect,
            prepared=self._intake.prepared(batch, source=source),
            request=None if key is None else RequestKey(source=source.name, key=key, body_hash=named),
            document=document,
            nonce=caller.nonce,
        )
        return job, document

    def _dialect(self) -> str:
        """Return the dialect that the address names, or else the one that the Content-Type stands for."""
        dialects = self._intake.dialects
        if named := request.args.get("dialect", ""):
            try:
                dialects.find(named)
            except UsageError as error:
                raise RequestRefusedError(400, f"{error.what}.", why=error.why, action=error.action) from error
            except ConfigurationError as error:
                retry = {"Retry-After": str(UNAVAILABLE_RETRY_S)}
                action = "tell the node's administrator; send the same request again when it is mended"
                raise RequestRefusedError(503, f"{error.what}.", why=error.why, action=action, headers=retry) from error
            return named
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

    @contextmanager
    def _counted(self, source: Source) -> Iterator[None]:
        with self._lock:
            running = self._in_flight.get(source.name, 0)
            if running >= self._limits.in_flight_max:
                raise RequestRefusedError(
                    429,
                    "This source has too many requests under way.",
                    why=f"{running} are under way, {self._limits.in_flight_max} may be",
                    action="wait for an answer before sending the next request",
                    headers={"Retry-After": str(BUSY_RETRY_S)},
                )
            self._in_flight[source.name] = running + 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[source.name] -= 1
                if not self._in_flight[source.name]:
                    del self._in_flight[source.name]

    def _body(self, use: Use) -> bytes:
        """Return the body, expanded, within the limits; it is what its Content-Digest says, if it has one."""
        limit = self._limits.body_bytes_max
        stated = request.content_length
        if (stated or 0) > limit:
            raise _too_large(limit)
        if stated is not None:
            use.take(BYTES, stated)
        body = request.stream.read(limit + 1)
        if len(body) > limit:
            raise _too_large(limit)
        if stated is None:
            use.take(BYTES, len(body))
        _check_digest(body)
        return _expanded(body, limit)


def _expanded(body: bytes, limit: int) -> bytes:
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
            raise _too_large(limit) from error
        raise RequestRefusedError(400, "The body cannot be expanded.", why=error.why, action=error.action) from error


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


def _check_digest(body: bytes) -> None:
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


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _IDEMPOTENCY_KEY.match(key):
        raise RequestRefusedError(
            400,
            "The Idempotency-Key is not accepted.",
            why=f"a key has 1 to {KEY_LENGTH_MAX} visible ASCII characters",
            action="send a key of that form, for example a UUID, or none",
        )
    return key


def _document(places: Sequence[int], verdicts: Sequence[Verdict]) -> bytes:
    """Return the answer: the counts and problems of an import, and a verdict per record, in the request's order.

    ``places`` are those of the records (``Candidate.place``) in the order of their verdicts.
    """
    report = ImportReport()
    ordered = [verdict for _, verdict in sorted(zip(places, verdicts, strict=True), key=itemgetter(0))]
    for verdict in ordered:
        report.add(verdict)
    document = {**report.as_json(), "schema": SCHEMA, "verdicts": [verdict.as_json() for verdict in ordered]}
    return json.dumps(document, ensure_ascii=False).encode()


def _answered(answer: bytes, *, replayed: bool) -> Response:
    """Return the answer with 200 when something of it was usable, 202 when something waits, else 422."""
    counts = json.loads(answer)
    usable = counts["accepted"] + counts["repeated"] > 0
    # 202 where something only waits (RFC 9110, 15.3.3): it is not decided yet.
    status = 202 if counts["received"] else 200 if usable else 422
    response = Response(answer, status=status, content_type="application/json")
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _too_large(limit: int) -> RequestRefusedError:
    return RequestRefusedError(
        413, "The body is too large.", why=f"at most {limit} bytes, expanded", action="send fewer records at a time"
    )
