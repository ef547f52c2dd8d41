"""TLS between nodes: both sides show their node certificate and check the other's chain up to the tree's root.

The name that is checked is the node's own (``node.trust.names.dns_name``), never the address that was dialled. The link
listener asks for a client certificate without demanding one, because whoever joins has none yet; every path but those
of joining then asks ``peer_code``.
"""

from __future__ import annotations

import ssl
from base64 import b64decode
from binascii import Error as Base64Error
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from node.config.files import write_safely
from node.errors import IdentityError
from node.trust.certificates import CERTIFICATE_BYTES_MAX, NODE, check_step, check_time, read_certificate
from node.trust.keys import read_passphrase
from node.trust.names import dns_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from node.trust.certificates import Certificate
    from node.trust.identity import Identity

_PEM_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_PEM_END: Final = "-----END CERTIFICATE-----"
_TEXT_MAX: Final = 3 * CERTIFICATE_BYTES_MAX
"""Base64, line ends and percent signs together never triple a certificate."""


def server_context(identity: Identity) -> ssl.SSLContext:
    """Return the TLS context of the link listener: it sends the own chain and asks for the client's.

    A client without certificate is let in (joining), one with a certificate of another tree or an expired one is not.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    return _with_identity(context, identity)


def client_context(identity: Identity) -> ssl.SSLContext:
    """Return the TLS context with which this node calls its parent; the caller passes ``server_name`` as SNI."""
    return _with_identity(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity)


def joining_context(root: Certificate) -> ssl.SSLContext:
    """Return the TLS context of a node that has no certificate yet and trusts exactly this root."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=root.der)
    return context


def unbelieving_context() -> ssl.SSLContext:
    """Return a TLS context that takes any certificate: to look at a parent's chain, never to send anything secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def server_name(code: str, tree: str) -> str:
    """Return the name that a client passes as SNI and that TLS then checks."""
    return dns_name(code, tree)


def peer_code(certificate: bytes | str, tree: str, at: datetime, *, issuers: Iterable[Certificate] = ()) -> str:
    """Return the node code that a verified client certificate names.

    ``certificate`` is DER, PEM, or PEM as WSGI servers pass it on (percent-encoded, or line ends turned to blanks). TLS
    has verified its chain; ``issuers`` (given: this node's issuing certificate and the root's) asks for more: one of
    them must have signed it, since TLS does not know that a node of another branch may not certify our children. Raises
    IdentityError when it is no node certificate of ``tree``, not valid at ``at``, or issued by another.
    """
    found = read_certificate(certificate if isinstance(certificate, bytes) else _der(certificate))
    if found.kind != NODE or found.tree != tree:
        raise IdentityError("The client's certificate is no node certificate of this tree.", why=f"{found.kind}")
    check_time(found, at)
    allowed = list(issuers)
    if allowed and not any(_signed_by(found, issuer) for issuer in allowed):
        raise IdentityError(
            f"The client's certificate of {found.code} was not issued here.", why="neither this node nor the root did"
        )
    return found.code


def _with_identity(context: ssl.SSLContext, identity: Identity) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=identity.root_certificate.der)
    if identity.files is None:
        _load_from_memory(context, identity)
        return context
    passphrase = read_passphrase(identity.files.passphrase_file)
    try:
        # Without a passphrase file an empty one is answered: OpenSSL would otherwise ask at the terminal.
        context.load_cert_chain(identity.files.chain, identity.files.node_key, password=passphrase or b"")
    except (OSError, ssl.SSLError) as error:
        raise IdentityError(
            "The node's certificate and key cannot be used for TLS.", why=str(error)[:200], action="restore keys/"
        ) from error
    return context


def _load_from_memory(context: ssl.SSLContext, identity: Identity) -> None:
    """Load an identity that has no files: OpenSSL's Python door reads files only, so they exist for a moment."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "identity.pem"
        key = identity.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = [certificate.parsed.public_bytes(Encoding.PEM) for certificate in identity.chain]
        write_safely(path, b"".join((key, *chain)))
        context.load_cert_chain(path)


def _der(text: str) -> bytes:
    """Return the DER of PEM text whatever a server did to its line ends."""
    if len(text) > _TEXT_MAX:
        raise IdentityError("A certificate is too large.", why=f"{len(text)} characters")
    body = unquote(text) if "%" in text else text
    body = body.replace(_PEM_BEGIN, "").replace(_PEM_END, "")
    try:
        return b64decode("".join(body.split()), validate=True)
    except (Base64Error, ValueError) as error:
        raise IdentityError("The client's certificate cannot be read.", why="it is not PEM") from error


def _signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        check_step(certificate, issuer)
    except IdentityError:
        return False
    return True
