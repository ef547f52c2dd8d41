"""Names of files: which are usable, and which names and keys are made of them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, quote_from_bytes

NAME_BYTES_MAX: Final = 200
"""Longest name that is taken, in bytes: file systems end at 255, and names with endings are made of it."""
_KEY_NAME_LENGTH: Final = 110
"""Characters of a name in a delivery key, which with two digests stays below the contract's 200; of a key in a name."""
_BLANKS: Final = {0x3000: " ", 0xA0: " "}
"""Blanks that people type: that of Chinese input, and the one at which no line is broken."""
_MEDIA_TYPES: Final = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".txt": "text/plain",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".zip": "application/zip",
}


def readable_name(raw: bytes, encoding: str) -> str | None:
    """Return a file's name as text; None when it is too long, not of this encoding, or holds control characters."""
    try:
        name = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return name if name.translate(_BLANKS).isprintable() and len(raw) <= NAME_BYTES_MAX else None


def shown_name(raw: bytes) -> str:
    """Return any name in letters that can be shown and stored: other bytes are %XX; a long one is cut."""
    whole = quote_from_bytes(raw, safe=" ()[]+=,@")
    if len(whole) <= NAME_BYTES_MAX:
        return whole
    return f"{whole[: NAME_BYTES_MAX - 20]}~{sha256(raw).hexdigest()[:16]}"


def delivery_key(name: str, digest: str) -> str:
    """Return the key of a file: its name and the SHA-256 (hexadecimal) of its content; at most 200 characters."""
    if len(name) > _KEY_NAME_LENGTH:
        name = f"{name[:_KEY_NAME_LENGTH]}~{sha256(name.encode()).hexdigest()[:16]}"
    return f"{name}:{digest}"


def media_type(name: str) -> str:
    """Return the media type that a name's ending promises."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")


def with_mark(name: str, mark: str) -> str:
    """Return a name with a mark before its ending: ``cases.csv`` with ``failed`` is ``cases.failed.csv``."""
    path = PurePosixPath(name)
    return f"{path.stem}.{mark}{path.suffix}"


def document_name(record_type: str, key: str) -> str:
    """Return the name of a file for a document: it holds the key, of which what file systems refuse is %XX."""
    safe = quote(key, safe="")
    if len(safe) > _KEY_NAME_LENGTH:
        safe = f"{safe[: _KEY_NAME_LENGTH - 40]}~{sha256(key.encode()).hexdigest()[:32]}"
    return f"{record_type}.{safe}.xml"
