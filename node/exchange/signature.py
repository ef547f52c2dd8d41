"""The signature of a package: XML Signature over Head only, one Reference ``#head``, suite 1 (02, R4).

signxml signs and verifies (W3C XML Signature 1.1: ECDSA-SHA256 with r‖s, exclusive C14N 1.0, SHA-256). Around it two
things keep the format narrow: the bytes of the Signature element follow one template, in which only digest and value
differ, so there is no KeyInfo, no Object and no other algorithm; and the values of a Head are read only from the
node-set that the verifier returned, whose canonical bytes must be the bytes that were received.

A command line can check it as well: ``xmlsec1 --verify --id-attr:Id urn:yizhan:standard:1:Head --pubkey-cert-pem …``.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from node.errors import PackageRefusedError, RecordRefusedError
from node.standard.codec import NAMESPACE, parse_unvalidated

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
_DOCUMENT: Final = b'<Package xmlns="' + NAMESPACE.encode() + b'">%b%b</Package>'


def sign_head(head: bytes, private_key: EllipticCurvePrivateKey) -> bytes:
    """Return the Signature element for the bytes of a Head (``head.write_head``)."""
    signer = XMLSigner(
        method=SignatureConstructionMethod.detached,
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    # The key's public part is not told: the receiver knows the certificate, and KeyInfo would only be ignored.
    signer.signature_annotators.clear()
    element = parse_unvalidated(head, bytes_max=len(head))
    signed = signer.sign(element, key=private_key, reference_uri="#head", id_attribute="Id")
    return _canonical(signed)


def verify_head(head: bytes, signature: bytes, certificate: x509.Certificate, at: datetime) -> Any:
    """Return the Head element that ``certificate`` has signed, from the verifier's own node-set.

    ``at`` is the time at which the certificate must be valid. Raises PackageRefusedError with the reason ``frame``
    (the Signature element is not ours byte for byte), ``certificate`` (expired, or not yet valid) or ``signature``.
    """
    _check_template(signature)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise PackageRefusedError("certificate", "The sender's certificate is not valid now.", why=f"{at:%Y-%m-%d}")
    configuration = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset({SignatureMethod.ECDSA_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=at,
    )
    document = _DOCUMENT % (head, signature)
    try:
        # The template above is narrower than the schema of XML Signature, so that is not asked again.
        result = XMLVerifier().verify(
            parse_unvalidated(document, bytes_max=len(document)),
            x509_cert=certificate,
            expect_config=configuration,
            id_attribute="Id",
            validate_schema=False,
        )
    except (SignXMLException, InvalidSignature, RecordRefusedError, ValueError) as error:
        raise PackageRefusedError(
            "signature", "The sender's signature over the Head does not verify.", why=type(error).__name__
        ) from error
    if isinstance(result, list) or result.signed_data != head or result.signed_xml is None:
        raise PackageRefusedError("frame", "The Head is not in canonical form.")
    return result.signed_xml


def _check_template(signature: bytes) -> None:
    """Refuse a Signature element that differs from the template in anything but its two values."""
    found = _VALUES.search(signature)
    if found is not None:
        try:
            digest, value = (b64decode(text, validate=True) for text in found.groups())
        except ValueError:
            digest = value = b""
        whole = len(digest) == _DIGEST_BYTES and len(value) == _VALUE_BYTES
        if whole and signature == _TEMPLATE % (b64encode(digest), b64encode(value)):
            return
    raise PackageRefusedError("frame", "The Signature element is not in the one form that is allowed.")


def _canonical(element: Any) -> bytes:
    written: bytes = etree.tostring(element, method="c14n", exclusive=True)
    return written
