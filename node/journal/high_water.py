"""The high-water file (02, R12): how far this node has told others that its streams reach, outside the database.

A database can come back older than it was: a backup put in place, a failed disk, a copied machine, a PostgreSQL server
whose standby took over. Its neighbours hold more then than it does, and a node that went on numbering would sign two
contradicting histories. So the sealer raises this file, flushed to the disk, before anything that reveals a size can
leave, and whoever appends or seals compares it with the database first. A database that is behind it, or one that has
sealed records and no such file beside it, puts the node *in doubt* (``node.journal.doubt``).

Streams of others stand in it too, with the sizes that this node has receipted: a node that lost a part of them may be
the one of whom their origin, lost as well, expects to hear what it had written (docs/adr/0010).
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final, Protocol

from node.config.files import write_safely
from node.standard.seals import StreamName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME: Final = "high-water"
"""Its name in the home of a node."""
_FORM: Final = "yizhan.high-water/1"


class HighWater(Protocol):
    """Where the sizes are kept."""

    def sizes(self) -> Mapping[StreamName, int] | None:
        """Return the revealed size of each stream, None when nothing can be read: missing or damaged."""

    def raise_to(self, sizes: Mapping[StreamName, int]) -> None:
        """Keep sizes that are about to be revealed, durably; a smaller one than is kept changes nothing."""

    def place(self) -> str:
        """Return what the database's server said of itself when sizes were last kept, empty when it said nothing."""

    def settle(self, sizes: Mapping[StreamName, int], place: str) -> None:
        """Keep exactly these sizes and this place: the end of doubt."""


class HighWaterMemory:
    """High water of a node without a home: in a test or a simulation, which hands it over from life to life."""

    def __init__(self) -> None:
        self._sizes: dict[StreamName, int] | None = None
        self._place = ""

    def sizes(self) -> Mapping[StreamName, int] | None:
        """Return what was kept."""
        return self._sizes

    def place(self) -> str:
        """Return what was kept."""
        return self._place

    def raise_to(self, sizes: Mapping[StreamName, int]) -> None:
        """Keep larger sizes."""
        self._sizes = _raised(self._sizes or {}, sizes)

    def settle(self, sizes: Mapping[StreamName, int], place: str) -> None:
        """Keep these."""
        self._sizes = dict(sizes)
        self._place = place


class HighWaterFile:
    """High water in a file of the home; several processes of the home read it, only ``run`` writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._read: tuple[dict[StreamName, int], str] | None = None

    def sizes(self) -> Mapping[StreamName, int] | None:
        """Return what the file holds; it is read again only when it has changed."""
        with self._lock:
            found = self._content()
        return None if found is None else found[0]

    def place(self) -> str:
        """Return what the file says of the database's server."""
        with self._lock:
            found = self._content()
        return "" if found is None else found[1]

    def raise_to(self, sizes: Mapping[StreamName, int]) -> None:
        """Write larger sizes and flush; StoreUnavailableError when the disk does not take it."""
        with self._lock:
            before, place = self._content() or ({}, "")
            raised = _raised(before, sizes)
            if raised != before or self._read is None:
                self._write(raised, place)

    def settle(self, sizes: Mapping[StreamName, int], place: str) -> None:
        """Write these and flush; StoreUnavailableError when the disk does not take it."""
        with self._lock:
            self._write(dict(sizes), place)

    def _content(self) -> tuple[dict[StreamName, int], str] | None:
        try:
            state = self._path.stat()
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            if stamp != self._stamp:
                self._read = _parse(self._path.read_bytes())
                self._stamp = stamp
        except FileNotFoundError:
            self._stamp = self._read = None
        return self._read

    def _write(self, sizes: dict[StreamName, int], place: str) -> None:
        write_safely(self._path, _text(sizes, place))
        self._stamp = None


def _raised(before: Mapping[StreamName, int], sizes: Mapping[StreamName, int]) -> dict[StreamName, int]:
    return {**before, **{stream: max(size, before.get(stream, 0)) for stream, size in sizes.items()}}


def _text(sizes: Mapping[StreamName, int], place: str) -> bytes:
    lines = [_FORM, f"place {place}", *(f"{stream} {size}" for stream, size in sorted(sizes.items()))]
    text = "".join(f"{line}\n" for line in lines).encode()
    return text + f"sha256 {hashlib.sha256(text).hexdigest()}\n".encode()


def _parse(data: bytes) -> tuple[dict[StreamName, int], str] | None:
    """Return sizes and place of a file; None when it is damaged, which counts like a missing one."""
    text, _, digest = data.rpartition(b"sha256 ")
    if digest.strip() != hashlib.sha256(text).hexdigest().encode():
        return None
    form, place, *lines = text.decode().splitlines()
    if form != _FORM:
        return None
    sizes = {}
    for line in lines:
        name, _, size = line.rpartition(" ")
        sizes[StreamName.parse(name)] = int(size)
    return sizes, place.removeprefix("place").strip()
