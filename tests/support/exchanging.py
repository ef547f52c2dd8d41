"""Nodes of a tree with their exchange, in one process and in memory: what tests and the simulation link together.

``tree_of_nodes()`` gives the tree of four, each node with a store of its own; ``settle(nodes)`` runs every link until
nothing moves any more. ``ExchangeNode.write`` appends valid records to an own stream and seals them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from node.exchange.carriers.memory import MemoryCarrier
from node.exchange.exchange import Exchange
from node.journal.entries import read_entry
from node.journal.memory import image_of, memory_store
from node.standard.compose import compose
from node.standard.seals import ANCESTORS, StreamName
from node.trust.repeating import repeat_certificates
from tests.support.identities import TrustNode, identities, issued_by_code
from tests.support.journals import alarm_body
from tests.support.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from node.clock import SetClock
    from node.exchange.limits import Limits
    from node.journal.entries import Projection
    from node.journal.holdings import Held
    from node.journal.store import Store, Transaction
    from node.trust.identity import Identity

ROUNDS_MAX = 60


class ExchangeNode(TrustNode):
    """A node of a test tree that can talk to its parent and answer its children."""

    def __init__(
        self,
        identity: Identity,
        *,
        store: Store | None = None,
        clock: SetClock | None = None,
        projections: tuple[Projection, ...] = (),
        limits: Limits | None = None,
        evidence_folder: Path | None = None,
    ) -> None:
        super().__init__(identity, store=store, clock=clock, projections=projections)
        if store is not None:
            # A database that holds sealed records has its high-water file beside it.
            with store.reading() as connection:
                sizes = {held.stream: held.sealed for held in self.journal.own_streams(connection)}
            self.journal.high_water.raise_to(sizes)
        self.limits = limits
        self.evidence_folder = evidence_folder
        self.exchange = self.started()

    def started(self) -> Exchange:
        """Return a new exchange on what is stored, as after a restart of the process."""
        self.exchange = Exchange(
            store=self.store,
            journal=self.journal,
            identity=self.identity,
            book=self.book,
            load_tree=self.tree,
            clock=self.clock,
            randomness=self.randomness,
            limits=self.limits,
            evidence_folder=self.evidence_folder,
        )
        return self.exchange

    def append(self, bodies: Sequence[bytes], audience: str = ANCESTORS) -> StreamName:
        """Append records to an own stream without sealing them."""
        stream = StreamName(self.code, audience)
        entries = [read_entry(body) for body in bodies]
        self.store.write(lambda transaction: self.journal.append(transaction, stream, entries))
        return stream

    def write(self, count: int = 1, audience: str = ANCESTORS, *, first: int = 1) -> StreamName:
        """Append ``count`` small valid records, numbered from ``first``, and seal."""
        stream = self.append([alarm_body(number) for number in range(first, first + count)], audience)
        self.seal()
        return stream

    def repeat(self) -> None:
        """Let the root carry what other issuers wrote into trust."""

        def work(transaction: Transaction) -> object:
            return repeat_certificates(
                self.journal,
                transaction,
                identity=self.identity,
                book=self.book,
                tree_of=self.tree,
                at=self.clock.now(),
                token=self.randomness.token,
            )

        self.store.write(work)
        self.seal()

    def held(self, stream: StreamName) -> Held | None:
        """Return the stream as held."""
        with self.store.reading() as connection:
            return self.journal.held(connection, stream)

    def size(self, stream: StreamName) -> int:
        """Return how many records of the stream are held."""
        held = self.held(stream)
        return 0 if held is None else held.size


def carrier_to(parent: ExchangeNode, child: ExchangeNode) -> MemoryCarrier:
    """Return what carries the child's packages; it follows the parent through restarts."""
    return MemoryCarrier(parent.exchange, child.code)


def tree_of_nodes(
    made: Mapping[str, Identity] | None = None, *, clock: SetClock | None = None, limits: Limits | None = None
) -> dict[str, ExchangeNode]:
    """Return the nodes of a tree by code; only the root holds trust yet, complete and sealed."""
    known = identities() if made is None else made
    nodes = {code: ExchangeNode(identity, clock=clock, limits=limits) for code, identity in known.items()}
    root = next(node for node in nodes.values() if node.identity.parent is None)
    root.found()
    for code, issued in issued_by_code(known).items():
        if code != root.code:
            root.issue(issued)
            # The issuer has written it too: that is how a node is known to its parent from issue on.
            parent = nodes[known[code].parent or ""]
            if parent is not root:
                parent.issue(issued)
                parent.seal()
    root.seal()
    return nodes


def step(child: ExchangeNode, parent: ExchangeNode) -> bool:
    """Let a child do what its link would do next, once; tell whether anything moved."""
    carrier = carrier_to(parent, child)
    if child.exchange.must_open(parent.code):
        child.exchange.open_conversation(parent.code, carrier)
        return True
    pushed = child.exchange.push_once(parent.code, carrier)
    polled = child.exchange.poll_once(parent.code, carrier, 0.0)
    return bool(pushed) or pushed.asked or bool(polled) or child.exchange.must_open(parent.code)


def settle(nodes: Mapping[str, ExchangeNode], *, only: Iterable[str] | None = None) -> None:
    """Run the links of all children (or of ``only``) until nothing moves."""
    chosen = [node for node in nodes.values() if node.identity.parent in nodes and (only is None or node.code in only)]
    for _ in range(ROUNDS_MAX):
        moved = [step(node, nodes[node.identity.parent or ""]) for node in chosen]
        for node in nodes.values():
            node.clock.advance(2.0)
        if not any(moved):
            return
    message = "the links do not come to rest"
    raise AssertionError(message)


@lru_cache(maxsize=1)
def _settled_images() -> dict[str, bytes]:
    nodes = tree_of_nodes()
    settle(nodes)
    return {code: image_of(node.store) for code, node in nodes.items()}


def settled_node(code: str, *, evidence_folder: Path | None = None, limits: Limits | None = None) -> ExchangeNode:
    """Return one node of the tree of four that holds the whole trust stream; cheaper than settling a tree again."""
    store = memory_store(_settled_images()[code])
    return ExchangeNode(identities()[code], store=store, evidence_folder=evidence_folder, limits=limits)


def settled_nodes(*, limits: Limits | None = None) -> dict[str, ExchangeNode]:
    """Return the tree of four in which everybody holds the whole trust stream; conversations are still to be opened."""
    return {code: settled_node(code, limits=limits) for code in identities()}


def notice_body(number: int, addressee: str = "360102") -> bytes:
    """Return the bytes of a supervision notice: valid, and an ancestor may direct it to a node."""
    content = sample("SupervisionNotice", RecordKey=f"notice-{number}", Addressee=addressee)
    return compose("SupervisionNotice", content, salt=number.to_bytes(16, "big"))
