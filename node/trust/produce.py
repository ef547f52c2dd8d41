"""Records that a node makes by itself: composed, checked and appended once for each cause (02, R9).

Every such record (a certificate, a summary, a verdict, an alarm, a rejection) has a key derived from what caused it.
The key is remembered in the same transaction as the record, so a repeated job, a crash, or two processes of one home
never make a second one.
"""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Final

from node.errors import AuthorityError
from node.journal.entries import Entry, pack
from node.journal.holdings import known
from node.journal.source_keys import SourceKey, lookup_many, remember_many
from node.journal.tables import record_key
from node.standard.codec import leaf_hash, parse_record
from node.standard.compose import compose
from node.standard.facts import facts_of
from node.standard.families import KEYED_HEADERS, RECORD_TYPES
from node.trust.authority import check_authority

if TYPE_CHECKING:
    from datetime import datetime

    from node.journal.store import Transaction
    from node.journal.streams import Journal
    from node.standard.compose import Content
    from node.standard.seals import StreamName
    from node.trust.tree import Tree

SOURCE: Final = "node"
"""The source under whose keys a node's own records are remembered."""
_ZONE: Final = timezone(timedelta(hours=8))


def produce(  # noqa: PLR0913 - the contract of every record that a node makes.
    journal: Journal,
    transaction: Transaction,
    tree: Tree,
    stream: StreamName,
    record_type: str,
    content: Content,
    *,
    key: str,
    event_at: datetime,
    salt: bytes,
) -> bool:
    """Append one record to an own stream, unless the same cause has made it before; tell whether it is new.

    ``content`` goes without EventTime and RecordKey: they are ``event_at`` (aware) and ``key`` (1 to 120 characters of
    ``0-9A-Za-z:._/-``). ``salt`` is 16 random bytes. Raises AuthorityError when this node may not write it,
    RecordRefusedError when the content does not follow the standard; nothing is written then.
    """
    if _is_made(transaction, key):
        return False
    entry = make_entry(record_type, content, key=key, event_at=event_at, salt=salt)
    return append_once(journal, transaction, tree, stream, entry, key=key)


def make_entry(record_type: str, content: Content, *, key: str, event_at: datetime, salt: bytes) -> Entry:
    """Compose one record, check it against the standard and compress it: all that needs no lock.

    Arguments and RecordRefusedError as ``produce`` has them; ``append_once`` appends it.
    """
    header = {"EventTime": event_at.astimezone(_ZONE).isoformat(timespec="seconds")}
    if record_type in RECORD_TYPES and RECORD_TYPES[record_type].header in KEYED_HEADERS:
        header["RecordKey"] = key
    body = compose(record_type, {**header, **content}, salt=salt)
    element = parse_record(body)
    entry = Entry(record_type=record_type, body=body, leaf=leaf_hash(body), facts=facts_of(element), element=element)
    pack([entry])
    return entry


def append_once(
    journal: Journal, transaction: Transaction, tree: Tree, stream: StreamName, entry: Entry, *, key: str
) -> bool:
    """Append what ``make_entry`` made to an own stream, unless ``key`` was used before; tell whether it is new.

    Raises AuthorityError when this node may not write it; nothing is written then.
    """
    if _is_made(transaction, key):
        return False
    reason = check_authority(tree, stream, entry.record_type, entry.facts, entry.element)
    if reason is not None:
        raise AuthorityError(f"{stream.origin} may not write {entry.record_type} into {stream}.", why=reason)
    position, _ = journal.append(transaction, stream, [entry])
    number = record_key(known(transaction.connection, stream).stream_id, position)
    made = SourceKey(source=SOURCE, key=key, content_hash=entry.leaf, record_key=number)
    remember_many(transaction, [made])
    return True


def _is_made(transaction: Transaction, key: str) -> bool:
    return bool(lookup_many(transaction.connection, SOURCE, (key,)))
