"""What every part of one node's exchange works with: given once, by ``exchange.Exchange``, and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.errors import PackageRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.exchange.evidence import Evidence
    from node.exchange.limits import Limits
    from node.exchange.reading import RecordReader
    from node.journal.returning import Comeback
    from node.journal.store import Store
    from node.journal.streams import Journal
    from node.trust.book import CertificateBook
    from node.trust.certificates import Certificate
    from node.trust.identity import Identity
    from node.trust.tree import Tree


@dataclass(slots=True, kw_only=True)
class Life:
    """One life of a node as its neighbours see it: ``start_id`` (32 hex digits) is new with every start."""

    start_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of one node that its exchange needs.

    ``load_tree`` gives the tree as a connection sees it. ``clock`` is business time and waiting time;
    ``certificate_clock`` is the machine's (a pushed clock must not outlive certificates). ``start_id`` (32 hex digits)
    is new with every start of the process, and when it has settled a doubt. ``comeback`` is what the doors do with
    records of own streams that return; ``salt`` gives 16 random bytes.
    """

    store: Store
    journal: Journal
    identity: Identity
    book: CertificateBook
    load_tree: Callable[[Connection], Tree]
    clock: Clock
    certificate_clock: Clock
    limits: Limits
    evidence: Evidence
    life: Life
    comeback: Comeback
    salt: Callable[[], bytes]
    reader: RecordReader

    @property
    def start_id(self) -> str:
        """The start id that this node's packages carry now."""
        return self.life.start_id

    @property
    def code(self) -> str:
        """This node's code."""
        return self.identity.code

    def certificate_of(self, connection: Connection, peer: str) -> Certificate:
        """Return the certificate that the link to ``peer`` expects: the one that the tree names.

        Raises PackageRefusedError ``sender`` when the node is not in the tree or its certificate is not known here.
        """
        tree = self.load_tree(connection)
        found = self.book.certificate(connection, tree.node(peer).certificate) if tree.knows(peer) else None
        if found is None:
            raise PackageRefusedError("sender", f"No certificate of {peer[:12]} is known here.")
        return found
