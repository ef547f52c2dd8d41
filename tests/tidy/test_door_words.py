"""The states of doors are called on the pages of trouble as they are called on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.departments.doors.book import WAITING
from node.departments.doors.rest import AWAY, NEEDS_PERSON
from node.web.words import word

HOW_TO = Path(__file__).parents[2] / "docs/how-to"


@pytest.mark.parametrize("state", [AWAY, NEEDS_PERSON, WAITING])
def test_a_state_on_the_pages_of_trouble_has_the_word_of_the_screen(state: str) -> None:
    for page, language in (("troubleshoot-adapters.md", "en"), ("troubleshoot-adapters.zh.md", "zh")):
        # Sign and word: only the word is typed into a page.
        spoken = word(state).spoken(language).split(" ", 1)[1]
        said = " ".join((HOW_TO / page).read_text(encoding="utf-8").split())
        assert spoken in said, (page, spoken)
