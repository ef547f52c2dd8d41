from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from node.errors import RecordRefusedError
from node.standard.codec import NAMESPACE, check_canonical, parse_record, parse_unvalidated
from node.standard.compose import compose, compose_element, content_of, record_shape, salt_of
from node.standard.families import RECORD_TYPES
from tests.support.samples import CHECKPOINT, HEAD, RECEIPT, SALT, SAMPLES, record, sample

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
    | st.sampled_from("<>&\"'\t\n\r]!?"),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("record_type", sorted(SAMPLES))
def test_content_comes_back_as_it_was_given(record_type: str) -> None:
    element = parse_record(record(record_type))
    assert content_of(element) == SAMPLES[record_type]
    assert salt_of(element) == SALT
    assert compose(record_type, content_of(element), salt=salt_of(element)) == record(record_type)


@given(TEXT, TEXT, TEXT, st.binary(min_size=16, max_size=16))
def test_any_text_is_escaped_as_canonical_xml_wants_it(remark: str, opinion: str, account: str, salt: bytes) -> None:
    for record_type, changes in (
        ("Application", {"Remark": remark}),
        (
            "ReviewStep",
            {
                "Opinion": opinion,
                "Actor": {"Name": "甲", "Account": "a" + account.replace("\n", " ").replace("\r", " ")},
            },
        ),
        ("Conclusion", {"Reason": remark, "ResultText": opinion}),
    ):
        content = sample(record_type, **changes)
        if len(account) > 40:
            content.pop("Actor")
        body = compose(record_type, content, salt=salt)
        element = parse_record(body)
        check_canonical(body, element)
        assert content_of(element) == content


@given(TEXT)
def test_attributes_are_escaped_as_canonical_xml_wants_them(text: str) -> None:
    body = compose("StatisticsSummary", sample("StatisticsSummary", Subtree={"Missing": [{"@Code": text}]}), salt=SALT)
    element = parse_unvalidated(body)
    assert etree.tostring(element, method="c14n", exclusive=True) == body
    assert content_of(element)["Subtree"]["Missing"] == [{"@Code": text}]


@pytest.mark.parametrize(("name", "content"), [("Head", HEAD), ("Checkpoint", CHECKPOINT), ("Receipt", RECEIPT)])
def test_package_elements_are_composed_alike(name: str, content: dict[str, Any]) -> None:
    body = compose_element(name, content)
    element = parse_unvalidated(body)
    assert etree.tostring(element, method="c14n", exclusive=True) == body
    assert content_of(element) == content


@pytest.mark.parametrize("empty", [None, "", [], ()])
def test_empty_values_are_left_out(empty: object) -> None:
    body = record("Application", Remark=empty, MaterialItem=empty)
    assert b"Remark" not in body
    assert b"MaterialItem" not in body
    parse_record(body)


def test_an_empty_mapping_is_an_empty_element_only_where_one_is_required() -> None:
    body = record("StatisticsSummary", Own={}, Subtree={})
    assert b"<Own></Own><Subtree></Subtree>" in body
    parse_record(body)
    assert b"Actor" not in record("Conclusion", Actor={})


def test_elements_may_be_given_in_any_order_and_tuples_are_sequences() -> None:
    content = dict(reversed(list(sample("Calendar").items())))
    content["OffDay"] = tuple(content["OffDay"])
    assert compose("Calendar", content, salt=SALT) == record("Calendar")


def test_a_single_value_may_stand_for_a_sequence_of_one() -> None:
    assert record("CertificateIssued", Division="360102") == record("CertificateIssued", Division=["360102"])


@pytest.mark.parametrize(
    ("record_type", "changes", "element"),
    [
        ("Conclusion", {"Nonsense": "x"}, "Nonsense"),
        ("Conclusion", {"@Other": "x"}, "@Other"),
        ("Conclusion", {"Actor": {"Nonsense": "x"}}, "Actor/Nonsense"),
        ("Conclusion", {"Actor": "x"}, "Actor"),
        ("Conclusion", {"ResultCode": {"a": "b"}}, "ResultCode"),
        ("Conclusion", {"ResultCode": ["GRANT", "DENY"]}, "ResultCode"),
        ("Conclusion", {"ResultCode": 7}, "ResultCode"),
        ("StatisticsSummary", {"Subtree": {"Missing": [{"@Kode": "x"}]}}, "Subtree/Missing/@Kode"),
        ("StatisticsSummary", {"Subtree": {"Missing": ["360103"]}}, "Subtree/Missing"),
        ("StatisticsSummary", {"Subtree": {"Missing": [{"#text": "x"}]}}, "Subtree/Missing/#text"),
    ],
)
def test_names_and_forms_that_the_standard_does_not_have_are_refused(
    record_type: str, changes: dict[str, Any], element: str
) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        record(record_type, **changes)
    assert [(problem.rule, problem.element) for problem in refused.value.problems] == [("schema", element)]


def test_every_unknown_name_is_told() -> None:
    with pytest.raises(RecordRefusedError) as refused:
        record("Conclusion", Second="x", First="y")
    assert [problem.element for problem in refused.value.problems] == ["First", "Second"]


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(RecordRefusedError) as refused:
        record("Conclusion", ResultText="\ud800")
    assert refused.value.problems[0].rule == "not-utf8"


def test_a_control_character_is_left_to_the_parser() -> None:
    with pytest.raises(RecordRefusedError) as refused:
        parse_record(record("Conclusion", ResultText="a\x01b"))
    assert refused.value.problems[0].rule == "not-xml"


@pytest.mark.parametrize("name", ["Nonsense", "Head"])
def test_an_unknown_type_is_refused(name: str) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        compose(name, {}, salt=SALT)
    assert refused.value.problems[0].rule == "unknown-type"


def test_an_unknown_package_element_is_refused() -> None:
    with pytest.raises(RecordRefusedError, match="not an element"):
        compose_element("Nonsense", {})


def test_content_of_an_unknown_element_is_refused() -> None:
    with pytest.raises(RecordRefusedError, match="Later"):
        content_of(parse_unvalidated(f'<Later xmlns="{NAMESPACE}"></Later>'.encode()))


def test_a_salt_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        compose("Fee", {}, salt=b"short")


def test_the_shape_of_a_record_serves_headings_and_masks() -> None:
    shape = record_shape("Application")
    paths = dict(shape.paths())
    assert shape.label == "申办"
    assert paths["ApplicantIdNo"].privacy == "identity"
    assert paths["ContactPhone"].privacy == "contact"
    assert paths["Actor/Name"].privacy == "name"
    assert paths["EventTime"].important
    assert paths["MaterialItem"].repeated
    assert not paths["MaterialItem"].required
    assert paths["TaskName"].simple is not None
    assert paths["TaskName"].simple.length_max == 200
    channel = paths["Channel"].simple
    assert channel is not None
    assert ("BLUETOOTH", "蓝牙") in channel.codes


@pytest.mark.parametrize("record_type", sorted(RECORD_TYPES))
def test_every_element_of_every_type_is_documented_in_both_languages(record_type: str) -> None:
    shape = record_shape(record_type)
    assert shape.label == RECORD_TYPES[record_type].label
    for path, element in shape.paths():
        assert element.label, path
        assert element.note, path
        for attribute in element.attributes:
            assert attribute.label, path
            assert attribute.note, path
