"""Whatever comes, readers of rows yield candidates: nothing raises, nothing is lost, and what is kept is read again."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from node.departments.candidates import Candidate
from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.mapped import read_mapped, source_rows, write_mapped
from node.departments.dialects.mapping_loading import built_in_mapping
from tests.support.mappings import hall, result_row

if TYPE_CHECKING:
    from node.departments.dialects.mapping_file import MappingFile

HALL = hall()
MAPPINGS = st.sampled_from([HALL, built_in_mapping("exinfo"), built_in_mapping("up")])
RIGHT = dict(result_row().values)
CELLS = st.text(max_size=12) | st.sampled_from(["", "0", "１", "=1", "2026-11-3 9:12:00", "甲|乙^1", "\ud800", "]]>&<"])
XML_PIECES = st.sampled_from(
    [
        "<hall>",
        "</hall>",
        "<ExInfo>",
        "<table name='result'>",
        "</table>",
        "<row>",
        "</row>",
        "<row/>",
        "<no>1</no>",
        "<!-- x -->",
        "<!--",
        "<![CDATA[x]]>",
        "<?xml version='1.0' encoding='gbk'?>",
        "<!DOCTYPE x>",
        "&amp;&x;",
        "\ufeff",
        "文字",
        "<standardInfo process='EX_GDBS_BJ'>",
        "</standardInfo>",
        "<Field FieldName='SBLSH'>1</Field>",
    ]
)
JSON_PIECES = st.sampled_from(
    [*list('{}[],:" \\'), '"result"', '"rows"', '"table"', "1", "null", "true", "NaN", '"\\ud800"']
)
TEXT_PIECES = st.sampled_from(["#table result\n", "no", "task", ",", "\n", '"', "\t", "=", "1", "\r", "\0", "字"])


def read_again(mapping: MappingFile, data: bytes) -> list[Candidate]:
    """Return the candidates of a delivery; what is kept of each must be readable too."""
    candidates = list(read_mapped(mapping, io.BytesIO(data), DialectOptions(table="", system="land")))
    assert candidates, "something has to be said of every delivery"
    for candidate in candidates:
        assert candidate.problems or candidate.content
        again = list(read_mapped(mapping, io.BytesIO(candidate.kept()), DialectOptions(system="land")))
        assert again
    return candidates


@given(MAPPINGS, st.binary(max_size=200))
def test_any_bytes_are_read(mapping: MappingFile, data: bytes) -> None:
    read_again(mapping, data)


@given(MAPPINGS, st.lists(XML_PIECES, max_size=12))
def test_any_pieces_of_xml_are_read(mapping: MappingFile, pieces: list[str]) -> None:
    read_again(mapping, "".join(pieces).encode())


@given(st.lists(JSON_PIECES, max_size=20), st.sampled_from(["{", "["]))
def test_any_pieces_of_json_are_read(pieces: list[str], begin: str) -> None:
    read_again(HALL, (begin + "".join(pieces)).encode())


@given(st.lists(TEXT_PIECES, max_size=20))
def test_any_pieces_of_text_are_read(pieces: list[str]) -> None:
    read_again(HALL, "".join(pieces).encode())


@given(st.dictionaries(st.sampled_from(list(RIGHT)), CELLS))
def test_any_value_is_a_record_or_a_problem(changed: dict[str, str]) -> None:
    data = json.dumps({"result": [{**RIGHT, **changed}]}).encode()
    (candidate,) = read_again(HALL, data)
    assert (candidate.row, candidate.line) == (1, 1)


@given(st.dictionaries(st.sampled_from(["no", "text", "officer"]), st.text(min_size=1, max_size=30)))
def test_any_text_that_goes_out_comes_back(changed: dict[str, str]) -> None:
    row = {**RIGHT, **changed}
    (candidate,) = read_again(HALL, json.dumps({"result": [row]}).encode())
    if candidate.problems:
        return

    class Out:
        record_type = candidate.record_type
        content = candidate.content or {}

    for form in ("xml", "json", "csv"):
        data = write_mapped(HALL, [Out()], DialectOptions(), form=form)
        rows = list(source_rows(HALL, io.BytesIO(data), DialectOptions()))
        if any(isinstance(one, Candidate) or one.problems for one in rows):
            continue  # A control character that the form cannot hold is told when it is read.
        back = list(read_mapped(HALL, io.BytesIO(data), DialectOptions(system="land")))
        assert [(one.content, one.problems) for one in back] == [(candidate.content, ())]
