"""The contract between the node and its doors: what an adapter is asked, and what it may answer.

An adapter brings deliveries from one department's system to the node and takes documents back. It parses framing (a
file, a page of rows, frames on a line), never meaning: meaning is the dialect's, in the node. It imports its own
library and this module, nothing of the node. Only ``node.departments`` opens adapters.

Delivery is at least once: ``acknowledge`` is called only after the node's commit, so after a crash the same delivery
comes again under the same ``delivery_key``, and the node knows it by (source, key).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing that a source handed over: a record, or a file of many.

    ``source_id`` names the source as the node knows it; ``delivery_key`` is the same for the same thing however often
    it is fetched, at most 200 characters; ``content`` is exactly what came; ``media_type`` is an IANA media type;
    ``fetched_at`` is aware UTC.
    """

    source_id: str
    delivery_key: str
    content: bytes
    media_type: str
    fetched_at: datetime


class Adapter(Protocol):
    """A door to one department's system. Every method may raise the three errors below and nothing else."""

    def check(self) -> None:
        """Try that the source answers and lets us in, without changing anything there."""

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield at most ``limit`` deliveries that were not acknowledged yet, oldest first; none is normal."""

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the source that the node holds the delivery; repeating it is harmless."""

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Tell the source that the node refused the delivery, and why, without personal data."""

    def deliver(self, document: bytes, key: str) -> None:
        """Hand a document (an answer, a notice) to the department; the same ``key`` again changes nothing."""

    def close(self) -> None:
        """Let go of everything; calling it twice is harmless."""


class AdapterError(Exception):
    """Something went wrong at a door; one of the three classes below says who must act."""


class SourceUnavailableError(AdapterError):
    """The source does not answer now; try again later.

    ``retry_after_s`` is what the source asked us to wait, None when it did not say.
    """

    def __init__(self, what: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class DeliveryRejectedError(AdapterError):
    """The source will never take this document, or hand out this delivery, however often it is asked."""


class SourceNeedsPersonError(AdapterError):
    """Nothing will change until a person acts: credentials, a certificate, pairing."""
