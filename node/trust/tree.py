"""The tree: who stands above whom, as the trust stream says, and the questions that everything asks of it.

The tree is data: every node is in it because a CertificateIssued record named it and its parent; nobody reads it out of
the digits of a code. ``Tree`` is an immutable snapshot. ``load_tree`` reads it from the store; ``TreeSource`` keeps the
last one as long as the store's tree does not change. ``TreeProjection`` (node.trust.projection) writes it.

A node knows its own way to the root from joining, before it holds any record. This ``path`` counts until the store's
tree has caught up with it (node.trust.standing): a county that joined while the province was away can already name its
own streams, and one that joined again knows the present key of its parent and its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from node.errors import IdentityError, NotFoundError
from node.journal.settings import setting
from node.trust.standing import in_trust
from node.trust.tables import node_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection

DIGEST_SETTING: Final = "trust.tree_digest"
"""Setting that changes with every change of the stored tree."""
DEPTH_MAX: Final = 8
"""Levels of a tree: as many as a certificate chain may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """One node: ``parent`` is None for the root; ``divisions`` are those it serves; ``certificate`` a fingerprint."""

    code: str
    name: str
    level: str
    parent: str | None
    divisions: tuple[str, ...]
    certificate: str


class Tree:
    """An immutable snapshot of the tree. Questions about a node that is not in it raise NotFoundError, unless said.

    Nodes that no path of parents leads to from the root are left out: a record that names an unknown parent, or a
    circle of parents, changes nothing. Raises IdentityError when ``root`` itself is not among ``nodes``.
    """

    __slots__ = ("_admitted", "_ancestors", "_children", "_nodes", "_serving", "root")

    def __init__(self, nodes: Iterable[TreeNode], root: str) -> None:
        known = {node.code: node for node in nodes}
        if root not in known or known[root].parent is not None:
            raise IdentityError(f"The root {root} of the tree is not known here.", action="join the tree first")
        below: dict[str, list[str]] = {}
        for node in known.values():
            if node.parent is not None:
                below.setdefault(node.parent, []).append(node.code)
        self.root = root
        self._ancestors = _ancestors(root, below)
        self._children = {code: tuple(sorted(below.get(code, ()))) for code in self._ancestors}
        self._nodes = {code: known[code] for code in self._ancestors}
        self._admitted: dict[str, tuple[str, ...]] = {}
        self._serving: dict[str, frozenset[str]] = {}
        for node in self._nodes.values():
            for division in node.divisions:
                self._admitted[division] = (*self._admitted.get(division, ()), node.code)
                served = self._serving.get(division, frozenset())
                self._serving[division] = served | {node.code, *self._ancestors[node.code]}

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[TreeNode]:
        return iter(self._nodes.values())

    @property
    def codes(self) -> frozenset[str]:
        """The codes of all nodes."""
        return frozenset(self._nodes)

    def knows(self, code: str) -> bool:
        """Whether the node is in the tree."""
        return code in self._nodes

    def node(self, code: str) -> TreeNode:
        """Return the node."""
        try:
            return self._nodes[code]
        except KeyError:
            raise NotFoundError(f"Node {code} is not in the tree.") from None

    def name(self, code: str) -> str:
        """Return the node's name, or its code when it is not in the tree: for screens."""
        return self._nodes[code].name if code in self._nodes else code

    def parent(self, code: str) -> str | None:
        """Return the code of the node's parent, None for the root."""
        return self.node(code).parent

    def children(self, code: str) -> tuple[str, ...]:
        """Return the codes of the node's direct children, sorted."""
        return self._children[self.node(code).code]

    def ancestors(self, code: str) -> tuple[str, ...]:
        """Return the codes above the node, nearest first, the root last."""
        return self._ancestors[self.node(code).code]

    def descendants(self, code: str) -> tuple[str, ...]:
        """Return the codes of all nodes below, level by level."""
        found: list[str] = list(self.children(code))
        for each in found:
            found.extend(self._children[each])
        return tuple(found)

    def is_ancestor(self, above: str, below: str) -> bool:
        """Whether ``above`` stands above ``below``; False for itself and for nodes that are not in the tree."""
        return above in self._ancestors.get(below, ())

    def next_hop(self, start: str, end: str) -> str | None:
        """Return the neighbour of ``start`` on the way to ``end``; None when they are the same node."""
        if start == end:
            return None
        if not self.is_ancestor(start, end):
            self.node(end)
            return self.parent(start)
        way = (end, *self._ancestors[end])
        return way[way.index(start) - 1]

    def are_neighbours(self, one: str, other: str) -> bool:
        """Whether one is the parent of the other; False for nodes that are not in the tree."""
        if one not in self._nodes or other not in self._nodes:
            return False
        return self._nodes[one].parent == other or self._nodes[other].parent == one

    def admitted_with(self, division: str) -> tuple[str, ...]:
        """Return the codes of the nodes that were admitted to serve ``division`` themselves."""
        return self._admitted.get(division, ())

    def serves(self, code: str, division: str) -> bool:
        """Whether ``division`` is served by the node or by one below it (02, R10); False for an unknown node."""
        return code in self._serving.get(division, ())


class TreeSource:
    """Gives the tree as the store has it now; reads it anew only when it changed.

    ``path`` is what the node knows of its own way to the root: itself first, the root last.
    """

    __slots__ = ("_path", "_read")

    def __init__(self, path: Sequence[TreeNode]) -> None:
        self._path = tuple(path)
        # One tuple, replaced as a whole: threads share it without a lock, and never see a tree with another's digest.
        self._read: tuple[str, Tree] | None = None

    def __call__(self, connection: Connection) -> Tree:
        """Return the tree as this connection sees it."""
        digest = setting(connection, DIGEST_SETTING) or ""
        read = self._read
        if read is None or read[0] != digest:
            read = (digest, load_tree(connection, self._path))
            self._read = read
        return read[1]


def load_tree(connection: Connection, path: Sequence[TreeNode]) -> Tree:
    """Return the tree of the store, with those of ``path`` (itself first, the root last) that are ahead of it."""
    stored = {row.code: _tree_node(row._mapping) for row in connection.execute(select(node_tree))}  # noqa: SLF001 - the row's public mapping.
    repeated = in_trust(connection, (node.code for node in path))
    ahead = {
        node.code: node
        for node in path
        if node.code not in stored or (node.certificate not in repeated and node.parent == stored[node.code].parent)
    }
    return Tree((stored | ahead).values(), path[-1].code)


def _tree_node(row: object) -> TreeNode:
    values = MappingProxyType(dict(row))  # type: ignore[call-overload]
    return TreeNode(**{**values, "divisions": tuple(values["divisions"].split())})


def _ancestors(root: str, below: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Return the codes above each node that can be reached from the root, parents before children."""
    found: dict[str, tuple[str, ...]] = {root: ()}
    level = [root]
    for _ in range(DEPTH_MAX):
        level = [child for code in level for child in _found_below(code, sorted(below.get(code, ())), found)]
    return found


def _found_below(code: str, children: list[str], found: dict[str, tuple[str, ...]]) -> list[str]:
    for child in children:
        found[child] = (code, *found[code])
    return children
