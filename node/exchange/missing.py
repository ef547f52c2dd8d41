"""Bytes that a slice brings of records which are held by their leaf hash alone (02, R15).

A neighbour may have said ``Redacted`` of a record that nobody ever redacted. The checkpoint could not show it, for the
leaf hash is the right one. So the bytes stay welcome: a slice of held positions, which is otherwise not looked into, is
searched for those that are awaited here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.journal import hash_only
from node.journal.records import leaves
from node.standard.codec import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from node.exchange.head import Slice
    from node.journal.holdings import Held


def missing_bodies(
    connection: Connection, one: Slice, held: Held | None, records: Callable[[], list[bytes]]
) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield position, bytes and leaf hash of each awaited record whose bytes the slice has; ``records`` reads them.

    Bytes that do not have the leaf hash held are passed over: the slice as a whole was judged by what is held.
    """
    if held is None or one.first > held.size:
        return
    awaited = hash_only.among(connection, held.stream_id, one.first, min(one.last, held.size))
    if all(record.redaction is not None for record in awaited.values()):
        return
    bodies = records()
    for position, record in sorted(awaited.items()):
        body = bodies[position - one.first]
        if record.redaction is None and body:
            (leaf,) = leaves(connection, held.stream_id, position, position)
            if leaf_hash(body) == leaf:
                yield position, body, leaf
