"""Packages (报文包): the frame around Head, records and signature, written and taken apart by bytes (02, R4).

A package is exactly: the prologue, ``Head``, ``<Body>``, the records' bytes one behind another, ``</Body>``,
``Signature``, ``</Package>``. Head says how long each record is, so a receiver cuts the body by numbers and never
parses it as a whole: markup that spans two records cannot make something of them that neither is. Each record is parsed
from its own bytes only.

``read_package`` accounts for every byte: the prologue and the joints are compared, Head and Signature are covered by
the signature and by their one allowed form, and the lengths in Head must fill the body to the last byte. What the bytes
of the body hold is then covered by ``LeavesHash`` and the origin's checkpoint, slice by slice, in ``receiver``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.errors import PackageRefusedError, RecordRefusedError
from node.exchange.head import HEAD_END, HEAD_START, PROTOCOL, Head, read_head, write_head
from node.exchange.limits import Limits
from node.exchange.signature import SIGNATURE_BYTES, sign_head, verify_head
from node.standard.codec import NAMESPACE, validate_head

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

PROLOGUE: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n<Package xmlns="' + NAMESPACE.encode() + b'">'
BODY_START: Final = b"<Body>"
BODY_END: Final = b"</Body>"
PACKAGE_END: Final = b"</Package>"
_TAIL_BYTES: Final = len(BODY_END) + SIGNATURE_BYTES + len(PACKAGE_END)
FRAME_BYTES: Final = len(PROLOGUE) + len(BODY_START) + _TAIL_BYTES
"""What a package has beside Head and records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package whose frame and signature stand; what its records say is not looked at.

    ``head`` holds the values that the sender signed; ``body`` is the bytes between ``<Body>`` and ``</Body>``;
    ``offsets`` says where in it each slice begins, in the order of ``head.slices``.
    """

    head: Head
    body: memoryview
    offsets: tuple[int, ...]

    def records(self, number: int) -> list[bytes]:
        """Return the records of slice ``number`` (from 0), in order; ``b""`` for a redacted one."""
        at = self.offsets[number]
        body = self.body
        found = []
        for length in self.head.slices[number].lengths:
            found.append(bytes(body[at : at + length]))
            at += length
        return found


def write_package(head: Head, records: Iterable[bytes], private_key: EllipticCurvePrivateKey) -> bytes:
    """Return the bytes of a package; ``records`` are the bodies of all slices, in the order of ``head``."""
    written = write_head(head)
    signature = sign_head(written, private_key)
    return b"".join([PROLOGUE, written, BODY_START, *records, BODY_END, signature, PACKAGE_END])


def read_package(data: bytes, certificate: x509.Certificate, at: datetime, *, limits: Limits | None = None) -> Package:
    """Take a package apart that ``certificate`` must have signed; ``at`` is the time at which it must be valid.

    Raises PackageRefusedError with one of the reasons ``too large``, ``frame``, ``forbidden``, ``certificate``,
    ``signature``, ``head``, ``protocol``, ``lengths``, ``too many``. Who may send what to whom is not asked here.
    """
    bounds = limits or Limits()
    if len(data) > bounds.package_bytes_max:
        raise PackageRefusedError("too large", f"A package has {len(data)} bytes.", why=f"{bounds.package_bytes_max}")
    written, body, signature = _frame(data)
    element = verify_head(written, signature, certificate, at)
    try:
        validate_head(element)
    except RecordRefusedError as error:
        raise PackageRefusedError("head", "The Head does not follow the standard.", why=error.why) from error
    head = read_head(element)
    if head.protocol != PROTOCOL:
        raise PackageRefusedError("protocol", f"Protocol {head.protocol} is not spoken here.", why=f"{PROTOCOL} is")
    _check_counts(head, bounds)
    offsets = _offsets(head)
    if offsets[-1] != len(body):
        raise PackageRefusedError("lengths", f"The lengths add up to {offsets[-1]} bytes of {len(body)} in the body.")
    return Package(head=head, body=body, offsets=offsets[:-1])


def _frame(data: bytes) -> tuple[bytes, memoryview, bytes]:
    """Return Head, body and Signature; the joints between them are compared byte for byte."""
    start = len(PROLOGUE)
    # Markup cannot stand unescaped in a Head, so the first end tag is its end.
    end = data.find(HEAD_END, start) + len(HEAD_END)
    body_start = end + len(BODY_START)
    body_end = len(data) - _TAIL_BYTES
    signature_end = len(data) - len(PACKAGE_END)
    signature_start = body_end + len(BODY_END)
    joined = (
        data.startswith(PROLOGUE + HEAD_START)
        and end > start + len(HEAD_START)
        and data[end:body_start] == BODY_START
        and body_start <= body_end
        and data[body_end:signature_start] == BODY_END
        and data[signature_end:] == PACKAGE_END
    )
    if not joined:
        raise PackageRefusedError("frame", "The bytes are not framed as a package.")
    written = data[start:end]
    if b"<!" in written or b"<?" in written:
        raise PackageRefusedError("forbidden", "The Head holds a comment, a declaration or an instruction.")
    return written, memoryview(data)[body_start:body_end], data[signature_start:signature_end]


def _check_counts(head: Head, bounds: Limits) -> None:
    statement = head.statement
    lines = 0 if statement is None else len(statement.digests) + len(statement.lines)
    counted = (
        ("slices", len(head.slices), bounds.slices_max),
        ("records in a slice", max((len(one.lengths) for one in head.slices), default=0), bounds.slice_records_max),
        ("announced checkpoints", max((len(one.announced) for one in head.slices), default=0), bounds.announced_max),
        ("receipts", len(head.receipts), bounds.receipts_max),
        ("verdicts", len(head.verdicts), bounds.verdicts_max),
        ("certificates", len(head.certificates), bounds.certificates_max),
        ("lines of a statement", lines, bounds.lines_max),
        ("requests for tails", len(head.tails), bounds.tails_max),
    )
    for name, count, most in counted:
        if count > most:
            raise PackageRefusedError("too many", f"The Head holds {count} {name}.", why=f"at most {most}")


def _offsets(head: Head) -> tuple[int, ...]:
    offsets = [0]
    for one in head.slices:
        offsets.append(offsets[-1] + sum(one.lengths))
    return tuple(offsets)
