"""Whole trees of identities in memory, and small nodes that hold them: 360000 > 360100 > 360102, 360103 and others.

``identities()`` makes a tree in a few milliseconds; the same call gives the same objects (keys cost time, not
meaning). ``TrustNode`` is one node of such a tree with a store in memory, a journal, the book and the tree projection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from node.clock import SetClock
from node.journal.seal import seal
from node.journal.streams import Journal
from node.randomness import SeededRandomness
from node.standard.compose import compose
from node.standard.seals import TRUST, Checkpoint, StreamName
from node.trust.book import CertificateBook
from node.trust.certificates import read_certificate
from node.trust.forks import ForkProjection
from node.trust.identity import Identity, tree_node
from node.trust.issued import RECORD_TYPE
from node.trust.issuing import Admission, issue, issued_entry, make_certificates, make_root_identity, record_founding
from node.trust.keys import new_key
from node.trust.projection import TreeProjection
from node.trust.tree import Tree, TreeSource
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.journal.entries import Entry, Projection
    from node.journal.store import Store, Transaction
    from node.trust.issued import IssuedNode

AT = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)
"""When the certificates of these trees were made: valid on the machine's clock for two years from then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node of a test tree."""

    name: str
    level: str
    parent: str | None
    children_depth: int


FOUR: dict[str, Place] = {
    "360000": Place(name="江西省", level="province", parent=None, children_depth=3),
    "360100": Place(name="南昌市", level="city", parent="360000", children_depth=2),
    "360102": Place(name="东湖区", level="county", parent="360100", children_depth=1),
    "360103": Place(name="西湖区", level="county", parent="360100", children_depth=1),
}
SEVEN: dict[str, Place] = {
    **FOUR,
    "360200": Place(name="景德镇市", level="city", parent="360000", children_depth=2),
    "360202": Place(name="昌江区", level="county", parent="360200", children_depth=1),
    "360203": Place(name="珠山区", level="county", parent="360200", children_depth=1),
}
"""One province, two cities, four counties."""


def admission(code: str, place: Place) -> Admission:
    """Return what a node of a test tree is admitted as; it serves the division of its own code."""
    return Admission(
        code=code, name=place.name, level=place.level, divisions=(code,), children_depth=place.children_depth
    )


def root_identity(code: str = "360000", place: Place | None = None, *, at: datetime = AT) -> Identity:
    """Return the identity of a new root."""
    place = place or FOUR["360000"]
    return make_root_identity(admission(code, place), node_key=new_key(), issuing_key=new_key(), at=at)


def child_of(
    parent: Identity, code: str, place: Place, *, at: datetime = AT, trust_size: int = 0
) -> tuple[Identity, IssuedNode]:
    """Return the identity of a new child and what its parent has to ``issue`` for it."""
    node_key = new_key()
    issuing_key = new_key() if place.children_depth else None
    issued = make_certificates(
        parent,
        admission(code, place),
        node_key=node_key.public_key(),
        issuing_key=None if issuing_key is None else issuing_key.public_key(),
        at=at,
    )
    issuing = issued.issuing_certificate
    identity = Identity(
        private_key=node_key,
        chain=(read_certificate(issued.certificate), *parent.issuing_chain),
        path=(issued, *parent.path),
        issuing_key=issuing_key,
        issuing_certificate=None if issuing is None else read_certificate(issuing),
        trust_size=trust_size,
        time_zone=parent.time_zone,
    )
    return identity, issued


def make_identities(places: Mapping[str, Place], *, at: datetime = AT) -> dict[str, Identity]:
    """Return new identities of a whole tree by code; parents stand before their children in ``places``."""
    made: dict[str, Identity] = {}
    for code, place in places.items():
        if place.parent is None:
            made[code] = root_identity(code, place, at=at)
        else:
            made[code], _ = child_of(made[place.parent], code, place, at=at)
    return made


@lru_cache(maxsize=4)
def identities(count: int = 4) -> dict[str, Identity]:
    """Return the identities of the tree of four (one province, one city, two counties) or of seven nodes."""
    return make_identities({4: FOUR, 7: SEVEN}[count])


