from __future__ import annotations

import gzip
import threading
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from node.errors import IntegrityError, RecordRefusedError
from node.standard import compression
from node.standard.codec import RECORD_BYTES_MAX
from node.standard.compression import compress_record, expand_limited, expand_record, is_compressed
from tests.support.samples import SAMPLES, record

LIMIT = 100_000


def rule_of(data: bytes, limit: int = LIMIT) -> str:
    with pytest.raises(RecordRefusedError) as refused:
        expand_limited(data, limit)
    return refused.value.problems[0].rule


@pytest.mark.parametrize("record_type", sorted(SAMPLES))
def test_a_record_comes_back_from_its_stored_form(record_type: str) -> None:
    assert expand_record(compress_record(record(record_type))) == record(record_type)


@given(st.binary(max_size=2000))
def test_any_bytes_come_back(body: bytes) -> None:
    assert expand_record(compress_record(body)) == body


def test_the_stored_form_names_its_dictionary_and_is_small() -> None:
    stored = compress_record(record("Conclusion"))
    assert zstandard.get_frame_parameters(stored).dict_id == compression.DICTIONARY_ID == 32_769
    assert len(stored) < len(zstandard.compress(record("Conclusion"))) * 0.75


def test_what_was_stored_without_dictionary_is_still_read() -> None:
    assert expand_record(zstandard.compress(b"old")) == b"old"


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"not zstd",
        compress_record(record("Fee"))[:-3],
        zstandard.compress(b"x" * (RECORD_BYTES_MAX + 1)),
        zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 10),
    ],
)
def test_a_damaged_stored_form_is_an_error_of_the_store(damaged: bytes) -> None:
    with pytest.raises(IntegrityError):
        expand_record(damaged)


def test_a_frame_of_a_dictionary_that_is_not_known_is_refused() -> None:
    bodies = [record(name) for name in SAMPLES] * 40
    trained = zstandard.train_dictionary(4096, list(bodies), dict_id=40_000)
    stored = zstandard.ZstdCompressor(dict_data=trained).compress(record("Fee"))
    with pytest.raises(IntegrityError, match="40000"):
        expand_record(stored)


def test_threads_compress_at_the_same_time() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        body = record("Fee", PaymentNo=f"JK{number}")
        wrong.extend(number for _ in range(300) if expand_record(compress_record(body)) != body)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
def test_zstd_and_gzip_up_to_the_limit_are_expanded(size: int) -> None:
    body = b"a" * size
    assert expand_limited(zstandard.compress(body), LIMIT) == body
    assert expand_limited(zstandard.ZstdCompressor(write_content_size=False).compress(body), LIMIT) == body
    assert expand_limited(gzip.compress(body), LIMIT) == body


def test_incompressible_bytes_in_many_pieces_are_expanded() -> None:
    body = b"".join(zlib.crc32(number.to_bytes(4)).to_bytes(4) for number in range(100_000))
    assert expand_limited(zstandard.compress(body), len(body)) == body


@pytest.mark.parametrize("compress", [zstandard.compress, gzip.compress])
def test_a_bomb_is_cut_at_the_limit(compress: object) -> None:
    assert rule_of(compress(b"\0" * 50_000_000)) == "too-large"  # type: ignore[operator]


def test_a_zstd_bomb_without_declared_size_is_cut() -> None:
    assert rule_of(zstandard.ZstdCompressor(write_content_size=False).compress(b"\0" * 50_000_000)) == "too-large"


def lying_frame(size: int, stated: int) -> bytes:
    """Return a zstd frame of ``size`` zeros whose header states another size (8-byte field, RFC 8878, 3.1.1)."""
    honest = zstandard.compress(b"\0" * size)
    frame = zstandard.get_frame_parameters(honest)
    assert not frame.has_checksum
    header_size = zstandard.frame_header_size(honest)
    # Descriptor 0xC0: 8-byte content size, no single segment; window descriptor 0x50: 1 MiB.
    return honest[:4] + bytes([0xC0, 0x50]) + stated.to_bytes(8, "little") + honest[header_size:]


@pytest.mark.parametrize(
    ("stated", "rule"),
    [
        (10, "not-compressed"),
        (LIMIT, "not-compressed"),
        (LIMIT + 1, "too-large"),
        (2**40, "too-large"),
        (2**63, "too-large"),
    ],
)
def test_a_lying_declared_size_is_never_believed(stated: int, rule: str) -> None:
    assert rule_of(lying_frame(40_000_000, stated)) == rule


def test_a_stated_size_of_zero_gives_nothing_and_costs_nothing() -> None:
    assert expand_limited(lying_frame(40_000_000, 0), LIMIT) == b""


def test_a_declared_size_that_little_content_does_not_fill_is_refused() -> None:
    assert rule_of(lying_frame(1000, 50_000)) == "not-compressed"


def test_a_long_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = stream.compress(b"x" * 1000) + stream.flush()
    assert zstandard.get_frame_parameters(data).window_size > compression.WINDOW_BYTES_MAX
    assert rule_of(data) == "too-large"


@pytest.mark.parametrize(
    "data",
    [
        zstandard.compress(b"a") * 2,
        zstandard.compress(b"a") * 10_000,
        gzip.compress(b"a") * 2,
        gzip.compress(b"a") + b"tail",
        zstandard.compress(b"a") + b"tail",
        zstandard.compress(b"a") + b"\x50\x2a\x4d\x18\x01\x00\x00\x00x",
    ],
)
def test_many_frames_members_or_trailing_bytes_are_refused(data: bytes) -> None:
    assert rule_of(data) == "not-compressed"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain text",
        zstandard.compress(b"a" * 1000)[:-1],
        zstandard.compress(b"a" * 1000)[:5],
        gzip.compress(b"a" * 1000)[:-1],
        gzip.compress(b"a" * 1000)[:-9] + b"\0" * 9,
        b"\x28\xb5\x2f\xfd" + b"\xff" * 50,
        b"\x50\x2a\x4d\x18\x01\x00\x00\x00x",
    ],
)
def test_damaged_or_cut_bodies_are_refused(data: bytes) -> None:
    assert rule_of(data) == "not-compressed"


def test_compressed_bodies_are_recognised() -> None:
    assert is_compressed(zstandard.compress(b"a"))
    assert is_compressed(gzip.compress(b"a"))
    assert not is_compressed(b"<a/>")
