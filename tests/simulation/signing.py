"""Keys and signatures of the simulation: real ones, the same in every process.

Keys and serial numbers of certificates are counted, and the random number of each ECDSA signature follows from key and
text (RFC 6979): so one seed decides every byte of a history, whichever process plays it.
"""

from __future__ import annotations

import hashlib
import itertools
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from node.trust import suites
from tests.support.identities import SEVEN, make_identities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.trust.identity import Identity

_ALGORITHM: Final = ec.ECDSA(SHA256(), deterministic_signing=True)


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
def repeatable_signatures() -> Iterator[None]:
    """Let every signature follow from key and text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suites, "_ALGORITHM", _ALGORITHM)
        yield


def _key(number: int) -> ec.EllipticCurvePrivateKey:
    secret = hashlib.sha256(f"simulation/{number}".encode()).digest()
    return ec.derive_private_key(int.from_bytes(secret, "big") >> 1, ec.SECP256R1())
