"""Names of certificates have one spelling, whoever writes them."""

from __future__ import annotations

import pytest

from node.departments.certificates import certificate_name, name_of_file
from node.errors import UsageError

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


def test_a_file_without_a_certificate_is_refused() -> None:
    with pytest.raises(UsageError, match="no certificate in PEM"):
        name_of_file(b"hello")
