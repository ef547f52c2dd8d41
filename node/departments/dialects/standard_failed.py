"""The refused records of a ``standard`` delivery: the wrapper, in the same encoding, with only those records in it.

XML of the standard has no place for words of others, a comment included: what is wrong with a record is told elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from node.departments.dialects.csv_rows import UTF_8
from node.departments.dialects.standard import WRAPPER, RecordCutter
from node.standard.codec import NAMESPACE

if TYPE_CHECKING:
    from node.departments.dialects.failed_rows import Delivered, Refusals


def write_failed_standard(delivered: Delivered, refusals: Refusals, output: BinaryIO) -> int:
    """Write the refused records of a delivery of the dialect ``standard``, one a line; return how many.

    A piece that was cut at a limit is left out, and so is a delivery in which no record could be told at all.
    """
    cutter = RecordCutter(delivered.stream)
    if cutter.open() is not None:
        return 0
    encoding = cutter.encoding
    count = 0
    for number, candidate in enumerate(cutter.records(), start=1):
        if refusals.of_piece(number) is None or not candidate.complete:
            continue
        if not count:
            output.write(f'<?xml version="1.0" encoding="{encoding.upper()}"?>\n'.encode())
            output.write(f'<{WRAPPER} xmlns="{NAMESPACE}">\n'.encode())
        output.write(_encoded(candidate.kept(), encoding) + b"\n")
        count += 1
    output.write(f"</{WRAPPER}>\n".encode() if count else b"")
    return count


def _encoded(markup: bytes, encoding: str) -> bytes:
    """Return UTF-8 as the encoding of the delivery; bytes that were none come out as they came."""
    return markup if encoding == UTF_8 else markup.decode(UTF_8, "surrogatepass").encode(encoding, "surrogateescape")
