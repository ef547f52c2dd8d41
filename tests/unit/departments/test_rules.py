from __future__ import annotations

import re

from node.departments.rules import rule_words
from tests.tidy.tree import ROOT, python_files

NAMED = re.compile(r'^RULE_[A-Z0-9_]+(?:: Final)? = "([a-z0-9\\-]+)"', re.MULTILINE)


def test_every_rule_has_words_in_both_languages_and_a_remedy() -> None:
    sources = [(ROOT / path).read_text(encoding="utf-8") for path in python_files("node")]
    rules = {rule for source in sources for rule in NAMED.findall(source)}
    assert len(rules) > 30
    assert rules == set(rule_words())
    for words in rule_words().values():
        assert len(words.what) == len(words.fix) == 2
        assert all(text.strip() for text in (*words.what, *words.fix))
