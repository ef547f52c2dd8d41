"""Answers of SFTP servers that are not OpenSSH: short blocks, other encodings, answers that fit no question.

The server here speaks the packets of draft-ietf-secsh-filexfer-02 from a script, byte for byte.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from paramiko.message import Message
from paramiko.sftp import SFTPError
from paramiko.sftp_attr import SFTPAttributes

from adapters.sftp.client import SftpClient, StatusError
from adapters.sftp.remote_place import _entry

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = bytes(range(256)) * 1000
VERSION, CLOSE, READ, OPEN_FOLDER, READ_FOLDER = 2, 4, 5, 11, 12
STATUS, HANDLE, DATA, NAME = 101, 102, 103, 104
FAILURE, END, DENIED = 4, 1, 3


def text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def status(code: int, said: bytes = b"") -> bytes:
    return bytes([STATUS]) + b"%b" + struct.pack(">I", code) + text(said) + text(b"")


class Script:
    """A server that reads ``CONTENT`` in blocks of at most ``block_bytes``, and answers folders from a script."""

    def __init__(self, link: socket.socket, *, block_bytes: int = 2**20, folder: list[bytes] | None = None) -> None:
        self._stream = link.makefile("rwb")
        self._block_bytes = block_bytes
        self._folder = folder or []

    def serve(self) -> None:
        while head := self._stream.read(4):
            packet = self._stream.read(struct.unpack(">I", head)[0])
            number, rest = packet[1:5], packet[5:]
            answer = self._answer(packet[0], rest)
            answer = answer.replace(b"%b", number, 1)
            self._stream.write(text(answer))
            self._stream.flush()

    def _answer(self, kind: int, rest: bytes) -> bytes:
        if kind == 1:
            return bytes([VERSION]) + struct.pack(">I", 3)
        if kind == READ:
            offset, length = struct.unpack(">QI", rest[-12:])
            block = CONTENT[offset : offset + min(length, self._block_bytes)]
            return bytes([DATA]) + b"%b" + text(block) if block else status(END)
        if kind == CLOSE:
            return status(0)
        return self._folder.pop(0)


class Link(socket.socket):
    """A socket that has a name, as channels have."""

    def get_name(self) -> str:
        return "link"


@contextmanager
def client_of(*, block_bytes: int = 2**20, folder: list[bytes] | None = None) -> Iterator[SftpClient]:
    plain, far = socket.socketpair()
    near = Link(fileno=plain.detach())
    server = threading.Thread(target=Script(far, block_bytes=block_bytes, folder=folder).serve)
    server.start()
    try:
        yield SftpClient(near)
    finally:
        near.shutdown(socket.SHUT_RDWR)
        server.join()
        near.close()
        far.close()


@pytest.mark.parametrize("block_bytes", [2**20, 32_768, 30_000, 1_000])
def test_blocks_come_whole_and_in_order_however_short_the_answers_are(block_bytes: int) -> None:
    with client_of(block_bytes=block_bytes) as client:
        assert b"".join(client.blocks(b"h", 0, len(CONTENT))) == CONTENT
        assert b"".join(client.blocks(b"h", 100_000, 200_000)) == CONTENT[100_000:200_000]


def test_a_file_that_ends_before_is_read_as_far_as_it_goes() -> None:
    with client_of() as client:
        assert b"".join(client.blocks(b"h", 0, len(CONTENT) + 500_000)) == CONTENT
    with client_of(block_bytes=30_000) as client:
        assert b"".join(client.blocks(b"h", 0, len(CONTENT) + 500)) == CONTENT


def test_who_stops_reading_ahead_can_ask_other_things() -> None:
    with client_of(folder=[status(END)]) as client:
        blocks = client.blocks(b"h", 0, len(CONTENT))
        next(blocks)
        del blocks
        with pytest.raises(EOFError):
            client.listed(b"/", 10)
        assert b"".join(client.blocks(b"h", 0, 40_000)) == CONTENT[:40_000]


def test_a_servers_words_are_shown_in_whatever_encoding_they_come() -> None:
    words = "磁盘\x07已满".encode("gb18030")
    with client_of(folder=[status(FAILURE, words), status(FAILURE), status(DENIED, words)]) as client:
        with pytest.raises(StatusError) as caught:
            client.listed(b"/", 10)
        assert str(caught.value).isprintable()
        assert str(caught.value)
        with pytest.raises(StatusError, match="status 4"):
            client.listed(b"/", 10)
        with pytest.raises(PermissionError):
            client.listed(b"/", 10)


def test_names_are_bytes_and_no_more_than_asked_for() -> None:
    raw = "受理".encode("gb18030")
    entry = text(raw) + text(b"long name") + struct.pack(">I", 0)
    dots = text(b".") + text(b"") + struct.pack(">I", 0)
    names = bytes([NAME]) + b"%b" + struct.pack(">I", 4) + dots + entry * 3
    opened = bytes([HANDLE]) + b"%b" + text(b"h")
    with client_of(folder=[opened, names, opened, names, status(END)]) as client:
        assert [name for name, _ in client.listed(b"/", 2)] == [raw] * 2
        assert [name for name, _ in client.listed(b"/", 9)] == [raw] * 3


def test_answers_that_fit_no_question_are_refused() -> None:
    handle = bytes([HANDLE]) + b"%b" + text(b"h")
    with client_of(folder=[handle, handle]) as client, pytest.raises(SFTPError, match="answer 102 where 104 belongs"):
        client.listed(b"/", 10)
    with client_of() as client, pytest.raises(SFTPError, match="answer 102 where data belong"):
        client._data(1, HANDLE, None)


def test_a_server_that_promises_names_without_end_is_not_believed() -> None:
    handle = bytes([HANDLE]) + b"%b" + text(b"h")
    endless = bytes([NAME]) + b"%b" + struct.pack(">I", 2**32 - 1)
    with client_of(folder=[handle, endless]) as client, pytest.raises(SFTPError, match="fewer came than were promised"):
        client.listed(b"/", 10)


def test_a_server_that_never_says_that_a_folder_ends_is_asked_no_more() -> None:
    handle = bytes([HANDLE]) + b"%b" + text(b"h")
    nothing = bytes([NAME]) + b"%b" + struct.pack(">I", 0)
    with client_of(folder=[handle, nothing]) as client:
        assert client.listed(b"/", 10) == []
    dots = bytes([NAME]) + b"%b" + struct.pack(">I", 2) + (text(b".") + text(b"") + struct.pack(">I", 0)) * 2
    with client_of(folder=[handle, *[dots] * 6]) as client:
        assert client.listed(b"/", 10) == []


def test_a_folder_that_cannot_be_listed_is_closed_all_the_same() -> None:
    handle = bytes([HANDLE]) + b"%b" + text(b"h")
    with client_of(folder=[handle, status(FAILURE, b"bad disk"), handle, status(END)]) as client:
        asked = client._request
        kinds = []

        def noted(kind: int, *rest: object) -> object:
            kinds.append(kind)
            return asked(kind, *rest)

        client._request = noted
        with pytest.raises(StatusError, match="bad disk"):
            client.listed(b"/", 10)
        assert kinds == [OPEN_FOLDER, READ_FOLDER, CLOSE]
        assert client.listed(b"/", 10) == []


def test_a_block_of_more_than_was_asked_for_is_refused() -> None:
    with client_of() as client, pytest.raises(SFTPError, match="2 bytes came where 1 were asked for"):
        client._data(1, DATA, Message(text(b"ab")))


@pytest.mark.parametrize(
    ("mode", "regular", "folder"),
    [
        (0o100644, True, False),
        (0o040755, False, True),
        (0o120777, False, False),
        (0o644, True, False),
        (None, True, False),
    ],
)
def test_a_server_may_tell_permissions_without_a_type_or_nothing(
    mode: int | None,
    regular: bool,  # noqa: FBT001 - what is expected.
    folder: bool,  # noqa: FBT001
) -> None:
    attributes = SFTPAttributes()
    attributes.st_mode = mode
    found = _entry(b"cases.csv", attributes)
    assert (found.size, found.regular, found.folder) == (0, regular, folder)