def issued_by_code(made: Mapping[str, Identity]) -> dict[str, IssuedNode]:
    """Return what each CertificateIssued of a tree says, both certificates included."""
    return {
        code: replace(
            identity.path[0],
            issuing_certificate=None if identity.issuing_certificate is None else identity.issuing_certificate.der,
        )
        for code, identity in made.items()
    }


def tree_of(made: Mapping[str, Identity]) -> Tree:
    """Return the tree that these identities form."""
    root = next(code for code, identity in made.items() if identity.parent is None)
    return Tree([tree_node(identity.path[0]) for identity in made.values()], root)


def issued_body(issued: IssuedNode, key: str = "k") -> bytes:
    """Return the bytes of a CertificateIssued record."""
    header = {"RecordKey": key, "EventTime": "2026-01-05T12:00:00+08:00"}
    return compose(RECORD_TYPE, {**header, **issued.content()}, salt=bytes(16))


class TrustNode:
    """One node of a tree without exchange: store, journal, book, and the tree of what it holds."""

    def __init__(
        self,
        identity: Identity,
        *,
        store: Store | None = None,
        clock: SetClock | None = None,
        projections: tuple[Projection, ...] = (),
    ) -> None:
        self.identity = identity
        self.code = identity.code
        self.store = new_memory_store() if store is None else store
        self.clock = clock or SetClock(AT)
        # A node that has joined again is another process too: it must not begin with the same start id.
        self.randomness = SeededRandomness(f"{identity.code} {identity.fingerprint}")
        self.tree = TreeSource(identity.tree_path)
        self.book = CertificateBook(identity.tree, self.tree)
        self.projection = TreeProjection(identity, self.book, self.clock)
        self.journal = Journal(
            self.store,
            node_code=identity.code,
            clock=self.clock,
            projections=(self.projection, ForkProjection(identity, self.book, self.clock), *projections),
            tree=identity.tree,
        )
        self.store.write(lambda transaction: self.book.learn(transaction, identity.all_certificates, self.clock.now()))

    def current_tree(self) -> Tree:
        """Return the tree as this node knows it now."""
        with self.store.reading() as connection:
            return self.tree(connection)

    def found(self) -> bool:
        """Write the root's own record."""

        def work(transaction: Transaction) -> bool:
            tree = self.tree(transaction.connection)
            at, salt = self.clock.now(), self.randomness.token(16)
            return record_founding(self.journal, transaction, tree, self.identity, at=at, salt=salt)

        return self.store.write(work)

    def issue(self, issued: IssuedNode) -> bool:
        """Write what this node issued for a child."""
        entry = issued_entry(issued, at=self.clock.now(), salt=self.randomness.token(16))

        def work(transaction: Transaction) -> bool:
            tree = self.tree(transaction.connection)
            return issue(self.journal, transaction, tree, self.identity, issued, entry)

        return self.store.write(work)

    def seal(self) -> list[Checkpoint]:
        """Seal what is committed."""
        return seal(self.store, self.journal, self.identity, self.clock)

    def trust_size(self) -> int:
        """Return how much of the trust stream this node holds."""
        with self.store.reading() as connection:
            held = self.journal.held(connection, StreamName(self.identity.root_code, TRUST))
        return 0 if held is None else held.size


def receive(node: TrustNode, stream: StreamName, *entries: Entry) -> None:
    """Take records of another origin into a node, as a receiver does; nobody verifies the checkpoint here."""

    def work(transaction: Transaction) -> None:
        connection = transaction.connection
        root = node.journal.extended_root(connection, stream, [entry.leaf for entry in entries])
        held = node.journal.held(connection, stream)
        size = (0 if held is None else held.size) + len(entries)
        checkpoint = Checkpoint(stream=stream, size=size, root=root, sealed_at=AT, signer="5" * 64, signature=b"s")
        node.journal.extend(transaction, stream, entries, checkpoint)

    node.store.write(work)


def root_with_tree(made: Mapping[str, Identity], *, clock: SetClock | None = None) -> TrustNode:
    """Return the root as a node whose sealed trust stream names every node of the tree, itself first."""
    root = TrustNode(next(identity for identity in made.values() if identity.parent is None), clock=clock)
    root.found()
    issued = issued_by_code(made)
    for code, identity in made.items():
        if identity.parent is not None:
            # As the root's job does once the issuer's stream has arrived.
            root.issue(issued[code])
    root.seal()
    return root
