"""The tree as a projection of CertificateIssued records (02, R14).

Two streams count: ``trust``, which the root alone originates, and the node's own ``ancestors`` stream, for the children
that it has issued certificates to, from issue on. The newest record of a node counts, and one of ``trust`` stands above
one of the own stream, so the result does not depend on the order of arrival.

It does three more things with the same records: their certificates go into the book; a certificate for the own code
with a key that this node does not hold raises an alarm; and at the root every record of another origin is noted, to be
looked at and repeated into ``trust`` by a job (node.trust.issuing).
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from node.errors import IdentityError
from node.journal.alarms import raise_alarm
from node.journal.settings import drop_setting, save_setting, setting
from node.journal.statements import insert_sql, upsert_sql
from node.standard.seals import ANCESTORS, TRUST
from node.trust.certificates import NODE, read_certificate
from node.trust.issued import RECORD_TYPE, IssuedNode, read_issued
from node.trust.tables import certificate_notice, node_tree
from node.trust.tree import DIGEST_SETTING

if TYPE_CHECKING:
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

    def apply(self, transaction: Transaction, batch: Batch) -> None:
        """Take in a batch."""
        if batch.stream.audience not in {TRUST, ANCESTORS}:
            return
        for entry in batch.entries:
            if entry.record_type == RECORD_TYPE and not entry.quarantine and entry.element is not None:
                self._apply(transaction, batch, entry)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Take in records that were quarantined; the order does not matter."""
        self.apply(transaction, batch)

    def clear(self, transaction: Transaction) -> None:
        """Drop the tree; the book stays, because certificates also come from elsewhere."""
        transaction.connection.execute(delete(node_tree))
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
            self._watch_own_code(transaction, issued)
            self._put(transaction, batch, entry, issued)

    def _note(self, transaction: Transaction, entry: Entry) -> None:
        if self._identity.code == self._identity.root_code:
            statement = insert_sql(certificate_notice, transaction.dialect, ignore=True)
            transaction.connection.exec_driver_sql(statement, (entry.key,))

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

    def _watch_own_code(self, transaction: Transaction, issued: IssuedNode) -> None:
        if issued.code != self._identity.code:
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
                f"not hold. Find out at {issued.parent or issued.code} who asked for it.",
                raised_at=self._clock.now(),
            )

    def _put(self, transaction: Transaction, batch: Batch, entry: Entry, issued: IssuedNode) -> None:
        from_trust = batch.stream.audience == TRUST
        query = select(node_tree.c.from_trust, node_tree.c.position).where(node_tree.c.code == issued.code)
        standing = transaction.connection.execute(query).one_or_none()
        if standing is not None and (bool(standing.from_trust), standing.position) > (from_trust, entry.position):
            return
        row = (
            issued.code,
            from_trust,
            entry.position,
            issued.name,
            issued.level,
            issued.parent,
            " ".join(issued.divisions),
            issued.fingerprint,
        )
        columns = tuple(column.name for column in node_tree.c if column.name != "code")
        transaction.connection.exec_driver_sql(upsert_sql(node_tree, transaction.dialect, put=columns), row)
        before = setting(transaction.connection, DIGEST_SETTING) or ""
        save_setting(transaction, DIGEST_SETTING, hashlib.sha256(before.encode() + entry.leaf).hexdigest())
