"""What a display with a few lines shows of a record: its type, its number, what it is about; nobody's name."""

from __future__ import annotations

from typing import Any, Final

from node.standard.codec import TAG_PREFIX
from node.standard.families import RECORD_TYPES

TEXT_LENGTH_MAX: Final = 120
"""Characters: six lines of a display of 20. Our own choice."""
_NUMBERS: Final = ("NoticeNo", "CaseNo", "ApprovalNo")
_ABOUT: Final = ("Subject", "TaskName", "Title")
"""No free text: it may name people, and a display may stand where everybody reads it."""
_REPLY_DUE: Final = "ReplyDue"


def display_text(record_type: str, element: Any) -> str:
    """Return at most 120 characters in Chinese about a record, given its parsed root element."""
    label = RECORD_TYPES[record_type].label if record_type in RECORD_TYPES else record_type
    parts = [label, _first(element, _NUMBERS), _first(element, _ABOUT)]
    if due := _text(element, _REPLY_DUE):
        parts.append(f"限 {due} 前答复")
    text = " ".join(part for part in parts if part)
    return text if len(text) <= TEXT_LENGTH_MAX else text[: TEXT_LENGTH_MAX - 1] + "…"


def _first(element: Any, names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := _text(element, name))), "")


def _text(element: Any, name: str) -> str:
    return " ".join((element.findtext(f"{TAG_PREFIX}{name}") or "").split())
