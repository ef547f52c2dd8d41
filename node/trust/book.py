"""The book of certificates: whose signature a fingerprint stands for, and whether it counts.

Certificates come from the trust stream, from joining and inside packages; all go through ``learn``, which takes only
what is chained to the root of this tree. That is not enough to believe a signature: an intermediate could certify a
node of another branch. So each verification also asks the tree whether every issuer on the way up is the parent of its
subject, or the root (02, R14).

Time: a seal or a receipt must not be younger than its signer's certificate lasts. It may claim to be older than the
certificate, because a slow clock must never stop the exchange; what a stolen old key could sign is ended by revocation,
not by time. Whoever checks a live conversation passes the present as ``at`` and gets both bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from node.errors import IdentityError
from node.journal.statements import insert_sql
from node.journal.tables import moment_number
from node.trust.certificates import (
    CHAIN_MAX,
    NODE,
    ROOT,
    Certificate,
    check_root,
    check_step,
    check_time,
    fingerprint,
    read_certificate,
)
from node.trust.suites import verify
from node.trust.tables import certificate as table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.standard.seals import Checkpoint, Receipt
    from node.trust.tree import Tree

LEARNED_MAX: Final = 64
"""Certificates that one call takes: a package brings the chains of a few signers."""
BROUGHT_MAX: Final = 64
"""Certificates of one node beyond which no neighbour's are taken; chosen by us: a node lives with a few at a time."""
CACHED_MAX: Final = 4096
"""Parsed certificates kept in memory; a province has some two hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A certificate of the book; ``issuer`` is the fingerprint of the one above it, None for the root."""

    certificate: Certificate
    issuer: str | None


