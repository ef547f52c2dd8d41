"""An SFTP client whose names and messages are bytes, and which reads ahead within a bound.

paramiko's own client takes every name and message for UTF-8, which older servers here do not keep to, and the thread
with which it reads ahead outlives a connection that breaks. What is added uses the requests of SFTP version 3
(draft-ietf-secsh-filexfer-02), to which OpenSSH and nearly all servers keep.
"""

from __future__ import annotations

import errno
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from paramiko.sftp import (
    CMD_CLOSE,
    CMD_DATA,
    CMD_EXTENDED,
    CMD_HANDLE,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_STATUS,
    SFTP_EOF,
    SFTP_NO_SUCH_FILE,
    SFTP_OK,
    SFTP_PERMISSION_DENIED,
    SFTPError,
    int64,
)
from paramiko.sftp_attr import SFTPAttributes
from paramiko.sftp_client import SFTPClient

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_BYTES: Final = 32_768
"""Bytes of one request: what every server has to take (draft-ietf-secsh-filexfer-02, section 3)."""
_REQUESTS_MAX: Final = 64
"""Requests that are on their way at once: 2 MiB, which fills 100 Mbit/s at 160 ms."""
_TEXT_MAX: Final = 200
_DOTS: Final = frozenset({b".", b".."})


class StatusError(Exception):
    """The server refused a request; the text is the server's."""


class SftpClient(SFTPClient):  # type: ignore[misc]
    """What paramiko's client does, and what the module says."""

    def listed(self, path: bytes, limit: int) -> list[tuple[bytes, Any]]:
        """Return at most ``limit`` names in a folder with their attributes, as the server gives them."""
        handle = self._answer(CMD_HANDLE, CMD_OPENDIR, path).get_binary()
        try:
            found = list(islice(self._names(handle, limit), limit))
        except (StatusError, PermissionError, FileNotFoundError):
            # The connection goes on: what the server holds for us must not pile up there.
            with suppress(StatusError, PermissionError, FileNotFoundError):
                self._request(CMD_CLOSE, handle)
            raise
        self._request(CMD_CLOSE, handle)
        return found

    def blocks(self, handle: bytes, begin: int, end: int) -> Iterator[bytes]:
        """Yield the bytes of an open file from ``begin`` to ``end``; fewer when the file ends before."""
        answers = _Answers()
        asked: deque[tuple[int, int, int]] = deque()
        while begin < end or asked:
            while begin < end and len(asked) < _REQUESTS_MAX:
                size = min(READ_BYTES, end - begin)
                asked.append((self._async_request(answers, CMD_READ, handle, int64(begin), size), begin, size))
                begin += size
            number, offset, size = asked.popleft()
            while number not in answers.by_number:
                self._read_response()
            try:
                block = self._data(size, *answers.by_number.pop(number))
                yield block
                while 0 < len(block) < size:
                    offset, size = offset + len(block), size - len(block)
                    block = self._data(size, *self._request(CMD_READ, handle, int64(offset), size))
                    yield block
            except EOFError:
                return

    def bring_to_disk(self, handle: bytes) -> None:
        """Have the server write an open file to its disk; StatusError where it does not know this request."""
        self._request(CMD_EXTENDED, "fsync@openssh.com", handle)

    def _names(self, handle: bytes, limit: int) -> Iterator[tuple[bytes, Any]]:
        """Yield the names in an open folder, ``limit`` of them at least where there are so many."""
        left = limit + len(_DOTS)
        while left > 0:
            try:
                page = self._answer(CMD_NAME, CMD_READDIR, handle)
            except EOFError:
                return
            count = page.get_int()
            left -= count
            if not count:
                # A server that has nothing more to say and does not say so would be asked for ever.
                return
            for _ in range(count):
                name = page.get_binary()
                if not name:
                    # Behind the end of a message paramiko reads nothing for ever.
                    raise SFTPError("a name is empty, or fewer came than were promised")
                page.get_binary()
                attributes = SFTPAttributes._from_msg(page)  # noqa: SLF001  # The one reader of attributes.
                if name not in _DOTS:
                    yield name, attributes

    def _answer(self, kind: int, *request: Any) -> Any:
        got, message = self._request(*request)
        if got != kind:
            raise SFTPError(f"answer {got} where {kind} belongs")
        return message

    def _data(self, asked: int, kind: int, message: Any) -> bytes:
        if kind == CMD_STATUS:
            self._convert_status(message)
        if kind != CMD_DATA:
            raise SFTPError(f"answer {kind} where data belong")
        data: bytes = message.get_binary()
        if len(data) > asked:
            raise SFTPError(f"{len(data)} bytes came where {asked} were asked for")
        return data

    def _convert_status(self, msg: Any) -> None:
        """Raise what a status says, whatever the encoding of its text."""
        code = msg.get_int()
        text = msg.get_binary()[:_TEXT_MAX].decode("utf-8", "replace")
        if code == SFTP_OK:
            return
        if code == SFTP_EOF:
            raise EOFError(text)
        if code == SFTP_NO_SUCH_FILE:
            raise FileNotFoundError(errno.ENOENT, text)
        if code == SFTP_PERMISSION_DENIED:
            raise PermissionError(errno.EACCES, text)
        raise StatusError("".join(letter if letter.isprintable() else " " for letter in text) or f"status {code}")


class _Answers:
    """Answers to requests that were sent ahead, by the number of the request."""

    def __init__(self) -> None:
        self.by_number: dict[int, tuple[int, Any]] = {}

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        self.by_number[number] = (kind, message)
