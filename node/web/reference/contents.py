"""Everything that belongs to the standard, as files: pages, schema files and examples, for a folder or an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import NotFoundError, StateConflictError
from node.standard.codec import VERSION
from node.standard.examples import example
from node.standard.families import RECORD_TYPES
from node.standard.resources import schema_folder
from node.web.reference.rendering import reference_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SCHEMAS = f"schemas/xsd/{VERSION}"
"""Where the schema files lie among the files: as in the project itself."""


def standard_files() -> dict[str, bytes]:
    """Return every file of the standard by its path, in the order of paths; the same bytes every time."""
    return dict(sorted((*reference_files(), *_schema_files(), *_example_files())))


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write ``files`` below ``folder``, which is made if it is not there.

    Raises StateConflictError when something lies in it already, NotFoundError when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise StateConflictError(
                f"The folder {folder} is not empty",
                why="old pages beside new ones would contradict them",
                action="Name an empty folder, or one that is not there",
            )
        for path, data in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    except OSError as error:
        raise NotFoundError(
            f"The folder {folder} cannot be written",
            why=error.strerror or type(error).__name__,
            action="Name a folder that this account may write, on a disk with space",
        ) from error


def _schema_files() -> Iterator[tuple[str, bytes]]:
    for path in sorted(schema_folder(VERSION).glob("*.xsd")):
        yield f"{SCHEMAS}/{path.name}", path.read_bytes()


def _example_files() -> Iterator[tuple[str, bytes]]:
    for name in RECORD_TYPES:
        yield f"examples/{name}.xml", example(name)
        yield f"examples/minimal/{name}.xml", example(name, full=False)
