"""Rows in XML: fields, encodings, what stands around rows, and each kind of damage."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.mapped import source_rows
from node.departments.dialects.source_rows import ROW_BYTES_MAX, SourceRow
from tests.support.hall_deliveries import RIGHT, XML, XML_ROW, read, told
from tests.support.mappings import HALL, hall

FIELDS = HALL.replace(
    'table = "table"\nname = "name"\nrow = "row"',
    'name = "process"\nrow = "info"\nfield = "Field"\nfield_name = "FieldName"',
)


def test_columns_may_be_fields_with_names() -> None:
    row = "".join(f'<Field FieldName="{name}">{text}</Field>' for name, text in RIGHT.items())
    data = f"""<?xml version='1.0' encoding='utf-8'?>
<!-- from the hall --><hall><info process="result">{row}</info>
<info process="fees"><Field FieldName="no">1</Field></info></hall>"""
    first, second = read(data, text=FIELDS)
    assert (first.problems, first.line) == ((), 2)
    assert [problem.rule for problem in second.problems] == ["table"]


@pytest.mark.parametrize(
    ("row", "rule", "text"),
    [
        ('<info process="result"><Feld FieldName="no">1</Feld></info>', "schema", "an element Feld does not stand in"),
        ('<info process="result"><Field>1</Field></info>', "schema", "a Field has no FieldName"),
        ('<info process="result"><Field FieldName="no"><b/></Field></info>', "schema", "a column holds elements"),
        (
            '<info process="result"><Field FieldName="no"/><Field FieldName="no"/></info>',
            "doubled",
            "no",
        ),
        ('<info process="result"><Field FieldName="no">1</info>', "not-xml", "not well-formed"),
        ('<info process="result"><Field FieldName="no">&x;</Field></info>', "not-xml", "not well-formed"),
        ('<info process="result"/>', "key", "the column no is empty"),
        ("<info/>", "table", "does not say which table"),
    ],
)
def test_what_is_wrong_with_a_row_in_xml_costs_that_row(row: str, rule: str, text: str) -> None:
    good = "".join(f'<Field FieldName="{name}">{value}</Field>' for name, value in RIGHT.items())
    data = f'<hall>{row}\n<info process="result">{good}</info></hall>'
    bad, right = read(data, text=FIELDS)
    assert [problem.rule for problem in bad.problems] == [rule]
    assert text in bad.problems[0].text
    assert right.problems == ()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (f"<!DOCTYPE x [<!ENTITY y 'z'>]>\n{XML}", [("forbidden", 1)]),
        (f"<hall><x/>{XML_ROW}</hall>", [("not-xml", 1)]),
        (f"<hall>loose {XML_ROW}</hall>", [("not-xml", 1)]),
        (f"<hall><![CDATA[x]]><table name='result'>{XML_ROW}</table></hall>", [("forbidden", 1)]),
        (f"<hall><!-- no end {XML_ROW}</hall>", [("not-xml", 1)]),
        (f'<hall><table name="result">{XML_ROW}</table></hall></hall>', [("not-xml", 1)]),
        (f'<hall><table name="result">{XML_ROW}', [("half-written", 1)]),
        (f'<hall>\n<table name="result">{XML_ROW[:-6]}', [("half-written", 2)]),
        (f'<hall><table name="result">{XML_ROW[:-6]}{XML_ROW}</table></hall>', [("not-xml", 1)]),
        (f'<hall><table name="result"><row>{"x" * ROW_BYTES_MAX}x', [("too-large", 1)]),
        (f"<?xml version='1.0' encoding='utf-16'?>{XML}", [("not-text", 1)]),
        (XML.encode("utf-16"), [("not-text", 1)]),
    ],
)
def test_what_stands_around_rows_in_xml_is_looked_at(data: str | bytes, expected: list[tuple[str, int]]) -> None:
    found = told(data)
    # A row that follows something wrong may have lost the table it stands in; that is told as well.
    assert [one for one in found if one[0] != "table"] == expected


def test_endless_rubbish_is_not_read_to_its_end() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b"x" * size

    stream = Endless()
    whole: Any = _Head(b"<hall>", stream)
    first = next(iter(source_rows(hall(), io.BufferedReader(whole), DialectOptions())))
    assert not isinstance(first, SourceRow)
    assert first.problems[0].rule == "not-xml"
    assert stream.taken < 4 * ROW_BYTES_MAX


class _Head(io.RawIOBase):
    def __init__(self, head: bytes, rest: io.RawIOBase) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._head or self._rest.read(len(buffer)) or b""
        self._head = b""
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "GB2312"])
def test_xml_may_be_in_the_encodings_of_china(encoding: str) -> None:
    data = f"<?xml version='1.0' encoding='{encoding}'?>{XML}".encode("gb18030")
    (candidate,) = read(data)
    assert (candidate.content or {})["OrgName"] == "测试局"


def test_the_wrong_encoding_refuses_the_row() -> None:
    assert told(XML.encode("gb18030")) == [("not-utf8", 1)]
    row, rest = told(f"<?xml version='1.0' encoding='gbk'?>{XML}".encode() + b"\xff")
    assert (row[0], rest[0]) == ("not-utf8", "not-xml")


def test_a_row_has_a_number_of_columns() -> None:
    cells = "".join(f"<c{number}/>" for number in range(401))
    assert told(f'<hall><table name="result"><row>{cells}</row></table></hall>') == [("too-large", 1)]
    assert told(json.dumps({"result": [{f"c{number}": "" for number in range(401)}]})) == [("too-large", 1)]
    assert told("#table result\n" + ",".join(f"c{number}" for number in range(401)) + "\n")[-1] == ("headings", 1)
