"""The examples that vendors get have to be valid for libxml2 and for xmlschema alike."""

from __future__ import annotations

import pytest

from node.standard.codec import parse_record, second_schema
from node.standard.examples import example
from node.standard.families import RECORD_TYPES


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_both_validators_accept_the_example(record_type: str, *, full: bool) -> None:
    element = parse_record(example(record_type, full=full))
    assert second_schema().is_valid(element)
