"""The signature of a package: XML Signature over Head only, one Reference ``#head``, suite 1 (02, R4).

What is signed and how is fixed, so nothing is left for a general implementation to choose. The Signature element
follows one template byte for byte, in which only digest and value differ: there is no KeyInfo, no Object and no other
algorithm. The canonical form of its SignedInfo (W3C XML Signature 1.1, exclusive C14N 1.0) is a template too, over
which ECDSA-SHA256 (as r‖s) is made and verified. The bytes of a Head must be their own canonical form; their digest is
compared before anything parses them, and only what those bytes hold is read.

Others check it by their own means: ``xmlsec1 --verify --id-attr:Id urn:yizhan:standard:1:Head --pubkey-cert-pem …``.
Why no library does it here: docs/adr/0014-head-signature.md.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from lxml import etree

from node.errors import PackageRefusedError, RecordRefusedError
from node.standard.codec import parse_unvalidated
from node.trust import suites

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

SUITE: Final = 1
_TEMPLATE: Final = (
    b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'
    b'<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod>'
    b'<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"></ds:SignatureMethod>'
    b'<ds:Reference URI="#head"><ds:Transforms>'
    b'<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms>'
    b'<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
    b"<ds:DigestValue>%b</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    b"<ds:SignatureValue>%b</ds:SignatureValue></ds:Signature>"
)
_DIGEST_BYTES: Final = 32
_VALUE_BYTES: Final = 64
SIGNATURE_BYTES: Final = len(_TEMPLATE % (b64encode(bytes(_DIGEST_BYTES)), b64encode(bytes(_VALUE_BYTES))))
"""Every Signature element has this many bytes."""
_VALUES: Final = re.compile(
    rb"<ds:DigestValue>([^<]*)</ds:DigestValue>.*<ds:SignatureValue>([^<]*)</ds:SignatureValue>"
)
_HALF_BYTES: Final = _VALUE_BYTES // 2
_INFO_TAG: Final = b"<ds:SignedInfo>"
_INFO_END: Final = b"</ds:SignedInfo>"
# Alone, as its canonical form is taken, SignedInfo declares the prefix that its parent declares for it.
_CANONICAL_TAG: Final = b'<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'


def sign_head(head: bytes, private_key: EllipticCurvePrivateKey) -> bytes:
    """Return the Signature element for the bytes of a Head (``head.write_head``)."""
    digest = b64encode(hashlib.sha256(head).digest())
    signed_info = _signed_info(_TEMPLATE % (digest, b""))
    r, s = decode_dss_signature(suites.sign(private_key, signed_info))
    value = r.to_bytes(_HALF_BYTES, "big") + s.to_bytes(_HALF_BYTES, "big")
    return _TEMPLATE % (digest, b64encode(value))


def verify_head(head: bytes, signature: bytes, certificate: x509.Certificate, at: datetime) -> Any:
    """Return the Head element that ``certificate`` has signed.

    ``at`` is the time at which the certificate must be valid. Raises PackageRefusedError with the reason ``frame``
    (the Signature element is not ours byte for byte, or the Head is not in canonical form), ``certificate`` (expired,
    or not yet valid) or ``signature``.
    """
    digest, value = _values(signature)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise PackageRefusedError("certificate", "The sender's certificate is not valid now.", why=f"{at:%Y-%m-%d}")
    if hashlib.sha256(head).digest() != digest:
        raise _not_signed("the digest is of other bytes")
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise _not_signed("the certificate's key is not one of suite 1")
    r, s = (int.from_bytes(half, "big") for half in (value[:_HALF_BYTES], value[_HALF_BYTES:]))
    if not suites.verify(key, _signed_info(signature), encode_dss_signature(r, s)):
        raise _not_signed("it is not of this key")
    try:
        element = parse_unvalidated(head, bytes_max=len(head))
    except RecordRefusedError as error:
        raise PackageRefusedError("frame", "The Head is not XML.", why=error.why) from error
    if etree.tostring(element, method="c14n", exclusive=True) != head:
        raise PackageRefusedError("frame", "The Head is not in canonical form.")
    return element


def _values(signature: bytes) -> tuple[bytes, bytes]:
    """Return digest and value; refuse a Signature element that differs from the template in anything else."""
    found = _VALUES.search(signature)
    if found is not None:
        try:
            digest, value = (b64decode(text, validate=True) for text in found.groups())
        except ValueError:
            digest = value = b""
        whole = len(digest) == _DIGEST_BYTES and len(value) == _VALUE_BYTES
        if whole and signature == _TEMPLATE % (b64encode(digest), b64encode(value)):
            return digest, value
    raise PackageRefusedError("frame", "The Signature element is not in the one form that is allowed.")


def _signed_info(signature: bytes) -> bytes:
    """Return the canonical form of the SignedInfo in a Signature element."""
    begin, end = signature.index(_INFO_TAG) + len(_INFO_TAG), signature.index(_INFO_END)
    return _CANONICAL_TAG + signature[begin:end] + _INFO_END


def _not_signed(why: str) -> PackageRefusedError:
    return PackageRefusedError("signature", "The sender's signature over the Head does not verify.", why=why)
