"""Forms of times and dates as a mapping file writes them: ``YYYY-M-D h:mm:ss``, read strictly and written back.

``YYYY``, ``MM``, ``DD``, ``hh``, ``mm``, ``ss`` are digits of that number; ``M``, ``D``, ``h``, ``m``, ``s`` are one
or two; ``f`` is a fraction of the second, ``z`` an offset. What stands in ``[ ]`` may be left out; anything else stands
for itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import tzinfo

FORM_LENGTH_MAX: Final = 60
_PIECE: Final = re.compile(r"YYYY|MM?|DD?|hh?|mm?|ss?|f|z|\[|\]|.", re.DOTALL)
_PARTS: Final = {"Y": "year", "M": "month", "D": "day", "h": "hour", "m": "minute", "s": "second"}
_FRACTION: Final = r"(?P<fraction>\d{1,6})\d{0,3}"
_OFFSET: Final = r"(?P<offset>Z|[+-]\d{2}:?\d{2})"
_DAY: Final = frozenset({"year", "month", "day"})
_TIME: Final = _DAY | {"hour", "minute"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeForm:
    """One form: how it is written in a mapping file, and the pattern with named parts that reads it."""

    text: str
    pattern: re.Pattern[str]

    @property
    def timed(self) -> bool:
        """True when the form has a time of day."""
        return self.pattern.groupindex.keys() >= _TIME

    def write(self, moment: datetime | date) -> str:
        """Return a moment, or a day, in this form; what may be left out is written where it says something."""
        written, depth, optional = [""], 0, [False]
        for piece in _PIECE.findall(self.text):
            if piece == "[":
                depth += 1
                written.append("")
                optional.append(False)
            elif piece == "]":
                depth -= 1
                tail, said = written.pop(), optional.pop()
                written[-1] += tail if said else ""
            else:
                text = _written(piece, moment)
                optional[-1] = optional[-1] or text is not None
                written[-1] += piece if text is None else text
        return written[0]


@cache
def form_of(text: str) -> TimeForm:
    """Return the form that ``text`` describes; raises ValueError with the reason for one that cannot be."""
    if len(text) > FORM_LENGTH_MAX:
        raise ValueError(f"a form has at most {FORM_LENGTH_MAX} characters")
    if text.count("[") != text.count("]"):
        raise ValueError(f"the brackets of {text} do not close")
    try:
        pattern = re.compile("".join(map(_pattern, _PIECE.findall(text))) + r"\Z", re.ASCII)
    except re.error:
        raise ValueError(f"{text} names a part twice") from None
    if not pattern.groupindex.keys() >= _DAY:
        raise ValueError(f"{text} needs YYYY, M or MM, and D or DD")
    return TimeForm(text=text, pattern=pattern)


def moment_of(text: str, zone: tzinfo) -> datetime:
    """Return a time of the standard as a moment in ``zone``."""
    return datetime.fromisoformat(text).astimezone(zone)


def _pattern(piece: str) -> str:
    if piece == "f":
        return _FRACTION
    if piece == "z":
        return _OFFSET
    if piece == "[":
        return "(?:"
    if piece == "]":
        return ")?"
    if piece[0] in _PARTS and set(piece) == {piece[0]} and piece != "Y":
        digits = r"\d{1,2}" if len(piece) == 1 else rf"\d{{{len(piece)}}}"
        return f"(?P<{_PARTS[piece[0]]}>{digits})"
    return re.escape(piece)


def _written(piece: str, moment: datetime | date) -> str | None:
    """Return what a piece says of a moment; None for one that stands for itself."""
    name = _PARTS.get(piece[0]) if piece != "Y" else None
    if name in _DAY:
        return f"{getattr(moment, name):0{len(piece)}d}"
    if not isinstance(moment, datetime):
        return None
    if name is not None:
        return f"{getattr(moment, name):0{len(piece)}d}"
    if piece == "f" and moment.microsecond:
        return f"{moment.microsecond:06d}"
    return moment.isoformat()[-6:] if piece == "z" else None
