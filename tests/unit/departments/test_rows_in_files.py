"""Rows in JSON and text, and what is common to every form: each read with bounded memory, each kind of damage told."""

from __future__ import annotations

import io
import json
import tracemalloc
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.mapped import read_mapped
from node.departments.dialects.source_rows import ROW_BYTES_MAX
from tests.support.hall_deliveries import JSON, RIGHT, TEXT, XML, XML_ROW, read, said, told
from tests.support.mappings import CASE, HALL, hall

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("data", [XML, JSON, TEXT, f"\ufeff{TEXT}", f"\ufeff{JSON}", f"\ufeff{XML}", f"\n \n{JSON}"])
def test_the_first_character_tells_the_form(data: str) -> None:
    (candidate,) = read(data)
    assert candidate.problems == ()
    assert (candidate.record_type, candidate.row) == ("Conclusion", 1)
    assert (candidate.content or {})["CaseNo"] == CASE


@pytest.mark.parametrize("data", [XML, JSON, TEXT])
def test_a_row_is_kept_so_that_it_can_be_offered_again_by_itself(data: str) -> None:
    damaged = data.replace(">0<", ">8<").replace('"0"', '"8"').replace(",0\n", ",8\n")
    (refused,) = read(damaged)
    assert [problem.rule for problem in refused.problems] == ["code"]
    (again,) = read(refused.kept())
    assert [problem.rule for problem in again.problems] == ["code"]
    (right,) = read(refused.kept().replace(b">8<", b">0<").replace(b'"8"', b'"0"').replace(b",8\n", b",0\n"))
    assert right.problems == ()


@pytest.mark.parametrize("empty", ["", " \n\t\n", "\ufeff"])
def test_an_empty_delivery_is_refused(empty: str) -> None:
    assert told(empty) == [("empty", 1)]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("<hall></hall>", "empty"),
        ('<hall><table name="result"></table></hall>', "empty"),
        ("{}", "empty"),
        ('{"result": []}', "empty"),
        ("[]", "empty"),
        ("#table result\nno,task\n", "empty"),
    ],
)
def test_a_delivery_without_rows_is_refused(data: str, rule: str) -> None:
    assert [found for found, _ in told(data)] == [rule]


def test_a_form_that_the_mapping_does_not_read_is_refused() -> None:
    text = HALL.replace('"xml", "json", "csv"', '"xml"')
    assert told(JSON, text=text) == [("not-text", 1)]
    assert "the dialect hall reads xml" in said(JSON, text=text)
    assert told(XML, text=HALL.replace('"xml", "json", "csv"', '"csv"')) == [("not-text", 1)]


# ---- JSON


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"table": "result", "rows": [RIGHT]}),
        json.dumps({"RESULTS": [RIGHT], "accept": []}),
        json.dumps({"accept": [], "result": [RIGHT]}, indent=3),
    ],
)
def test_rows_in_json_are_grouped_by_table(data: str) -> None:
    (candidate,) = read(data)
    assert candidate.problems == ()


def test_a_list_of_rows_needs_a_table_from_elsewhere() -> None:
    data = json.dumps([RIGHT])
    (candidate,) = read(data, table="result")
    assert candidate.problems == ()
    assert told(data) == [("table", 1)]


def test_values_in_json_are_taken_as_they_are_written() -> None:
    row = {**RIGHT, "fee": 12.50, "result": 0, "step": 2, "text": None, "unit": None}
    text = json.dumps({"result": [row]}).replace("12.5", "12.50")
    (candidate,) = read(text)
    content = candidate.content or {}
    assert (content["FeeAmount"], content["ResultCode"], content["Sequence"], content["ResultText"]) == (
        "12.50",
        "GRANT",
        "2",
        "办结",
    )
    state = {"no": CASE, "state": True}
    assert "holds true" not in said(json.dumps({"accept": [state]}))
    assert told(json.dumps({"accept": [state]})) == [("condition", 1)]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ('{"no": "1", "no": "2"}', "doubled"),
        ('{"no": ["1"]}', "schema"),
        ('{"no": {"a": 1}}', "schema"),
        ('["1"]', "schema"),
        ("3", "schema"),
    ],
)
def test_what_is_wrong_with_a_row_in_json_costs_that_row(row: str, rule: str) -> None:
    data = f'{{"result": [{row},\n{json.dumps(RIGHT)}]}}'
    bad, right = read(data)
    assert [(problem.rule, problem.row, problem.line) for problem in bad.problems] == [(rule, 1, 1)]
    assert (right.problems, right.row, right.line) == ((), 2, 2)
    (again,) = read(bad.kept())
    assert [problem.rule for problem in again.problems] == [rule]


