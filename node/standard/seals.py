"""Streams, checkpoints and receipts as values, and the exact texts that are signed for them.

A signed text is UTF-8 lines, each ended by one newline, that begins with a domain word and the tree's identity, so
that no signature can be taken for another kind of statement or for another tree, and so that a verifier needs nothing
but ``openssl dgst -sha256 -verify``. The protocol reference (docs/reference/protocol.md) shows both forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

ANCESTORS = "ancestors"
DESCENDANTS = "descendants"
TRUST = "trust"
CHECKPOINT_DOMAIN = "yizhan.checkpoint/1"
RECEIPT_DOMAIN = "yizhan.receipt/1"

_NODE_CODE = re.compile(r"[0-9]{6}(?:[0-9]{3}){0,2}\Z")
_TIME_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True, order=True)
class StreamName:
    """Names one stream: who originates it (node code of 6, 9 or 12 digits) and for whom.

    ``audience`` is ``ancestors``, ``descendants``, ``trust`` or the code of the node that the stream is directed to.
    """

    origin: str
    audience: str

    @classmethod
    def parse(cls, text: str) -> StreamName:
        """Read ``origin/audience``; raises ValueError when it is not a stream name."""
        origin, separator, audience = text.partition("/")
        named = audience in (ANCESTORS, DESCENDANTS, TRUST) or _NODE_CODE.match(audience)
        if not separator or not _NODE_CODE.match(origin) or not named:
            message = f"not a stream name: {text[:40]!r}"
            raise ValueError(message)
        return cls(origin, audience)

    @property
    def directed_to(self) -> str | None:
        """The addressee's code when the stream is directed, else None."""
        return None if self.audience in (ANCESTORS, DESCENDANTS, TRUST) else self.audience

    def __str__(self) -> str:
        """Return ``origin/audience``."""
        return f"{self.origin}/{self.audience}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The origin's signed statement that its stream had ``size`` records with Merkle root ``root`` (RFC 9162, 2.1).

    ``root`` is 32 bytes, ``signer`` the lower-case hex SHA-256 of the signing certificate's DER, ``signature`` DER
    (suite 1: ECDSA P-256 with SHA-256 over the UTF-8 bytes of ``text``), ``sealed_at`` aware UTC in whole seconds.
    """

    stream: StreamName
    size: int
    root: bytes
    sealed_at: datetime
    signer: str
    signature: bytes = b""

    def text(self, tree: str) -> bytes:
        """Return the bytes that are signed; ``tree`` is the hex SHA-256 of the root's public key."""
        return _signed_text(
            CHECKPOINT_DOMAIN,
            ("tree", tree),
            ("stream", str(self.stream)),
            ("size", str(self.size)),
            ("root", self.root.hex()),
            ("time", time_text(self.sealed_at)),
            ("signer", self.signer),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The holder's signed answer: it durably holds ``size`` records of the stream under Merkle root ``root``.

    ``size`` is always the size of a checkpoint of the origin. Cumulative: a receipt covers all below it.
    """

    holder: str
    stream: StreamName
    size: int
    root: bytes
    received_at: datetime
    signer: str
    signature: bytes = b""

    def text(self, tree: str) -> bytes:
        """Return the bytes that are signed; ``tree`` is the hex SHA-256 of the root's public key."""
        return _signed_text(
            RECEIPT_DOMAIN,
            ("tree", tree),
            ("holder", self.holder),
            ("stream", str(self.stream)),
            ("size", str(self.size)),
            ("root", self.root.hex()),
            ("time", time_text(self.received_at)),
            ("signer", self.signer),
        )


def time_text(moment: datetime) -> str:
    """Return ``moment`` as ``YYYY-MM-DDThh:mm:ssZ``: UTC, whole seconds, cut and not rounded."""
    # Ten times as fast as strftime, on the path of every slice.
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def parse_time_text(text: str) -> datetime:
    """Read what ``time_text`` wrote; raises ValueError for any other form."""
    if not _TIME_FORM.fullmatch(text):
        message = "a time is written as YYYY-MM-DDThh:mm:ssZ"
        raise ValueError(message)
    # Ten times as fast as strptime, on the path of every slice and receipt.
    return datetime.fromisoformat(text)


def _signed_text(domain: str, *lines: tuple[str, str]) -> bytes:
    return "".join([f"{domain}\n", *(f"{name} {value}\n" for name, value in lines)]).encode()
