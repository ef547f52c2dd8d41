"""Deliveries damaged anywhere: a reader yields candidates and problems, and never falls over."""

from __future__ import annotations

import zipfile
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.departments.dialects import BUILT_IN, DialectOptions, read
from node.errors import UsageError
from tests.support.intake import generated

if TYPE_CHECKING:
    from node.demo.generator import GeneratedRecord

EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 60), st.binary(max_size=8)), min_size=1)
"""Places as a share of the delivery, bytes that go there, bytes that come instead."""
PARTS = ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels")
WRITTEN = [name for name, dialect in BUILT_IN.items() if dialect.writes is not None]


@cache
def delivery(dialect: str) -> bytes:
    writes = BUILT_IN[dialect].writes
    assert writes is not None
    return writes([record for record in generated(12) if carries(dialect, record)], DialectOptions())


def carries(dialect: str, record: GeneratedRecord) -> bool:
    """Tell whether a dialect has a place for such records."""
    writes = BUILT_IN[dialect].writes
    assert writes is not None
    try:
        return bool(writes([record], DialectOptions()))
    except UsageError:
        return False


def damaged(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for share, gone, come in edits:
        place = int(share * len(data))
        data = data[:place] + come + data[place + gone :]
    return data


def read_through(dialect: str, data: bytes) -> None:
    for candidate in read(dialect, BytesIO(data)):
        assert isinstance(candidate.kept(), bytes)
        assert candidate.problems or candidate.content is not None or candidate.markup is not None


@pytest.mark.parametrize("dialect", WRITTEN)
@given(edits=EDITS)
def test_damage_anywhere_is_a_problem_and_no_crash(dialect: str, edits: list[tuple[float, int, bytes]]) -> None:
    read_through(dialect, damaged(delivery(dialect), edits))


@pytest.mark.parametrize("part", PARTS)
@given(edits=EDITS)
def test_damage_within_a_part_of_a_spreadsheet_is_a_problem(part: str, edits: list[tuple[float, int, bytes]]) -> None:
    output = BytesIO()
    with zipfile.ZipFile(BytesIO(delivery("xlsx"))) as whole, zipfile.ZipFile(output, "w") as broken:
        for name in whole.namelist():
            broken.writestr(name, damaged(whole.read(name), edits) if name == part else whole.read(name))
    read_through("xlsx", output.getvalue())
