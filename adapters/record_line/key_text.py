"""Keys of terminals as text that can be typed: base32 in groups of four, the last group checks the others."""

from __future__ import annotations

import base64
import hashlib

KEY_BYTES = 32
_GROUP = 4
_TEXT_LENGTH = 52
_CHECK_LENGTH = 4
_MEANT = str.maketrans("018", "OIB")
"""Digits that base32 does not have, and the letters for which they are taken."""


def key_text(key: bytes) -> str:
    """Return a key of 32 bytes as 14 groups of four characters (RFC 4648, section 6) with ``-`` between them."""
    text = base64.b32encode(key).decode("ascii").rstrip("=") + _check(key)
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def key_of_text(text: str) -> bytes:
    """Return the key that was typed; small letters, blanks and missing or further ``-`` do not matter.

    Raises ValueError, which does not repeat the text, when it is not a key or mistyped.
    """
    typed = "".join(text.split()).replace("-", "").upper().translate(_MEANT)
    if len(typed) != _TEXT_LENGTH + _CHECK_LENGTH:
        raise ValueError(f"a key has {_TEXT_LENGTH + _CHECK_LENGTH} characters, this has {len(typed)}")
    try:
        key = base64.b32decode(typed[:_TEXT_LENGTH] + "====")
    except ValueError:
        raise ValueError("a key is of the letters A to Z and the digits 2 to 7 only") from None
    if typed != base64.b32encode(key).decode("ascii").rstrip("=") + _check(key):
        raise ValueError("the key is mistyped: its last four characters do not fit the others")
    return key


def _check(key: bytes) -> str:
    return base64.b32encode(hashlib.sha256(b"yizhan key check" + key).digest()).decode("ascii")[:_CHECK_LENGTH]
