from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from node.errors import IdentityError
from node.trust import certificates
from node.trust.certificates import (
    ISSUING,
    NODE,
    ROOT,
    check_chain,
    check_root,
    check_step,
    check_time,
    make_issuing,
    make_node,
    make_root,
    read_certificate,
)
from node.trust.keys import key_fingerprint, new_key, public_bytes, read_public_key
from node.trust.names import checked_code, code_and_tree, dns_name, node_uri
from tests.support.identities import AT, identities, root_identity

if TYPE_CHECKING:
    from node.trust.certificates import Certificate

MADE = identities()
ROOT_ID, CITY, COUNTY = MADE["360000"], MADE["360100"], MADE["360102"]


def issuing_of(code: str) -> Certificate:
    found = MADE[code].issuing_certificate
    assert found is not None
    return found


def test_the_tree_is_the_hash_of_the_roots_public_key() -> None:
    root = ROOT_ID.root_certificate
    assert root.tree == hashlib.sha256(public_bytes(root.public_key)).hexdigest() == ROOT_ID.tree
    assert root.fingerprint == hashlib.sha256(root.der).hexdigest()
    assert (root.kind, root.path_length) == (ROOT, 2)


def test_a_node_certificate_names_its_node_and_serves_both_directions() -> None:
    parsed = COUNTY.certificate.parsed
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:yizhan:node:{ROOT_ID.tree}:360102"]
    assert names.get_values_for_type(x509.DNSName) == [f"360102.{ROOT_ID.tree[:16]}.yizhan.internal"]
    usages = parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {usage.dotted_string for usage in usages} == {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}
    usage = parsed.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert (COUNTY.certificate.kind, COUNTY.certificate.path_length) == (NODE, None)
    assert (issuing_of("360100").kind, issuing_of("360100").path_length) == (ISSUING, 1)
    assert issuing_of("360102").path_length == 0


@pytest.mark.parametrize("code", sorted(MADE))
def test_every_chain_of_a_tree_stands(code: str) -> None:
    check_chain(MADE[code].chain, ROOT_ID.tree, AT)
    check_chain(MADE[code].issuing_chain, ROOT_ID.tree, AT)


@pytest.mark.parametrize(("after", "valid"), [(timedelta(hours=-23), True), (timedelta(days=-2), False)])
def test_a_certificate_is_backdated_by_one_day(after: timedelta, *, valid: bool) -> None:
    check_time_is(COUNTY.certificate, after, valid=valid)


@pytest.mark.parametrize(
    ("certificate", "days"), [(COUNTY.certificate, 730), (issuing_of("360100"), 1825), (ROOT_ID.root_certificate, 7300)]
)
def test_validity_ends_two_five_and_twenty_years_later(certificate: Certificate, days: int) -> None:
    check_time_is(certificate, timedelta(days=days), valid=True)
    check_time_is(certificate, timedelta(days=days, seconds=1), valid=False)


def check_time_is(certificate: Certificate, after: timedelta, *, valid: bool) -> None:
    if valid:
        check_time(certificate, AT + after)
        return
    with pytest.raises(IdentityError, match="not valid now"):
        check_time(certificate, AT + after)


def test_an_expired_chain_is_refused_when_time_is_asked() -> None:
    check_chain(COUNTY.chain, ROOT_ID.tree)
    with pytest.raises(IdentityError, match="not valid now"):
        check_chain(COUNTY.chain, ROOT_ID.tree, AT + timedelta(days=731))


def test_no_certificate_outlives_its_issuer() -> None:
    assert CITY.issuing_certificate is not None
    assert CITY.issuing_key is not None
    late = AT + timedelta(days=1824)
    made = make_node(
        new_key().public_key(), code="360104", at=late, issuer=CITY.issuing_certificate, issuer_key=CITY.issuing_key
    )
    assert made.not_after == CITY.issuing_certificate.not_after
    check_step(made, CITY.issuing_certificate)


