"""Control characters in settings: ``<STX>``, ``<CR><LF>``, ``<0x1B>`` stand for what a settings file cannot hold.

Names are those of ISO 646 (ASCII); ``<LT>`` stands for ``<`` itself. Used for marks and answers of the capture mode and
for lines that a sender of files is told.
"""

from __future__ import annotations

import re
from typing import Final

NAMES: Final = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI"),
    *("DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
)
"""Names of the characters 0 to 31, in this order."""

_CODES: Final = {name: chr(code) for code, name in enumerate(NAMES)} | {"DEL": "\x7f", "LT": "<"}
_WRITTEN: Final = re.compile(r"<([A-Z][A-Z0-9]{1,2}|0x[0-9A-Fa-f]{2})>")


def plain(written: str) -> str:
    """Return a text with its control characters in it.

    ``<0xNN>`` becomes the character of that number below 0x80. Raises ValueError for a name that is none, and for a
    ``<`` that begins none.
    """
    pieces = []
    end = 0
    for found in _WRITTEN.finditer(written):
        pieces += [written[end : found.start()], _character(found[1])]
        end = found.end()
        if "<" in pieces[-2]:
            break
    pieces.append(written[end:])
    if any("<" in piece for piece in pieces[::2]):
        raise ValueError(f"in {written!r} a < begins no control character; write <LT> for < itself")
    return "".join(pieces)


def on_the_line(text: str, encoding: str) -> bytes:
    """Return a text as it goes over a line of this encoding; what the encoding lacks becomes a question mark.

    ``bytes`` is none: such a line gets ISO 8859-1, whose characters are single bytes.
    """
    return text.encode("latin-1" if encoding == "bytes" else encoding, "replace")


def _character(name: str) -> str:
    if name.startswith("0x"):
        code = int(name, 16)
        if code > 0x7F:  # noqa: PLR2004 - beyond it, bytes depend on the encoding.
            raise ValueError(f"<{name}> is beyond <0x7F>")
        return chr(code)
    if name not in _CODES:
        raise ValueError(f"<{name}> is not the name of a control character")
    return _CODES[name]
