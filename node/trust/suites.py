"""Suite 1: ECDSA on P-256 with SHA-256, detached signatures in DER (02, R4).

One suite for every detached signature of the exchange: checkpoints, receipts, join requests. ``openssl dgst -sha256
-verify`` checks them. A later suite gets another domain word in the signed text, never another meaning of this one.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

SIGNATURE_BYTES_MAX: Final = 72
"""A DER signature of P-256: two integers of at most 33 bytes and six bytes around them."""

_ALGORITHM: Final = ec.ECDSA(SHA256())


def sign(private_key: ec.EllipticCurvePrivateKey, text: bytes) -> bytes:
    """Return the DER signature of ``text``."""
    return private_key.sign(text, _ALGORITHM)


def verify(public_key: ec.EllipticCurvePublicKey, text: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` (DER) is this key's signature of ``text``; never raises for what they hold."""
    if len(signature) > SIGNATURE_BYTES_MAX:
        return False
    try:
        public_key.verify(signature, text, _ALGORITHM)
    except InvalidSignature:
        return False
    return True
