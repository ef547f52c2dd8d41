"""What travels into the journal: entries, batches, and the protocol that projections follow.

An ``Entry`` is one record on its way in. Whoever makes it (intake, the receiver, a job) has parsed and validated the
bytes outside the journal's lock; the journal fills in key and position, projections fill in what the record did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from node.errors import RecordRefusedError
from node.standard.codec import (
    RULE_NEWER_VERSION,
    RULE_UNKNOWN_TYPE,
    leaf_hash,
    parse_record,
    parse_unvalidated,
    record_type,
)
from node.standard.compression import compress_record
from node.standard.facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.journal.store import Transaction
    from node.standard.facts import Facts
    from node.standard.seals import StreamName

UNKNOWN_TYPE: Final = "unknown type"
NEWER_VERSION: Final = "newer version"
NO_AUTHORITY: Final = "no authority"
INVALID: Final = "invalid"
QUARANTINE_REASONS: Final = (UNKNOWN_TYPE, NEWER_VERSION, NO_AUTHORITY, INVALID)
DEFERRED_REASONS: Final = (UNKNOWN_TYPE, NEWER_VERSION)
"""Reasons that end by themselves when this node's program is upgraded: told in receipts, no record is made."""
_REASONS: Final = {RULE_UNKNOWN_TYPE: UNKNOWN_TYPE, RULE_NEWER_VERSION: NEWER_VERSION}


@dataclass(slots=True, kw_only=True)
class Entry:
    """One record on its way into a stream.

    ``record_type`` is the element's local name as found, even when unknown. ``body`` is the record's exact bytes
    (``b""``: redacted, only ``leaf`` is known). ``leaf`` is its 32-byte leaf hash. ``facts`` and ``element`` are None
    when the record could not be read. ``quarantine`` is one of QUARANTINE_REASONS or None, ``detail`` says why, without
    personal data. ``packed`` is the compressed body once ``pack`` made it.

    The journal sets ``key`` and ``position``; projections may set the rest: ``case_id`` (the projection's own row),
    ``previous`` (key of the case's previous record), ``state_after``, ``held_back``.
    """

    record_type: str
    body: bytes
    leaf: bytes
    facts: Facts | None = None
    element: Any | None = None
    quarantine: str | None = None
    detail: str = ""
    packed: bytes | None = None
    key: int = 0
    position: int = 0
    case_id: int | None = None
    previous: int | None = None
    state_after: int | None = None
    held_back: bool = False


@dataclass(slots=True, kw_only=True)
class Batch:
    """Consecutive entries of one stream, at positions ``first`` … ``last``, applied together.

    ``own`` tells whether this node is the origin. Quarantined entries are among ``entries``: a projection must not
    apply them, but may need to see them (to hold back what follows in the same case).
    """

    stream: StreamName
    stream_id: int
    own: bool
    entries: list[Entry]
    first: int
    last: int


class Projection(Protocol):
    """Something derived from records inside the transaction that appends them (02, R9).

    It must be a function of the records held: any interleaving of streams and any cut into batches gives the same. So
    it takes batches of several streams at once, and a package costs as many statements as one slice.
    """

    name: str
    cuts: frozenset[str]
    """Record types that always form a batch of their own, so that what is derived is exact just before them."""

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Take in batches, each of another stream, the streams all of one audience.

        Their rows are inserted right after, with what was set on the entries.
        """

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Take in formerly quarantined records whose rows exist and whose flags are cleared; not consecutive."""

    def clear(self, transaction: Transaction) -> None:
        """Drop everything derived, before a rebuild."""


def pack(entries: Iterable[Entry]) -> None:
    """Compress the bodies that are not compressed yet; call it outside the journal's lock to keep the lock short."""
    for entry in entries:
        if entry.packed is None and entry.body:
            entry.packed = compress_record(entry.body)


def read_entry(body: bytes, *, leaf: bytes | None = None) -> Entry:
    """Return the entry of a record's bytes, with its quarantine reason when it does not follow the standard.

    Never raises for what ``body`` holds: a receiver must keep what the origin has signed. ``leaf`` saves the hash when
    it is known.
    """
    leaf = leaf_hash(body) if leaf is None else leaf
    try:
        element = parse_record(body)
    except RecordRefusedError as error:
        return _set_aside(body, leaf, error)
    return Entry(record_type=record_type(element), body=body, leaf=leaf, facts=facts_of(element), element=element)


def _set_aside(body: bytes, leaf: bytes, error: RecordRefusedError) -> Entry:
    problem = error.problems[0]
    entry = Entry(
        record_type="",
        body=body,
        leaf=leaf,
        quarantine=_REASONS.get(problem.rule, INVALID),
        detail=f"{problem.rule}: {problem.text}",
    )
    read_leniently(entry)
    return entry


def read_leniently(entry: Entry) -> None:
    """Fill in what can be read of a record that does not follow the standard (``facts.case_number_of`` reads more)."""
    try:
        entry.element = parse_unvalidated(entry.body)
    except RecordRefusedError:
        return
    entry.record_type = record_type(entry.element)
