"""The golden documents: every validator says of them what their names say, and our codec says why."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from node.errors import RecordRefusedError
from node.standard.codec import (
    RULE_CHECK_DIGIT,
    check_canonical,
    parse_record,
    parse_unvalidated,
    record_type,
    second_schema,
)
from node.standard.families import RECORD_TYPES
from node.standard.resources import schema_folder
from tests.support.golden import FOLDER, documents

if TYPE_CHECKING:
    from pathlib import Path

VALID, INVALID, REFUSED = "valid", "invalid", "refused"
VALID_MIN, WRONG_MIN = 2, 8


@cache
def driver() -> Any:
    """Return the driver schema as any program would load it: from its file, with nothing of ours around it."""
    return etree.XMLSchema(etree.parse(schema_folder("1.0") / "records.xsd"))  # noqa: TID251 - like a stranger.


def files(name: str, kind: str) -> list[Path]:
    return sorted((FOLDER / name).glob(f"{kind}-*.xml"))


def test_every_record_type_has_its_folder_and_no_other_is_there() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(RECORD_TYPES)


@pytest.mark.parametrize("name", RECORD_TYPES)
def test_there_are_enough_of_each_kind_and_they_are_what_the_standard_makes_today(name: str) -> None:
    assert len(files(name, VALID)) >= VALID_MIN
    assert len(files(name, INVALID)) + len(files(name, REFUSED)) >= WRONG_MIN
    assert {path.name: path.read_bytes() for path in (FOLDER / name).iterdir()} == documents(name)


@pytest.mark.parametrize("name", RECORD_TYPES)
def test_two_validators_agree_with_every_name(name: str) -> None:
    for path in sorted((FOLDER / name).iterdir()):
        element = etree.fromstring(path.read_bytes())  # noqa: TID251 - like a stranger.
        expected = not path.name.startswith(INVALID)
        assert driver().validate(element) is expected, path.name
        assert second_schema().is_valid(element) is expected, path.name


@pytest.mark.parametrize("name", RECORD_TYPES)
def test_a_valid_document_is_canonical_and_of_its_type(name: str) -> None:
    for path in files(name, VALID):
        body = path.read_bytes()
        element = parse_record(body)
        check_canonical(body, element)
        assert record_type(element) == name


@pytest.mark.parametrize("name", RECORD_TYPES)
def test_a_wrong_document_is_refused_with_what_is_wrong(name: str) -> None:
    for path in (*files(name, INVALID), *files(name, REFUSED)):
        with pytest.raises(RecordRefusedError) as caught:
            parse_record(path.read_bytes())
        problem = caught.value.problems[0]
        assert problem.text, path.name
        assert problem.element or problem.line is not None, path.name
        if path.name.startswith(REFUSED):
            assert problem.rule == RULE_CHECK_DIGIT
            assert problem.element == path.stem.removeprefix("refused-check-digit-")


def test_what_a_stranger_parses_is_what_the_codec_parses() -> None:
    path = files("Application", VALID)[0]
    ours = parse_unvalidated(path.read_bytes())
    theirs = etree.fromstring(path.read_bytes())  # noqa: TID251 - like a stranger.
    assert etree.tostring(ours, method="c14n") == etree.tostring(theirs, method="c14n")
