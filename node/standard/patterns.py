"""The shortest text that a pattern of the schema accepts: for examples of types that have no example of their own.

Understands the constructs that XSD patterns of our schemas use: alternatives, groups, classes, escapes, ``.`` and
counts. It is no general tool: anything else raises ValueError, so that a new construct is noticed.
"""

from __future__ import annotations

import re
from typing import Final

_COUNT: Final = re.compile(r"\{([0-9]+)(?:,[0-9]*)?\}")
_ESCAPED_CLASSES: Final = {"d": "0", "S": "x", "w": "x", "s": " "}
_UNSUPPORTED: Final = frozenset("^$")


def shortest_match(pattern: str) -> str:
    """Return the shortest text of the first alternatives of an anchored XSD pattern.

    Raises ValueError for a pattern with other constructs than those named above.
    """
    text, rest = _alternatives(pattern)
    if rest:
        message = f"the pattern {pattern!r} goes on with {rest!r}"
        raise ValueError(message)
    return text


def _alternatives(pattern: str) -> tuple[str, str]:
    """Return the text of the first alternative, and what follows all of them: nothing, or a closing bracket."""
    chosen, rest = _sequence(pattern)
    while rest.startswith("|"):
        _, rest = _sequence(rest[1:])
    return chosen, rest


def _sequence(pattern: str) -> tuple[str, str]:
    text = ""
    while pattern and pattern[0] not in "|)":
        piece, pattern = _atom(pattern)
        count, pattern = _least_count(pattern)
        text += piece * count
    return text, pattern


def _atom(pattern: str) -> tuple[str, str]:
    if pattern[0] == "(":
        text, rest = _alternatives(pattern[1:])
        return text, rest[1:]
    if pattern[0] == "[":
        return _class(pattern[1:])
    if pattern[0] == "\\":
        return _ESCAPED_CLASSES.get(pattern[1], pattern[1]), pattern[2:]
    if pattern[0] in _UNSUPPORTED:
        message = f"{pattern[0]!r} in a pattern is not understood"
        raise ValueError(message)
    return "x" if pattern[0] == "." else pattern[0], pattern[1:]


def _class(pattern: str) -> tuple[str, str]:
    """Return the first character of a class, and what follows its closing bracket."""
    if pattern.startswith("^"):
        message = "a class of what is not allowed is not understood"
        raise ValueError(message)
    first = _ESCAPED_CLASSES.get(pattern[1], pattern[1]) if pattern[0] == "\\" else pattern[0]
    at = 0
    while pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return first, pattern[at + 1 :]


def _least_count(pattern: str) -> tuple[int, str]:
    if pattern[:1] in {"?", "*"}:
        return 0, pattern[1:]
    if pattern[:1] == "+":
        return 1, pattern[1:]
    if found := _COUNT.match(pattern):
        return int(found[1]), pattern[found.end() :]
    return 1, pattern
