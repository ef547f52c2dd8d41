"""Rows in XML, JSON and text: each form read with bounded memory, each kind of damage told, and written back."""

from __future__ import annotations

import io
import json
import tracemalloc
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects import Dialects
from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.mapped import dialect_of, read_mapped, source_rows, write_mapped
from node.departments.dialects.source_rows import ROW_BYTES_MAX, SourceRow
from node.errors import UsageError
from tests.support.mappings import CASE, HALL, hall, result_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.departments.candidates import Candidate

RIGHT = dict(result_row().values)
XML_ROW = "<row>" + "".join(f"<{name}>{text}</{name}>" for name, text in RIGHT.items()) + "</row>"
XML = f'<hall><table name="result">{XML_ROW}</table></hall>'
JSON = json.dumps({"result": [RIGHT]}, ensure_ascii=False)
TEXT = f"#table result\n{','.join(RIGHT)}\n{','.join(RIGHT.values())}\n"
FIXED = {"AcceptanceState": "1", "StatutoryLimitUnit": "G", "ProjectType": "2"}
FIELDS = HALL.replace(
    'table = "table"\nname = "name"\nrow = "row"',
    'name = "process"\nrow = "info"\nfield = "Field"\nfield_name = "FieldName"',
)


def read(data: str | bytes, *, table: str = "", text: str = HALL) -> list[Candidate]:
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return list(read_mapped(hall(text), stream, DialectOptions(table=table, system="land")))


def told(data: str | bytes, *, table: str = "", text: str = HALL) -> list[tuple[str, int | None]]:
    """Return rule and line of every problem."""
    return [(one.rule, one.line) for candidate in read(data, table=table, text=text) for one in candidate.problems]


def said(data: str | bytes, *, table: str = "", text: str = HALL) -> str:
    return " / ".join(one.text for candidate in read(data, table=table, text=text) for one in candidate.problems)


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


# ---- XML


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


# ---- the way back


def test_records_go_out_in_each_form_and_come_back() -> None:
    mapping = hall()
    records = [candidate for candidate in read(JSON) if not candidate.problems]
    for form in mapping.reads:
        data = write_mapped(mapping, _written(records), DialectOptions(), form=form)
        assert [one.content for one in read(data)] == [one.content for one in records], form
    assert write_mapped(mapping, _written(records), DialectOptions()).startswith(b"<?xml")


def test_records_of_one_case_go_into_one_row_as_they_came() -> None:
    mapping = hall()
    row = {"no": CASE, "task": "XK1", "org": "11369902GE0000032F", "org_name": "测试局", "officer": "测试甲"}
    times = {"at": "2026-11-3 9:12:00", "asked_at": "2026-11-2 9:00:00"}
    more = {"state": "2", "days": "20", "missing": "申请书^1", "promised": "2026-11-30", "deemed": "否"}
    records = read(json.dumps({"accept": [{**row, **times, **more}]}))
    assert [one.problems for one in records] == [(), ()]
    written = json.loads(write_mapped(mapping, _written(records), DialectOptions(), form="json"))
    assert len(written["accept"]) == 1
    assert written["accept"][0]["missing"] == "申请书^1^0^1"
    assert (written["accept"][0]["state"], written["accept"][0]["deemed"]) == ("2", "否")
    assert [one.content for one in read(json.dumps(written))] == [one.content for one in records]
    # Two acceptances of one case, or one by another officer, are two rows.
    twice = json.loads(write_mapped(mapping, _written([*records, records[1]]), DialectOptions(), form="json"))
    assert len(twice["accept"]) == 2
    other = dict(records[1].content or {}, HandleUserName="测试乙", Actor={"Name": "测试乙"})
    apart = [Out("SupplementNotice", records[0].content or {}), Out("Acceptance", other)]
    assert len(json.loads(write_mapped(mapping, apart, DialectOptions(), form="json"))["accept"]) == 2


class Out:
    """A record going out."""

    def __init__(self, record_type: str, content: Any) -> None:
        self._record_type = record_type
        self._content = dict(content)

    @property
    def record_type(self) -> str:
        return self._record_type

    @property
    def content(self) -> dict[str, Any]:
        return self._content


