"""The tree that every history begins with: one province, two cities, four counties, made once per process."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from node.bootstrap import Node, build_node
from node.config import Listener, NodeConfig, load_level
from node.journal.high_water import HighWaterMemory
from node.journal.holdings import all_own
from node.randomness import SeededRandomness
from node.standard.resources import level_folder
from node.trust.identity import Identity
from node.trust.issuing import issue, issued_entry, record_founding
from tests.simulation.clocks import NodeClock, VirtualTime
from tests.simulation.signing import tree_identities
from tests.simulation.storage import SimulatedStore
from tests.support.identities import SEVEN, issued_by_code
from tests.support.stores import template_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.clock import Clock
    from node.journal.high_water import HighWater
    from node.journal.store import Store, Transaction
    from node.trust.issued import IssuedNode

ROOT = "360000"
CODES = tuple(SEVEN)
_ANYWHERE = Listener(host="127.0.0.1", port=0)


@dataclass(frozen=True, kw_only=True)
class WatchedIdentity(Identity):
    """An identity that shows every text it signs to ``watch`` (node code, text)."""

    watch: Callable[[str, bytes], None]

    def sign(self, text: bytes) -> bytes:
        signature = super().sign(text)
        self.watch(self.code, text)
        return signature


def watched_identity(code: str, watch: Callable[[str, bytes], None]) -> Identity:
    """Return the identity of a node of the tree, watched; the founding must be held before any other stream."""
    identity = tree_identities()[code]
    values = {field.name: getattr(identity, field.name) for field in fields(Identity)}
    return WatchedIdentity(**{**values, "trust_size": 0 if code == ROOT else 1}, watch=watch)


@lru_cache(maxsize=len(CODES))
def config_of(code: str) -> NodeConfig:
    """Return the settings of a node; nothing in them is on a disk."""
    place = SEVEN[code]
    return NodeConfig(
        home=Path("/nonexistent"),
        code=code,
        name=place.name,
        level=load_level(place.level, (level_folder(),)),
        time_zone="Asia/Shanghai",
        database_url="sqlite://",
        link=_ANYWHERE,
        face=_ANYWHERE,
        parent=None,
        key_passphrase_file=None,
    )


def make_node(
    code: str,
    store: Store,
    clock: Clock,
    seed: str,
    watch: Callable[[str, bytes], None],
    high_water: HighWater | None = None,
) -> Node:
    """Return a running node on ``store``: every part is the real one."""
    return build_node(
        config_of(code),
        clock=clock,
        certificate_clock=clock,
        randomness=SeededRandomness(seed),
        store=store,
        identity=watched_identity(code, watch),
        high_water=high_water,
    )


def high_water_of(store: Store) -> HighWater:
    """Return the high-water file that lies beside a disk from which a history begins."""
    made = HighWaterMemory()
    with store.reading() as connection:
        made.raise_to({held.stream: held.sealed for held in all_own(connection)})
    return made


def copy_of(high_water: HighWater) -> HighWater:
    """Return a file that holds the same."""
    made = HighWaterMemory()
    made.raise_to(high_water.sizes() or {})
    return made


@lru_cache(maxsize=1)
def founded_images() -> dict[str, bytes]:
    """Return each node's storage just after it joined: its issuer's record written, nothing sent."""
    return {code: _founded_image(code) for code in CODES}


def _founded_image(code: str) -> bytes:
    store = SimulatedStore(template_image())
    node = make_node(code, store, NodeClock(VirtualTime()), f"template/{code}", lambda _code, _text: None)
    node.start()
    issued = issued_by_code(tree_identities())
    own = [issued[child] for child, place in SEVEN.items() if place.parent == code]
    store.write(lambda transaction: _issue(node, transaction, own))
    image = store.image()
    store.close()
    return image


def _issue(node: Node, transaction: Transaction, children: list[IssuedNode]) -> None:
    at = node.clock.now()
    if node.code == ROOT:
        record_founding(
            node.journal, transaction, node.tree(transaction.connection), node.identity, at=at, salt=bytes(16)
        )
    for issued in children:
        salt = node.randomness.token(16)
        tree = node.tree(transaction.connection)
        issue(node.journal, transaction, tree, node.identity, issued, issued_entry(issued, at=at, salt=salt))
