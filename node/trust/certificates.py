"""Certificates of a tree: how they are made, and the one check that each step of a chain has to pass.

Three kinds. The root certificate signs itself; its key names the tree. An issuing certificate is an intermediate whose
path length says how many levels may stand below. A node certificate signs records' seals and packages and speaks TLS.
Every one names its node by one URI and one DNS name. That an issuer is the tree's parent of its subject, or the root,
is not written into certificates but checked by ``node.trust.book``, because the tree is data.

Validity is *nested*: no certificate begins before or ends after its issuer's. So a chain whose last certificate is
valid is valid as a whole, and old seals are checked against the lifetime of one certificate. ``BACKDATED`` lets a
neighbour whose clock is behind use a new certificate at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.errors import IdentityError
from node.trust.keys import checked_curve, key_fingerprint
from node.trust.names import code_and_tree, dns_name, node_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric import ec

NODE: Final = "node"
ISSUING: Final = "issuing"
ROOT: Final = "root"

NODE_VALIDITY: Final = timedelta(days=2 * 365)
"""Chosen by us: a forgotten renewal shows within two years, and a county is visited more often than that."""
ISSUING_VALIDITY: Final = timedelta(days=5 * 365)
ROOT_VALIDITY: Final = timedelta(days=20 * 365)
"""Chosen by us: the root's key is the tree's name and outlives machines; renewing it means joining again."""
BACKDATED: Final = timedelta(days=1)
"""Chosen by us: a clock that is further off than a day is visibly wrong to the people beside it."""
CERTIFICATE_BYTES_MAX: Final = 8_192
CHAIN_MAX: Final = 8
"""Certificates in one chain: node, at most five levels of issuers and the root, with room for one more."""

_CA_USAGE: Final = {"key_cert_sign": True, "crl_sign": True, "digital_signature": False}
_NODE_USAGE: Final = {"key_cert_sign": False, "crl_sign": False, "digital_signature": True}
_TLS_BOTH_WAYS: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_UNDERSTOOD: Final = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
        x509.SubjectKeyIdentifier.oid,
        x509.AuthorityKeyIdentifier.oid,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate, read once.

    ``fingerprint`` is the lower-case hex SHA-256 of ``der``; ``key_id`` that of its public key; ``issuer_key_id`` that
    of the key that signed it, as it claims. ``path_length`` is None for a node certificate.
    """

    fingerprint: str
    der: bytes
    code: str
    tree: str
    kind: str
    key_id: str
    issuer_key_id: str
    path_length: int | None
    not_before: datetime
    not_after: datetime
    public_key: ec.EllipticCurvePublicKey
    parsed: x509.Certificate


def fingerprint(der: bytes) -> str:
    """Return the lower-case hex SHA-256 of a certificate's DER: how signatures name their signer."""
    return hashlib.sha256(der).hexdigest()


# --- making ------------------------------------------------------------------------------------------------------


def make_root(key: ec.EllipticCurvePrivateKey, *, code: str, path_length: int, at: datetime) -> Certificate:
    """Return the certificate with which a tree begins; ``path_length`` is the number of issuing levels below."""
    tree = key_fingerprint(key.public_key()).hex()
    begin, end = at - BACKDATED, at + ROOT_VALIDITY
    builder = _builder(key.public_key(), code, tree, f"{code} root", begin, end)
    builder = _with_authority(builder.issuer_name(_name(f"{code} root")), path_length)
    builder = builder.add_extension(_authority_key(key.public_key()), critical=False)
    return read_certificate(builder.sign(key, SHA256()).public_bytes(Encoding.DER))


