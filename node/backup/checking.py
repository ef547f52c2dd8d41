"""Checking a backup: every byte has its hash, and every record in it is what its stream's root says."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import zstandard

from node.backup.archive import CHUNK_BYTES, SQLITE_MEMBER, members, read_manifest, refused
from node.errors import YizhanError
from node.journal import holdings, records
from node.journal.merkle import CompactRange
from node.journal.store import open_store
from node.standard.codec import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from node.backup.archive import Manifest, Member
    from node.journal.holdings import Held

READ_RECORDS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check has read: members and their bytes, and the records that were hashed (0: not looked into)."""

    manifest: Manifest
    read_bytes: int
    records: int


def check_backup(path: Path, *, progress: Callable[[int], None] = lambda _: None) -> Checked:
    """Read a whole backup; of an SQLite database also every record.

    ``progress`` gets the records hashed so far. Raises BackupRefusedError when anything is missing or changed.
    """
    manifest = read_manifest(path)
    read_bytes = hashed = 0
    seen: set[str] = set()
    with tempfile.TemporaryDirectory(prefix=".yizhan-check-", dir=path.parent) as name:
        copy = Path(name) / "journal.db"
        for member, file in members(path, manifest):
            with copy.open("wb") if member.name == SQLITE_MEMBER else tempfile.TemporaryFile(dir=name) as target:
                read_bytes += take_out(path, member, file, target if member.name == SQLITE_MEMBER else None)
            seen.add(member.name)
        missing = {one.name for one in manifest.members} - seen
        if missing:
            raise refused(path, f"{len(missing)} parts are missing, the first one {min(missing)}")
        if copy.exists():
            hashed = _check_records(path, manifest, copy, progress)
    return Checked(manifest=manifest, read_bytes=read_bytes, records=hashed)


def take_out(path: Path, member: Member, file: IO[bytes], target: IO[bytes] | None) -> int:
    """Read a member whole, expanded into ``target`` unless that is None; return its bytes in the file.

    Raises BackupRefusedError when it does not have its hash.
    """
    digest = hashlib.sha256()
    expand = zstandard.ZstdDecompressor().decompressobj()
    size = 0
    try:
        while data := file.read(CHUNK_BYTES):
            digest.update(data)
            size += len(data)
            if target is not None:
                target.write(expand.decompress(data))
    except zstandard.ZstdError as error:
        raise refused(path, f"{member.name} is damaged") from error
    if digest.hexdigest() != member.sha256 or size != member.size:
        raise refused(path, f"{member.name} is not as it was written")
    return size


def _check_records(path: Path, manifest: Manifest, copy: Path, progress: Callable[[int], None]) -> int:
    hashed = 0
    store = open_store(f"sqlite:///{copy}")
    try:
        with store.reading() as connection:
            damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if damage != "ok":
                raise refused(path, f"its database is damaged: {damage}")
            for held in holdings.all_held(connection):
                if manifest.streams.get(str(held.stream)) != (held.size, held.root.hex()):
                    raise refused(path, f"{held.stream} is not as its manifest says")
                hashed = _check_stream(path, connection, held, hashed, progress)
    except YizhanError as error:
        raise refused(path, f"{error.what} {error.why}") from error
    finally:
        store.close()
    return hashed


def _check_stream(path: Path, connection: Connection, held: Held, hashed: int, progress: Callable[[int], None]) -> int:
    tree = CompactRange()
    for first in range(1, held.size + 1, READ_RECORDS):
        stored = records.stored(connection, held.stream_id, first, first + READ_RECORDS - 1)
        for one in stored:
            if one.body is not None and leaf_hash(one.body) != one.leaf:
                raise refused(path, f"record {one.position} of {held.stream} is not as it was written")
        tree.extend([one.leaf for one in stored])
        hashed += len(stored)
        progress(hashed)
    if (tree.size, tree.root()) != (held.size, held.root):
        raise refused(path, f"the records of {held.stream} do not give its root")
    return hashed
