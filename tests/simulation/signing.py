"""Keys and signatures of the simulation: real ones, the same in every process, and made without signxml.

Keys and serial numbers of certificates are counted, and the random number of each ECDSA signature follows from key and
text (RFC 6979): so one seed decides every byte of a history, whichever process plays it.

A package's signature took a seventh of a history, most of it in signxml's walks through elements. Here the same
Signature element is made from its one template and checked against it: the digest of the Head's canonical bytes, and a
real ECDSA signature over the canonical SignedInfo. What does not stand is given to the product's own ``verify_head``,
which says why it is refused; ``test_signing`` holds the two against each other.
"""

from __future__ import annotations

import hashlib
import itertools
from base64 import b64decode, b64encode
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree

from node.errors import PackageRefusedError, RecordRefusedError
from node.exchange import package, signature
from node.standard.codec import parse_unvalidated
from node.trust import suites
from tests.support.identities import SEVEN, make_identities

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from node.trust.identity import Identity

_HALF_BYTES: Final = 32
_ALGORITHM: Final = ec.ECDSA(SHA256(), deterministic_signing=True)
_INFO_END: Final = b"</ds:SignedInfo>"
_ELEMENT_START: Final = b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'
_INFO_START: Final = b'<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'


@lru_cache(maxsize=1)
def tree_identities() -> dict[str, Identity]:
    """Return the identities of the seven nodes by code."""
    keys, serials = itertools.count(1), itertools.count(1)
    honest: Any = x509.CertificateBuilder.sign

    def sign(self: x509.CertificateBuilder, key: Any, algorithm: Any) -> x509.Certificate:
        made: x509.Certificate = honest(self, key, algorithm, ecdsa_deterministic=True)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.identities.new_key", lambda: _key(next(keys)))
        patch.setattr(x509, "random_serial_number", lambda: next(serials))
        patch.setattr(x509.CertificateBuilder, "sign", sign)
        return make_identities(SEVEN)


@contextmanager
def quick_signatures() -> Iterator[None]:
    """Let packages be signed and verified without signxml, and every signature follow from key and text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suites, "_ALGORITHM", _ALGORITHM)
        patch.setattr(package, "sign_head", sign_head)
        patch.setattr(package, "verify_head", verify_head)
        yield


def sign_head(head: bytes, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the Signature element that the product's ``sign_head`` makes for the canonical bytes of a Head."""
    digest = b64encode(hashlib.sha256(head).digest())
    info = _signed_info(signature._TEMPLATE % (digest, b""))
    r, s = decode_dss_signature(private_key.sign(info, _ALGORITHM))
    value = r.to_bytes(_HALF_BYTES, "big") + s.to_bytes(_HALF_BYTES, "big")
    return signature._TEMPLATE % (digest, b64encode(value))


def verify_head(head: bytes, signed: bytes, certificate: x509.Certificate, at: datetime) -> Any:
    """Return the Head element as the product's ``verify_head`` does; it is asked about all that does not stand."""
    element = _verified(head, signed, certificate, at)
    return signature.verify_head(head, signed, certificate, at) if element is None else element


def _verified(head: bytes, signed: bytes, certificate: x509.Certificate, at: datetime) -> Any | None:
    """Return the Head element when its bytes are canonical and signed, and the certificate is valid; else None."""
    try:
        signature._check_template(signed)
        element = parse_unvalidated(head, bytes_max=len(head))
    except (PackageRefusedError, RecordRefusedError):
        return None
    found = signature._VALUES.search(signed)
    if found is None or not _valid_from(certificate) <= at <= _valid_until(certificate):
        return None
    digest, value = found.groups()
    canonical = etree.tostring(element, method="c14n", exclusive=True)
    if canonical != head or digest != b64encode(hashlib.sha256(head).digest()):
        return None
    raw = b64decode(value)
    pair = (int.from_bytes(raw[:_HALF_BYTES], "big"), int.from_bytes(raw[_HALF_BYTES:], "big"))
    try:
        _public_key(certificate).verify(encode_dss_signature(*pair), _signed_info(signed), _ALGORITHM)
    except InvalidSignature:
        return None
    return element


def _key(number: int) -> ec.EllipticCurvePrivateKey:
    secret = hashlib.sha256(f"simulation/{number}".encode()).digest()
    return ec.derive_private_key(int.from_bytes(secret, "big") >> 1, ec.SECP256R1())


def _signed_info(signed: bytes) -> bytes:
    """Return the canonical bytes of the SignedInfo in a Signature element: alone, it declares its own prefix."""
    return _INFO_START + signed[len(_ELEMENT_START) : signed.index(_INFO_END)] + _INFO_END


@lru_cache(maxsize=64)
def _public_key(certificate: x509.Certificate) -> Any:
    return certificate.public_key()


@lru_cache(maxsize=64)
def _valid_from(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_before_utc


@lru_cache(maxsize=64)
def _valid_until(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_after_utc