def _written(candidates: list[Candidate]) -> list[Out]:
    return [Out(one.record_type, one.content or {}) for one in candidates]


@pytest.mark.parametrize(
    ("record_type", "changed", "said"),
    [
        ("Fee", {}, "cannot carry Fee no table of it holds such records"),
        ("Acceptance", {**FIXED, "ProjectType": "1"}, "holds such records with ProjectType 1"),
        ("Conclusion", {"ResultCode": "RETURN"}, "name the variant behind @ in the dialect's name: north, south"),
        ("Acceptance", {**FIXED, "Actor": {"Name": "测试乙"}}, "officer of hall would hold two values"),
        ("Conclusion", {"ResultText": "=1+1"}, "begins with = or a blank"),
        ("Conclusion", {"ResultText": " 办结"}, "begins with = or a blank"),
        ("SupplementNotice", {"MaterialItem": [{"MaterialName": "甲|乙"}]}, "a mark that stands between items"),
    ],
)
def test_what_cannot_go_out_is_refused_rather_than_changed(
    record_type: str, changed: dict[str, object], said: str
) -> None:
    (right,) = read(JSON)
    with pytest.raises(UsageError) as caught:
        write_mapped(hall(), [Out(record_type, {**(right.content or {}), **changed})], DialectOptions())
    assert said in f"{caught.value.what} {caught.value.why} {caught.value.action}"


def test_a_text_holds_one_table() -> None:
    (right,) = read(JSON)
    records = [Out("Conclusion", right.content), Out("SupplementNotice", {**(right.content or {}), "Reason": "少"})]
    with pytest.raises(UsageError, match="cannot be written as one csv file"):
        write_mapped(hall(), records, DialectOptions(), form="csv")
    with pytest.raises(UsageError, match="cannot be written as one ods file"):
        write_mapped(hall(), records[:1], DialectOptions(), form="ods")


def test_a_foreign_number_goes_out_as_it_came() -> None:
    (candidate,) = read(JSON.replace(CASE, "29-FOREIGN"))
    assert (candidate.content or {})["OrigCaseNo"] == "29-FOREIGN"
    out = Out("Conclusion", {**(candidate.content or {}), "CaseNo": CASE})
    assert b"29-FOREIGN" in write_mapped(hall(), [out], DialectOptions(), form="json")


# ---- as a dialect


def test_a_mapping_makes_a_dialect() -> None:
    dialect = dialect_of(hall())
    assert (dialect.name, dialect.label, dialect.kind, dialect.variants) == ("hall", "大厅", "rows", ("north", "south"))
    assert dialect.endings == (".xml", ".json", ".csv")
    assert dialect.recognises is not None
    assert dialect.recognises("a.xml", b"<?xml version='1.0'?>\n<hall>")
    assert dialect.recognises("a.xml", b"<hall>")
    assert not dialect.recognises("a.xml", b"<halls>")
    assert not dialect.recognises("a.json", b"{")
    assert dialect.tables is not None
    (conclusion, *_) = dialect.tables()
    codes = {column.element: column.codes for column in conclusion.columns}["ResultCode"]
    assert ("1", "不予许可") in codes
    sources = {column.element: column.source for column in conclusion.columns}
    assert sources["OrgName"] == "org_name | department"
    assert sources["DataVersion"] == "= 1"
    assert sources["Sequence"] == "step; digest of row_id; else 1"
    assert any(loss.english.startswith("Conclusion: ") for loss in dialect.cannot_carry)


def test_a_site_s_mapping_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "hall.toml").write_text(HALL, encoding="utf-8")
    dialects = Dialects(folder=tmp_path)
    assert dialects.find("hall").site
    (candidate,) = dialects.read("hall@north", io.BytesIO(JSON.replace('"0"', '"1"').encode()))
    assert (candidate.content or {})["ResultCode"] == "DENY"
    with pytest.raises(UsageError, match="has no variant"):
        dialects.find("hall@east")