@pytest.mark.parametrize(
    ("data", "rule", "rows"),
    [
        ('{"result": 3}', "not-json", 0),
        ('{"result": [{"no": 1}', "half-written", 1),
        ('{"result": [{"no": "1', "half-written", 0),
        ('{"result": [{"no": 1} {"no": 2}]}', "not-json", 1),
        ('{"result": [{"no": NaN}]}', "not-json", 0),
        ('{"result": [{"no": tru}]}', "not-json", 0),
        ('{"result": [{no: 1}]}', "not-json", 0),
        ('{"result": []} x', "not-json", 0),
        ("{3: []}", "not-json", 0),
        ('{"result": [' + "[" * 100_000, "not-json", 0),
        ('{"result": [{"no": "' + "x" * (ROW_BYTES_MAX + 70_000) + '"}]}', "too-large", 0),
    ],
)
def test_json_that_breaks_off_is_told_and_the_rows_before_are_taken(data: str, rule: str, rows: int) -> None:
    candidates = read(data)
    assert len(candidates) == rows + 1
    assert [problem.rule for problem in candidates[-1].problems] == [rule]
    if rows:
        assert "what stands behind row 1 was not read" in candidates[-1].problems[0].text


def test_json_in_another_encoding_is_refused() -> None:
    assert [rule for rule, _ in told(JSON.encode("gb18030"))] == ["not-text"]


def test_a_row_may_be_longer_than_a_block() -> None:
    (candidate,) = read(json.dumps({"result": [{**RIGHT, "text": "字" * 100_000}]}, ensure_ascii=False))
    assert candidate.problems == ()


# ---- text


def test_the_table_of_a_text_is_told_by_the_caller_or_by_its_headings() -> None:
    body = TEXT.partition("\n")[2]
    assert read(body, table="result")[0].problems == ()
    assert read(body)[0].problems == ()
    assert told("no,task\n1,2\n") == [("table", 1)]
    assert "several tables have these headings" in said("no,task\n1,2\n")
    assert "no table has all of these headings" in said("no,colour\n1,2\n")
    assert "it has result, accept" in said(body, table="fees")


@pytest.mark.parametrize(
    ("data", "rule", "text"),
    [
        ("#table result\nno,no\n1,2\n", "headings", "headings stand twice: no"),
        ("#table result\nno,NO\n1,2\n", "headings", "headings stand twice: no"),
        (
            "#table result\nno,colour,size\n1,2,3\n",
            "headings",
            "unknown columns of result: colour, size; leave",
        ),
        ("#table result\nno,task\n1\n", "columns", "1 columns, the headings have 2"),
        ("#table result\nno,task\n1,2,3\n", "columns", "3 columns, the headings have 2"),
        ("#table result\nno,task\n1,2", "half-written", "the last line has no line end"),
        ('#table result\nno,task\n"1,2\n', "quotes", "a quote is not closed"),
        ("#table result\nno,task\n=1+1,2\n", "schema", "a formula stands where a value should be"),
        ("PK\x03\x04", "half-written", "the spreadsheet is damaged"),
        ("\0\0", "not-text", "this is not text in UTF-8 or GB18030"),
    ],
)
def test_what_is_wrong_with_a_text_is_told(data: str, rule: str, text: str) -> None:
    assert rule in [found for found, _ in told(data)]
    assert text in said(data)


def test_a_text_may_be_in_gb18030() -> None:
    (candidate,) = read(TEXT.encode("gb18030"))
    assert (candidate.content or {})["OrgName"] == "测试局"


# ---- any size


class Rows(io.RawIOBase):
    """A delivery that is made while it is read."""

    def __init__(self, head: str, row: Callable[[int], str], rows: int, tail: str) -> None:
        self._parts = iter([head, *[""]])
        self._row, self._rows, self._tail = row, rows, tail
        self._number = count(1)
        self._held = b""
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        while len(self._held) < size and not self._ended:
            self._held += self._next()
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def readline(self, size: int | None = -1, /) -> bytes:
        raise NotImplementedError

    def _next(self) -> bytes:
        if (part := next(self._parts, None)) is not None:
            return part.encode()
        numbers = [number for _, number in zip(range(100), self._number, strict=False) if number <= self._rows]
        if not numbers:
            self._ended = True
            return self._tail.encode()
        return "".join(self._row(number) for number in numbers).encode()


def delivery(form: str, rows: int) -> Rows:
    """Return a delivery of so many rows with numbers of their own."""
    if form == "xml":
        head, tail = '<hall><table name="result">\n', "</table></hall>"
        return Rows(head, lambda n: XML_ROW.replace(CASE, f"N{n}") + "\n", rows, tail)
    if form == "json":
        line = json.dumps(RIGHT, ensure_ascii=False)
        return Rows(
            '{"result": [\n', lambda n: (", " if n > 1 else "") + line.replace(CASE, f"N{n}") + "\n", rows, "]}"
        )
    line = ",".join(RIGHT.values())
    return Rows(TEXT.rpartition(line)[0], lambda n: line.replace(CASE, f"N{n}") + "\n", rows, "")


@pytest.mark.parametrize("form", ["xml", "json", "csv"])
def test_memory_does_not_grow_with_the_number_of_rows(form: str) -> None:
    mapping = hall(HALL.replace('[shared]\nkey = "no"\nelements = ["OrgCode", "OrgName"]\n', ""))
    tracemalloc.start()
    try:
        stream: Any = delivery(form, 8_000)
        candidates = read_mapped(mapping, stream, DialectOptions())
        taken = sum(1 for candidate in candidates if not candidate.problems)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken == 8_000
    # The delivery has some 2 MB; a megabyte of it is looked at to tell the encoding of a text.
    assert peak < 5_000_000
