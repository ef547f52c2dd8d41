"""Judging the slices of a package (02, R5, R8, R10, R11): what each is, by what we hold, before anything is kept.

``receiver`` has the essay; it calls ``Judge`` within one snapshot of the store, and commits what stands.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from node.errors import IdentityError
from node.exchange.head import BUSY, EARLY, HELD, REFUSED, Slice, Verdict
from node.exchange.missing import missing_bodies
from node.journal import checkpoints, hash_only
from node.journal.entries import NO_AUTHORITY, Entry, read_entry
from node.journal.forks import any_stopped, forks, stopped
from node.journal.merkle import root_of
from node.standard.codec import leaf_hash
from node.standard.seals import TRUST, StreamName
from node.trust.authority import check_authority
from node.trust.forks import RETURN, abandoned_in
from node.trust.holders import holds, travels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.package import Package
    from node.journal.holdings import Held
    from node.standard.seals import Checkpoint
    from node.trust.tree import Tree


@dataclass(slots=True, kw_only=True)
class Judged:
    """What is to be done with one slice: a verdict that stands, or entries to commit behind ``held``.

    ``fresh``: bytes (none where redacted) and leaf hashes of records whose place in the stream is proved, of which
    ``entries`` are made. ``found``: held records that came without their bytes, and have them here. ``seen``: validly
    signed checkpoints that came with it and are not stored yet. ``uncanonical``: position of the sampled record when
    its bytes are not in canonical form.
    """

    verdict: Verdict
    held: int = 0
    fresh: list[tuple[bytes, bytes]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    found: list[Entry] = field(default_factory=list)
    seen: tuple[Checkpoint, ...] = ()
    uncanonical: int | None = None


class Judge:
    """Judges slices within one snapshot of the store."""

    def __init__(
        self, context: Context, connection: Connection, tree: Tree, peer: str, slices: Sequence[Slice]
    ) -> None:
        self._context = context
        self._connection = connection
        self._tree = tree
        self._peer = peer
        self.returning = False
        trust = StreamName(context.identity.root_code, TRUST)
        self._held = context.journal.held_many(connection, [trust, *(one.stream for one in slices)])
        self._trust_short = self._size(trust) < context.identity.trust_size
        ids = [held.stream_id for held in self._held.values()]
        self._hash_only = hash_only.are_there(connection)
        self._stopped = stopped(connection, ids) if any_stopped(connection) else frozenset()
        places = ((one.stream, said.size) for one in slices for said in (one.checkpoint, *one.announced))
        self._known = checkpoints.at_many(connection, places)
        whole = [one for one in slices if one.last <= self._size(one.stream)]
        ranges = [(self._held[one.stream], one.first, one.last) for one in whole]
        leaves = zip(whole, context.journal.leaves_many(connection, ranges), strict=True)
        self._leaves = {(one.stream, one.first, one.last): found for one, found in leaves}

    def judge(self, package: Package, number: int) -> Judged:
        """Return what is to be done with slice ``number``; reads the body only for records that are not held."""
        one = package.head.slices[number]
        refusal = self._refuse_stream(one)
        if refusal is not None:
            return Judged(verdict=refusal)
        size = self._size(one.stream)
        if one.first > size + 1:
            return Judged(verdict=verdict_on(one, EARLY, held=size))
        reason = self._refuse_checkpoints(one)
        if reason is not None:
            return Judged(verdict=verdict_on(one, REFUSED, held=size, reason=reason))
        if one.last <= size:
            return self._compare_held(one, self._held.get(one.stream), package, number)
        held = self._held.get(one.stream)
        judged = self._judge_new(one, package.records(number), held)
        if judged.fresh and held is not None and held.stream_id in self._stopped and not self._ends_fork(one, judged):
            return Judged(verdict=verdict_on(one, REFUSED, held=size, reason="fork"))
        if judged.verdict.word == HELD:
            judged.found = self._found(one, held, package, number)
        return judged

    def _size(self, stream: StreamName) -> int:
        held = self._held.get(stream)
        return 0 if held is None else held.size

    def _ends_fork(self, one: Slice, judged: Judged) -> bool:
        """Tell whether a slice of a stopped stream brings the origin's word that the other checkpoint is abandoned."""
        others = {
            (fork.other.size, fork.other.root)
            for fork in forks(self._connection)
            if fork.stream == one.stream and fork.resolved_at is None
        }
        read = (read_entry(body, leaf=leaf) for body, leaf in judged.fresh if body)
        returns = (entry.element for entry in read if entry.record_type == RETURN and not entry.quarantine)
        return others <= {each for element in returns if element is not None for each in abandoned_in(element)}

    def _refuse_stream(self, one: Slice) -> Verdict | None:
        tree, stream = self._tree, one.stream
        addressee = stream.directed_to
        if not tree.knows(stream.origin) or (addressee is not None and not tree.knows(addressee)):
            return verdict_on(one, BUSY, reason="unknown node")
        if not (self.returning and self._may_return(stream)) and not travels(
            tree, stream, self._peer, self._context.code
        ):
            return verdict_on(one, REFUSED, reason="stream")
        if self._trust_short and stream.audience != TRUST:
            return verdict_on(one, BUSY, reason="trust first")
        # Nothing of trust is ever redacted: whoever says so keeps the tree from us.
        return verdict_on(one, REFUSED, reason="redacted") if one.redacted and stream.audience == TRUST else None

    def _may_return(self, stream: StreamName) -> bool:
        """Tell whether both sides hold a stream of another origin, so that what was lost of it may come back."""
        code = self._context.code
        return stream.origin != code and all(holds(self._tree, stream, one) for one in (self._peer, code))

    def _refuse_checkpoints(self, one: Slice) -> str | None:
        """Return why the checkpoints of a slice do not stand, None when they do."""
        if one.checkpoint.stream != one.stream or one.checkpoint.size != one.last:
            return "checkpoint"
        for checkpoint in (one.checkpoint, *one.announced):
            if checkpoint.stream != one.stream:
                return "checkpoint"
            if checkpoint == self._known.get((checkpoint.stream, checkpoint.size)):
                continue
            if self._context.book.certificate(self._connection, checkpoint.signer) is None:
                return "signer"
            try:
                self._context.book.verify_checkpoint(self._connection, checkpoint, tree=self._tree)
            except IdentityError:
                return "seal"
        return None

    def _compare_held(self, one: Slice, held: Held | None, package: Package, number: int) -> Judged:
        """Judge a slice that is held whole, without its body, but for records whose bytes are missing here."""
        journal = self._context.journal
        size = 0 if held is None else held.size
        seen = tuple(
            checkpoint
            for checkpoint in (one.checkpoint, *one.announced)
            if checkpoint != self._known.get((checkpoint.stream, checkpoint.size))
        )
        # A checkpoint that is kept here already was compared with the root when it came.
        known = self._known.get((one.stream, one.last)) == one.checkpoint
        if not known and journal.root_at(self._connection, one.stream, one.last) != one.checkpoint.root:
            # The origin has signed both: the journal raises the alarm of a fork.
            return Judged(verdict=verdict_on(one, REFUSED, held=size, reason="fork"), seen=seen)
        if _hash_of(self._leaves[one.stream, one.first, one.last]) != one.leaves_hash:
            return Judged(verdict=verdict_on(one, REFUSED, held=size, reason="leaves"))
        found = self._found(one, held, package, number)
        return Judged(verdict=verdict_on(one, HELD, held=size), seen=seen, found=found)

    def _found(self, one: Slice, held: Held | None, package: Package, number: int) -> list[Entry]:
        """Return the records of a slice that are held without their bytes, and have them here."""
        found: list[Entry] = []
        if not self._hash_only:
            return found
        for position, body, leaf in missing_bodies(self._connection, one, held, partial(package.records, number)):
            found.append(entry := authorised(self._tree, one.stream, read_entry(body, leaf=leaf)))
            entry.position = position
        return found

    def _judge_new(self, one: Slice, records: list[bytes], held: Held | None) -> Judged:
        """Judge a slice that brings records behind what is held; some of its first ones may be held."""
        journal = self._context.journal
        size = 0 if held is None else held.size
        redacted = dict(one.redacted)
        leaves = [
            leaf_hash(body) if body else redacted[position] for position, body in enumerate(records, start=one.first)
        ]
        overlap = size - one.first + 1
        if _hash_of(leaves) != one.leaves_hash:
            return Judged(verdict=verdict_on(one, REFUSED, held=size, reason="leaves"))
        if overlap and journal.leaves(self._connection, one.stream, one.first, size) != leaves[:overlap]:
            return Judged(verdict=verdict_on(one, REFUSED, held=size, reason="overlap"))
        new = leaves[overlap:]
        if (root_of(new) if held is None else held.extended_root(new)) != one.checkpoint.root:
            return Judged(verdict=verdict_on(one, REFUSED, held=size, reason="root"))
        fresh = list(zip(records[overlap:], new, strict=True))
        return Judged(verdict=verdict_on(one, HELD, held=one.last), held=size, fresh=fresh)


def authorised(tree: Tree, stream: StreamName, entry: Entry) -> Entry:
    """Quarantine a record that its origin may not write into the stream; return the entry."""
    if entry.quarantine is None:
        reason = check_authority(tree, stream, entry.record_type, entry.facts, entry.element)
        if reason is not None:
            entry.quarantine, entry.detail = NO_AUTHORITY, reason
    return entry


def _hash_of(leaves: Iterable[bytes]) -> bytes:
    return hashlib.sha256(b"".join(leaves)).digest()


def verdict_on(one: Slice, word: str, *, held: int | None = None, reason: str | None = None) -> Verdict:
    """Return a verdict on a slice; ``held`` is our size, ``reason`` a constant word (docs/reference/protocol.md)."""
    return Verdict(stream=one.stream, first=one.first, last=one.last, word=word, held=held, reason=reason)
