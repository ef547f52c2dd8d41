"""Shell blocks of the documentation: ``<!-- run: NAME -->`` before a ```bash block says that a test runs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"(?:<!-- run: (?P<name>[a-z0-9 -]+) -->\n)?```(?P<language>bash|sh|shell|console)\n(?P<text>.*?)```", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    page: str
    name: str | None
    text: str


def blocks_of(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(page=page, name=match["name"], text=match["text"]) for match in _BLOCK.finditer(text)]
