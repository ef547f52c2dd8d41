from __future__ import annotations

import re

import pytest

from node.standard.codec import schema_parts
from node.standard.patterns import shortest_match

PATTERNS = sorted({simple.pattern for simple in schema_parts().simple.values() if simple.pattern})


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_of_the_schema_accepts_its_shortest_text(pattern: str) -> None:
    assert re.fullmatch(pattern, shortest_match(pattern))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("", ""),
        ("a|bc", "a"),
        (r"(a|b)\.c", "a.c"),
        ("[0-9]{3}", "000"),
        ("[0-9]{2,5}x?y*z+", "00z"),
        (r"[\d]\d\S.", "00xx"),
        (r"[+\-]", "+"),
        (r"[\]x]y", "]y"),
        ("((ab){2}|c)d", "ababd"),
    ],
)
def test_the_shortest_text_is_of_the_first_alternatives(pattern: str, text: str) -> None:
    assert shortest_match(pattern) == text


@pytest.mark.parametrize("pattern", ["^a", "a$", "[^a]", "a)b"])
def test_what_xsd_patterns_of_ours_do_not_use_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|class"):
        shortest_match(pattern)
