"""What a stylesheet of a dialect may call beside XSLT 1.0: the loose forms of the tables, our case numbers, lines.

Namespace ``urn:yizhan:dialect:1``, prefix ``y`` by custom. A function that cannot make sense of a value gives it back
as it is: the standard then says what is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node.departments.dialects.csv_mapping import DIALECT, date_of, time_of
from node.departments.dialects.values import CellError
from node.standard.identifiers import is_case_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

DIALECT_NAMESPACE: Final = "urn:yizhan:dialect:1"


def extensions(zone: tzinfo) -> Mapping[tuple[str, str], Callable[..., Any]]:
    """Return the functions by namespace and name; times without an offset mean ``zone``."""
    functions = {
        "time": lambda _, value: _tried(lambda text: time_of(text, zone), value),
        "date": lambda _, value: _tried(date_of, value),
        "truth": lambda _, value: DIALECT["truth"].get(_text(value), _text(value)),
        "is-case-number": lambda _, value: is_case_number(_text(value)),
        "line": lambda _, value: str(_line_of(value)),
    }
    return {(DIALECT_NAMESPACE, name): function for name, function in functions.items()}


def _tried(meaning: Callable[[str], str], value: Any) -> str:
    text = _text(value)
    try:
        return meaning(text) if text else ""
    except CellError:
        return text


def _text(value: Any) -> str:
    """Return the string value of what XPath gives: of the first node, a number or a text."""
    if isinstance(value, list):
        if not value:
            return ""
        value = value[0]
    if hasattr(value, "itertext"):
        value = "".join(value.itertext())
    return str(value).strip()


def _line_of(value: Any) -> int:
    """Return the line of a node in its delivery, 0 where it has none."""
    first = value[0] if isinstance(value, list) and value else None
    return int(getattr(first, "sourceline", None) or 0)
