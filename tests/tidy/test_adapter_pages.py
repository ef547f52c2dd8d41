"""Pages about adapters say what the code does: keys of adapters.toml, states, and every setting of every kind."""

from __future__ import annotations

import importlib
import re

from tests.support.adapter_kinds_page import PAGE, page
from tests.tidy.tree import ROOT

ADAPTERS = (ROOT / "docs/reference/adapters.md").read_text(encoding="utf-8")


def test_every_key_of_an_adapter_stands_in_its_page_with_its_default() -> None:
    keys = importlib.import_module("node.config.keys").ADAPTER_KEYS
    rows = {found[1]: found[2] for found in re.finditer(r"^\| `(\w+)` \| ([^|]+) \|", ADAPTERS, re.MULTILINE)}
    assert [key.name for key in keys if key.name not in rows] == []
    numbers = {key.name: key.default for key in keys if isinstance(key.default, int)}
    assert {name: int(rows[name].replace(",", "")) for name in numbers} == numbers


def test_every_state_of_an_adapter_stands_in_its_page_with_its_word() -> None:
    states = importlib.import_module("node.departments.doors.book").STATES
    words = importlib.import_module("node.web.words").WORDS
    rows = [f"| `{name}` | {words[name].shape} {words[name].zh} |" for name in states]
    assert [row for row in rows if row not in ADAPTERS] == []


def test_every_setting_of_every_kind_is_explained_as_the_kind_says_it() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.support.adapter_kinds_page"
