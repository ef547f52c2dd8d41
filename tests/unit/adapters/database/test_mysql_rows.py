"""Rows of MariaDB are taken apart as the driver does it, or left to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.connections import MySQLResult
from pymysql.protocol import MysqlPacket

from adapters.database.mysql_rows import QuickConnection, values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS: dict[str, tuple[str | None, Any]] = {"text": ("utf8", None), "bytes": (None, None), "number": ("ascii", int)}


def driver(data: bytes, converters: Sequence[tuple[str | None, Any]]) -> tuple[Any, ...]:
    """Return what the driver makes of a row."""
    result = MySQLResult(None)
    result.converters = converters
    row: tuple[Any, ...] = result._read_row_from_packet(MysqlPacket(data, "utf8"))
    return row


def written(value: bytes | None) -> bytes:
    """Return a value as the server writes it (MySQL protocol, length-encoded strings)."""
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 0xFB:
        return bytes([size]) + value
    marker, width = (b"\xfc", 2) if size < 2**16 else (b"\xfd", 3) if size < 2**24 else (b"\xfe", 8)
    return marker + size.to_bytes(width, "little") + value


CELLS = st.one_of(
    st.tuples(st.just("text"), st.none() | st.text(max_size=400).map(str.encode)),
    st.tuples(st.just("bytes"), st.none() | st.binary(max_size=400)),
    st.tuples(st.just("number"), st.none() | st.integers().map(lambda number: str(number).encode())),
)


@given(st.lists(CELLS, max_size=20))
def test_rows_are_what_the_driver_makes_of_them(cells: list[tuple[str, bytes | None]]) -> None:
    converters = [COLUMNS[name] for name, _ in cells]
    data = b"".join(written(value) for _, value in cells)
    assert values_of(data, converters) == driver(data, converters)


@pytest.mark.parametrize("size", [0xFA, 0xFB, 0xFFFF])
def test_every_length_of_one_or_two_bytes_is_read_here(size: int) -> None:
    data = written(b"x" * size)
    assert values_of(data, [COLUMNS["text"]]) == ("x" * size,) == driver(data, [COLUMNS["text"]])


@pytest.mark.parametrize(
    "data",
    [
        written(b"x" * 2**16),
        b"\xfe" + (3).to_bytes(8, "little") + b"abc",
        b"\xff",
        b"",
        b"\x05abc",
        b"\xfc\x05",
        written(b"abc") + b"more",
    ],
    ids=["three", "eight", "error", "nothing", "short", "half", "more"],
)
def test_what_is_not_usual_is_left_to_the_driver(data: bytes) -> None:
    assert values_of(data, [COLUMNS["text"]]) is None


def test_the_driver_still_asks_where_we_answer() -> None:
    # Both are the driver's own affair: another version of it may take another way, and this would do nothing.
    assert "_read_query_result" in vars(QuickConnection.__base__)
    assert "_read_row_from_packet" in vars(MySQLResult)
