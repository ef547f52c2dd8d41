"""A beginning for authors of kinds: a small package that works, with its test, under the author's own name."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from node.errors import StateConflictError, StoreUnavailableError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE: Final = "example_door"
FILES: Final = ("README.md", "example_door.py", "pyproject.toml", "test_example_door.py")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*\Z")
_LENGTH_MAX: Final = 40
_PACKAGE: Final = "adapters.skeleton"


def write_skeleton(name: str, folder: Path) -> tuple[Path, ...]:
    """Write the package of a kind named ``name`` into ``folder``, which must not exist or be empty; return its files.

    Raises UsageError for a name that is not one of a Python module, StateConflictError for a folder with something in
    it, StoreUnavailableError where nothing can be written.
    """
    if not _NAME.match(name) or len(name) > _LENGTH_MAX:
        raise UsageError(
            f"{name[:_LENGTH_MAX]!r} cannot be the name of a kind",
            why="it becomes the name of a Python module",
            action=f"use 1 to {_LENGTH_MAX} small letters, digits and single underscores, a letter first",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StateConflictError(
            f"{folder} is not an empty folder",
            why="what lies there would be mixed up with the new package",
            action="name another folder: --folder",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_write(folder, part, name) for part in FILES)
    except OSError as cause:
        raise StoreUnavailableError(
            f"The package cannot be written into {folder}",
            why=cause.strerror or type(cause).__name__,
            action="name a folder that this account may write: --folder",
        ) from cause


def _write(folder: Path, part: str, name: str) -> Path:
    text = (files(_PACKAGE) / part).read_text(encoding="utf-8")
    path = folder / part.replace(EXAMPLE, name)
    path.write_text(_renamed(text, name), encoding="utf-8")
    return path


def _renamed(text: str, name: str) -> str:
    """Put ``name`` wherever the example's stands: as a module, as a class, in a package's name, in words."""
    words = name.split("_")
    for before, after in (
        (EXAMPLE, name),
        ("ExampleDoor", "".join(word.capitalize() for word in words)),
        ("example-door", "-".join(words)),
        ("Example door", " ".join(words).capitalize()),
    ):
        text = text.replace(before, after)
    return text
