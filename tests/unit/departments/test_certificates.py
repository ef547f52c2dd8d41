"""Names of certificates have one spelling, whoever writes them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from node.departments.certificates import NAMES_MAX, certificate_name, name_of_file, other_names
from node.errors import UsageError
from tests.support.intake import NOW

DIGITS = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"SHA256:{DIGITS}", f"SHA256:{DIGITS}"),
        (f"sha256:{':'.join(DIGITS[at : at + 2] for at in range(0, 64, 2)).upper()}", f"SHA256:{DIGITS}"),
        ("dns:Hall.Example.CN", "DNS:hall.example.cn"),
        (" URI:urn:Hall ", "URI:urn:Hall"),
        ("email:Hall@Example.CN", "EMAIL:hall@example.cn"),
        ("IP:2001:DB8:0:0::1", "IP:2001:db8::1"),
        ("dn:CN=hall,O=测试局", "DN:CN=hall,O=测试局"),
        (r"DN:CN=hall,O=\E6\B5\8B\E8\AF\95\E5\B1\80", "DN:CN=hall,O=测试局"),
    ],
)
def test_a_name_has_one_spelling(text: str, name: str) -> None:
    assert certificate_name(text) == name
    assert certificate_name(name) == name


@pytest.mark.parametrize(
    "text",
    ["", "hall", "DNS:", f"SHA256:{DIGITS[1:]}", "SHA256:xyz", "IP:hall", "DN:hall", "X:hall", f"DNS:{'a' * 501}"],
)
def test_what_is_no_name_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(UsageError, match="names no certificate") as caught:
        certificate_name(text)
    assert "SHA256" in caught.value.why


def made(subject: str, *names: x509.GeneralName) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(subject))
        .issuer_name(x509.Name.from_rfc4514_string("CN=x"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
    return builder.sign(key, SHA256())


def test_other_kinds_of_names_bind_nothing_and_there_are_no_more_than_allowed() -> None:
    other = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    found = other_names(made("CN=hall", other, x509.DNSName("Hall.example.cn"), x509.RegisteredID(other.type_id)))
    assert found == ["DN:CN=hall", "DNS:hall.example.cn"]
    assert other_names(made("CN=hall")) == ["DN:CN=hall"]
    many = made("", *(x509.DNSName(f"n{number}.example.cn") for number in range(2 * NAMES_MAX)))
    assert (len(other_names(many)), other_names(many)[0]) == (NAMES_MAX, "DNS:n0.example.cn")


def test_a_file_without_a_certificate_is_refused() -> None:
    with pytest.raises(UsageError, match="no certificate in PEM"):
        name_of_file(b"hello")
