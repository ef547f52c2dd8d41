"""The page on mapping files explains every key that the loader knows, and no other."""

from __future__ import annotations

import re

from node.departments.dialects.mapping_file import KEYS
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
