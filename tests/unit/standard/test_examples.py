from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.errors import RecordRefusedError
from node.standard.codec import SHAPES, check_canonical, parse_record, schema_parts
from node.standard.compose import content_of
from node.standard.examples import DIVISION, example, example_content, value_of
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from node.standard.shape import ElementShape

BOTH = pytest.mark.parametrize("full", [True, False])


def stand(shape: ElementShape, content: object) -> set[str]:
    """Return the paths of the elements that a content has."""
    found: set[str] = set()
    assert isinstance(content, dict)
    for child in shape.children:
        if child.name in content:
            value = content[child.name][0] if child.repeated else content[child.name]
            inner = stand(child, value) if child.children else set()
            found |= {child.name, *(f"{child.name}/{path}" for path in inner)}
    return found


@BOTH
@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_every_record_type_has_a_valid_and_canonical_example(record_type: str, *, full: bool) -> None:
    body = example(record_type, full=full)
    check_canonical(body, parse_record(body))


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_a_full_example_shows_every_element_and_a_bare_one_only_what_must_stand(record_type: str) -> None:
    shape = SHAPES[record_type]
    full = content_of(parse_record(example(record_type)))
    assert stand(shape, full) | {"Salt"} == {path for path, _ in shape.paths()}
    bare = example_content(record_type, full=False)
    assert set(bare) == {child.name for child in shape.children if child.required} - {"Salt"}


def test_examples_belong_to_nobody() -> None:
    assert DIVISION.startswith("3699")
    application = example_content("Application")
    persons = {name: application[name] for name in ("ApplicantName", "LegalPerson", "ContactName", "AgentName")}
    assert all(name.startswith("样例") for name in persons.values())
    assert len(set(persons.values())) == len(persons)
    assert application["ApplicantIdNo"].startswith(DIVISION)
    assert application["CaseNo"].startswith(DIVISION)


def test_a_correction_is_a_later_version() -> None:
    assert example_content("Conclusion")["DataVersion"] == "2"
    assert example_content("Conclusion", full=False)["DataVersion"] == "1"


def test_no_example_is_made_of_a_type_that_is_not_there() -> None:
    with pytest.raises(RecordRefusedError):
        example("Nothing")


def test_a_type_without_an_example_of_its_own_gets_the_least_that_it_allows() -> None:
    key = schema_parts().simple["RecordKey"]
    assert value_of(replace(key, name="New", pattern="[A-C][0-9]{2}"), "") == "A00"
    number = schema_parts().simple["Year"]
    assert value_of(replace(number, name="New", value_min=7, value_max=9), "") == "7"
    assert value_of(replace(number, name="New", value_min=None, value_max=None), "") == "1"


def test_parts_name_what_records_are_built_from() -> None:
    parts = schema_parts()
    assert parts.groups["CaseHeader"].label == "办件记录头"
    assert [child.name for child in parts.types["Actor"].children][:2] == ["Account", "Name"]
    assert parts.files["case"][0] == "办件记录"
    case_no = SHAPES["Application"].child("CaseNo")
    actor = SHAPES["Application"].child("Actor")
    assert case_no is not None
    assert actor is not None
    assert (case_no.group, actor.group, actor.type_name) == ("CaseHeader", "CaseHeader", "Actor")


def test_every_code_has_a_label_in_both_languages() -> None:
    bare = [
        f"{simple.name} {code}"
        for simple in schema_parts().simple.values()
        for (code, chinese), english in zip(simple.codes, simple.codes_english, strict=True)
        if len(simple.codes) > 1 and not (chinese.strip() and english.strip())
    ]
    assert bare == []
