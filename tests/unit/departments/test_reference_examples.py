"""The examples of the reference pages on doors work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.intake import offer

if TYPE_CHECKING:
    from node.departments.accept import Intake

PAGES = Path(__file__).parents[3] / "docs" / "reference"


def examples(page: str, language: str) -> list[bytes]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return [found.encode() for found in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize(
    ("page", "language", "dialect"),
    [("csv.md", "csv", "csv"), ("open-api.md", "xml", "standard"), ("open-api.md", "json", "json")],
)
def test_the_first_example_is_accepted(intake: Intake, page: str, language: str, dialect: str) -> None:
    report = offer(intake, examples(page, language)[0], dialect)
    assert (report.accepted, report.problems) == (1, [])
