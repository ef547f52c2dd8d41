"""Entries longer than a message: cut into parts at one end, put together at the other."""

from __future__ import annotations

import hashlib
from typing import Iterator

from adapters.record_line.limits import MEDIA_TYPE_BYTES_MAX, NAME_BYTES_MAX, PART_BYTES_MAX, TEXT_BYTES_MAX
from adapters.record_line.messages import Entry, LineProtocolError, Message, Part, clipped


def entry_messages(
    key: str, content: bytes, *, media_type: str, name: str = "", text: str = "", offset: int = 0
) -> Iterator[Message]:
    """Yield the messages that bring ``content`` from ``offset`` on; texts are clipped to what is allowed."""
    end = min(offset + PART_BYTES_MAX, len(content))
    digest = hashlib.sha256(content).digest() if offset or end < len(content) else b""
    texts = clipped(media_type, MEDIA_TYPE_BYTES_MAX), clipped(name, NAME_BYTES_MAX), clipped(text, TEXT_BYTES_MAX)
    yield Entry(key, len(content), content[offset:end], *texts, offset, digest)
    for start in range(end, len(content), PART_BYTES_MAX):
        yield Part(content[start : start + PART_BYTES_MAX])


class Assembly:
    """An entry that is being put together; ``held`` are its bytes before ``entry.offset``."""

    def __init__(self, entry: Entry, held: bytes = b"") -> None:
        if len(held) != entry.offset:
            raise LineProtocolError("an entry goes on where nothing was held")
        self.entry = entry
        self._content = bytearray(held)
        self.add(entry.data)

    def add(self, data: bytes) -> None:
        """Take in the next bytes; raises LineProtocolError when they are too many or the whole is not what was said."""
        if len(self._content) + len(data) > self.entry.total:
            raise LineProtocolError("an entry is longer than was said")
        self._content += data
        if self.is_whole and self.entry.digest and hashlib.sha256(self._content).digest() != self.entry.digest:
            raise LineProtocolError("an entry is not what was begun")

    @property
    def is_whole(self) -> bool:
        """Whether everything has come."""
        return len(self._content) == self.entry.total

    @property
    def content(self) -> bytes:
        """What has come so far."""
        return bytes(self._content)