def test_an_issuer_whose_own_time_is_over_or_not_begun_issues_nothing() -> None:
    assert CITY.issuing_certificate is not None
    assert CITY.issuing_key is not None
    for at in (AT + timedelta(days=1826), AT - timedelta(days=2)):
        with pytest.raises(IdentityError, match="not valid now"):
            make_node(
                new_key().public_key(),
                code="360104",
                at=at,
                issuer=CITY.issuing_certificate,
                issuer_key=CITY.issuing_key,
            )


@pytest.mark.parametrize(("code", "path_length"), [("360100", 1), ("360102", 0), ("360100", -1)])
def test_an_issuer_gives_away_less_depth_than_it_has(code: str, path_length: int) -> None:
    issuer = MADE[code]
    assert issuer.issuing_key is not None
    with pytest.raises(IdentityError, match="right to issue"):
        make_issuing(
            new_key().public_key(),
            code="360104",
            path_length=path_length,
            at=AT,
            issuer=issuing_of(code),
            issuer_key=issuer.issuing_key,
        )


def test_a_node_certificate_issues_nothing() -> None:
    with pytest.raises(IdentityError, match="may not issue"):
        check_step(COUNTY.certificate, CITY.certificate)


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        ((), "empty or too long"),
        (COUNTY.chain * 3, "empty or too long"),
        ((COUNTY.certificate, ROOT_ID.root_certificate), "not signed by 360000"),
        ((COUNTY.certificate, issuing_of("360100")), "not the root of tree"),
        ((COUNTY.certificate, issuing_of("360102"), *COUNTY.chain[1:]), "not signed by 360102"),
        ((issuing_of("360100"), issuing_of("360102")), "path length does not fit"),
        ((ROOT_ID.root_certificate, ROOT_ID.root_certificate), "issued by nobody"),
    ],
)
def test_a_chain_with_a_wrong_link_is_refused(chain: tuple[Certificate, ...], why: str) -> None:
    with pytest.raises(IdentityError, match=why):
        check_chain(chain, ROOT_ID.tree)


def test_a_chain_of_another_tree_is_refused() -> None:
    stranger = root_identity()
    with pytest.raises(IdentityError, match="not the root of tree"):
        check_chain(stranger.chain, ROOT_ID.tree)
    with pytest.raises(IdentityError, match="another tree than its issuer"):
        check_step(COUNTY.certificate, stranger.root_certificate)


def test_a_root_that_did_not_sign_itself_is_refused() -> None:
    forged = replace(ROOT_ID.root_certificate, parsed=issuing_of("360100").parsed)
    with pytest.raises(IdentityError, match="not signed by"):
        check_root(forged, ROOT_ID.tree)


def test_a_certificate_that_sticks_out_of_its_issuers_time_is_refused() -> None:
    for change in ({"not_after": AT + timedelta(days=9999)}, {"not_before": AT - timedelta(days=9999)}):
        with pytest.raises(IdentityError, match="validity is not inside"):
            check_step(replace(COUNTY.certificate, **change), issuing_of("360100"))  # type: ignore[arg-type]


def test_one_flipped_byte_anywhere_never_passes() -> None:
    der = COUNTY.certificate.der
    for place in range(0, len(der), 7):
        flipped = bytearray(der)
        flipped[place] ^= 1
        with pytest.raises(IdentityError):
            check_step(read_certificate(bytes(flipped)), issuing_of("360100"))


# --- certificates of a form that is not ours --------------------------------------------------------------------