def make_issuing(
    public_key: ec.EllipticCurvePublicKey,
    *,
    code: str,
    path_length: int,
    at: datetime,
    issuer: Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> Certificate:
    """Return an intermediate certificate for the node ``code``, valid five years or as long as its issuer's.

    Raises IdentityError when the issuer's path length leaves no room, or ``at`` is outside the issuer's validity.
    """
    if issuer.path_length is None or not 0 <= path_length < issuer.path_length:
        raise IdentityError(
            f"Node {issuer.code} cannot give {code} the right to issue.",
            why=f"path length {path_length} does not fit below {issuer.path_length}",
            action="see children_depth in both level files",
        )
    begin, end = _lifetime(at, ISSUING_VALIDITY, issuer)
    builder = _builder(public_key, code, issuer.tree, f"{code} issuing", begin, end)
    return _issued(_with_authority(builder, path_length), issuer, issuer_key)


def make_node(
    public_key: ec.EllipticCurvePublicKey,
    *,
    code: str,
    at: datetime,
    issuer: Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> Certificate:
    """Return a node certificate for signing and TLS in both directions, valid two years or as long as its issuer's.

    Raises IdentityError when ``at`` is outside the issuer's validity.
    """
    begin, end = _lifetime(at, NODE_VALIDITY, issuer)
    builder = _builder(public_key, code, issuer.tree, code, begin, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(_NODE_USAGE), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(_TLS_BOTH_WAYS), critical=False)
    return _issued(builder, issuer, issuer_key)


# --- reading and checking ----------------------------------------------------------------------------------------


def read_certificate(der: bytes) -> Certificate:
    """Read one certificate and check its form; IdentityError, saying what, when it is not one of the three kinds.

    Signatures and times are not looked at: ``check_step``, ``check_chain`` and ``check_time`` do.
    """
    if len(der) > CERTIFICATE_BYTES_MAX:
        raise IdentityError("A certificate is too large.", why=f"{len(der)} bytes; at most {CERTIFICATE_BYTES_MAX}")
    try:
        parsed = x509.load_der_x509_certificate(der)
        return _read(der, parsed)
    except IdentityError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises many kinds for bytes from outside.
        raise IdentityError("A certificate cannot be read.", why=type(error).__name__) from None


def check_step(certificate: Certificate, issuer: Certificate) -> None:
    """Check that ``issuer`` signed ``certificate`` and was allowed to; IdentityError says what does not stand."""
    why = _fault_of_step(certificate, issuer)
    if why:
        raise _broken(certificate, why)


def check_root(certificate: Certificate, tree: str) -> None:
    """Check that this is the root certificate of ``tree``; IdentityError otherwise."""
    if certificate.kind != ROOT or certificate.key_id != tree:
        raise _broken(certificate, f"it is not the root of tree {tree[:16]}")
    _check_signature(certificate, certificate)


def check_chain(chain: Sequence[Certificate], tree: str, at: datetime | None = None) -> None:
    """Check a chain from its first certificate up to the root of ``tree``.

    ``at`` is the moment at which the first one must be valid; None leaves time out. Raises IdentityError.
    """
    if not 0 < len(chain) <= CHAIN_MAX:
        raise IdentityError("A certificate chain is empty or too long.", why=f"{len(chain)} of at most {CHAIN_MAX}")
    for position, certificate in enumerate(chain[:-1]):
        check_step(certificate, chain[position + 1])
    check_root(chain[-1], tree)
    if at is not None:
        check_time(chain[0], at)


def check_time(certificate: Certificate, at: datetime) -> None:
    """Check that the certificate is valid at ``at`` (aware); IdentityError otherwise."""
    if not certificate.not_before <= at <= certificate.not_after:
        raise IdentityError(
            f"The certificate of {certificate.code} is not valid now.",
            why=f"it is valid from {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}, "
            f"and it is {at:%Y-%m-%d %H:%M}",
            action="check the clock of this machine; if it is right, the certificate has to be renewed",
        )


def _fault_of_step(certificate: Certificate, issuer: Certificate) -> str:
    if certificate.tree != issuer.tree:
        return "it belongs to another tree than its issuer"
    if issuer.path_length is None:
        return f"its issuer {issuer.code} may not issue certificates"
    if certificate.kind == ROOT:
        return "a root is issued by nobody"
    if certificate.path_length is not None and certificate.path_length >= issuer.path_length:
        return "its path length does not fit below its issuer's"
    if certificate.not_before < issuer.not_before or certificate.not_after > issuer.not_after:
        return "its validity is not inside its issuer's"
    _check_signature(certificate, issuer)
    return ""


def _check_signature(certificate: Certificate, issuer: Certificate) -> None:
    try:
        certificate.parsed.verify_directly_issued_by(issuer.parsed)
    except (InvalidSignature, ValueError, TypeError):
        raise _broken(certificate, f"it was not signed by {issuer.code}") from None


def _broken(certificate: Certificate, why: str) -> IdentityError:
    return IdentityError(f"The {certificate.kind} certificate of {certificate.code} does not stand.", why=why)


def _read(der: bytes, parsed: x509.Certificate) -> Certificate:
    unknown = [extension.oid for extension in parsed.extensions if extension.oid not in _UNDERSTOOD]
    if unknown:
        raise IdentityError("A certificate has an extension that is not ours.", why=unknown[0].dotted_string)
    public_key = checked_curve(parsed.public_key())
    code, tree = _names_of(parsed)
    key_id = key_fingerprint(public_key).hex()
    constraints = parsed.extensions.get_extension_for_class(x509.BasicConstraints).value
    issuer_key = parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    kind = _kind_of(parsed, constraints, key_id == tree)
    return Certificate(
        fingerprint=fingerprint(der),
        der=der,
        code=code,
        tree=tree,
        kind=kind,
        key_id=key_id,
        issuer_key_id=issuer_key.hex(),
        path_length=constraints.path_length,
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        public_key=public_key,
        parsed=parsed,
    )


def _names_of(parsed: x509.Certificate) -> tuple[str, str]:
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise IdentityError("A certificate names no node, or several.", why=f"{len(uris)} URIs")
    code, tree = code_and_tree(uris[0])
    if len(names) != 2 or names.get_values_for_type(x509.DNSName) != [dns_name(code, tree)]:  # noqa: PLR2004 - one URI, one DNS name.
        raise IdentityError(f"A certificate of {code} has other names than its own.")
    return code, tree


def _kind_of(parsed: x509.Certificate, constraints: x509.BasicConstraints, is_root: bool) -> str:  # noqa: FBT001 - private.
    usage = parsed.extensions.get_extension_for_class(x509.KeyUsage).value
    if constraints.ca:
        if constraints.path_length is None or not usage.key_cert_sign or usage.digital_signature:
            raise IdentityError("An issuing certificate has no path length or the wrong key usage.")
        return ROOT if is_root else ISSUING
    extended = parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    if usage.key_cert_sign or not usage.digital_signature or set(extended) != set(_TLS_BOTH_WAYS):
        raise IdentityError("A node certificate has the wrong key usage.")
    return NODE


def _lifetime(at: datetime, validity: timedelta, issuer: Certificate) -> tuple[datetime, datetime]:
    check_time(issuer, at)
    return max(at - BACKDATED, issuer.not_before), min(at + validity, issuer.not_after)


def _builder(
    public_key: ec.EllipticCurvePublicKey, code: str, tree: str, common_name: str, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    names = [x509.UniformResourceIdentifier(node_uri(code, tree)), x509.DNSName(dns_name(code, tree))]
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin.astimezone(UTC).replace(microsecond=0))
        .not_valid_after(end.astimezone(UTC).replace(microsecond=0))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier(key_fingerprint(public_key)), critical=False)
    )


def _with_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return builder.add_extension(constraints, critical=True).add_extension(_usage(_CA_USAGE), critical=True)


def _issued(
    builder: x509.CertificateBuilder, issuer: Certificate, issuer_key: ec.EllipticCurvePrivateKey
) -> Certificate:
    builder = builder.issuer_name(issuer.parsed.subject)
    builder = builder.add_extension(_authority_key(issuer.public_key), critical=False)
    return read_certificate(builder.sign(issuer_key, SHA256()).public_bytes(Encoding.DER))


def _authority_key(public_key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(key_fingerprint(public_key), None, None)


def _usage(given: dict[str, bool]) -> x509.KeyUsage:
    return x509.KeyUsage(
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
        **given,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "yizhan"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )
