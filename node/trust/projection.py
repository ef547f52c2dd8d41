"""The tree as a projection of CertificateIssued records (02, R14).

Two streams count: ``trust``, which the root alone originates, and the node's own ``ancestors`` stream, for the children
that it has issued certificates to. Every certificate that they name is noted; which of a node's certificates counts is
said in node.trust.standing, and does not depend on the order of arrival.

It does three more things with the same records: their certificates go into the book; a certificate for the own code
with the key of somebody else raises an alarm; and at the root every record of another origin is noted, one without
authority too, to be looked at and repeated into ``trust`` by a job (node.trust.repeating).

A certificate for the own code
    A node that sees one with a key that it does not hold may be looking at a thief: somebody else was admitted in its
    place. Or at itself: its machine was lost, or ``init`` was repeated, and it joined again; then trust, read from the
    beginning, still names the certificate that its own replaced. What it can know is the order. Its parent's stream is
    numbered and sealed, and the root repeats it in order: what stands in ``trust`` before its own certificate was
    issued before it, and counts no more since. So a certificate is *explained* if its own parent issued it and it
    stands before the own one in ``trust``. The own one may not have come yet, or never come, where the parent fell back
    to an older state; until it stands there the time decides, and one that begins later than the own is not explained.
    Everything else alarms. The node that was replaced is alarmed by the same rule: it sees a later certificate, and if
    it is still at work, people must know.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete

from node.errors import IdentityError
from node.journal.alarms import raise_alarm
from node.journal.entries import NO_AUTHORITY
from node.journal.settings import drop_setting, save_setting, setting
from node.journal.statements import upsert_sql
from node.standard.seals import ANCESTORS, TRUST
from node.trust import notices
from node.trust.certificates import NODE, read_certificate
from node.trust.issued import RECORD_TYPE, IssuedNode, read_issued
from node.trust.standing import note_issued, standing_of, trust_position
from node.trust.tables import certificate_notice, issued_certificate, node_tree
from node.trust.tree import DIGEST_SETTING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.clock import Clock
    from node.journal.entries import Batch, Entry
    from node.journal.store import Transaction
    from node.trust.book import CertificateBook
    from node.trust.identity import Identity

OWN_CODE: Final = "OWN_CODE"
"""Kind of the alarm that tells of a certificate for the own code with a key of somebody else."""

_log = logging.getLogger(__name__)


class TreeProjection:
    """Keeps ``node_tree`` and feeds the book."""

    def __init__(self, identity: Identity, book: CertificateBook, clock: Clock) -> None:
        self.name = "tree"
        self.cuts: frozenset[str] = frozenset()
        self._identity = identity
        self._book = book
        self._clock = clock

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Take in batches."""
        for batch in batches:
            self._take(transaction, batch)

    def _take(self, transaction: Transaction, batch: Batch) -> None:
        if batch.stream.audience not in {TRUST, ANCESTORS}:
            return
        for entry in batch.entries:
            if entry.record_type != RECORD_TYPE or entry.element is None:
                continue
            if not entry.quarantine:
                self._apply(transaction, batch, entry)
            elif entry.quarantine == NO_AUTHORITY and batch.stream.audience == ANCESTORS and not batch.own:
                # Nobody is sent a rejection of a control record: the root looks at it and tells people.
                self._note(transaction, entry)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Take in records that were quarantined; the order does not matter."""
        self._take(transaction, batch)

    def clear(self, transaction: Transaction) -> None:
        """Drop the tree; the book stays, because certificates also come from elsewhere."""
        transaction.connection.execute(delete(node_tree))
        transaction.connection.execute(delete(issued_certificate))
        transaction.connection.execute(delete(certificate_notice))
        drop_setting(transaction, DIGEST_SETTING)

    def _apply(self, transaction: Transaction, batch: Batch, entry: Entry) -> None:
        if batch.stream.audience == TRUST:
            if batch.stream.origin != self._identity.root_code:
                return
        elif not batch.own:
            self._note(transaction, entry)
            return
        issued = read_issued(entry.element)
        if self._names_its_node(issued):
            self._learn(transaction, issued)
            if batch.stream.audience == TRUST:
                self._watch_own_code(transaction, issued, entry.position)
                notices.wake(transaction)
            self._put(transaction, batch, entry, issued)

    def _note(self, transaction: Transaction, entry: Entry) -> None:
        if self._identity.code == self._identity.root_code:
            notices.note(transaction, entry.key)

    def _names_its_node(self, issued: IssuedNode) -> bool:
        """Tell whether the certificates are of this tree and of the node that the record names."""
        try:
            found = [read_certificate(der) for der in issued.certificates]
        except IdentityError as error:
            _log.warning("certificate in a record cannot be read", extra={"node": issued.code, "why": error.why})
            return False
        return (
            all(one.code == issued.code and one.tree == self._identity.tree for one in found)
            and found[-1].kind == NODE
            and all(one.kind != NODE for one in found[:-1])
        )

    def _learn(self, transaction: Transaction, issued: IssuedNode) -> None:
        try:
            self._book.learn(transaction, issued.certificates, self._clock.now())
        except IdentityError as error:
            # The record stays and its node is in the tree; its signatures are not believed until a chain is known.
            _log.warning("certificate in a record does not chain", extra={"node": issued.code, "why": error.why})

    def _watch_own_code(self, transaction: Transaction, issued: IssuedNode, position: int) -> None:
        if issued.code != self._identity.code or self._is_explained(transaction, issued, position):
            return
        foreign = [
            one for one in map(read_certificate, issued.certificates) if one.key_id not in self._identity.key_ids
        ]
        for one in foreign:
            raise_alarm(
                transaction,
                OWN_CODE,
                f"{issued.code} {one.fingerprint}",
                f"A {one.kind} certificate was issued for this node's code {issued.code} to a key that this node does "
                f"not hold, and none of this node's own replaces it. Find out at {issued.parent or issued.code} who "
                "asked for it.",
                raised_at=self._clock.now(),
            )

    def _is_explained(self, transaction: Transaction, issued: IssuedNode, position: int) -> bool:
        """Tell whether this node's own certificate was issued later by the same parent, and so replaces this one."""
        own = self._identity.certificate
        if issued.fingerprint == own.fingerprint or issued.parent != self._identity.parent:
            return False
        own_position = trust_position(transaction.connection, own.code, own.fingerprint)
        if own_position is not None:
            return position < own_position
        return read_certificate(issued.certificate).not_before <= own.not_before

    def _put(self, transaction: Transaction, batch: Batch, entry: Entry, issued: IssuedNode) -> None:
        note_issued(transaction, issued, entry.position, from_trust=batch.stream.audience == TRUST)
        counts = standing_of(transaction.connection, issued.code)
        columns = tuple(column.name for column in node_tree.c)
        statement = upsert_sql(node_tree, transaction.dialect, put=columns[1:])
        transaction.connection.exec_driver_sql(statement, tuple(getattr(counts, name) for name in columns))
        before = setting(transaction.connection, DIGEST_SETTING) or ""
        save_setting(transaction, DIGEST_SETTING, hashlib.sha256(before.encode() + entry.leaf).hexdigest())
