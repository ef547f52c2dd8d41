from __future__ import annotations

import hashlib
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from node.errors import RecordRefusedError
from node.standard import codec
from node.standard.compose import compose_element
from tests.support.samples import CHECKPOINT, CITIZEN, HEAD, RECEIPT, SAMPLES, record

if TYPE_CHECKING:
    from collections.abc import Callable


def rule_of(body: bytes) -> str:
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(body)
    assert refused.value.problems[0].text
    return refused.value.problems[0].rule


def problem_text(body: bytes) -> str:
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(body)
    return " ".join(problem.text for problem in refused.value.problems)


def spliced(what: bytes) -> bytes:
    """Return a valid Conclusion with something put into the text of its ResultText."""
    return record("Conclusion").replace("准予许可".encode(), "准予".encode() + what, 1)


@pytest.mark.parametrize("record_type", sorted(SAMPLES))
def test_every_sample_is_valid_canonical_and_named(record_type: str) -> None:
    body = record(record_type)
    element = codec.parse_record(body)
    codec.check_canonical(body, element)
    assert codec.record_type(element) == record_type
    assert codec.diagnose(body) == ()


def test_the_leaf_hash_is_that_of_rfc_9162() -> None:
    assert codec.leaf_hash(b"x") == hashlib.sha256(b"\x00x").digest()


@pytest.mark.parametrize("body", [b"", b"x", b"<a>", b"<a></b>", b"{}", b"<a/><b/>", b"<a>&unknown;</a>", b"\0"])
def test_what_is_not_xml_is_refused(body: bytes) -> None:
    assert rule_of(body) == codec.RULE_NOT_XML


@pytest.mark.parametrize(
    "body",
    [
        record("Conclusion").decode().encode("gb18030"),
        b"<a>\xff</a>",
        b"<a>\xc0\x80</a>",
        b"<a>\xed\xa0\x80</a>",
        record("Conclusion").decode().encode("utf-16"),
    ],
)
def test_another_encoding_is_refused(body: bytes) -> None:
    assert rule_of(body) == codec.RULE_NOT_UTF8


@pytest.mark.parametrize(
    ("inserted", "words"),
    [
        (b"<!-- x -->", "comment"),
        (b"<![CDATA[x]]>", "CDATA"),
        (b"<?x y?>", "processing instruction"),
    ],
)
def test_comments_cdata_and_instructions_are_refused(inserted: bytes, words: str) -> None:
    body = spliced(inserted)
    assert rule_of(body) == codec.RULE_FORBIDDEN
    assert words in problem_text(body)


@pytest.mark.parametrize(
    "prologue",
    [
        b'<?xml version="1.0" encoding="UTF-8"?>',
        b"<!DOCTYPE Conclusion>",
        b'<!DOCTYPE Conclusion [<!ENTITY a "b">]>',
        b'<!DOCTYPE Conclusion SYSTEM "file:///etc/passwd">',
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>\n',
    ],
)
def test_prologue_and_document_type_are_refused(prologue: bytes) -> None:
    assert rule_of(prologue + record("Conclusion")) == codec.RULE_FORBIDDEN


def test_the_line_of_something_forbidden_is_told() -> None:
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(b"<a>\n\n<!-- x --></a>")
    assert refused.value.problems[0].line == 3


def test_exclamation_and_question_marks_in_text_are_fine() -> None:
    codec.parse_record(record("Conclusion", ResultText="准予! 可以? <! <?"))


@pytest.mark.parametrize(
    "attribute",
    [
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"',
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
        b'xmlns:q="http://www.w3.org/2001/XMLSchema-instanc&#101;" q:nil="true"',
        b'xmlns:unused="urn:x"',
    ],
)
def test_prefixes_and_schema_instance_attributes_are_refused(attribute: bytes) -> None:
    assert rule_of(record("Conclusion").replace(b" Version=", b" " + attribute + b" Version=")) == codec.RULE_FORBIDDEN


def test_a_record_whose_own_namespace_has_a_prefix_is_refused() -> None:
    body = b'<y:Conclusion xmlns:y="urn:yizhan:standard:1" Version="1.0"></y:Conclusion>'
    assert rule_of(body) == codec.RULE_FORBIDDEN


