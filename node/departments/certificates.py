"""What names a client's certificate: its SHA-256, a name of its subject, or the subject itself.

``SHA256:64 hex digits`` names one certificate; ``DNS:…``, ``URI:…``, ``EMAIL:…``, ``IP:…`` and ``DN:CN=…,O=…`` (RFC
4514) name every certificate of the listener's authority that has that name, so that a renewed one needs no change.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES_MAX: Final = 100
"""Alternative names of one certificate that are looked at. Our own choice."""
NAME_LENGTH_MAX: Final = 500
_SHA256: Final = "SHA256"
_DN: Final = "DN"
_DIGITS = re.compile(r"[0-9a-f]{64}\Z")


def certificate_name(text: str) -> str:
    """Return what names a certificate in its one spelling; ``text`` is a kind, a colon and a name.

    Raises UsageError for what names none.
    """
    kind, _, name = text.strip().partition(":")
    spell = _SPELLINGS.get(kind.upper())
    if spell is not None and name and len(name) <= NAME_LENGTH_MAX:
        try:
            return f"{kind.upper()}:{spell(name)}"
        except ValueError:
            pass
    raise UsageError(
        f"{text[:60]!r} names no certificate",
        why="SHA256:64 hex digits, DNS:name, URI:address, EMAIL:address, IP:address or DN:CN=name,O=body are names",
        action="Give one of these, or the PEM file of the certificate",
    )


def name_of_file(data: bytes) -> str:
    """Return what names exactly the certificate of a PEM file; UsageError when it holds none."""
    try:
        return fingerprint_name(x509.load_pem_x509_certificate(data))
    except ValueError as error:
        raise UsageError("The file holds no certificate in PEM", why=str(error)[:200]) from error


def fingerprint_name(certificate: x509.Certificate) -> str:
    """Return ``SHA256:`` and the hex digits of the certificate's DER."""
    return f"{_SHA256}:{certificate.fingerprint(SHA256()).hex()}"


def other_names(certificate: x509.Certificate) -> list[str]:
    """Return every other name by which a certificate may be bound, the subject first."""
    found = [f"{_DN}:{certificate.subject.rfc4514_string()}"] if list(certificate.subject) else []
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return found
    for name in alternatives:
        kind = _KINDS.get(type(name))
        if kind is not None:
            found.append(f"{kind}:{_SPELLINGS[kind](str(name.value))}")
    return found[:NAMES_MAX]


def _hex(text: str) -> str:
    digits = text.replace(":", "").replace(" ", "").lower()
    if not _DIGITS.match(digits):
        raise ValueError
    return digits


def _subject(text: str) -> str:
    return x509.Name.from_rfc4514_string(text).rfc4514_string()


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


_SPELLINGS: Final[dict[str, Callable[[str], str]]] = {
    _SHA256: _hex,
    _DN: _subject,
    "DNS": str.lower,
    "URI": str,
    "EMAIL": str.lower,
    "IP": _address,
}
_KINDS: Final[dict[type[x509.GeneralName], str]] = {
    x509.DNSName: "DNS",
    x509.UniformResourceIdentifier: "URI",
    x509.RFC822Name: "EMAIL",
    x509.IPAddress: "IP",
}
