"""A folder on an SFTP server; a connection is made when it is needed, and made anew when it broke."""

from __future__ import annotations

import posixpath
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import paramiko
from paramiko.sftp import SFTPError

from adapters.contract import AdapterError, SourceNeedsPersonError, SourceUnavailableError
from adapters.folders.adapter import ENTRIES_MAX
from adapters.folders.place import BusyFileError, Entry, UnreadableFileError
from adapters.sftp.client import StatusError
from adapters.sftp.session import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.sftp.client import SftpClient
    from adapters.sftp.session import Login, Session

COPY_S: Final = 120.0
"""How long one round copies one file; the copy goes on in the next round."""
_LOST: Final = (paramiko.SSHException, EOFError, SFTPError, OSError)
_REFUSED: Final = (StatusError, PermissionError)


class RemotePlace:
    """The folder ``root`` of the server that ``login`` leads to; names of folders are in ``encoding`` there."""

    def __init__(self, login: Login, root: str, encoding: str, monotonic_s: Callable[[], float]) -> None:
        self._login = login
        self._root = root
        self._encoding = encoding
        self._monotonic_s = monotonic_s
        self._session: Session | None = None

    def begin(self) -> None:
        """Connect where that is needed, and see that the folder answers; a connection that died is made anew."""
        if self._session is not None:
            with suppress(SourceUnavailableError):
                self._look()
                return
        self._look()

    def identity(self) -> str:
        """Nothing tells a folder of a server from another one at its path."""
        return ""

    def entries(self, shelf: str) -> Iterator[Entry]:
        """Yield what stands on a shelf."""
        with suppress(FileNotFoundError), self._told(absent=bool(shelf)) as client:
            found = client.listed(self._path(shelf), ENTRIES_MAX)
            yield from (_entry(raw, attributes) for raw, attributes in found)

    def find(self, shelf: str, raw: bytes) -> Entry | None:
        """Return one entry of a shelf."""
        with suppress(FileNotFoundError), self._told(absent=True) as client:
            return _entry(raw, client.lstat(self._path(shelf, raw)))
        return None

    def copy(self, shelf: str, entry: Entry, target: BinaryIO, offset: int) -> None:
        """Append a file's bytes from ``offset`` on to ``target``, for COPY_S at most."""
        until_s = self._monotonic_s() + COPY_S
        for block in self._blocks(shelf, entry, offset):
            target.write(block)
            if self._monotonic_s() > until_s:
                return

    def move(self, shelf: str, raw: bytes, to_shelf: str, to_raw: bytes) -> bool:
        """Move a file in one step."""
        with suppress(FileNotFoundError), self._told(absent=True) as client:
            try:
                _rename(client, self._path(shelf, raw), self._path(to_shelf, to_raw))
            except StatusError as error:
                raise self._busy(raw, error) from error
            return True
        return False

    def write(self, shelf: str, raw: bytes, content: bytes) -> None:
        """Write a file under a hidden name, bring it to the disk, and give it its name."""
        hidden, path = self._path(shelf, b"." + raw + b".tmp"), self._path(shelf, raw)
        with self._told() as client:
            with client.open(hidden, "wb") as file:
                file.set_pipelined(True)
                file.write(content)
                file.flush()
                with suppress(*_REFUSED):
                    client.bring_to_disk(file.handle)
            if client.lstat(hidden).st_size != len(content):
                raise StatusError("the file did not arrive whole")
            _rename(client, hidden, path, over=True)

    def remove(self, shelf: str, raw: bytes) -> None:
        """Remove a file."""
        with suppress(FileNotFoundError), self._told(absent=True) as client:
            client.remove(self._path(shelf, raw))

    def make(self, shelf: str) -> None:
        """Make a shelf."""
        parent, _, name = shelf.rpartition("/")
        there = self.find(parent, name.encode(self._encoding))
        if there is None:
            with self._told() as client:
                client.mkdir(self._path(shelf))
        elif there.regular:
            raise SourceNeedsPersonError(
                f"{self._shown()} holds a file named {name}, where a folder is needed: take it away"
            )

    def check(self) -> None:
        """See that the folder may be listed; whether it may be written to shows only when that is tried."""
        with self._told() as client:
            client.listed(self._path(""), 1)

    def close(self) -> None:
        """End the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _look(self) -> None:
        with self._told() as client:
            if stat.S_IFMT(client.stat(self._path("")).st_mode or 0) not in {0, stat.S_IFDIR}:
                raise SourceNeedsPersonError(f"{self._shown()} is no folder: correct the setting folder")

    def _blocks(self, shelf: str, entry: Entry, begin: int) -> Iterator[bytes]:
        with self._told(absent=True) as client:
            try:
                file = client.open(self._path(shelf, entry.raw), "rb")
            except PermissionError as error:
                raise UnreadableFileError from error
            except StatusError as error:
                raise self._busy(entry.raw, error) from error
            with file:
                try:
                    yield from client.blocks(file.handle, begin, entry.size)
                except StatusError as error:
                    raise self._busy(entry.raw, error) from error

    def _busy(self, raw: bytes, error: StatusError) -> BusyFileError:
        return BusyFileError(raw.decode(self._encoding, "replace"), f"{self._login.address} says: {error}")

    def _path(self, shelf: str, raw: bytes = b"") -> bytes:
        folder = posixpath.join(self._root, shelf) if shelf else self._root
        return posixpath.join(folder.encode(self._encoding), raw) if raw else folder.encode(self._encoding)

    def _shown(self) -> str:
        return f"{self._login.address}, folder {self._root}"

    @contextmanager
    def _told(self, *, absent: bool = False) -> Iterator[SftpClient]:
        """Give the client, connected; tell its errors in the contract's words, and drop a connection that broke."""
        if self._session is None:
            self._session = connect(self._login)
        try:
            yield self._session.client
        except FileNotFoundError as error:
            if absent:
                raise
            raise SourceUnavailableError(
                f"{self._shown()} is not there: make it, mount it, or correct the setting folder"
            ) from error
        except PermissionError as error:
            raise SourceNeedsPersonError(
                f"no permission for {self._shown()}: let the account read it, write to it and to the folders in it"
            ) from error
        except StatusError as error:
            raise SourceUnavailableError(f"{self._shown()}: the server refused: {error}") from error
        except _LOST as error:
            self.close()
            raise self._broken(error) from error

    def _broken(self, error: BaseException) -> AdapterError:
        if isinstance(error, TimeoutError):
            return SourceUnavailableError(f"{self._login.address} did not answer for {self._login.timeout_s:g} s")
        return SourceUnavailableError(f"{self._login.address} broke off: {type(error).__name__}")


def _rename(client: SftpClient, path: bytes, to_path: bytes, *, over: bool = False) -> None:
    """Rename in one step where the server knows how; ``over`` a file of the new name."""
    try:
        client.posix_rename(path, to_path)
    except _REFUSED:
        # Not every server knows this extension; the rename of the standard refuses a name that is taken.
        if over:
            with suppress(FileNotFoundError):
                client.remove(to_path)
        client.rename(path, to_path)


def _entry(raw: bytes, attributes: Any) -> Entry:
    kind = stat.S_IFMT(attributes.st_mode or 0)
    return Entry(
        raw=raw,
        size=attributes.st_size or 0,
        modified_ns=(attributes.st_mtime or 0) * 1_000_000_000,
        # Some servers tell permissions and no type, or nothing: then it shows when it is read.
        regular=kind in {0, stat.S_IFREG},
        folder=kind == stat.S_IFDIR,
    )