class Forge:
    """Builds certificates with one thing wrong; the rest is as ours."""

    def __init__(self) -> None:
        self.key = new_key()
        self.names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(node_uri("360104", ROOT_ID.tree)),
            x509.DNSName(dns_name("360104", ROOT_ID.tree)),
        ]
        self.constraints = x509.BasicConstraints(ca=False, path_length=None)
        self.usage = {"key_cert_sign": False, "crl_sign": False, "digital_signature": True}
        self.extended = [x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1"), x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2")]
        self.extra: list[Any] = []
        self.public_key: Any = self.key.public_key()
        self.leave_out: type | None = None

    def der(self) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "360104")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.public_key)
            .serial_number(1)
            .not_valid_before(AT)
            .not_valid_after(AT + timedelta(days=1))
        )
        usage = x509.KeyUsage(
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
            **self.usage,
        )
        extensions = [
            x509.SubjectAlternativeName(self.names),
            self.constraints,
            usage,
            x509.ExtendedKeyUsage(self.extended),
            x509.AuthorityKeyIdentifier(key_fingerprint(self.key.public_key()), None, None),
            *self.extra,
        ]
        for extension in extensions:
            if type(extension) is not self.leave_out:
                builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.DER)


def test_the_forge_alone_makes_what_we_accept() -> None:
    assert read_certificate(Forge().der()).code == "360104"


def forged(**changes: object) -> bytes:
    forge = Forge()
    for name, value in changes.items():
        setattr(forge, name, value)
    return forge.der()


URI, DNS = Forge().names


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"names": [DNS]}, "names no node"),
        ({"names": [URI, URI, DNS]}, "names no node, or several"),
        ({"names": [x509.UniformResourceIdentifier("urn:yizhan:node:x:360104"), DNS]}, "names no node"),
        ({"names": [URI, x509.DNSName("example.org")]}, "other names than its own"),
        ({"names": [URI, DNS, x509.DNSName("example.org")]}, "other names than its own"),
        ({"names": [URI]}, "other names than its own"),
        ({"usage": {"key_cert_sign": True, "crl_sign": True, "digital_signature": True}}, "wrong key usage"),
        ({"usage": {"key_cert_sign": False, "crl_sign": False, "digital_signature": False}}, "wrong key usage"),
        ({"extended": [ObjectIdentifier("1.3.6.1.5.5.7.3.1")]}, "wrong key usage"),
        ({"constraints": x509.BasicConstraints(ca=True, path_length=None)}, "no path length or the wrong key usage"),
        ({"constraints": x509.BasicConstraints(ca=True, path_length=0)}, "no path length or the wrong key usage"),
        ({"extra": [x509.OCSPNoCheck()]}, "extension that is not ours"),
        ({"public_key": rsa.generate_private_key(65537, 2048).public_key()}, "another kind than suite 1"),
        ({"public_key": ec.generate_private_key(ec.SECP384R1()).public_key()}, "another kind than suite 1"),
        ({"leave_out": x509.BasicConstraints}, "cannot be read"),
        ({"leave_out": x509.AuthorityKeyIdentifier}, "cannot be read"),
    ],
)
def test_a_certificate_of_another_form_is_refused(changes: dict[str, object], what: str) -> None:
    with pytest.raises(IdentityError, match=what):
        read_certificate(forged(**changes))


@pytest.mark.parametrize("der", [b"", b"not a certificate", bytes(9000)])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(IdentityError, match=r"cannot be read|too large"):
        read_certificate(der)


def test_a_root_needs_no_more_than_its_key() -> None:
    key = new_key()
    root = make_root(key, code="360000", path_length=0, at=AT)
    check_root(root, key_fingerprint(key.public_key()).hex())
    assert certificates.CHAIN_MAX == 8


@pytest.mark.parametrize("code", ["", "36010", "3601021", "abcdef", "360102\n", "3601020010010"])
def test_a_code_that_cannot_name_a_node_is_refused(code: str) -> None:
    with pytest.raises(IdentityError, match="not a node code"):
        checked_code(code)


@pytest.mark.parametrize("code", ["360102", "360102001", "360102001002"])
def test_names_are_read_back(code: str) -> None:
    assert checked_code(code) == code
    assert code_and_tree(node_uri(code, ROOT_ID.tree)) == (code, ROOT_ID.tree)


@pytest.mark.parametrize("data", [b"", b"\x30\x00"])
def test_what_is_no_public_key_is_refused(data: bytes) -> None:
    with pytest.raises(IdentityError, match="cannot be read"):
        read_public_key(data)
