"""Compression: records one by one with a shipped dictionary, and what comes from outside under a hard limit.

A stored record is one zstd frame of its own, so that it can be read alone; the dictionary (trained by
``scripts/train_dictionary`` on generated records, never on real ones) makes that as small as compressing many
together. A frame names the dictionary it needs by its id; a dictionary is never removed or changed, only added, so
what was ever stored can be read.
"""

from __future__ import annotations

import threading
import zlib
from typing import Final

import zstandard

from node.errors import IntegrityError, Problem, RecordRefusedError
from node.standard.codec import RECORD_BYTES_MAX, RULE_TOO_LARGE
from node.standard.resources import dictionary_folder

RECORD_LEVEL: Final = 3
"""zstd's default level; measured with the dictionary, higher levels cost more time than bytes."""
WINDOW_BYTES_MAX: Final = 8 * 1024 * 1024
RULE_NOT_COMPRESSED: Final = "not-compressed"

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def _load_dictionaries() -> dict[int, zstandard.ZstdCompressionDict]:
    """Return the shipped dictionaries by id; a file is named by its version, as in ``1.zdict``."""
    files = sorted(dictionary_folder().glob("*.zdict"), key=lambda file: int(file.stem))
    loaded = [zstandard.ZstdCompressionDict(file.read_bytes()) for file in files]
    for dictionary in loaded:
        dictionary.precompute_compress(level=RECORD_LEVEL)
    return {dictionary.dict_id(): dictionary for dictionary in loaded}


_dictionaries = _load_dictionaries()
_newest = next(reversed(_dictionaries.values()), None)
DICTIONARY_ID: Final = _newest.dict_id() if _newest is not None else 0
"""Id of the dictionary that new records are compressed with; 0 when none is shipped."""


class _OfThread(threading.local):
    """One compressor and one decompressor per dictionary for each thread: they must not be shared."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(
            level=RECORD_LEVEL, dict_data=_newest, write_checksum=False, write_content_size=True
        ).compress
        self.decompressors = {
            number: zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=WINDOW_BYTES_MAX)
            for number, dictionary in _dictionaries.items()
        }
        self.decompressors[0] = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
        self.usual = self.decompressors[DICTIONARY_ID].decompress


_local = _OfThread()


def compress_record(body: bytes) -> bytes:
    """Return the stored form of a record's bytes: one zstd frame with the newest dictionary."""
    return _local.compress(body)


def expand_record(data: bytes) -> bytes:
    """Return the bytes of a record from its stored form.

    Raises IntegrityError when the frame is damaged, needs a dictionary that this program does not have, or states
    more than ``RECORD_BYTES_MAX`` bytes.
    """
    try:
        frame = zstandard.get_frame_parameters(data)
        if frame.content_size > RECORD_BYTES_MAX:
            raise _damaged(f"it states {frame.content_size} bytes")
        if frame.dict_id == DICTIONARY_ID:
            return _local.usual(data)
        if frame.dict_id not in _local.decompressors:
            raise _damaged(f"it needs compression dictionary {frame.dict_id}, which this version does not have")
        return _local.decompressors[frame.dict_id].decompress(data)
    except zstandard.ZstdError as error:
        raise _damaged(str(error)) from error


def expand_limited(data: bytes, limit: int) -> bytes:
    """Return what a zstd frame or gzip member from outside holds, at most ``limit`` bytes.

    Output is counted and cut whatever the frame states; windows beyond 8 MiB, several frames or members, trailing
    bytes and anything that is neither zstd nor gzip are refused. Raises RecordRefusedError with the rules
    ``too-large`` or ``not-compressed``.
    """
    if data.startswith(_ZSTD_MAGIC):
        return _expand_zstd(data, limit)
    if data.startswith(_GZIP_MAGIC):
        return _expand_gzip(data, limit)
    raise _refused(RULE_NOT_COMPRESSED, "neither zstd nor gzip")


def is_compressed(data: bytes) -> bool:
    """Tell whether bytes from outside begin like a zstd frame or a gzip member."""
    return data.startswith((_ZSTD_MAGIC, _GZIP_MAGIC))


def _expand_zstd(data: bytes, limit: int) -> bytes:
    expander = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
    try:
        frame = zstandard.get_frame_parameters(data)
        if frame.window_size > WINDOW_BYTES_MAX:
            raise _refused(RULE_TOO_LARGE, f"a window of {frame.window_size} bytes; at most {WINDOW_BYTES_MAX}")
        if frame.content_size != zstandard.CONTENTSIZE_UNKNOWN and frame.content_size > limit:
            raise _too_much(limit)
        # The buffer has the stated size, now known to be within the limit, or the limit itself: nothing grows beyond.
        return expander.decompress(data, max_output_size=max(limit, 1), allow_extra_data=False)
    except zstandard.ZstdError as error:
        if _expands_beyond(expander, data, limit):
            raise _too_much(limit) from error
        raise _refused(RULE_NOT_COMPRESSED, f"damaged zstd, or more than one frame: {error}") from error


def _expands_beyond(expander: zstandard.ZstdDecompressor, data: bytes, limit: int) -> bool:
    """Tell whether the first frame really holds more than ``limit`` bytes, reading no more than that."""
    try:
        with expander.stream_reader(data) as reader:
            return len(reader.read(limit + 1)) > limit
    except zstandard.ZstdError:
        return False


def _expand_gzip(data: bytes, limit: int) -> bytes:
    expander = zlib.decompressobj(_GZIP_WINDOW)
    try:
        expanded = expander.decompress(data, limit + 1)
    except zlib.error as error:
        raise _refused(RULE_NOT_COMPRESSED, f"damaged gzip: {error}") from error
    if len(expanded) > limit:
        raise _too_much(limit)
    if not expander.eof:
        raise _refused(RULE_NOT_COMPRESSED, "the gzip member is cut short")
    if expander.unused_data:
        raise _refused(RULE_NOT_COMPRESSED, "more than one gzip member, or bytes behind it")
    return expanded


def _too_much(limit: int) -> RecordRefusedError:
    return _refused(RULE_TOO_LARGE, f"it expands to more than {limit} bytes")


def _refused(rule: str, text: str) -> RecordRefusedError:
    return RecordRefusedError(
        "the compressed body is refused",
        (Problem(rule=rule, text=text),),
        action="send one zstd frame or gzip member within the limit",
    )


def _damaged(why: str) -> IntegrityError:
    return IntegrityError(
        "a stored record cannot be expanded", why=why, action="fetch it again from a neighbour that holds it"
    )
