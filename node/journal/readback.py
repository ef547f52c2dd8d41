"""Reading the journal's tail back: before anything is signed after a commit or a flush that failed (02, R12).

A disk that reported an error may hold other bytes than the process believes. So the store is opened anew, and this
looks at what every later signature would rest on: the end of every stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.errors import IntegrityError
from node.journal import checkpoints, holdings, records, roots
from node.standard.codec import leaf_hash

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.journal.holdings import Held

TAIL_RECORDS: Final = 256
"""Records of each stream that are read: as many as are in no complete tile, and the last tile's at least in part."""


def read_tails_back(connection: Connection) -> None:
    """Compare the end of every stream with its row: sizes, bytes, leaf hashes, root, and the newest checkpoint.

    Raises IntegrityError that names the first stream of which something is missing or different.
    """
    for held in holdings.all_held(connection):
        wrong = _wrong(connection, held)
        if wrong:
            raise IntegrityError(
                "The journal does not read back as it was written.",
                why=f"{held.stream}: {wrong}",
                action="nothing is signed; check the disk, then stop the node and put the newest backup in place",
            )


def _wrong(connection: Connection, held: Held) -> str:
    """Return what is wrong with the end of one stream, in words; empty when all is well."""
    first = max(1, held.size - TAIL_RECORDS + 1)
    # One position more than there may be: a record beyond the size belongs to a commit that failed.
    tail = records.stored(connection, held.stream_id, first, held.size + 1)
    if [one.position for one in tail] != list(range(first, held.size + 1)):
        return f"records {first} to {held.size} are not exactly those that are there"
    if any(one.body and leaf_hash(one.body) != one.leaf for one in tail):
        return "a record's bytes do not have their leaf hash"
    if roots.frontier_at(connection, held.stream_id, held.size).root() != held.root:
        return "its tiles do not give its root"
    if held.sealed and checkpoints.at(connection, held.stream, held.sealed) is None:
        return f"the checkpoint at {held.sealed} is missing"
    return ""
