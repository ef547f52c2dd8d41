"""docs/reference/cases.md and indicators.md say what the program's tables say."""

from __future__ import annotations

import pytest

from tests.support.reference_tables import PAGES, TABLES, expected_page


@pytest.mark.parametrize("name", TABLES)
def test_the_page_repeats_the_programs_tables(name: str) -> None:
    text = (PAGES / name).read_text(encoding="utf-8")
    assert all(f"<!-- {mark} -->" in text for mark in TABLES[name])
    assert text == expected_page(name, text), "run: python -m tests.support.reference_tables"
