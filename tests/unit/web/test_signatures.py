"""Signatures of requests: the vectors of RFC 9421 and RFC 9530, another implementation, and what is refused."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.web.signatures import (
    FIELD_LENGTH_MAX,
    Message,
    Signature,
    SignatureRefusedError,
    check_digest,
    check_time,
    is_signed_with,
    read_signature,
    signature_base,
)
from tests.support.signing import signed

# RFC 9421, B.1.5 and B.2: the shared secret and the request of its examples.
SECRET = b64decode("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")
BODY = b'{"hello": "world"}'
REQUEST = Message(
    method="POST",
    target_uri="https://example.com/foo?param=Value&Pet=dog",
    fields={
        "host": "example.com",
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-digest": (
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
        ),
        "content-length": "18",
    },
)
CREATED = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)
CREATED_S = int(CREATED.timestamp())
URL = "https://node.example.cn/api/v1/records?dialect=csv"
KEY_ID, NONCE = "hall/3", "0123456789abcdef"
OURS = "yzs_secret"


def test_the_hmac_example_of_the_rfc_verifies() -> None:
    # RFC 9421, B.2.5.
    parameters = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    components = ("date", "@authority", "content-type")
    assert signature_base(REQUEST, components, parameters).decode() == (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        '"@authority": example.com\n'
        '"content-type": application/json\n'
        f'"@signature-params": {parameters}'
    )
    signature = Signature(
        components=components,
        parameters={},
        signed_parameters=parameters,
        value=b64decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="),
    )
    assert is_signed_with(SECRET, signature, REQUEST)
    assert not is_signed_with(SECRET[:-1], signature, REQUEST)


def test_the_signature_base_of_the_rfc_is_made_byte_for_byte() -> None:
    # RFC 9421, 2.5: the request and its components with their values.
    request = Message(
        method="POST",
        target_uri="https://example.com/foo?param=Value&Pet=dog",
        fields=REQUEST.fields,
    )
    parameters = (
        '("@method" "@authority" "@path" "content-digest" "content-length" "content-type")'
        ';created=1618884473;keyid="test-key-rsa-pss"'
    )
    components = ("@method", "@authority", "@path", "content-digest", "content-length", "content-type")
    assert signature_base(request, components, parameters).decode() == (
        '"@method": POST\n'
        '"@authority": example.com\n'
        '"@path": /foo\n'
        '"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVL'
        "vRwEmTHWXvJwew==:\n"
        '"content-length": 18\n'
        '"content-type": application/json\n'
        f'"@signature-params": {parameters}'
    )


@pytest.mark.parametrize(
    ("address", "name", "value"),
    [
        # RFC 9421, 2.2.1 to 2.2.7.
        ("https://www.example.com/path?param=value", "@method", "POST"),
        ("https://www.example.com/path?param=value", "@target-uri", "https://www.example.com/path?param=value"),
        ("https://www.example.com/path?param=value", "@authority", "www.example.com"),
        ("http://www.example.com/path?param=value", "@scheme", "http"),
        ("https://www.example.com/path?param=value", "@request-target", "/path?param=value"),
        ("https://www.example.com/path?param=value", "@path", "/path"),
        (
            "https://www.example.com/path?param=value&foo=bar&baz=bat%2Dman",
            "@query",
            "?param=value&foo=bar&baz=bat%2Dman",
        ),
        ("https://www.example.com/path", "@query", "?"),
        ("https://www.example.com", "@path", "/"),
        ("https://www.example.com?x", "@path", "/"),
    ],
)
def test_derived_components_have_the_values_of_the_rfc(address: str, name: str, value: str) -> None:
    request = Message(method="POST", target_uri=address, fields={})
    assert signature_base(request, (name,), "()").decode().partition("\n")[0] == f'"{name}": {value}'


@pytest.mark.parametrize(
    "field",
    [
        # RFC 9530, B.1 and B.4, and RFC 9421, B.2.
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
        REQUEST.fields["content-digest"],
        f"sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, {REQUEST.fields['content-digest']}",
        "md5=:AAAA:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
    ],
)
def test_the_digests_of_the_rfc_are_those_of_its_body(field: str) -> None:
    check_digest(field, BODY)
    with pytest.raises(SignatureRefusedError, match="another one"):
        check_digest(field, BODY + b"\n")


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("", "none of sha-256, sha-512"),
        ("md5=:AAAA:", "none of"),
        ("sha-256=:AAAA:", "another one"),
        ("sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE", "another one"),
        ("sha-256", "another one"),
        ("sha-256=:AAAA", "no dictionary"),
        ("密", "no dictionary"),
        ("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, sha-256=:AAAA:", "twice"),
        ("x" * (FIELD_LENGTH_MAX + 1), "characters"),
    ],
)
def test_a_digest_that_is_none_is_refused(field: str, why: str) -> None:
    with pytest.raises(SignatureRefusedError, match=why):
        check_digest(field, BODY)


def message(headers: dict[str, str], url: str = URL) -> Message:
    return Message(method="POST", target_uri=url, fields={name.lower(): value for name, value in headers.items()})


def foreign(**changes: Any) -> dict[str, str]:
    """Return the fields of a request that another implementation signed."""
    given = {
        "key_id": KEY_ID,
        "secret": OURS,
        "created": CREATED,
        "nonce": NONCE,
        "headers": {"Content-Type": "text/csv"},
    }
    return signed(URL, BODY, **{**given, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"include_alg": False},
        {"expires": datetime(2026, 11, 3, 1, 2, tzinfo=UTC), "tag": "yizhan"},
        {
            "headers": {"Content-Type": "text/csv", "Content-Encoding": "gzip", "Idempotency-Key": "a b"},
            "covered": (
                "content-encoding",
                "idempotency-key",
                "@target-uri",
                "@method",
                "@authority",
                "@scheme",
                "@path",
                "@query",
                "@request-target",
                "content-digest",
                "content-type",
            ),
        },
    ],
)
def test_what_another_implementation_signs_verifies_here(changes: dict[str, Any]) -> None:
    request = message(foreign(**changes))
    signature = read_signature(request)
    assert (signature.key_id, signature.nonce) == (KEY_ID, NONCE)
    assert is_signed_with(OURS.encode(), signature, request)
    assert not is_signed_with(b"another", signature, request)
    assert not is_signed_with(OURS.encode(), signature, message(foreign(**changes), URL + "&type=x"))


def test_blanks_in_the_input_are_not_signed() -> None:
    fields = foreign()
    fields["Signature-Input"] = fields["Signature-Input"].replace('" "', '"   "')
    request = message(fields)
    assert is_signed_with(OURS.encode(), read_signature(request), request)


@pytest.mark.parametrize(
    ("covered", "headers", "missing"),
    [
        (("@method", "@target-uri"), {}, "content-digest"),
        (("@method", "content-digest"), {}, "@target-uri"),
        (("@target-uri", "content-digest"), {}, "@method"),
        (("@method", "@target-uri", "content-digest"), {"Content-Type": "text/csv"}, "content-type"),
        (("@method", "@target-uri", "content-digest"), {"Content-Encoding": "zstd"}, "content-encoding"),
        (("@method", "@target-uri", "content-digest"), {"Idempotency-Key": "x"}, "idempotency-key"),
    ],
)
def test_what_decides_has_to_be_covered(covered: tuple[str, ...], headers: dict[str, str], missing: str) -> None:
    with pytest.raises(SignatureRefusedError, match=f"does not cover {missing}"):
        read_signature(message(foreign(covered=covered, headers=headers)))


COMPONENTS = '("@method" "@target-uri" "content-digest" "content-type")'
PARAMETERS = f';created={CREATED_S};keyid="{KEY_ID}";nonce="{NONCE}"'


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (None, "exactly one member"),
        ("", "exactly one member"),
        (f"a={COMPONENTS}{PARAMETERS}", "exactly one member"),
        (f"sig1={COMPONENTS}{PARAMETERS}, b={COMPONENTS}{PARAMETERS}", "exactly one member"),
        (f"sig1={COMPONENTS}{PARAMETERS}, sig1={COMPONENTS}{PARAMETERS}", "sig1 twice"),
        (f"sig1={COMPONENTS}{PARAMETERS};created=1", "created twice"),
        ('sig1="@method"', "a list of components"),
        ('sig1=("@method"', "no dictionary"),
        (f'sig1=("@method";req){PARAMETERS}', "without parameters"),
        (f"sig1=(@method){PARAMETERS}", "no dictionary"),
        (f"sig1=(method){PARAMETERS}", "without parameters"),
        (f"sig1=({' '.join(['x'] * 31)}){PARAMETERS}", "at most 30"),
        (f'sig1=("@method" {COMPONENTS[1:]}{PARAMETERS}', "covered twice"),
        (f'sig1={COMPONENTS};keyid="x";nonce="{NONCE}"', "created is missing"),
        (f'sig1={COMPONENTS};created="1";keyid="x";nonce="{NONCE}"', "created is missing"),
        (f'sig1={COMPONENTS};created=1.5;keyid="x";nonce="{NONCE}"', "created is missing"),
        (f'sig1={COMPONENTS};created=@1;keyid="x";nonce="{NONCE}"', "created is missing"),
        (f'sig1={COMPONENTS};created=1;nonce="{NONCE}"', "keyid is missing"),
        (f'sig1={COMPONENTS};created=1;keyid=x;nonce="{NONCE}"', "keyid is missing"),
        (f'sig1={COMPONENTS};created=1;keyid="x"', "nonce is missing"),
        (f'sig1={COMPONENTS};created=1;keyid="x";nonce="short"', "a nonce has"),
        (f'sig1={COMPONENTS};created=1;keyid="x";nonce="{"n" * 101}"', "a nonce has"),
        (f"sig1={COMPONENTS}{PARAMETERS};expires=?1", "expires is missing"),
        (f'sig1={COMPONENTS}{PARAMETERS};alg="ed25519"', "the algorithm is hmac-sha256"),
        (f"sig1={COMPONENTS}{PARAMETERS};x={'1' * FIELD_LENGTH_MAX}", "characters"),
    ],
)
def test_a_signature_outside_the_profile_is_refused_with_the_reason(field: str | None, why: str) -> None:
    fields = foreign()
    if field is None:
        del fields["Signature-Input"]
    else:
        fields["Signature-Input"] = field
    with pytest.raises(SignatureRefusedError, match=why):
        read_signature(message(fields))


def test_a_signature_that_is_no_bytes_is_refused() -> None:
    with pytest.raises(SignatureRefusedError, match="byte sequence"):
        read_signature(message({**foreign(), "Signature": 'sig1="text"'}))


@pytest.mark.parametrize("name", ["x-missing", "@status", "@query-param", "Content-Type", "content type"])
def test_a_component_that_is_not_there_cannot_be_covered(name: str) -> None:
    with pytest.raises(SignatureRefusedError, match="not there"):
        signature_base(REQUEST, (name,), "()")


def test_what_is_covered_is_ascii() -> None:
    with pytest.raises(SignatureRefusedError, match="ASCII"):
        signature_base(message({"Content-Type": "文"}), ("content-type",), "()")


@pytest.mark.parametrize(
    ("expires", "later_s", "counts"),
    [
        (None, 0, True),
        (None, -60, True),
        (None, -61, False),
        (None, 299, True),
        (None, 300, False),
        (120, 119, True),
        (120, 120, False),
        (9_000, 299, True),
        (9_000, 300, False),
        (-1, 0, False),
    ],
)
def test_a_signature_counts_for_five_minutes_or_less_and_a_minute_ahead(
    expires: int | None, later_s: int, *, counts: bool
) -> None:
    parameters = {"created": CREATED_S, **({} if expires is None else {"expires": CREATED_S + expires})}
    signature = Signature(components=(), parameters=parameters, signed_parameters="", value=b"")
    if counts:
        check_time(signature, CREATED_S + later_s)
        return
    with pytest.raises(SignatureRefusedError, match="this node's clock"):
        check_time(signature, CREATED_S + later_s)


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=80), st.text(max_size=80))
def test_no_field_makes_reading_fail_otherwise(given_input: str, given_signature: str) -> None:
    with pytest.raises(SignatureRefusedError):
        read_signature(message({"Signature-Input": given_input, "Signature": given_signature}))
