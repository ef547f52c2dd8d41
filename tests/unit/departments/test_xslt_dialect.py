"""XSLT dialects: a site's stylesheet sees nothing but the case, and what goes wrong costs that case or record."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from node.departments.candidates import WHOLE_BYTES_MAX
from node.departments.dialects import DialectOptions, Dialects, xml_cases, xslt, xslt_transformation
from node.errors import ConfigurationError, UsageError
from tests.support.intake import generated, intake_on, offer

if TYPE_CHECKING:
    from pathlib import Path

    from node.departments.candidates import Candidate
    from node.journal.store import Store

HEAD = (
    '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns="urn:yizhan:standard:1" '
    'xmlns:y="urn:yizhan:dialect:1" xmlns:exsl="http://exslt.org/common" xmlns:f="http://exslt.org/functions" '
    'extension-element-prefixes="exsl f" '
    'exclude-result-prefixes="y" {own}>'
)
TAIL = "</xsl:stylesheet>"
FEE = (
    '<Fee y:line="{y:line(.)}"><CaseNo><xsl:value-of select="no"/></CaseNo>'
    '<EventTime><xsl:value-of select="y:time(at)"/></EventTime>'
    '<Payer><xsl:value-of select="payer"/></Payer><FeeState><xsl:value-of select="$variant"/></FeeState></Fee>'
)
PER_CASE = (
    '<xsl:param name="variant"/><xsl:template match="/case">'
    f'<Records><xsl:for-each select="fee">{FEE}</xsl:for-each></Records></xsl:template>'
)
ENDLESS = (
    '<xsl:template match="/"><xsl:call-template name="a"/></xsl:template><xsl:template name="a">'
    '<xsl:call-template name="a"/></xsl:template>'
)
TWICE = (
    '<xsl:template match="/"><xsl:call-template name="a"><xsl:with-param name="n" select="0"/></xsl:call-template>'
    '</xsl:template><xsl:template name="a"><xsl:param name="n"/><xsl:if test="$n &lt; 100">'
    + 2 * '<xsl:call-template name="a"><xsl:with-param name="n" select="$n + 1"/></xsl:call-template>'
    + "</xsl:if></xsl:template>"
)
"""At most a hundred templates deep, and never at its end."""
ROUNDS = (
    '<xsl:template match="/"><xsl:for-each select="//fee"><xsl:for-each select="//fee"/></xsl:for-each></xsl:template>'
)
FUNCTION = (
    '<f:function name="m:f" xmlns:m="urn:m"><xsl:param name="n"/><xsl:choose>'
    '<xsl:when test="$n &lt; 100"><f:result select="m:f($n + 1) + m:f($n + 1)"/></xsl:when>'
    '<xsl:otherwise><f:result select="1"/></xsl:otherwise></xsl:choose></f:function>'
    '<xsl:template match="/"><xsl:value-of select="m:f(1)" xmlns:m="urn:m"/></xsl:template>'
)


def sheet(body: str, own: str = "") -> str:
    return HEAD.format(own=own) + body + TAIL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir()
    return folder


def read(folder: Path, data: bytes, *, stylesheet: str = PER_CASE, own: str = "") -> list[Candidate]:
    (folder / "hall.xsl").write_text(sheet(stylesheet, own), encoding="utf-8")
    return list(Dialects(folder=folder).read("hall", BytesIO(data), DialectOptions(system="land")))


def told(folder: Path, data: bytes, **options: str) -> tuple[str, str]:
    candidate = read(folder, data, **options)[-1]
    return candidate.problems[0].rule, candidate.problems[0].text


def test_a_document_becomes_records_with_the_lines_of_the_delivery(folder: Path) -> None:
    data = b"<case>\n<fee><no>A1</no><at>2026/11/3 9:12</at></fee>\n\n<fee><no> A2 </no><at>soon</at></fee>\n</case>"
    first, second = read(folder, data)
    assert first.content == {"CaseNo": "A1", "EventTime": "2026-11-03T09:12:00+08:00"}
    # What no function can make sense of is left for the standard to refuse.
    assert second.content == {"CaseNo": "A2", "EventTime": "soon"}
    assert (first.record_type, first.line, second.line) == ("Fee", 2, 4)


def test_a_dialect_says_of_itself_what_it_is(folder: Path) -> None:
    (folder / "hall.xsl").write_text(sheet(PER_CASE, 'y:label="大厅" y:english="hall" y:variants="old new"'))
    found = Dialects(folder=folder).find("hall@new")
    assert (found.label, found.english, found.kind, found.variants) == ("大厅", "hall", "xslt", ("old", "new"))
    (candidate,) = Dialects(folder=folder).read("hall@new", BytesIO(b"<case><fee/></case>"))
    assert candidate.content == {"FeeState": "new"}
    (folder / "hall.xsl").write_text(sheet(PER_CASE))
    assert (Dialects(folder=folder).find("hall").label, Dialects(folder=folder).find("hall").writes) == ("hall", None)


def test_elements_that_stand_twice_are_lists_and_empty_ones_are_left_out(folder: Path) -> None:
    body = (
        '<xsl:template match="/"><Records><Application><Remark/><MaterialItem><MaterialName>x</MaterialName>'
        "<Count></Count></MaterialItem><Actor><Name> y </Name></Actor></Application><Fee><Payer>a</Payer>"
        "<Payer>b</Payer></Fee></Records></xsl:template>"
    )
    first, second = read(folder, b"<x/>", stylesheet=body)
    assert first.content == {"MaterialItem": [{"MaterialName": "x"}], "Actor": {"Name": "y"}}
    assert second.content == {"Payer": ["a", "b"]}


def test_a_large_delivery_is_cut_into_cases_that_are_read_one_by_one(folder: Path) -> None:
    count = 3000
    cases = "".join(f"<case><fee><no>A{number}</no><at>{'x' * 200}</at></fee></case>\n" for number in range(count))
    data = f"<cases>\n{cases}</cases>".encode()
    assert len(data) > 10 * xml_cases.BLOCK_BYTES
    came = read(folder, data, own='y:each="case"')
    assert [came[0].line, came[-1].line, len(came)] == [2, count + 1, count]
    assert came[-1].content == {"CaseNo": f"A{count - 1}", "EventTime": "x" * 200}


def test_a_case_within_a_case_belongs_to_the_outer_one(folder: Path) -> None:
    data = b"<case><fee><no>A1</no></fee><case><fee><no>A2</no></fee></case></case>"
    (candidate,) = read(folder, data, own='y:each="case"')
    assert candidate.content == {"CaseNo": "A1"}


def test_gb18030_is_read_where_the_declaration_says_so(folder: Path) -> None:
    data = '<?xml version="1.0" encoding="GB18030"?><case><fee><payer>测试</payer></fee></case>'.encode("gb18030")
    assert read(folder, data)[0].content == {"Payer": "测试"}


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<cases/>", "empty"),
        (b"no xml", "not-xml"),
        (b"<cases><case></cases>", "not-xml"),
        (b"<cases><case>", "half-written"),
        (b"\xff\xfe<\0c\0", "not-text"),
        ("<case>测试</case>".encode("gb18030"), "not-text"),
        (b"<!DOCTYPE case [<!ENTITY a 'b'>]><case>&a;</case>", "forbidden"),
        (b"<!-- " + b"x" * 70_000 + b" --><!DOCTYPE case><case/>", "forbidden"),
        (b"<case>" + b"<a>" * 40, "too-deep"),
    ],
)
def test_what_cannot_be_read_is_told(folder: Path, data: bytes, rule: str) -> None:
    assert told(folder, data, own='y:each="case"')[0] == rule


def test_cases_before_a_mistake_are_taken(folder: Path) -> None:
    padding = b"<!-- " + b"x" * xml_cases.BLOCK_BYTES + b" -->"
    data = b"<cases><case><fee><no>A1</no></fee></case>" + padding + b"<case></cases>"
    first, second = read(folder, data, own='y:each="case"')
    assert (first.content, second.problems[0].rule) == ({"CaseNo": "A1"}, "not-xml")


def test_an_endless_case_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_cases, "CASE_BYTES_MAX", 1000)
    (candidate,) = read(folder, b"<case>" + b"<fee/>" * 40_000 + b"</case>")
    assert (candidate.problems[0].rule, candidate.complete) == ("too-large", True)
    (candidate,) = read(folder, b"<case>" + b"x" * (2 * WHOLE_BYTES_MAX))
    assert len(candidate.kept()) < WHOLE_BYTES_MAX


def test_more_records_than_a_case_may_have_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xslt, "CASE_RECORDS_MAX", 2)
    assert len(read(folder, b"<case><fee/><fee/></case>")) == 2
    assert told(folder, b"<case><fee/><fee/><fee/></case>")[0] == "too-large"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<xsl:template match="/"><xsl:message terminate="yes">no\n hall</xsl:message></xsl:template>', "stopped"),
        (ENDLESS, "stopped"),
        ('<xsl:template match="/"><other/></xsl:template>', "no Records"),
        ('<xsl:template match="/">text</xsl:template>', "no Records"),
        ('<xsl:template match="/"><Records/></xsl:template>', "no record"),
        ('<xsl:template match="/"><Records><x xmlns="urn:x"/></Records></xsl:template>', "not in urn:yizhan"),
    ],
)  # fmt: skip
def test_a_stylesheet_that_stops_or_gives_no_records_is_told(folder: Path, body: str, said: str) -> None:
    rule, text = told(folder, b"<case/>", stylesheet=body)
    assert (rule, said in text) == ("stylesheet", True), text


def test_what_a_stylesheet_says_of_a_case_is_not_repeated(folder: Path) -> None:
    body = (
        '<xsl:template match="/"><xsl:message terminate="yes"><xsl:value-of select="."/></xsl:message></xsl:template>'
    )
    rule, text = told(folder, b"<case>somebody</case>", stylesheet=body)
    assert (rule, "somebody" in text) == ("stylesheet", False)


@pytest.mark.parametrize(
    "select", ["document('{path}')", "document('')", "document('http://127.0.0.1:1/x')", "document('/etc/hostname')"]
)
def test_a_stylesheet_reads_nothing_but_the_case(folder: Path, select: str) -> None:
    secret = folder / "secret.xml"
    secret.write_text("<case><fee><no>secret</no></fee></case>")
    body = (
        f'<xsl:template match="/"><Records><Fee><Payer>a<xsl:value-of select="{select.format(path=secret.as_uri())}"/>'
        "</Payer></Fee></Records></xsl:template>"
    )
    with pytest.raises(ConfigurationError, match=r"line 1: document\(\) reads another document") as refused:
        read(folder, b"<case/>", stylesheet=body)
    assert "put what is looked up into a variable" in refused.value.why


def test_a_document_that_is_named_in_secret_is_not_read_either(folder: Path) -> None:
    secret = folder / "secret.xml"
    secret.write_text("<case>secret</case>")
    call = f"dyn:evaluate(concat('docu', 'ment(', $q, '{secret.as_uri()}', $q, ')'))"
    body = (
        '<xsl:param name="q">"</xsl:param><xsl:template match="/" xmlns:dyn="http://exslt.org/dynamic">'
        f'<Records><Fee><Payer>a<xsl:value-of select="{call}"/></Payer></Fee></Records></xsl:template>'
    )
    came = read(folder, b"<case/>", stylesheet=body)
    assert came
    assert not any("secret" in str(one.content) for one in came)


def test_a_word_that_only_looks_like_a_document_is_allowed(folder: Path) -> None:
    body = PER_CASE.replace('select="payer"', "select=\"concat('document(1)', payer)\"")
    (one,) = read(folder, b"<case><fee><payer>x</payer></fee></case>", stylesheet=body)
    assert (one.content or {})["Payer"] == "document(1)x"


@pytest.mark.parametrize("kind", ["import", "include"])
def test_another_stylesheet_is_refused_in_words_of_ours(folder: Path, kind: str) -> None:
    (folder / "hall.xsl").write_text(sheet(f'\n<xsl:{kind} href="other.xsl"/>' + PER_CASE))
    with pytest.raises(ConfigurationError) as refused:
        Dialects(folder=folder).find("hall")
    assert refused.value.why == f"line 2: xsl:{kind} reads another stylesheet: copy what it holds into this one"


@pytest.mark.parametrize("loop", [TWICE, ROUNDS, FUNCTION])
def test_a_stylesheet_that_goes_on_for_ever_is_stopped(folder: Path, loop: str) -> None:
    rule, text = told(folder, b"<case>" + b"<fee/>" * 1200 + b"</case>", stylesheet=loop)
    assert (rule, text) == (
        "stylesheet",
        "the stylesheet of hall was stopped at this case after 1000000 steps; look for a loop in it",
    )


def test_a_stylesheet_that_takes_too_long_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xslt_transformation, "SECONDS_MAX", 0.05)
    _, text = told(folder, b"<case/>", stylesheet=TWICE)
    assert "stopped at this case after 0.05 seconds" in text


def test_after_some_cases_a_looping_stylesheet_is_not_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xslt_transformation, "STEPS_MAX", 100)
    delivery = b"<cases>" + b"<case/>" * 5 + b"</cases>"
    texts = [one.problems[0].text for one in read(folder, delivery, stylesheet=TWICE, own='y:each="case"')]
    assert ["after 100 steps" in text for text in texts] == [True, True, True, False, False]
    assert "was stopped at 3 cases of this delivery: this one was not tried" in texts[-1]
    # The next delivery begins anew.
    assert len(read(folder, b"<case><fee><no>A1</no></fee></case>")) == 1


def test_parameters_and_sorting_stay_first(folder: Path) -> None:
    body = (
        '<xsl:template match="/case"><Records><xsl:for-each select="fee"><xsl:sort select="no" order="descending"/>'
        '<xsl:call-template name="fee"><xsl:with-param name="no" select="no"/></xsl:call-template></xsl:for-each>'
        '</Records></xsl:template><xsl:template name="fee"><xsl:param name="no"/>'
        '<Fee><CaseNo><xsl:value-of select="$no"/></CaseNo></Fee></xsl:template>'
    )
    came = read(folder, b"<case><fee><no>A1</no></fee><fee><no>A2</no></fee></case>", stylesheet=body)
    assert [one.content for one in came] == [{"CaseNo": "A2"}, {"CaseNo": "A1"}]


def test_a_stylesheet_writes_nothing(folder: Path) -> None:
    target = folder / "written.xml"
    body = (
        f'<xsl:template match="/"><exsl:document href="{target.as_uri()}"><a/></exsl:document>'
        "<Records><Fee><Payer>x</Payer></Fee></Records></xsl:template>"
    )
    with pytest.raises(ConfigurationError, match="exsl:document writes a file"):
        read(folder, b"<case/>", stylesheet=body)
    assert not target.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<xsl",
        sheet('<xsl:template match="///"/>'),
        sheet(PER_CASE, 'y:versioning="sometimes"'),
        sheet('<xsl:import href="other.xsl"/>'),
        sheet('<xsl:include href="other.xsl"/>'),
        '<!DOCTYPE a [<!ENTITY b SYSTEM "other.xsl">]>' + sheet(""),
    ],
)
def test_a_stylesheet_that_cannot_be_used_is_told(folder: Path, text: str) -> None:
    (folder / "other.xsl").write_text(sheet(PER_CASE))
    (folder / "hall.xsl").write_text(text)
    with pytest.raises(ConfigurationError, match="hall"):
        Dialects(folder=folder).find("hall")


def test_a_schema_beside_the_stylesheet_is_asked_and_its_problems_hold_no_value(folder: Path) -> None:
    (folder / "hall.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="case"><xs:complexType><xs:sequence>'
        '<xs:element name="fee"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="1"/>'
        "</xs:restriction></xs:simpleType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>"
    )
    body = '<xsl:template match="/"><Records><Fee><Payer>x</Payer></Fee></Records></xsl:template>'
    assert read(folder, b"<case><fee>1</fee></case>", stylesheet=body)[0].problems == ()
    (candidate,) = read(folder, "<case>\n<fee>张三</fee></case>".encode(), stylesheet=body)
    (problem,) = candidate.problems
    assert (problem.rule, problem.line, problem.element) == ("schema", 2, "case/fee")
    assert "张三" not in problem.text
    (candidate,) = read(folder, b"<case><fie/></case>", stylesheet=body)
    assert "Expected is ( fee )" in candidate.problems[0].text
    (folder / "hall.xsd").write_text("<a/>")
    with pytest.raises(ConfigurationError, match=r"hall\.xsd"):
        read(folder, b"<case/>", stylesheet=body)


def test_what_the_way_back_loses_is_said_in_both_languages(folder: Path) -> None:
    (folder / "hall.xsl").write_text(sheet(PER_CASE))
    losses = 'y:cannot-carry="fees; seals" y:cannot-carry-chinese="收费；印章"'
    (folder / "hall-out.xsl").write_text(sheet('<xsl:template match="/"/>', losses), encoding="utf-8")
    found = Dialects(folder=folder).find("hall").cannot_carry
    assert [(loss.chinese, loss.english) for loss in found] == [("收费", "fees"), ("印章", "seals")]
    (folder / "hall-out.xsl").write_text(sheet('<xsl:template match="/"/>', losses.replace("收费；", "")))
    with pytest.raises(ConfigurationError, match="names 2 things, y:cannot-carry-chinese 1"):
        Dialects(folder=folder).find("hall")


def test_each_refused_record_is_kept_as_its_whole_case_and_told_apart(folder: Path, memory: Store) -> None:
    (folder / "hall.xsl").write_text(sheet(PER_CASE))
    intake = intake_on(memory, dialects=Dialects(folder=folder))
    report = offer(intake, b"<case><fee><no>A1</no></fee><fee><no>A2</no></fee></case>", "hall")
    numbers = {verdict.refused_id for verdict in report.verdicts}
    assert (report.refused, len(numbers)) == (2, 2)
    first, second = read(folder, b"<case><fee/><fee/></case>")
    assert first.kept() == b"<case><fee/><fee/></case>\n<!-- 1 Fee -->\n"
    assert len(read(folder, second.kept())) == 2


def test_the_way_back_is_a_stylesheet_beside_it(folder: Path) -> None:
    (folder / "hall.xsl").write_text(sheet(PER_CASE))
    back = (
        '<xsl:template match="/*"><case xmlns="" xmlns:s="urn:yizhan:standard:1"><no><xsl:value-of select="'
        "*[1]/*[local-name() = 'CaseNo']\"/></no><empty/></case></xsl:template>"
    )
    (folder / "hall-out.xsl").write_text(sheet(back, 'y:wrap="cases" y:cannot-carry="a;  b c ;"'))
    dialects = Dialects(folder=folder)
    found = dialects.find("hall")
    assert "hall-out" not in dialects.names()
    assert [(loss.chinese, loss.english) for loss in found.cannot_carry] == [("a", "a"), ("b c", "b c")]
    assert found.writes is not None
    records = [one for one in generated(30) if one.record_type == "Application"][:2]
    numbers = [str(one.content["CaseNo"]) for one in records]
    assert all(number.encode() in found.writes(records, DialectOptions()) for number in numbers)
    assert b"<empty" not in found.writes(records, DialectOptions())
    (folder / "hall-out.xsl").write_text(
        sheet('<xsl:template match="/"><xsl:message terminate="yes">no</xsl:message></xsl:template>')
    )
    writes = Dialects(folder=folder).find("hall").writes
    assert writes is not None
    with pytest.raises(UsageError, match="did not come to its end"):
        writes(records, DialectOptions())
