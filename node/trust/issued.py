"""The record ``CertificateIssued``: a node of the tree with its certificates, as a value, out of and into content."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.standard.compose import content_of
from node.trust.certificates import fingerprint

if TYPE_CHECKING:
    from node.standard.compose import Content

RECORD_TYPE: Final = "CertificateIssued"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedNode:
    """What one CertificateIssued says.

    ``parent`` is None for the root only; ``divisions`` are the codes that the node serves; ``certificate`` is the DER
    of its node certificate, ``issuing_certificate`` that of its issuing one, None when nothing may stand below it.
    """

    code: str
    name: str
    level: str
    parent: str | None
    divisions: tuple[str, ...]
    certificate: bytes
    issuing_certificate: bytes | None = None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the node certificate."""
        return fingerprint(self.certificate)

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """Both certificates, the issuing one first; DER."""
        issuing = () if self.issuing_certificate is None else (self.issuing_certificate,)
        return (*issuing, self.certificate)

    @property
    def key(self) -> str:
        """The derived key of the record: one for each certificate, so that it is never written twice."""
        return f"certificate:{self.code}:{self.fingerprint}"

    def content(self) -> Content:
        """Return the record's content, without RecordKey and EventTime."""
        issuing = "" if self.issuing_certificate is None else b64encode(self.issuing_certificate).decode()
        return {
            "NodeCode": self.code,
            "NodeName": self.name,
            "LevelName": self.level,
            "ParentCode": self.parent or "",
            "Division": list(self.divisions),
            "Certificate": b64encode(self.certificate).decode(),
            "IssuingCertificate": issuing,
        }


def read_issued(element: Any) -> IssuedNode:
    """Return what a valid CertificateIssued element says; the certificates in it are not looked at."""
    content = content_of(element)
    issuing = content.get("IssuingCertificate")
    return IssuedNode(
        code=content["NodeCode"],
        name=content["NodeName"],
        level=content["LevelName"],
        parent=content.get("ParentCode"),
        divisions=tuple(content["Division"]),
        certificate=b64decode(content["Certificate"]),
        issuing_certificate=None if issuing is None else b64decode(issuing),
    )
