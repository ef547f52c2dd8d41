"""Nodes of the benchmark's tree in this process: real homes with file databases, and a trust stream that names all."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from node.bootstrap import Node, build_node
from node.collector import collect_seldom
from node.config import load_config, write_node_config
from node.journal.schema import upgrade_schema
from node.journal.store import open_store
from node.randomness import SystemRandomness
from node.standard.resources import level_folder
from node.trust.issuing import issue, issued_entry, record_founding
from tests.support.identities import issued_by_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from node.clock import Clock
    from node.config import NodeConfig
    from node.journal.store import Transaction
    from node.trust.identity import Identity
    from node.trust.issued import IssuedNode

DATABASE = "sqlite:///node.db"


@contextmanager
def open_node(home: Path, identity: Identity, clock: Clock, *, database_url: str = DATABASE) -> Iterator[Node]:
    """Give a node with everything on; its database is made and migrated when it is new."""
    config = _config(home, identity, database_url)
    store = open_store(config.database_url, home=home)
    upgrade_schema(store)
    node = build_node(config, clock=clock, randomness=SystemRandomness(), store=store, identity=identity)
    try:
        node.start()
        node.exchange.read_beside()
        collect_seldom()
        yield node
    finally:
        node.close()


def found(root: Node, identities: Mapping[str, Identity]) -> None:
    """Write the trust stream of the whole tree at its root, and seal it."""
    for issued in issued_by_code(identities).values():
        root.store.write(partial(_issue, root, issued))
    root.work()


def _issue(root: Node, issued: IssuedNode, transaction: Transaction) -> bool:
    tree = root.tree(transaction.connection)
    at, salt = root.clock.now(), root.randomness.token(16)
    if issued.parent is None:
        return record_founding(root.journal, transaction, tree, root.identity, at=at, salt=salt)
    return issue(root.journal, transaction, tree, root.identity, issued, issued_entry(issued, at=at, salt=salt))


def _config(home: Path, identity: Identity, database_url: str) -> NodeConfig:
    place = identity.path[0]
    values = {
        "node.level": place.level,
        "node.code": place.code,
        "node.name": place.name,
        "database.url": database_url,
        "link.host": "127.0.0.1",
        "link.port": 1,
        "face.host": "127.0.0.1",
        "face.port": 2,
    }
    write_node_config(home, values)
    return load_config(home, shipped_levels=level_folder())