def test_text_that_only_looks_like_a_prefix_is_fine() -> None:
    codec.parse_record(record("Conclusion", ResultText="xmlns:xsi XMLSchema-instance"))


@pytest.mark.parametrize("attribute", [b'xml:lang="zh"', b'xml:space="preserve"', b'Other="x"'])
def test_foreign_attributes_are_refused(attribute: bytes) -> None:
    body = record("Conclusion").replace(b" Version=", b" " + attribute + b" Version=")
    assert rule_of(body) == codec.RULE_SCHEMA


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" * 200 + b"</a>" * 200,
        spliced(b"<a>" * 200 + b"</a>" * 200),
        b'<Later xmlns="urn:yizhan:standard:1" Version="1.1">' + b"<a>" * 32 + b"</a>" * 32 + b"</Later>",
    ],
)
def test_two_hundred_levels_are_refused_as_too_deep(body: bytes) -> None:
    assert rule_of(body) == codec.RULE_TOO_DEEP


def test_thirty_two_levels_are_allowed() -> None:
    body = b'<Later xmlns="urn:yizhan:standard:1" Version="1.1">' + b"<a>" * 31 + b"</a>" * 31 + b"</Later>"
    assert rule_of(body) == codec.RULE_NEWER_VERSION


def test_a_thousand_levels_are_refused_by_the_parser_itself() -> None:
    assert rule_of(b"<a>" * 1000 + b"</a>" * 1000) == codec.RULE_NOT_XML


def test_a_record_of_exactly_the_limit_is_read_and_one_byte_more_refused() -> None:
    body = b"<a>" + b"x" * (codec.RECORD_BYTES_MAX - 7) + b"</a>"
    assert len(body) == codec.RECORD_BYTES_MAX
    assert rule_of(body) == codec.RULE_UNKNOWN_NAMESPACE
    assert rule_of(body + b" ") == codec.RULE_TOO_LARGE


@pytest.mark.parametrize("namespace", [b"urn:yizhan:standard:2", b"urn:other", b""])
def test_an_unknown_namespace_is_refused(namespace: bytes) -> None:
    body = record("Conclusion").replace(b"urn:yizhan:standard:1", namespace)
    assert rule_of(body) == codec.RULE_UNKNOWN_NAMESPACE


def test_an_unknown_type_is_told_apart_from_an_invalid_record() -> None:
    body = record("Conclusion").replace(b"Conclusion", b"Unheard")
    assert rule_of(body) == codec.RULE_UNKNOWN_TYPE
    assert codec.RULE_UNKNOWN_TYPE in codec.DEFERRED_RULES


@pytest.mark.parametrize("name", ["Head", "Checkpoint", "Package"])
def test_a_package_element_is_no_record(name: str) -> None:
    assert rule_of(f'<{name} xmlns="urn:yizhan:standard:1" Version="1.0"></{name}>'.encode()) == codec.RULE_UNKNOWN_TYPE


def test_a_newer_minor_version_is_told_apart_from_an_invalid_record() -> None:
    body = record("Conclusion").replace(b'Version="1.0"', b'Version="1.1"')
    assert rule_of(body) == codec.RULE_NEWER_VERSION
    assert codec.RULE_NEWER_VERSION in codec.DEFERRED_RULES


def test_a_newer_version_of_a_type_that_is_not_known_is_newer() -> None:
    body = record("Conclusion").replace(b'Version="1.0"', b'Version="1.12"').replace(b"Conclusion", b"Unheard")
    assert rule_of(body) == codec.RULE_NEWER_VERSION


@pytest.mark.parametrize("version", [b"2.0", b"1", b"1.x", b"", b"1.0 "])
def test_an_unknown_version_is_refused(version: bytes) -> None:
    body = record("Conclusion").replace(b'Version="1.0"', b'Version="%b"' % version)
    assert rule_of(body) == codec.RULE_UNKNOWN_VERSION


def test_a_record_without_version_is_refused() -> None:
    assert rule_of(record("Conclusion").replace(b' Version="1.0"', b"")) == codec.RULE_SCHEMA


