"""What the stream says: messages, each with its kind and its length, and how they are packed."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, Union

from adapters.record_line.limits import (
    ENTRY_BYTES_MAX,
    KEY_BYTES_MAX,
    MEDIA_TYPE_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    NAME_BYTES_MAX,
    TEXT_BYTES_MAX,
)

_MESSAGE_HEAD: Final = struct.Struct(">BI")
_TEXT: Final = struct.Struct(">H")
_ENTRY: Final = struct.Struct(">II")
_COUNTS: Final = struct.Struct(">IIIII")
_DIGEST_BYTES: Final = 32


class LineProtocolError(Exception):
    """The other end does not keep to the protocol, although it has the key: the session ends."""


class Entry(NamedTuple):
    """A record, a file or a document begins, at ``offset`` when its first bytes are there already.

    ``total`` are its bytes in all, ``data`` the first of those that come now; ``Part`` brings the others. ``digest`` is
    its SHA-256 when it comes in parts, else b"". ``text`` is for a display.
    """

    key: str
    total: int
    data: bytes
    media_type: str
    name: str = ""
    text: str = ""
    offset: int = 0
    digest: bytes = b""

    def packed(self) -> bytes:
        """Return the message's body."""
        texts = (self.key, self.media_type, self.name, self.text)
        head = _ENTRY.pack(self.total, self.offset) + bytes((len(self.digest),)) + self.digest
        return head + b"".join(map(_packed_text, texts)) + self.data


class Part(NamedTuple):
    """The next bytes of the entry that was begun last."""

    data: bytes

    def packed(self) -> bytes:
        """Return the message's body."""
        return self.data


class Confirm(NamedTuple):
    """The entry ``key`` is in the node's journal, with what became of its records; or on the terminal's disk."""

    key: str
    offered: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    received: int = 0
    text: str = ""

    def packed(self) -> bytes:
        """Return the message's body."""
        counts = _COUNTS.pack(self.offered, self.accepted, self.repeated, self.refused, self.received)
        return _packed_text(self.key) + counts + _packed_text(self.text)


class Refuse(NamedTuple):
    """The entry ``key`` will never be taken, for the reason in ``text``."""

    key: str
    text: str

    def packed(self) -> bytes:
        """Return the message's body."""
        return _packed_text(self.key) + _packed_text(self.text)


Message = Union[Entry, Part, Confirm, Refuse]  # noqa: UP007 - Python 3.8 evaluates this
_KINDS: Final[dict[type[Message], int]] = {Entry: 1, Part: 2, Confirm: 3, Refuse: 4}


def packed(message: Message) -> bytes:
    """Return a message as it stands in the stream."""
    body = message.packed()
    return _MESSAGE_HEAD.pack(_KINDS[type(message)], len(body)) + body


def take_message(raw: bytearray) -> Message | None:
    """Take the message that ``raw`` begins with, None when it is not whole yet; raises LineProtocolError."""
    if len(raw) < _MESSAGE_HEAD.size:
        return None
    kind, length = _MESSAGE_HEAD.unpack_from(raw)
    if length > MESSAGE_BYTES_MAX:
        raise LineProtocolError(f"a message of {length} bytes")
    if len(raw) < _MESSAGE_HEAD.size + length:
        return None
    body = bytes(raw[_MESSAGE_HEAD.size : _MESSAGE_HEAD.size + length])
    del raw[: _MESSAGE_HEAD.size + length]
    try:
        return _message(kind, body)
    except (struct.error, UnicodeDecodeError) as cause:
        raise LineProtocolError(f"a message of kind {kind} that does not follow its form") from cause


def clipped(text: str, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """Return ``text`` without what goes beyond ``bytes_max`` bytes of UTF-8."""
    return text.encode("utf-8")[:bytes_max].decode("utf-8", "ignore")


def _message(kind: int, body: bytes) -> Message:
    if kind == _KINDS[Entry]:
        return _entry(body)
    if kind == _KINDS[Part]:
        return Part(body)
    if kind == _KINDS[Confirm]:
        (key,), place = _texts(body, 0, (KEY_BYTES_MAX,))
        offered, accepted, repeated, refused, received = _COUNTS.unpack_from(body, place)
        (text,), place = _texts(body, place + _COUNTS.size, (TEXT_BYTES_MAX,))
        return Confirm(key, offered, accepted, repeated, refused, received, text)
    if kind == _KINDS[Refuse]:
        (key, text), _ = _texts(body, 0, (KEY_BYTES_MAX, TEXT_BYTES_MAX))
        return Refuse(key, text)
    raise LineProtocolError(f"a message of the unknown kind {kind}")


def _entry(body: bytes) -> Entry:
    total, offset = _ENTRY.unpack_from(body)
    (length,) = struct.unpack_from("B", body, _ENTRY.size)
    place = _ENTRY.size + 1 + length
    digest = body[_ENTRY.size + 1 : place]
    limits = (KEY_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX)
    (key, media_type, name, text), place = _texts(body, place, limits)
    data = body[place:]
    if not key or total > ENTRY_BYTES_MAX or offset + len(data) > total or length not in {0, _DIGEST_BYTES}:
        raise LineProtocolError("an entry whose numbers do not fit together")
    if (offset or len(data) < total) and not digest:
        raise LineProtocolError("an entry in parts without its digest")
    return Entry(key, total, data, media_type, name, text, offset, digest)


def _packed_text(text: str) -> bytes:
    data = text.encode("utf-8")
    return _TEXT.pack(len(data)) + data


def _texts(body: bytes, place: int, limits: tuple[int, ...]) -> tuple[list[str], int]:
    found = []
    for bytes_max in limits:
        (length,) = _TEXT.unpack_from(body, place)
        data = body[place + _TEXT.size : place + _TEXT.size + length]
        if length > bytes_max or len(data) != length:
            raise LineProtocolError("a text that is too long")
        found.append(data.decode("utf-8"))
        place += _TEXT.size + length
    return found, place
