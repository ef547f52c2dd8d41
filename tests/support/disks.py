"""Disks whose power can be cut: a file system of its own in an image, copied whole in one instant (root only).

The image lies on a file system that shares blocks between files, so a copy is made at once, whatever is being written:
it holds what had reached the disk at that moment and nothing later, as after a power cut. What had not left the
machine's memory is lost with it; mounting the copy replays the file system's own journal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHELF_MB = 20_000
"""The size of the file system that holds image and copies; only what is written takes room."""


class Disk:
    """A disk at ``place``: ext4 in an image on ``shelf``."""

    def __init__(self, shelf: Path, place: Path, megabytes: int) -> None:
        self.place = place
        self._shelf = shelf
        self._image = shelf / "disk.img"
        self._mounted: list[Path] = []
        with self._image.open("wb") as image:
            image.truncate(megabytes * 1_000_000)
        _run("mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard,lazy_journal_init=1", str(self._image))
        place.mkdir()
        self._mount(self._image, place)
        place.chmod(0o700)

    def copy(self, name: str) -> Path:
        """Return a copy of the image as it is in this instant."""
        made = self._shelf / f"{name}.img"
        _run("cp", "--reflink=always", str(self._image), str(made))
        return made

    @contextmanager
    def opened(self, copy: Path, place: Path) -> Iterator[Path]:
        """Mount a copy at ``place`` (made when it is new) while the block runs."""
        place.mkdir(exist_ok=True)
        self._mount(copy, place)
        try:
            yield place
        finally:
            self._unmount(place)

    def replace(self, copy: Path) -> None:
        """Put a copy in the disk's place: nobody may use the disk any more."""
        self._unmount(self.place)
        self._mount(copy, self.place)
        self._image = copy

    def close(self) -> None:
        """Take the disk away."""
        for place in reversed(list(self._mounted)):
            self._unmount(place)

    def _mount(self, image: Path, place: Path) -> None:
        _run("mount", "-o", "loop", str(image), str(place))
        self._mounted.append(place)

    def _unmount(self, place: Path) -> None:
        _run("umount", str(place))
        self._mounted.remove(place)


@contextmanager
def disk(folder: Path, *, megabytes: int) -> Iterator[Disk]:
    """Give a disk in ``folder``; skips, with the reason, where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    missing = [program for program in ("mkfs.xfs", "mkfs.ext4") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder.mkdir(exist_ok=True)
    shelf = folder / "shelf"
    shelf.mkdir()
    with (folder / "shelf.img").open("wb") as image:
        image.truncate(SHELF_MB * 1_000_000)
    try:
        _run("mkfs.xfs", "-q", "-m", "reflink=1", str(folder / "shelf.img"))
        _run("mount", "-o", "loop", str(folder / "shelf.img"), str(shelf))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no file system may be mounted here: {error.stderr.strip()}")
    try:
        made = Disk(shelf, folder / "disk", megabytes)
        try:
            yield made
        finally:
            made.close()
    finally:
        _run("umount", str(shelf))
        (folder / "shelf.img").unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