@pytest.mark.parametrize(
    ("record_type", "changes", "element"),
    [
        ("Conclusion", {"OrgCode": "91350100M000100Y44"}, "OrgCode"),
        ("Application", {"ApplicantIdNo": "110105194912310021"}, "ApplicantIdNo"),
        ("Application", {"AgentIdNo": "91350100M000100Y44"}, "AgentIdNo"),
        ("Collection", {"CollectorIdNo": "110105194912310021"}, "CollectorIdNo"),
        ("Organisation", {"OldOrgCode": "006988575"}, "OldOrgCode"),
        ("Organisation", {"ParentOrgCode": "91350100M000100Y44"}, "ParentOrgCode"),
        ("Item", {"OrgCode": "91350100M000100Y44"}, "OrgCode"),
        ("SupervisionNotice", {"OrgCode": "91350100M000100Y44"}, "OrgCode"),
        ("Certificate", {"HolderIdNo": "91350100M000100Y44"}, "HolderIdNo"),
        ("Certificate", {"IssueOrgCode": "91350100M000100Y44"}, "IssueOrgCode"),
        ("Consultation", {"OrgCode": "91350100M000100Y44"}, "OrgCode"),
        ("Complaint", {"AccusedOrgCode": "91350100M000100Y44"}, "AccusedOrgCode"),
        ("PenaltyClue", {"OrgCode": "91350100M000100Y44"}, "OrgCode"),
        ("PenaltyFiling", {"PartyIdNo": "91350100M000100Y44"}, "PartyIdNo"),
        ("PenaltySummary", {"PartyIdNo": "91350100M000100Y44"}, "PartyIdNo"),
        ("PenaltyDecision", {"PartyIdNo": "110105194912310021"}, "PartyIdNo"),
    ],
)
def test_a_wrong_check_digit_is_refused_without_quoting_it(
    record_type: str, changes: dict[str, str], element: str
) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(record(record_type, **changes))
    (problem,) = refused.value.problems
    assert (problem.rule, problem.element) == (codec.RULE_CHECK_DIGIT, element)
    assert changes[element] not in str(refused.value)
    assert codec.diagnose(record(record_type, **changes)) == refused.value.problems


def test_two_wrong_check_digits_are_both_told() -> None:
    body = record("Application", OrgCode="91350100M000100Y44", ApplicantIdNo="110105194912310021")
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_record(body)
    assert [problem.element for problem in refused.value.problems] == ["OrgCode", "ApplicantIdNo"]


@pytest.mark.parametrize("changes", [{"AgentIdType": None, "AgentIdNo": None}, {"AgentIdNo": None}])
def test_an_absent_document_is_not_checked(changes: dict[str, None]) -> None:
    codec.parse_record(record("Application", **changes))


def test_a_partys_licence_number_has_no_check_digit() -> None:
    codec.parse_record(record("PenaltyDecision", PartyIdType="DRIVING_LICENCE", PartyIdNo="360100123456"))
    codec.parse_record(record("PenaltyDecision", PartyIdType=None, PartyIdNo=None))


def test_a_passport_number_has_no_check_digit() -> None:
    codec.parse_record(record("Application", ApplicantIdType="414", ApplicantIdNo="E12345678"))


@pytest.mark.parametrize(
    "changed",
    [
        lambda body: body.replace(b"</Salt>", b"</Salt>").replace(b"><CaseNo>", b" ><CaseNo>", 1),
        lambda body: body + b"\n",
        lambda body: body.replace("准予许可".encode(), b"&#20934;"),
        lambda body: body.replace(b'Version="1.0"', b"Version='1.0'"),
        lambda body: body.replace(b"<CaseNo>", b'<CaseNo xmlns="urn:yizhan:standard:1">'),
    ],
)
def test_bytes_that_are_not_canonical_are_seen(changed: Callable[[bytes], bytes]) -> None:
    body = changed(record("Conclusion"))
    element = codec.parse_record(body)
    with pytest.raises(RecordRefusedError) as refused:
        codec.check_canonical(body, element)
    assert refused.value.problems[0].rule == codec.RULE_CANONICAL


