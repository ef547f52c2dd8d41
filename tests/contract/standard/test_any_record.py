"""Whatever the typed model can hold becomes bytes that are valid, canonical, and read back as the same content."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.standard.codec import check_canonical, parse_record, second_schema
from node.standard.compose import compose, content_of, salt_of
from node.standard.families import RECORD_TYPES
from tests.support.strategies import contents

EXAMPLES = max(10, settings().max_examples // 10)
"""Contents of each type: sixty-odd types, each a content of milliseconds; the nights take many more."""


@pytest.mark.parametrize("name", RECORD_TYPES)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data(), salt=st.binary(min_size=16, max_size=16))
def test_any_content_survives_the_way_to_bytes_and_back(name: str, data: st.DataObject, salt: bytes) -> None:
    content: dict[str, Any] = data.draw(contents(name))
    body = compose(name, content, salt=salt)
    element = parse_record(body)
    check_canonical(body, element)
    assert second_schema().is_valid(element)
    assert content_of(element) == content
    assert salt_of(element) == salt
