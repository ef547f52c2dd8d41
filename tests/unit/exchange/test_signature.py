"""The signature over a Head, held against an independent implementation: signxml (xmlsec1 in ``test_package``)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidSignature
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from node.errors import PackageRefusedError
from node.exchange.head import PUSH, Head, write_head
from node.exchange.signature import SIGNATURE_BYTES, sign_head, verify_head
from node.standard.codec import NAMESPACE, parse_unvalidated
from tests.support.identities import AT, SEVEN, make_identities

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

IDENTITIES = make_identities(SEVEN)
CHILD, PARENT = IDENTITIES["360100"], IDENTITIES["360000"]
NOON = AT + timedelta(days=1)
HEAD = write_head(
    Head(tree=CHILD.tree, sender=CHILD.code, receiver=PARENT.code, start_id="0" * 32, sent_at=AT, purpose=PUSH)
)


def signxml_signs(head: bytes, key: EllipticCurvePrivateKey) -> bytes:
    signer = XMLSigner(
        method=SignatureConstructionMethod.detached,
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signer.signature_annotators.clear()
    signed = signer.sign(parse_unvalidated(head), key=key, reference_uri="#head", id_attribute="Id")
    written: bytes = etree.tostring(signed, method="c14n", exclusive=True)
    return written


def signxml_verifies(head: bytes, signature: bytes, certificate: x509.Certificate) -> bytes:
    document = b'<Package xmlns="' + NAMESPACE.encode() + b'">' + head + signature + b"</Package>"
    configuration = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset({SignatureMethod.ECDSA_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=NOON,
    )
    result: Any = XMLVerifier().verify(
        parse_unvalidated(document), x509_cert=certificate, expect_config=configuration, id_attribute="Id"
    )
    signed: bytes = result.signed_data
    return signed


def refused(head: bytes, signature: bytes, at: datetime = NOON, certificate: x509.Certificate | None = None) -> str:
    with pytest.raises(PackageRefusedError) as caught:
        verify_head(head, signature, certificate or CHILD.certificate.parsed, at)
    return caught.value.reason


@pytest.mark.parametrize("sign", [sign_head, signxml_signs])
def test_what_one_side_signs_both_verify(sign: Callable[[bytes, Any], bytes]) -> None:
    signature = sign(HEAD, CHILD.private_key)
    assert len(signature) == SIGNATURE_BYTES
    assert verify_head(HEAD, signature, CHILD.certificate.parsed, NOON).get("Id") == "head"
    assert signxml_verifies(HEAD, signature, CHILD.certificate.parsed) == HEAD


def test_another_key_is_refused_by_both() -> None:
    signature = sign_head(HEAD, PARENT.private_key)
    assert refused(HEAD, signature) == "signature"
    with pytest.raises(InvalidSignature):
        signxml_verifies(HEAD, signature, CHILD.certificate.parsed)


def test_another_head_is_refused_by_both() -> None:
    signature = sign_head(HEAD, CHILD.private_key)
    other = HEAD.replace(b"<Purpose>PUSH", b"<Purpose>POLL")
    assert refused(other, signature) == "signature"
    with pytest.raises(InvalidDigest):
        signxml_verifies(other, signature, CHILD.certificate.parsed)


def test_every_changed_byte_is_refused() -> None:
    whole = HEAD + sign_head(HEAD, CHILD.private_key)
    for number in range(len(whole)):
        changed = bytearray(whole)
        changed[number] ^= 1
        assert refused(bytes(changed[: len(HEAD)]), bytes(changed[len(HEAD) :])) in {"frame", "signature"}


def test_another_time_is_refused() -> None:
    signature = sign_head(HEAD, CHILD.private_key)
    assert refused(HEAD, signature, at=AT.replace(year=2036)) == "certificate"
    assert refused(HEAD, signature, at=AT - timedelta(days=30)) == "certificate"


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace(b"<Purpose>PUSH</Purpose>", b"<Purpose >PUSH</Purpose>"),
        HEAD.replace(b"<Purpose>PUSH</Purpose>", b"<Purpose>&#80;USH</Purpose>"),
        HEAD.replace(b"</Purpose>", b""),
    ],
)
def test_a_signed_head_that_is_not_canonical_is_refused(head: bytes) -> None:
    assert head != HEAD
    assert refused(head, sign_head(head, CHILD.private_key)) == "frame"


def test_a_certificate_for_a_key_of_another_suite_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
        .sign(key, SHA256())
    )
    signature = sign_head(HEAD, CHILD.private_key)
    assert refused(HEAD, signature, certificate=certificate) == "signature"