def test_canonical_bytes_with_a_prefix_are_not_canonical_for_us() -> None:
    body = b'<y:Conclusion xmlns:y="urn:yizhan:standard:1" Version="1.0"></y:Conclusion>'
    with pytest.raises(RecordRefusedError, match="default"):
        codec.check_canonical(body, codec.parse_unvalidated(body))


@pytest.mark.parametrize(("name", "content"), [("Head", HEAD), ("Checkpoint", CHECKPOINT), ("Receipt", RECEIPT)])
def test_package_elements_are_validated(name: str, content: dict[str, Any]) -> None:
    codec.validate_head(codec.parse_unvalidated(compose_element(name, content)))


@pytest.mark.parametrize(
    "changes", [{"Protocol": "0"}, {"Tree": "x"}, {"Purpose": "OTHER"}, {"@Id": "tail"}, {"@Id": None}]
)
def test_a_head_that_does_not_fit_is_refused(changes: dict[str, str]) -> None:
    element = codec.parse_unvalidated(compose_element("Head", {**HEAD, **changes}))
    with pytest.raises(RecordRefusedError) as refused:
        codec.validate_head(element)
    assert refused.value.problems[0].rule == codec.RULE_SCHEMA


def test_the_limit_of_an_unvalidated_parse_can_be_given() -> None:
    assert codec.parse_unvalidated(b"<a></a>", bytes_max=7).tag == "a"
    with pytest.raises(RecordRefusedError):
        codec.parse_unvalidated(b"<a></a>", bytes_max=6)


def test_a_delivery_may_have_a_prologue_another_encoding_and_comments() -> None:
    body = '<?xml version="1.0" encoding="GB18030"?><!-- 注 --><a>东<?pi x?>湖<![CDATA[区]]></a>'.encode("gb18030")
    element = codec.parse_delivery(body, bytes_max=1000)
    assert "".join(element.itertext()) == "东湖区"
    assert len(element) == 0


@pytest.mark.parametrize("text", [b"x" * 10_000_001, b"<![CDATA[%b]]>" % (b"x" * 10_000_001)], ids=["text", "cdata"])
def test_a_text_that_is_longer_than_can_be_read_is_called_so(text: bytes) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_delivery(b"<a>%b</a>" % text, bytes_max=20_000_000)
    assert "more than 10,000,000 characters" in refused.value.problems[0].text


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"<!DOCTYPE a><a/>", codec.RULE_FORBIDDEN),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', codec.RULE_FORBIDDEN),
        (
            '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"),
            "forbidden",
        ),
        (b"<a>" * 200 + b"</a>" * 200, codec.RULE_TOO_DEEP),
        (b"<a>", codec.RULE_NOT_XML),
        (b"<a>" + b"x" * 1000 + b"</a>", codec.RULE_TOO_LARGE),
    ],
)
def test_a_dangerous_delivery_is_refused(body: bytes, rule: str) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        codec.parse_delivery(body, bytes_max=1000 if rule == codec.RULE_TOO_LARGE else 10_000)
    assert refused.value.problems[0].rule == rule


def test_threads_parse_and_explain_at_the_same_time_without_mixing() -> None:
    bodies = [record("Conclusion", ResultCode=f"X{number}") for number in range(4)]
    wrong: list[str] = []

    def work(number: int) -> None:
        for _ in range(50):
            text = problem_text(bodies[number])
            if f"'X{number}'" not in text or text.count("'X") != 1:
                wrong.append(text)
            codec.parse_record(record("Fee"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_sample_of_a_citizen_is_the_standards_own_example() -> None:
    assert CITIZEN == "11010519491231002X"


def test_canonical_means_what_lxml_says() -> None:
    body = record("Application")
    assert etree.tostring(codec.parse_record(body), method="c14n", exclusive=True) == body


def test_positions_of_the_header_are_those_of_the_schema() -> None:
    names = [child.name for child in codec.SHAPES["Fee"].children]
    expected = ["Salt", "CaseNo", "OrigSystem", "OrigCaseNo", "Sequence", "DataVersion", "Correction", "Channel"]
    expected += ["DivisionCode", "OrgCode", "OrgName", "TaskCode", "EventTime", "Actor"]
    assert names[: len(expected)] == expected
    assert all(first != second for first, second in pairwise(names))
