"""Fetching: records ``first`` … ``last`` of a stream, asked of a neighbour that holds it.

What travels on a link travels away from the origin; this is the way back, for a node that lost bytes it once held. The
question is one line, ``ORIGIN/AUDIENCE first last``; the answer is the records' exact bytes, each behind its length
(four bytes, most significant first; 0 where it is redacted), as many from ``first`` on as fit. Nothing is signed: the
asker believes bytes only by their leaf hashes, its own or those that a checkpoint covers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.errors import PackageRefusedError
from node.standard.codec import RECORD_BYTES_MAX
from node.standard.seals import StreamName
from node.trust.holders import holds

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.exchange.context import Context

    Ask = Callable[["Wanted"], list[bytes]]
    """Asks a neighbour; returns the records from ``first`` on that it gave. Raises PeerUnavailableError and
    PackageRefusedError as a carrier does."""

FETCHED_MAX: Final = 500
"""Records of one answer at most; chosen by us: as in a slice."""
REQUEST_BYTES_MAX: Final = 200
_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Records ``first`` … ``last`` of a stream."""

    stream: StreamName
    first: int
    last: int

    def to_bytes(self) -> bytes:
        """Return the question."""
        return f"{self.stream} {self.first} {self.last}\n".encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Wanted:
        """Read a question; PackageRefusedError ``head`` when it is none."""
        try:
            name, first, last = data.decode("ascii").split()
            wanted = cls(stream=StreamName.parse(name), first=int(first), last=int(last))
        except ValueError:
            raise PackageRefusedError("head", "It does not ask for records.") from None
        if not 1 <= wanted.first <= wanted.last:
            raise PackageRefusedError("head", "It asks for records that no stream has.")
        return wanted


def give_records(context: Context, wanted: Wanted, peer: str) -> bytes:
    """Return the answer for ``peer``: only what stands under a checkpoint, of a stream that the peer may hold.

    Raises PackageRefusedError ``stream`` when the peer may not hold the stream, or it is not held here so far.
    """
    with context.store.reading() as connection:
        tree = context.load_tree(connection)
        held = context.journal.held(connection, wanted.stream)
        if held is None or not tree.knows(peer) or not holds(tree, wanted.stream, peer) or held.sealed < wanted.first:
            raise PackageRefusedError("stream", f"{wanted.stream} is not held so far, or not to be given to {peer}.")
        last = min(wanted.last, wanted.first + FETCHED_MAX - 1, held.sealed)
        parts: list[bytes] = []
        left = context.limits.package_bytes_max
        for one in context.journal.stored(connection, wanted.stream, wanted.first, last):
            body = one.body or b""
            left -= len(body) + _LENGTH.size
            if left < 0 or one.position != wanted.first + len(parts):
                break
            parts.append(_LENGTH.pack(len(body)) + body)
    return b"".join(parts)


def read_records(data: bytes) -> list[bytes]:
    """Return the records of an answer; PackageRefusedError ``lengths`` when it is none."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        if len(data) - at < _LENGTH.size:
            raise PackageRefusedError("lengths", "An answer with records ends inside a length.")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if length > RECORD_BYTES_MAX or length > len(data) - at or len(found) == FETCHED_MAX:
            raise PackageRefusedError("lengths", "An answer with records is longer or shorter than it says.")
        found.append(data[at : at + length])
        at += length
    return found
