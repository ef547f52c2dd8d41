"""The receiver floor: the same work by the same C libraries, with no product around it.

500 records a batch: expand zstd, verify one signature, parse and validate each record with lxml, hash each record,
insert with duplicates ignored into one SQLite table (WAL, synchronous=FULL), one commit, one signed receipt. A
figure of the product is a share of the floor of the same run. Choices are made against ourselves: the table
begins empty, its checkpoints are as rare as the product's, and the schema is compiled before.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import threading
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from node.standard.resources import schema_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ALGORITHM = ec.ECDSA(hashes.SHA256())
EXPANDED_BYTES_MAX = 16_777_216
_TABLE = "CREATE TABLE record (hash BLOB NOT NULL UNIQUE, body BLOB NOT NULL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPackage:
    """One batch as the floor receives it: compressed lengths and bodies, and the sender's signature over them."""

    content: bytes
    signature: bytes


def open_table(path: Path, definition: str = _TABLE) -> sqlite3.Connection:
    """Return a new, durable database with one table."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    connection.execute(definition)
    return connection


class FloorReceiver:
    """The receiver's work with nothing around it; safe to be called by several threads."""

    def __init__(self, database: Path, sender: ec.EllipticCurvePublicKey) -> None:
        self._connection = open_table(database)
        self._parser = etree.XMLParser(resolve_entities=False, no_network=True)
        self._schema = etree.XMLSchema(file=str(schema_folder() / "records.xsd"))
        self._sender = sender
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._lock = threading.Lock()

    def accept(self, package: FloorPackage) -> bytes:
        """Accept one batch; return the signed receipt."""
        content = zstandard.ZstdDecompressor().decompress(package.content, max_output_size=EXPANDED_BYTES_MAX)
        self._sender.verify(package.signature, content, ALGORITHM)
        rows = []
        for body in unframe(content):
            self._schema.assertValid(etree.fromstring(body, self._parser))  # noqa: TID251 - apart from the product.
            rows.append((hashlib.sha256(body).digest(), body))
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO record VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
            self._connection.execute("COMMIT")
        return self._key.sign(hashlib.sha256(content).digest(), ALGORITHM)

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key that verifies this receiver's receipts."""
        return self._key.public_key()

    def close(self) -> None:
        """Close the table."""
        self._connection.close()


class ReceiverFloor:
    """The floor with a sender of its own: what the product's figures are divided by."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._receiver = FloorReceiver(folder / "floor.db", self._key.public_key())

    def receive(self, bodies: Sequence[bytes]) -> float:
        """Take one batch; return the seconds, packing not counted."""
        package = pack(bodies, self._key)
        begun_s = perf_counter()
        self._receiver.accept(package)
        return perf_counter() - begun_s

    def receive_all(self, batches: Sequence[Sequence[bytes]]) -> float:
        """Take batches one after the other; return the seconds. Two threads at once are no faster: it was measured."""
        return sum(self.receive(bodies) for bodies in batches)

    def close(self) -> None:
        """Close the table."""
        self._receiver.close()


def frame(bodies: Sequence[bytes]) -> bytes:
    """Return the bodies behind a count and their lengths."""
    return struct.pack(f">I{len(bodies)}I", len(bodies), *map(len, bodies)) + b"".join(bodies)


def unframe(content: bytes) -> list[bytes]:
    """Return the bodies that ``frame`` put together."""
    (count,) = struct.unpack_from(">I", content)
    bodies, start = [], 4 + 4 * count
    for length in struct.unpack_from(f">{count}I", content, 4):
        bodies.append(content[start : start + length])
        start += length
    return bodies


def pack(bodies: Sequence[bytes], key: ec.EllipticCurvePrivateKey) -> FloorPackage:
    """Return the bodies as one signed, compressed batch."""
    content = frame(bodies)
    return FloorPackage(
        content=zstandard.ZstdCompressor(level=1).compress(content), signature=key.sign(content, ALGORITHM)
    )
