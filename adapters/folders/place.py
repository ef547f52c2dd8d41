"""Where a folder is: what the adapter of folders asks of a disk of this machine, or of a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from adapters.contract import SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name in a folder as it is in this moment.

    ``raw`` is the name as the system holds it; ``size`` counts bytes; ``modified_ns`` is the source's own time of the
    last change; ``identity`` tells two files of one name apart, 0 where the system has no such number; ``regular`` is
    False for links, folders, pipes and devices.
    """

    raw: bytes
    size: int
    modified_ns: int
    identity: int = 0
    regular: bool = True
    folder: bool = False


class UnreadableFileError(Exception):
    """One file may not be read by this account, though its folder may."""


class BusyFileError(SourceUnavailableError):
    """One file cannot be read or moved now, though its folder can: a program holds it, or its disk is bad there."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"the file {name} cannot be read or moved now ({why}): "
            "close the program that holds it open, or take it away"
        )


class Place(Protocol):
    """A folder with shelves (folders in it, "" is the folder itself), somewhere.

    Every method may raise the errors of ``adapters.contract``. A shelf is a relative path of plain names.
    """

    def begin(self) -> None:
        """Get ready for a round: connect where that is needed, and see that the folder answers."""

    def identity(self) -> str:
        """Return what tells this folder from another one at the same path, "" where nothing does."""

    def entries(self, shelf: str) -> Iterator[Entry]:
        """Yield what stands on a shelf, in no order; a shelf that does not exist is empty."""

    def find(self, shelf: str, raw: bytes) -> Entry | None:
        """Return one entry, None when there is none of this name."""

    def copy(self, shelf: str, entry: Entry, target: BinaryIO, offset: int) -> None:
        """Append a file's bytes from ``offset`` on to ``target``, at most up to ``entry.size``.

        A slow place may stop before the end: the copy goes on in a later round. Raises UnreadableFileError,
        BusyFileError, and FileNotFoundError when the file is gone or no file any more.
        """

    def move(self, shelf: str, raw: bytes, to_shelf: str, to_raw: bytes) -> bool:
        """Move a file in one step, over one that has the new name; False when it is gone. Raises BusyFileError."""

    def write(self, shelf: str, raw: bytes, content: bytes) -> None:
        """Write a file so that its name appears only when it is whole and on the disk."""

    def remove(self, shelf: str, raw: bytes) -> None:
        """Remove a file; one that is gone is no error."""

    def make(self, shelf: str) -> None:
        """Make a shelf where there is none; its parent exists."""

    def check(self) -> None:
        """See whether everything that an adapter needs is allowed, without changing anything."""

    def close(self) -> None:
        """Let go of everything; calling it twice is harmless."""


class ClaimingPlace(Place, Protocol):
    """A place where a file can be moved in one step that only one of several adapters succeeds with."""

    def unmake(self, shelf: str) -> None:
        """Take a shelf away if nothing stands on it."""

    def put_back(self, shelf: str, raw: bytes) -> None:
        """Move a file from a shelf to the folder itself, unless a file of its name is there by now, or it is gone."""
