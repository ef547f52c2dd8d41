"""The form of a backup: an uncompressed tar file whose last member, the manifest, names every other one and its hash.

Members: ``home/...`` as the files lie in the home; ``database/journal.db.zst`` for SQLite, or one
``database/TABLE.copy.zst`` for each table of PostgreSQL (``COPY ... (FORMAT BINARY)``); ``manifest.json``.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

import zstandard

from node.errors import BackupRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA: Final = "yizhan.backup/1"
MANIFEST: Final = "manifest.json"
MANIFEST_BYTES_MAX: Final = 16 * 1024 * 1024
HOME: Final = "home/"
DATABASE: Final = "database/"
SQLITE_MEMBER: Final = f"{DATABASE}journal.db.zst"
COPY_SUFFIX: Final = ".copy.zst"
CHUNK_BYTES: Final = 1024 * 1024
LEVEL: Final = 3
"""zstd's level: records are compressed already, the rest shrinks well at any."""
_MODE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member: its ``name``, its bytes in the file, and their SHA-256 (hex)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    ``node`` and ``tree`` tell whose it is, ``kind`` is ``sqlite`` or ``postgresql``, ``revision`` the version of the
    database's schema, ``made_at`` ISO 8601, ``streams`` size and root (hex) by name, ``rows`` per table where it was
    copied by tables.
    """

    node: str
    tree: str
    kind: str
    revision: str
    program: str
    made_at: str
    streams: dict[str, tuple[int, str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    members: tuple[Member, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the document that stands in the file."""
        return {
            "schema": SCHEMA,
            "node": self.node,
            "tree": self.tree,
            "kind": self.kind,
            "revision": self.revision,
            "program": self.program,
            "made_at": self.made_at,
            "streams": {name: [size, root] for name, (size, root) in sorted(self.streams.items())},
            "rows": self.rows,
            "members": [[one.name, one.size, one.sha256] for one in self.members],
        }


class ArchiveWriter:
    """Writes members one behind another and remembers them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
        self.members: list[Member] = []

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Write ``size`` bytes of ``source`` as a member."""
        digest = _Digest(source)
        self._tar.addfile(_info(name, size), digest)
        self.members.append(Member(name=name, size=size, sha256=digest.hexdigest()))

    def close(self, manifest: Manifest) -> None:
        """Write the manifest and end the file."""
        data = json.dumps(manifest.as_json(), ensure_ascii=False, indent=1).encode()
        self._tar.addfile(_info(MANIFEST, len(data)), io.BytesIO(data))
        self._tar.close()


class _Digest(io.RawIOBase):
    """Reads through and hashes what was read."""

    def __init__(self, source: IO[bytes]) -> None:
        super().__init__()
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def compressed(source: IO[bytes], target: IO[bytes]) -> int:
    """Compress all of ``source`` into ``target``; return the bytes written, with ``target`` at its beginning again."""
    zstandard.ZstdCompressor(level=LEVEL).copy_stream(source, target, read_size=CHUNK_BYTES, write_size=CHUNK_BYTES)
    size = target.tell()
    target.seek(0)
    return size


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a backup; BackupRefusedError when the file is none, or was cut short."""
    with opened(path) as tar, _readable(path):
        found = next((one for one in tar if one.name == MANIFEST), None)
        if found is None or found.size > MANIFEST_BYTES_MAX:
            raise refused(path, "it has no manifest: it was cut short, or it is no backup")
        file = tar.extractfile(found)
        return _parsed(path, b"" if file is None else file.read())


def members(path: Path, manifest: Manifest) -> Iterator[tuple[Member, IO[bytes]]]:
    """Yield each member that the manifest names with a file to read it from, in order; others are passed over."""
    known = {one.name: one for one in manifest.members}
    with opened(path) as tar, _readable(path):
        for info in tar:
            member = known.get(info.name)
            file = tar.extractfile(info) if member is not None and info.isreg() else None
            if member is not None and file is not None:
                yield member, file


def opened(path: Path) -> tarfile.TarFile:
    """Open a backup for reading; BackupRefusedError when it cannot be read."""
    try:
        return tarfile.open(path, mode="r:")
    except (OSError, tarfile.TarError) as error:
        raise refused(path, str(error) or type(error).__name__) from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Refuse a backup that ends too early, or is damaged between its members."""
    try:
        yield
    except (OSError, EOFError, tarfile.TarError) as error:
        raise refused(path, str(error) or type(error).__name__) from error


def refused(path: Path, why: str) -> BackupRefusedError:
    """Return the error for a backup that cannot be used."""
    return BackupRefusedError(f"{path} is no backup that can be used", why=why)


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = _MODE
    return info


def _parsed(path: Path, data: bytes) -> Manifest:
    try:
        found = json.loads(data)
        if found["schema"] != SCHEMA:
            raise refused(path, f"its form is {found['schema']!r}, this program reads {SCHEMA}")
        return Manifest(
            node=found["node"],
            tree=found["tree"],
            kind=found["kind"],
            revision=found["revision"],
            program=found["program"],
            made_at=found["made_at"],
            streams={name: (int(size), root) for name, (size, root) in found["streams"].items()},
            rows=found["rows"],
            members=tuple(Member(name=name, size=size, sha256=sha256) for name, size, sha256 in found["members"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise refused(path, "its manifest is damaged") from error
