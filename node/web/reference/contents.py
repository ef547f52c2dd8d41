"""Everything that belongs to the standard, as files: pages, schema files, examples, samples, sender kit, checksums.

The same files are written into a folder, packed into the bundle for vendors, and shown at ``/standard/`` of a node.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from node.errors import NotFoundError, StateConflictError
from node.standard.codec import VERSION
from node.standard.examples import example
from node.standard.families import RECORD_TYPES
from node.standard.resources import schema_folder
from node.web.open_api_document import Offer, open_api_document
from node.web.reference.rendering import reference_files
from node.web.reference.samples import sample_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMAS: Final = f"schemas/xsd/{VERSION}"
"""Where the schema files lie among the files: as in the project itself."""
BUNDLE_NAME: Final = f"yizhan-standard-{VERSION}"
"""Name of the bundle, and of the one folder inside it."""
CHECKSUMS: Final = "SHA256SUMS"
SENDER_KIT: Final = "sender-kit"
"""Where the clients of the open API lie among the files."""
OPEN_API: Final = "openapi.json"
"""The open API as an OpenAPI document, without the figures of any node."""

_SERVER: Final = "https://node.example.cn"
_KIT_FOLDER: Final = Path(__file__).parent / "sender_kit"
_KIT_ENDINGS: Final = frozenset({".cs", ".java", ".md", ".py", ".sh"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can name: files of the bundle have no time of their own."""
_MODE: Final = 0o100644 << 16
_UNIX: Final = 3
_COMPRESSION_LEVEL: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The files by path, their SHA-256 in hexadecimal, and the bundle that holds them all."""

    files: Mapping[str, bytes]
    hashes: Mapping[str, str]
    bundle: bytes
    bundle_hash: str


_made: list[Publication] = []
_making = threading.Lock()


def publication() -> Publication:
    """Return the publication, made when it is first asked for and kept for the life of the process.

    It has a few megabytes; making it takes about a second.
    """
    with _making:
        if not _made:
            _made.append(_publication())
        return _made[0]


def standard_files() -> dict[str, bytes]:
    """Return every file of the standard by its path, in the order of paths; the same bytes every time."""
    files = dict(sorted(_every_file()))
    sums = "".join(f"{_hash(data)}  {path}\n" for path, data in files.items())
    return {CHECKSUMS: sums.encode(), **files}


def sender_kit_files() -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of the clients of the open API, which are sources to be handed out, never imported."""
    for path in sorted(_KIT_FOLDER.iterdir()):
        if path.suffix in _KIT_ENDINGS:
            yield f"{SENDER_KIT}/{path.name}", path.read_bytes()


def bundle_of(files: Mapping[str, bytes]) -> bytes:
    """Return ``files`` as one ZIP archive with one folder; the same files give the same bytes with the same zlib."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as packed:
        for path, data in files.items():
            entry = zipfile.ZipInfo(f"{BUNDLE_NAME}/{path}", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _MODE
            entry.create_system = _UNIX
            packed.writestr(entry, data)
    return archive.getvalue()


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
        raise _unwritable("folder", folder, error) from error


def write_file(data: bytes, path: Path) -> None:
    """Write one file; raises NotFoundError when it cannot be written."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise _unwritable("file", path, error) from error


def _publication() -> Publication:
    files = standard_files()
    bundle = bundle_of(files)
    hashes = {path: _hash(data) for path, data in files.items()}
    return Publication(files=files, hashes=hashes, bundle=bundle, bundle_hash=_hash(bundle))


def _every_file() -> Iterator[tuple[str, bytes]]:
    yield from reference_files()
    yield from _schema_files()
    yield from _example_files()
    yield from sample_files()
    yield from sender_kit_files()
    document = open_api_document(Offer(server=_SERVER))
    yield OPEN_API, f"{json.dumps(document, ensure_ascii=False, indent=1)}\n".encode()


def _schema_files() -> Iterator[tuple[str, bytes]]:
    for path in sorted(schema_folder(VERSION).glob("*.xsd")):
        yield f"{SCHEMAS}/{path.name}", path.read_bytes()


def _example_files() -> Iterator[tuple[str, bytes]]:
    for name in RECORD_TYPES:
        yield f"examples/{name}.xml", example(name)
        yield f"examples/minimal/{name}.xml", example(name, full=False)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _unwritable(kind: str, place: Path, error: OSError) -> NotFoundError:
    return NotFoundError(
        f"The {kind} {place} cannot be written",
        why=error.strerror or type(error).__name__,
        action="Name a place that this account may write, on a disk with space",
    )
