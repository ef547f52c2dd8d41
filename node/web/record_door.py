"""The door that records come through on the face, in whatever form a request brings them: JSON over HTTP, SOAP.

A request has been attributed to its source when it comes here; what it may use is taken, its batch is read by a dialect
and handed to intake, and what became of each record is the answer. Called by the views of ``open_api`` and
``soap_api``, which share one door, so that a source's limits hold for both together.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from node.departments.accept import Intake, Job
from node.departments.answers import RequestKey, body_hash_of
from node.departments.batches import BATCH_MAX
from node.departments.dialects import DialectOptions
from node.departments.report import ImportReport, Verdict
from node.errors import NotInitialisedError, TryLaterError
from node.trust.kept_secrets import KeptSecrets
from node.web.authentication import Authentication, replayed
from node.web.open_api_document import SCHEMA
from node.web.rate_limits import RECORDS, REQUESTS, RateLimits
from node.web.refusals import BUSY_RETRY_S, RequestRefusedError

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


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApiLimits:
    """The bounds of the open API: bytes of a body (sent and expanded), and requests of one source at the same time."""

    body_bytes_max: int = BODY_BYTES_MAX
    in_flight_max: int = IN_FLIGHT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One batch as a request brings it: in which dialect, its bytes, and the key under which it may come again.

    ``record_type`` and ``table`` are those of rows that do not say theirs.
    """

    dialect: str
    body: bytes
    key: str | None = None
    record_type: str = ""
    table: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a batch: the answer as JSON, whether it is that of an earlier request, and the limits' fields."""

    answer: bytes
    replayed: bool
    fields: dict[str, str]

    @property
    def status(self) -> int:
        """Return 200 when something of it was usable, 202 when something waits, else 422."""
        counts = json.loads(self.answer)
        usable = counts["accepted"] + counts["repeated"] > 0
        # 202 where something only waits (RFC 9110, 15.3.3): it is not decided yet.
        return 202 if counts["received"] else 200 if usable else 422


class RecordDoor:
    """Takes batches in, one request after the other of each source, within its limits."""

    def __init__(
        self,
        intake: Intake,
        limits: OpenApiLimits,
        authentication: Authentication,
        rates: RateLimits | None = None,
    ) -> None:
        self.intake = intake
        self.limits = limits
        self.authentication = authentication
        self._rates = rates or RateLimits(intake.clock)
        self._lock = threading.Lock()
        self._in_flight: dict[str, int] = {}

    def take(self, caller: Caller, read: Callable[[Use], Sent]) -> Taken:
        """Take in the batch that ``read`` gives, which takes what it reads from the source's limits.

        Raises RequestRefusedError, and TryLaterError or NotInitialisedError for a request that may come again.
        """
        use = self._rates.use_of(caller.source)
        try:
            with self._counted(caller.source):
                use.take(REQUESTS, 1)
                answer, replays = self._settled(caller, use, read)
        except RequestRefusedError as error:
            error.headers |= use.fields()
            raise
        except (TryLaterError, NotInitialisedError):
            # What the node could not serve is none of the source's doing.
            use.give_back()
            raise
        return Taken(answer=answer, replayed=replays, fields=use.fields())

    def _settled(self, caller: Caller, use: Use, read: Callable[[Use], Sent]) -> tuple[bytes, bool]:
        job, document = self._job(caller, use, read)
        settled = self.intake.settle(job)
        if settled.replayed:
            raise replayed(self.intake.clock.now())
        if settled.other_body:
            raise RequestRefusedError(
                422,
                "This Idempotency-Key was used with another body.",
                why="the same key stands for the same request",
                action="use a new key for a new request",
            )
        if settled.answer is not None:
            return settled.answer, not settled.verdicts
        return document(settled.verdicts), False

    def _job(
        self, caller: Caller, use: Use, read: Callable[[Use], Sent]
    ) -> tuple[Job, Callable[[Sequence[Verdict]], bytes]]:
        """Read and prepare the request's records, everything that needs no lock; return what makes the answer too."""
        source = caller.source
        sent = read(use)
        self.intake.check_open()
        options = DialectOptions(record_type=sent.record_type, table=sent.table, system=source.name)
        batch = list(self.intake.dialects.read(sent.dialect, BytesIO(sent.body), options, records_max=BATCH_MAX + 1))
        if len(batch) > BATCH_MAX:
            raise RequestRefusedError(
                413,
                "The request has too many records.",
                why=f"at most {BATCH_MAX} are taken in one request",
                action="send them in several requests",
            )
        use.take(RECORDS, len(batch))
        named = body_hash_of(f"{sent.dialect}?{sent.record_type}{sent.table and '&'}{sent.table}", sent.body)
        document = partial(_document, [candidate.place for candidate in batch])
        job = Job(
            source=source,
            dialect=sent.dialect,
            prepared=self.intake.prepared(batch, source=source),
            request=None if sent.key is None else RequestKey(source=source.name, key=sent.key, body_hash=named),
            document=document,
            nonce=caller.nonce,
        )
        return job, document

    @contextmanager
    def _counted(self, source: Source) -> Iterator[None]:
        with self._lock:
            running = self._in_flight.get(source.name, 0)
            if running >= self.limits.in_flight_max:
                raise RequestRefusedError(
                    429,
                    "This source has too many requests under way.",
                    why=f"{running} are under way, {self.limits.in_flight_max} may be",
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


def door_of(node: Node, rates: RateLimits) -> RecordDoor:
    """Return the door of a node, bounded by its level's ``request_bytes_max``; ``rates`` counts for all its doors."""
    config = node.config
    authentication = Authentication(
        node.store,
        node.clock,
        secrets=KeptSecrets(config.home, passphrase_file=config.key_passphrase_file),
        public_url=config.face.public_url,
    )
    limits = OpenApiLimits(body_bytes_max=config.level.limits.request_bytes_max)
    return RecordDoor(node.intake, limits, authentication, rates)


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
