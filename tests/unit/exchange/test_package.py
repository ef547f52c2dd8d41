"""The frame of a package: every byte is accounted for, and what is not ours is refused with a word."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from node.errors import PackageRefusedError
from node.exchange.head import Head, Slice, Standing, Statement, Verdict, read_head, write_head
from node.exchange.limits import Limits
from node.exchange.package import BODY_START, PROLOGUE, read_package, write_package
from node.exchange.signature import SIGNATURE_BYTES, sign_head, verify_head
from node.standard.codec import parse_unvalidated, validate_head
from node.standard.seals import Checkpoint, Receipt, StreamName
from tests.support.identities import AT, identities
from tests.support.journals import alarm_body

if TYPE_CHECKING:
    from pathlib import Path

SENDER = identities()["360102"]
NOON = AT.replace(microsecond=0)
STREAM = StreamName("360102", "ancestors")
RECORDS = [alarm_body(number, "某甲 & <乙>") for number in range(1, 6)]
BODY_BYTES = sum(map(len, RECORDS))


def checkpoint(size: int = 5) -> Checkpoint:
    return Checkpoint(
        stream=STREAM, size=size, root=b"r" * 32, sealed_at=NOON, signer=SENDER.fingerprint, signature=b"sig"
    )


def head(**changes: object) -> Head:
    one = Slice(
        stream=STREAM,
        first=1,
        last=5,
        checkpoint=checkpoint(),
        leaves_hash=b"l" * 32,
        lengths=tuple(map(len, RECORDS)),
        announced=(checkpoint(9),),
    )
    receipt = Receipt(
        holder="360102", stream=STREAM, size=3, root=b"q" * 32, received_at=NOON, signer="a" * 64, signature=b"s"
    )
    full = Head(
        tree=SENDER.tree,
        sender="360102",
        receiver="360100",
        start_id="0" * 32,
        sent_at=NOON,
        purpose="PUSH",
        slices=(one,),
        receipts=(receipt,),
        verdicts=(
            Verdict(stream=STREAM, first=1, last=2, word="REFUSED", held=0, reason="a < b & c > d"),
            Verdict(stream=STREAM, first=3, last=4, word="HELD", held=4, deferred=(2, 3)),
        ),
        statement=Statement(digests=(("360102", "d" * 64),), lines=(Standing(STREAM, 4, b"z" * 32),), unsettled=True),
        certificates=(SENDER.certificate.der,),
        more=True,
    )
    return replace(full, **changes)  # type: ignore[arg-type]


def package(**changes: object) -> bytes:
    return write_package(head(**changes), RECORDS, SENDER.private_key)


def reason_of(data: bytes, *, at: datetime = NOON, limits: Limits | None = None) -> str:
    with pytest.raises(PackageRefusedError) as caught:
        read_package(data, SENDER.certificate.parsed, at, limits=limits)
    return caught.value.reason


def signed(written: bytes, body: bytes) -> bytes:
    """Return a package around any Head bytes, signed by its sender."""
    return b"".join(
        [PROLOGUE, written, BODY_START, body, b"</Body>", sign_head(written, SENDER.private_key), b"</Package>"]
    )


def test_a_written_package_reads_back_as_it_was() -> None:
    found = read_package(package(), SENDER.certificate.parsed, NOON)
    assert found.head == head()
    assert found.records(0) == RECORDS


def test_a_head_is_its_own_exclusive_canonical_form_and_follows_the_schema() -> None:
    written = write_head(head())
    element = parse_unvalidated(written)
    assert etree.tostring(element, method="c14n", exclusive=True) == written
    validate_head(element)
    assert read_head(element) == head()


def test_a_package_is_one_xml_document_that_other_programs_can_parse() -> None:
    root = parse_unvalidated(package()[len(b'<?xml version="1.0" encoding="UTF-8"?>') :], bytes_max=100_000)
    assert [child.tag.rpartition("}")[2] for child in root] == ["Head", "Body", "Signature"]
    assert len(root[1]) == 5


@pytest.mark.parametrize("place", ["prologue", "head", "body joint", "signature", "end"])
def test_one_flipped_byte_anywhere_but_in_the_records_is_refused(place: str) -> None:
    data = package()
    head_start, head_end = len(PROLOGUE), data.index(b"</Head>") + 7
    body_end = head_end + len(BODY_START) + BODY_BYTES
    regions = {
        "prologue": range(head_start),
        "head": range(head_start, head_end, 7),
        "body joint": [*range(head_end, head_end + len(BODY_START)), *range(body_end, body_end + 7)],
        "signature": range(body_end + 7, body_end + 7 + SIGNATURE_BYTES),
        "end": range(body_end + 7 + SIGNATURE_BYTES, len(data)),
    }
    for at in regions[place]:
        flipped = bytearray(data)
        flipped[at] ^= 1
        assert reason_of(bytes(flipped)) in {"frame", "signature", "forbidden", "lengths"}


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_byte_changed_in_any_way_never_gives_another_head(place: int, change: int) -> None:
    data = bytearray(package())
    data[place % len(data)] ^= change
    try:
        found = read_package(bytes(data), SENDER.certificate.parsed, NOON)
    except PackageRefusedError:
        return
    # It was a byte of a record: those are covered by the leaf hashes, one slice at a time.
    assert found.head == head()
    assert found.records(0) != RECORDS


@pytest.mark.parametrize("length", [0, 1, 50, 400, -1])
def test_a_package_that_is_cut_short_is_refused(length: int) -> None:
    assert reason_of(package()[:length]) == "frame"


def test_lengths_that_do_not_fill_the_body_are_refused() -> None:
    short = replace(head().slices[0], lengths=(*head().slices[0].lengths[:4], 1))
    assert reason_of(package(slices=(short,))) == "lengths"
    assert reason_of(write_package(head(), [*RECORDS, b"<x/>"], SENDER.private_key)) == "lengths"


def test_other_lengths_than_records_are_refused() -> None:
    few = replace(head().slices[0], lengths=(1, 2))
    assert reason_of(package(slices=(few,))) == "head"


def test_a_redacted_record_must_be_the_one_without_length() -> None:
    one = head().slices[0]
    lengths = (*one.lengths[:4], 0)
    hidden = replace(one, lengths=lengths, redacted=((5, b"h" * 32),))
    data = write_package(head(slices=(hidden,)), RECORDS[:4], SENDER.private_key)
    assert read_package(data, SENDER.certificate.parsed, NOON).records(0) == [*RECORDS[:4], b""]
    other = replace(hidden, redacted=((4, b"h" * 32),))
    assert reason_of(write_package(head(slices=(other,)), RECORDS[:4], SENDER.private_key)) == "head"


def test_a_second_head_is_refused() -> None:
    written = write_head(head())
    assert reason_of(package().replace(BODY_START, written + BODY_START, 1)) == "frame"
    assert reason_of(package().replace(BODY_START, BODY_START + written, 1)) == "lengths"


@pytest.mark.parametrize("inserted", [b"<!-- x -->", b"<?x?>", b"<![CDATA[x]]>"])
def test_a_comment_an_instruction_or_cdata_in_the_head_is_refused(inserted: bytes) -> None:
    written = write_head(head()).replace(b"<Protocol>", inserted + b"<Protocol>")
    data = package().replace(write_head(head()), written)
    assert reason_of(data) == "forbidden"


def test_markup_that_spans_two_records_stays_two_broken_records() -> None:
    # Together they would be one valid record and a comment; each of them alone is not even XML.
    whole = alarm_body(1)
    parts = [whole[:100] + b"<!--", b"-->" + whole[100:]]
    one = replace(head().slices[0], last=2, lengths=tuple(map(len, parts)))
    found = read_package(write_package(head(slices=(one,)), parts, SENDER.private_key), SENDER.certificate.parsed, NOON)
    assert found.records(0) == parts


def test_a_head_that_is_not_in_canonical_form_is_refused() -> None:
    written = write_head(head()).replace(b"<More>true</More>", b"<More >true</More>")
    assert reason_of(signed(written, b"".join(RECORDS))) in {"frame", "signature"}


def test_a_head_that_the_schema_does_not_allow_is_refused() -> None:
    assert reason_of(package(start_id="not hex")) == "head"


def test_a_time_that_is_not_whole_seconds_is_refused() -> None:
    written = write_head(head()).replace(b"<SentAt>2026-01-05T04:00:00Z", b"<SentAt>2026-01-05T04:00:00.5Z")
    assert reason_of(signed(written, b"".join(RECORDS))) == "head"


def test_another_protocol_is_refused() -> None:
    assert reason_of(package(protocol=2)) == "protocol"


def test_a_package_beyond_the_limit_is_not_even_looked_at() -> None:
    assert reason_of(package(), limits=Limits(package_bytes_max=1_000)) == "too large"


@pytest.mark.parametrize(
    "limits",
    [
        Limits(slices_max=0),
        Limits(slice_records_max=1),
        Limits(announced_max=0),
        Limits(receipts_max=0),
        Limits(verdicts_max=1),
        Limits(certificates_max=0),
        Limits(lines_max=1),
    ],
)
def test_more_of_anything_than_its_limit_is_refused(limits: Limits) -> None:
    assert reason_of(package(), limits=limits) == "too many"


@pytest.mark.parametrize("code", ["360103", "360100", "360000"])
def test_the_signature_of_a_sibling_or_any_other_node_is_refused(code: str) -> None:
    data = write_package(head(), RECORDS, identities()[code].private_key)
    assert reason_of(data) == "signature"


def test_an_expired_certificate_is_refused() -> None:
    assert reason_of(package(), at=datetime(2036, 1, 1, tzinfo=UTC)) == "certificate"
    assert reason_of(package(), at=NOON - timedelta(days=30)) == "certificate"


def test_a_signature_element_with_anything_else_in_it_is_refused() -> None:
    written = write_head(head())
    signature = sign_head(written, SENDER.private_key)
    for changed in (
        signature.replace(b"ecdsa-sha256", b"ecdsa-sha512"),
        signature.replace(b"</ds:Signature>", b"<ds:KeyInfo></ds:KeyInfo></ds:Signature>"),
        signature.replace(b"#head", b""),
        b"",
        signature.replace(b"<ds:DigestValue>", b"<ds:DigestValue>%"),
    ):
        with pytest.raises(PackageRefusedError) as caught:
            verify_head(written, changed, SENDER.certificate.parsed, NOON)
        assert caught.value.reason == "frame"


def test_the_bits_that_base64_leaves_free_cannot_be_changed() -> None:
    written = write_head(head())
    signature = sign_head(written, SENDER.private_key)
    at = signature.index(b"==</ds:SignatureValue>") - 1
    spare = bytes([signature[at] + 1])
    with pytest.raises(PackageRefusedError) as caught:
        verify_head(written, signature[:at] + spare + signature[at + 1 :], SENDER.certificate.parsed, NOON)
    assert caught.value.reason == "frame"


def test_xmlsec1_verifies_a_written_package(tmp_path: Path) -> None:
    certificate, file = tmp_path / "certificate.pem", tmp_path / "package.xml"
    certificate.write_bytes(SENDER.certificate.parsed.public_bytes(Encoding.PEM))
    command = [
        "xmlsec1",
        "--verify",
        "--id-attr:Id",
        "urn:yizhan:standard:1:Head",
        "--pubkey-cert-pem",
        str(certificate),
        str(file),
    ]
    file.write_bytes(package())
    good = subprocess.run(command, capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    file.write_bytes(package().replace(b"<Purpose>PUSH", b"<Purpose>POLL"))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
