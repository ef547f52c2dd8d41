"""Bytes that the doors keep (refused deliveries, answers): one zstd frame each, without the records' dictionary."""

from __future__ import annotations

from typing import Final

import zstandard

from node.standard.compression import expand_limited

STORED_BYTES_MAX: Final = 16 * 1024 * 1024
"""What one stored thing may expand to: far above what is ever stored, so that a damaged row cannot fill memory."""


def pressed(data: bytes) -> bytes:
    """Return the stored form of ``data``."""
    return zstandard.ZstdCompressor(level=3, write_content_size=True).compress(data)


def unpressed(data: bytes) -> bytes:
    """Return what ``pressed`` stored; raises RecordRefusedError when the row is damaged."""
    return expand_limited(bytes(data), STORED_BYTES_MAX)
