"""Names of files that come over a line and go down it: written by whoever holds the cable, so trusted in nothing."""

from __future__ import annotations

import base64
import fnmatch
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_LENGTH_MAX: Final = 100
MEDIA_TYPES: Final = {
    ".xml": "application/xml",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".json": "application/json",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""By the end of a name in small letters; the node's dialects ask for these."""


def decoded_name(name: bytes, encoding: str) -> str:
    """Return a name that came as bytes: UTF-8 where it is, else in the line's encoding, else with replacements."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1" if encoding == "bytes" else encoding, errors="replace")


def printable(name: str) -> str:
    """Return a name as people may see it: no control characters, no more than 100 characters."""
    return "".join(character if character.isprintable() else "?" for character in name)[:NAME_LENGTH_MAX]


def delivery_key(name: str, digest: str) -> str:
    """Return the key of a file: its name and what is in it, so that a file that is sent again is the same delivery."""
    return f"{printable(name)}:{digest}"


def media_type(name: str) -> str:
    """Return the media type of a file by the end of its name."""
    end = name[name.rfind(".") :].lower() if "." in name else ""
    return MEDIA_TYPES.get(end, "application/octet-stream")


def refusal_of(written: bytes, encoding: str, patterns: Iterable[str]) -> str:
    """Return why a file of the name that came as bytes is not received, "" when it is.

    A sender may ask for any path; only plain names are taken, as their last part would be another file than was asked.
    The bytes are what becomes a path: read in another encoding they may well show no slash.
    """
    name = decoded_name(written, encoding)
    if b"/" in written or not name or "/" in name or "\\" in name or ":" in name or name.startswith("."):
        return "only plain file names are received, no paths and no hidden files"
    if not any(fnmatch.fnmatch(name.lower(), pattern.lower()) for pattern in patterns):
        return "files of this name are not expected here"
    return ""


def document_name(key: str, end: str) -> str:
    """Return the name under which a document goes down: eight characters that DOS can keep, the same for the same key.

    A transfer that is repeated because nobody knows whether it arrived gives the same file, not a second one.
    """
    return "D" + base64.b32encode(sha256(key.encode()).digest()).decode("ascii")[:7] + end
