"""The rules that problems name, in words: what each means, and how a sender puts it right.

Called by ``yizhan conformance`` and by the reference; ``rules.toml`` holds the words.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE: Final = Path(__file__).parent / "rules.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWords:
    """What a rule means and how its problem is put right, each as (中文, English)."""

    what: tuple[str, str]
    fix: tuple[str, str]


@cache
def rule_words() -> Mapping[str, RuleWords]:
    """Return the words of every rule, by its name."""
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: RuleWords(what=(table["what"][0], table["what"][1]), fix=(table["fix"][0], table["fix"][1]))
        for name, table in tables.items()
    }
