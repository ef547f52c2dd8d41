"""The folder of one adapter in the home: what is the adapter's own, and what its keeper keeps beside it.

``adapters/NAME/own`` is given to the adapter and to nobody else; ``spool`` holds a large delivery on its way in; the
lock says that some process of the home keeps the adapter.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from node.config.files import OWNER_ONLY, OWNER_ONLY_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER: Final = "adapters"
OWN: Final = "own"
SPOOL: Final = "spool"
_LOCK: Final = "lock"


def folder_of(home: Path, name: str) -> Path:
    """Return the folder of an adapter, whether it is there or not."""
    return home / FOLDER / name


def make_folder(home: Path, name: str) -> Path:
    """Make the folder of an adapter, empty what is left in its spool, and return it; raises OSError."""
    folder = folder_of(home, name)
    for path in (home / FOLDER, folder, folder / OWN, folder / SPOOL):
        path.mkdir(mode=OWNER_ONLY_FOLDER, exist_ok=True)
        path.chmod(OWNER_ONLY_FOLDER)
    for left in (folder / SPOOL).iterdir():
        left.unlink()
    return folder


def remove_folder(home: Path, name: str) -> None:
    """Remove the folder of an adapter with everything that the adapter kept there; raises OSError."""
    folder = folder_of(home, name)
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def kept_by_us(folder: Path) -> Iterator[bool]:
    """Hold the lock of an adapter while the block runs; gives False when another process holds it.

    The system frees it when a process dies.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
