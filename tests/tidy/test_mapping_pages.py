"""The page on mapping files explains every key that the loader knows; pages of mappings say what their files say."""

from __future__ import annotations

import re
from io import BytesIO

import pytest

from node.departments.dialects import read
from node.departments.dialects.mapping_file import KEYS
from tests.support.mapping_pages import HEADS, page
from tests.tidy.tree import ROOT

PAGE = (ROOT / "docs/reference/mapping-file.md").read_text(encoding="utf-8")
HEADINGS = {
    "file": "## The file",
    "xml": "### `[xml]`",
    "shared": "### `[shared]`",
    "codes": "### `[codes.NAME]`",
    "tables": "### `[tables.NAME]`",
    "records": "### `[[tables.NAME.records]]`",
    "when": "### `when`",
    "elements": "### `elements`",
}


def test_every_key_of_a_mapping_file_is_explained_in_its_place() -> None:
    assert HEADINGS.keys() == KEYS.keys()
    for kind, heading in HEADINGS.items():
        section = re.split(r"\n##", PAGE.partition(f"{heading}\n")[2])[0]
        explained = re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)
        assert tuple(explained) == KEYS[kind], kind


@pytest.mark.parametrize("name", HEADS)
def test_the_page_of_a_mapping_is_what_its_file_says(name: str) -> None:
    written = (ROOT / f"docs/reference/{name}.md").read_text(encoding="utf-8")
    assert written == page(name), "run python -m tests.support.mapping_pages"


@pytest.mark.parametrize("name", HEADS)
def test_the_example_of_a_page_is_read(name: str) -> None:
    (example,) = re.findall(r"```(?:xml|json)\n(.*?)```", page(name), re.DOTALL)
    candidates = list(read(name, BytesIO(example.encode())))
    assert candidates
    assert [problem for one in candidates for problem in one.problems] == []