class CertificateBook:
    """The certificates of one tree that verified; ``tree`` names it, ``tree_of`` gives the tree of a connection.

    Its state is in the store; it only caches what certificates say, which never changes, and which of them stand by the
    tree seen last.
    """

    def __init__(self, tree: str, tree_of: Callable[[Connection], Tree]) -> None:
        self._tree = tree
        self._tree_of = tree_of
        self._cache: dict[str, _Known] = {}
        self._standing: tuple[Tree | None, frozenset[str]] = (None, frozenset())

    # --- learning ------------------------------------------------------------------------------------------------

    def learn(self, transaction: Transaction, ders: Iterable[bytes], at: datetime) -> list[str]:
        """Store certificates that chain up to the root, in any order; return the fingerprints that were new.

        ``at`` is only noted. Raises IdentityError, with nothing stored, when one cannot be read or does not chain to
        the root through the others and those known.
        """
        found = self._checked(transaction.connection, ders)
        self._store(transaction, found.values(), at)
        return list(found)

    def learn_brought(self, transaction: Transaction, ders: Iterable[bytes], at: datetime) -> list[str]:
        """Do as ``learn`` with certificates that a neighbour brings along: only with those that can count.

        Whoever may issue could otherwise fill the book for ever. Left out are those of a node that the tree does not
        know, or whose issuer is neither its parent nor the root; whatever is signed with them is not believed anyway,
        and a node that comes into the tree brings its certificates by its record. Left out is also what goes beyond
        ``BROUGHT_MAX`` of one node.
        """
        connection = transaction.connection
        kept: dict[str, _Known] = {}
        for name, known in self._checked(connection, ders).items():
            issuer = kept.get(known.issuer or "") or self._find(connection, known.issuer or "")
            if issuer is not None and self._counts(connection, known.certificate, issuer.certificate, kept.values()):
                kept[name] = known
        self._store(transaction, kept.values(), at)
        return list(kept)

    def _checked(self, connection: Connection, ders: Iterable[bytes]) -> dict[str, _Known]:
        """Return what is new and chains up to the root, issuers before what they issued; IdentityError as ``learn``."""
        pending = self._unknown(connection, ders)
        found: dict[str, _Known] = {}
        while pending:
            chained = self._chained(connection, pending, found)
            if not chained:
                raise IdentityError(
                    f"A certificate of {pending[0].code} does not lead to the root of this tree.",
                    why=f"no issuer of it is known (tree {self._tree[:16]})",
                )
            found.update((known.certificate.fingerprint, known) for known in chained)
            pending = [certificate for certificate in pending if certificate.fingerprint not in found]
        return found

    def _counts(
        self, connection: Connection, subject: Certificate, issuer: Certificate, kept: Iterable[_Known]
    ) -> bool:
        tree = self._tree_of(connection)
        if not tree.knows(subject.code) or issuer.code not in {tree.root, tree.parent(subject.code)}:
            return False
        query = select(func.count()).select_from(table).where(table.c.code == subject.code)
        held = connection.scalar(query) or 0
        return held + sum(one.certificate.code == subject.code for one in kept) < BROUGHT_MAX

    def _unknown(self, connection: Connection, ders: Iterable[bytes]) -> list[Certificate]:
        given = {fingerprint(der): der for der in ders}
        if len(given) > LEARNED_MAX:
            raise IdentityError("Too many certificates at once.", why=f"{len(given)}; at most {LEARNED_MAX} are taken")
        known = self.known(connection, given)
        return [read_certificate(der) for name, der in given.items() if name not in known]

    def _chained(
        self, connection: Connection, pending: Sequence[Certificate], found: dict[str, _Known]
    ) -> list[_Known]:
        chained = []
        for one in pending:
            if one.kind == ROOT:
                check_root(one, self._tree)
                chained.append(_Known(certificate=one, issuer=None))
                continue
            issuers = [known.certificate for known in found.values() if known.certificate.key_id == one.issuer_key_id]
            issuers = issuers or self._by_key(connection, one.issuer_key_id)
            if issuers:
                chained.append(_Known(certificate=one, issuer=_issuer_among(one, issuers).fingerprint))
        return chained

    def _store(self, transaction: Transaction, found: Iterable[_Known], at: datetime) -> None:
        rows = [
            (
                one.certificate.fingerprint,
                one.certificate.code,
                one.certificate.kind,
                one.certificate.key_id,
                one.certificate.der,
                one.issuer,
                moment_number(one.certificate.not_before),
                moment_number(one.certificate.not_after),
                moment_number(at),
            )
            for one in found
        ]
        if rows:
            transaction.connection.exec_driver_sql(insert_sql(table, transaction.dialect, ignore=True), rows)

    # --- looking up ----------------------------------------------------------------------------------------------

    def certificate(self, connection: Connection, name: str) -> Certificate | None:
        """Return the certificate with this fingerprint, None when it is not known."""
        known = self._find(connection, name)
        return None if known is None else known.certificate

    def _find(self, connection: Connection, name: str) -> _Known | None:
        cached = self._cache.get(name)
        if cached is not None:
            return cached
        row = connection.execute(select(table.c.der, table.c.issuer).where(table.c.fingerprint == name)).one_or_none()
        if row is None:
            return None
        known = _Known(certificate=read_certificate(bytes(row.der)), issuer=row.issuer)
        if len(self._cache) >= CACHED_MAX:
            self._cache.clear()
        self._cache[name] = known
        return known

    def known(self, connection: Connection, names: Iterable[str]) -> frozenset[str]:
        """Return which of these fingerprints (at most a few hundred) are in the book."""
        query = select(table.c.fingerprint).where(table.c.fingerprint.in_(list(names)))
        return frozenset(connection.execute(query).scalars())

    def node_certificates(self, connection: Connection, code: str) -> list[Certificate]:
        """Return the node certificates of a node, the one that lasts longest first."""
        query = (
            select(table.c.fingerprint)
            .where(table.c.code == code, table.c.kind == NODE)
            .order_by(table.c.not_after.desc(), table.c.fingerprint)
        )
        return self._all(connection, query)

    def chain(self, connection: Connection, name: str) -> list[bytes]:
        """Return the DER certificates from this one up to, without, the root; empty when it is not known.

        What a package brings along for a signer that its receiver does not know yet.
        """
        found: list[bytes] = []
        known = self._find(connection, name)
        while known is not None and known.issuer is not None and len(found) < CHAIN_MAX:
            found.append(known.certificate.der)
            known = self._find(connection, known.issuer)
        return found

    def issuer(self, connection: Connection, name: str) -> Certificate | None:
        """Return the certificate above the one with this fingerprint; None for the root or when it is not known."""
        known = self._find(connection, name)
        return None if known is None or known.issuer is None else self.certificate(connection, known.issuer)

    # --- verifying -----------------------------------------------------------------------------------------------

    def verify_checkpoint(
        self,
        connection: Connection,
        checkpoint: Checkpoint,
        at: datetime | None = None,
        *,
        tree: Tree | None = None,
    ) -> None:
        """Check that the stream's origin signed the checkpoint; IdentityError says what does not stand.

        ``at``: additionally, the signer's certificate must be valid at this moment (aware). ``tree`` is the tree as
        this connection sees it, for whoever has read it already.
        """
        signer = self.signer(connection, checkpoint.signer, checkpoint.stream.origin, at, tree=tree)
        _check_lasting(signer, checkpoint.sealed_at)
        _check_signature(signer, checkpoint.text(self._tree), checkpoint.signature)

    def verify_receipt(
        self, connection: Connection, receipt: Receipt, at: datetime | None = None, *, tree: Tree | None = None
    ) -> None:
        """Check that its holder signed the receipt; IdentityError says what does not stand. The rest as above."""
        signer = self.signer(connection, receipt.signer, receipt.holder, at, tree=tree)
        _check_lasting(signer, receipt.received_at)
        _check_signature(signer, receipt.text(self._tree), receipt.signature)

    def verify_text(
        self, connection: Connection, *, signer: str, code: str, text: bytes, signature: bytes, at: datetime | None
    ) -> None:
        """Check that the node ``code`` signed ``text`` with the certificate ``signer``; IdentityError otherwise."""
        _check_signature(self.signer(connection, signer, code, at), text, signature)

    def signer(
        self, connection: Connection, name: str, code: str, at: datetime | None = None, *, tree: Tree | None = None
    ) -> Certificate:
        """Return the certificate ``name`` when it is a node certificate of the node ``code`` and stands by the tree.

        ``at``: it must be valid at this moment. ``tree`` as above. Raises IdentityError otherwise.
        """
        known = self._find(connection, name)
        if known is None:
            raise IdentityError(f"A signature of {code} names an unknown certificate.", why=name[:16])
        certificate = known.certificate
        if certificate.kind != NODE or certificate.code != code:
            raise IdentityError(
                f"A signature of {code} was made by another.", why=f"the {certificate.kind} key of {certificate.code}"
            )
        self._check_issuers(connection, known, tree or self._tree_of(connection))
        if at is not None:
            check_time(certificate, at)
        return certificate

    def _check_issuers(self, connection: Connection, known: _Known, tree: Tree) -> None:
        seen, standing = self._standing
        if seen is not tree:
            standing = frozenset()
        if known.certificate.fingerprint in standing:
            return
        for subject, issuer in self._steps(connection, known):
            if not tree.knows(subject.code):
                raise IdentityError(f"Node {subject.code} is not in the tree.", why="its CertificateIssued is not held")
            if issuer.code != tree.root and issuer.code != tree.parent(subject.code):
                raise IdentityError(
                    f"A certificate of {subject.code} does not stand.",
                    why=f"{issuer.code} issued it, which is neither its parent nor the root",
                )
        self._standing = (tree, standing | {known.certificate.fingerprint})

    def _steps(self, connection: Connection, known: _Known) -> Iterable[tuple[Certificate, Certificate]]:
        one = known
        while one.issuer is not None:
            above = self._find(connection, one.issuer)
            if above is None:
                raise IdentityError(f"The issuer of a certificate of {one.certificate.code} is missing.")
            yield one.certificate, above.certificate
            one = above

    def _by_key(self, connection: Connection, key_id: str) -> list[Certificate]:
        query = select(table.c.fingerprint).where(table.c.key_id == key_id).order_by(table.c.not_after.desc())
        return self._all(connection, query)

    def _all(self, connection: Connection, query: Select[str]) -> list[Certificate]:
        found = (self.certificate(connection, name) for name in connection.execute(query).scalars().all())
        return [certificate for certificate in found if certificate is not None]


def _issuer_among(certificate: Certificate, issuers: Sequence[Certificate]) -> Certificate:
    """Return the first issuer under which the certificate stands; raises the last one's IdentityError when none."""
    for issuer in issuers[:-1]:
        try:
            check_step(certificate, issuer)
        except IdentityError:
            continue
        return issuer
    check_step(certificate, issuers[-1])
    return issuers[-1]


def _check_lasting(signer: Certificate, signed_at: datetime) -> None:
    if signed_at > signer.not_after:
        raise IdentityError(
            f"A signature of {signer.code} is younger than its certificate lasts.",
            why=f"signed {signed_at:%Y-%m-%d}, valid until {signer.not_after:%Y-%m-%d}",
        )


def _check_signature(signer: Certificate, text: bytes, signature: bytes) -> None:
    if not verify(signer.public_key, text, signature):
        raise IdentityError(f"A signature of {signer.code} does not verify.", why=f"certificate {signer.fingerprint}")
