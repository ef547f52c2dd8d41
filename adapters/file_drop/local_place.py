"""A folder on a disk of this machine, or on a share that is mounted here.

Whoever may write to the folder may also put links there. So every shelf and every file is opened below the descriptor
of the folder it stands in, and never through a link; what is opened for reading is looked at again before it is read.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from adapters.contract import AdapterError, SourceNeedsPersonError, SourceUnavailableError
from adapters.folders.place import BusyFileError, Entry, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_INNER_FOLDER: Final = _FOLDER | os.O_NOFOLLOW
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without waiting: a pipe that took a file's name must not hold us up."""
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK_BYTES: Final = 1 << 20
_FORBIDDEN: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_BUSY: Final = frozenset({errno.EBUSY, errno.ETXTBSY, errno.EIO})
"""What concerns one file: a share answers so for one that a program on another machine holds open."""
_LOCKED: Final = _BUSY | {errno.EACCES, errno.EAGAIN}
"""The same where a file was opened already: on a share a part of it may be locked."""
_NO_FOLDER: Final = {errno.ELOOP, errno.ENOTDIR, errno.EXDEV}


class LocalPlace:
    """The folder at the absolute path ``root``; names of folders in it are in ``encoding``.

    Nothing stays open between two calls, so a disk can be taken away.
    """

    def __init__(self, root: str, encoding: str = "utf-8") -> None:
        self._root = root
        self._encoding = encoding

    def begin(self) -> None:
        """See that the folder is there; its absence is never mended."""
        with self._at(""):
            pass

    def identity(self) -> str:
        """Return the numbers of the folder's device and of the folder on it."""
        with self._at("") as folder:
            found = os.fstat(folder)
        return f"{found.st_dev}:{found.st_ino}"

    def entries(self, shelf: str) -> Iterator[Entry]:
        """Yield what stands on a shelf."""
        with suppress(FileNotFoundError), self._at(shelf, absent=True) as folder, os.scandir(folder) as found:
            for one in found:
                with suppress(FileNotFoundError):
                    yield _entry(os.fsencode(one.name), one.stat(follow_symlinks=False))

    def find(self, shelf: str, raw: bytes) -> Entry | None:
        """Return one entry of a shelf."""
        with suppress(FileNotFoundError), self._at(shelf, absent=True) as folder:
            return _entry(raw, os.stat(raw, dir_fd=folder, follow_symlinks=False))
        return None

    def copy(self, shelf: str, entry: Entry, target: BinaryIO, offset: int) -> None:
        """Append a file's bytes from ``offset`` on to ``target``."""
        with self._at(shelf, absent=True) as folder, self._one_file(entry.raw):
            file = _opened(entry.raw, folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise FileNotFoundError(errno.ENOENT, "not a file any more")
            while offset < entry.size:
                with self._told(), self._one_file(entry.raw, _LOCKED):
                    block = os.pread(file, min(_BLOCK_BYTES, entry.size - offset), offset)
                if not block:
                    return
                target.write(block)
                offset += len(block)
        finally:
            os.close(file)

    def move(self, shelf: str, raw: bytes, to_shelf: str, to_raw: bytes) -> bool:
        """Move a file in one step."""
        with suppress(FileNotFoundError), self._at(shelf, absent=True) as source:
            with self._at(to_shelf, absent=True) as target, self._one_file(raw):
                os.rename(raw, to_raw, src_dir_fd=source, dst_dir_fd=target)
            return True
        return False

    def unmake(self, shelf: str) -> None:
        """Take a shelf away if nothing stands on it."""
        parent, _, name = shelf.rpartition("/")
        with suppress(FileNotFoundError), self._at(parent, absent=True) as folder, suppress(OSError):
            os.rmdir(name.encode(self._encoding), dir_fd=folder)

    def put_back(self, shelf: str, raw: bytes) -> None:
        """Move a file to the folder itself: by a second name, since a rename would go over a file that is there."""
        with suppress(FileNotFoundError), self._at(shelf, absent=True) as source, self._at("") as folder:
            try:
                os.link(raw, raw, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            except OSError:
                # A new file has the name, or the file system knows no second names: it stays claimed.
                return
            os.unlink(raw, dir_fd=source)

    def write(self, shelf: str, raw: bytes, content: bytes) -> None:
        """Write a file under a hidden name, bring it to the disk, and give it its name."""
        hidden = b"." + raw + b".tmp"
        with self._at(shelf) as folder:
            with suppress(FileNotFoundError):
                os.unlink(hidden, dir_fd=folder)
            try:
                with os.fdopen(os.open(hidden, _WRITE, 0o600, dir_fd=folder), "wb") as file:
                    file.write(content)
                    file.flush()
                    self._share(file.fileno(), 0o666)
                    os.fsync(file.fileno())
                os.rename(hidden, raw, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with suppress(OSError):
                    os.unlink(hidden, dir_fd=folder)
                raise
            with suppress(OSError):  # Some network file systems bring no folder to the disk by itself.
                os.fsync(folder)

    def remove(self, shelf: str, raw: bytes) -> None:
        """Remove a file."""
        with suppress(FileNotFoundError), self._at(shelf, absent=True) as folder:
            os.unlink(raw, dir_fd=folder)

    def make(self, shelf: str) -> None:
        """Make a shelf that those may use who may use the folder."""
        parent, _, name = shelf.rpartition("/")
        with self._at(parent) as folder:
            try:
                os.mkdir(name.encode(self._encoding), 0o700, dir_fd=folder)
            except FileExistsError:
                return
        with self._at(shelf) as made:
            self._share(made, 0o7777)

    def check(self) -> None:
        """See that the account of the node may read the folder and write to it."""
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
            raise self._needs_permission("read it and write to it")

    def close(self) -> None:
        """Nothing is held."""

    def _share(self, made: int, mask: int) -> None:
        """Let those use what was made who may use the folder; file systems without modes decide by themselves."""
        with suppress(OSError):
            os.fchmod(made, stat.S_IMODE(Path(self._root).stat().st_mode) & mask)

    @contextmanager
    def _at(self, shelf: str, *, absent: bool = False) -> Iterator[int]:
        """Give the descriptor of a shelf; with ``absent`` what does not exist raises FileNotFoundError."""
        with self._told(absent=False):
            folder = os.open(self._root, _FOLDER)
        try:
            with self._told(absent=absent):
                for name in filter(None, shelf.split("/")):
                    inner = os.open(name.encode(self._encoding), _INNER_FOLDER, dir_fd=folder)
                    os.close(folder)
                    folder = inner
                yield folder
        finally:
            os.close(folder)

    @contextmanager
    def _told(self, *, absent: bool = False) -> Iterator[None]:
        """Tell an error of the operating system in the contract's words."""
        try:
            yield
        except OSError as error:
            if absent and isinstance(error, FileNotFoundError):
                raise
            raise self._error(error) from error

    @contextmanager
    def _one_file(self, raw: bytes, numbers: frozenset[int] = _BUSY) -> Iterator[None]:
        """Tell an error that concerns one file, not the folder, in words of its own."""
        try:
            yield
        except OSError as error:
            if error.errno not in numbers:
                raise
            raise BusyFileError(raw.decode(self._encoding, "replace"), str(error.strerror)) from error

    def _error(self, error: OSError) -> AdapterError:
        if error.errno in _FORBIDDEN:
            return self._needs_permission("read it and write to it, and the folders in it")
        if error.errno in _NO_FOLDER and error.filename != self._root:
            return SourceNeedsPersonError(
                f"{self._root} holds a link, a file or another disk where a folder is needed "
                f"({os.fsdecode(error.filename)}: {error.strerror}): take it away"
            )
        if error.errno == errno.ENOTDIR:
            return SourceUnavailableError(f"{self._root} is no folder: correct the setting folder, or mount the share")
        if error.errno == errno.ENOENT:
            return SourceUnavailableError(
                f"{self._root} is not there: mount it, make it, or correct the setting folder"
            )
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return SourceUnavailableError(f"the disk of {self._root} is full: make room there")
        return SourceUnavailableError(f"{self._root} cannot be used now: {error.strerror}")

    def _needs_permission(self, what: str) -> SourceNeedsPersonError:
        return SourceNeedsPersonError(
            f"no permission for the folder {self._root}: let the account of the node {what} "
            "(chown, chmod, or mount it with write access)"
        )


def _opened(raw: bytes, folder: int) -> int:
    try:
        return os.open(raw, _READ, dir_fd=folder)
    except PermissionError as error:
        raise UnreadableFileError from error
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise FileNotFoundError(errno.ENOENT, "not a file any more") from error
        raise


def _entry(raw: bytes, found: os.stat_result) -> Entry:
    return Entry(
        raw=raw,
        size=found.st_size,
        modified_ns=found.st_mtime_ns,
        identity=found.st_ino,
        regular=stat.S_ISREG(found.st_mode),
        folder=stat.S_ISDIR(found.st_mode),
    )
