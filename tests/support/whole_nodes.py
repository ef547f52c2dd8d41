"""Whole nodes in memory: every part the real one, in the tree of four (360000 > 360100 > 360102, 360103)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from node.bootstrap import Node, build_node
from node.clock import SetClock
from node.config import Listener, NodeConfig, load_level
from node.randomness import SeededRandomness
from node.standard.resources import level_folder
from node.trust.issuing import issue, issued_entry, record_founding
from tests.support.identities import FOUR, identities, issued_by_code
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.journal.store import Store, Transaction

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
_ANYWHERE = Listener(host="127.0.0.1", port=0)


def whole_config(code: str, home: Path = Path("/nonexistent")) -> NodeConfig:
    """The settings of a node of the tree; nothing in them is on a disk."""
    place = FOUR[code]
    return NodeConfig(
        home=home,
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


def whole_node(code: str, *, store: Store | None = None, clock: SetClock | None = None) -> Node:
    """A node that has founded its tree or joined it, and has issued the certificates of its children."""
    made = identities()
    clock = clock or SetClock(START)
    node = build_node(
        whole_config(code),
        clock=clock,
        certificate_clock=clock,
        randomness=SeededRandomness(f"whole/{code}"),
        store=store or new_memory_store(),
        identity=made[code],
    )
    node.start()
    if store is None:
        issue_children(node)
    return node


def issue_children(node: Node) -> None:
    """Let a node found its tree, or issue the certificates of its children."""
    node.store.write(lambda transaction: _issue(node, transaction))


def _issue(node: Node, transaction: Transaction) -> None:
    at = node.clock.now()
    if FOUR[node.code].parent is None:
        tree = node.tree(transaction.connection)
        record_founding(node.journal, transaction, tree, node.identity, at=at, salt=bytes(16))
    issued = issued_by_code(identities())
    for child in (code for code, place in FOUR.items() if place.parent == node.code):
        tree, salt = node.tree(transaction.connection), node.randomness.token(16)
        entry = issued_entry(issued[child], at=at, salt=salt)
        issue(node.journal, transaction, tree, node.identity, issued[child], entry)
