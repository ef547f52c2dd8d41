"""Who holds which stream, and over which links it travels (02, R11): pure functions of the tree.

Asked by packing, accepting, screens and tests; there is no other answer anywhere.

``ancestors``
    the origin and everyone above it
``descendants``
    the origin, everyone below it, and everyone above it for supervision
directed, from O to T
    O, T, and everyone above either
``trust``
    every node; the root alone originates it

A slice travels only between neighbours of the tree that both hold the stream, and only away from the origin. So a
sibling never holds what is not addressed to it, and every relay is a holder itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.standard.seals import ANCESTORS, DESCENDANTS, TRUST

if TYPE_CHECKING:
    from node.standard.seals import StreamName
    from node.trust.tree import Tree


def holds(tree: Tree, stream: StreamName, code: str) -> bool:
    """Tell whether the node ``code`` holds the stream; False for whatever is not in the tree."""
    origin, addressee = stream.origin, stream.directed_to
    if not tree.knows(origin) or not tree.knows(code):
        return False
    if stream.audience == TRUST:
        return origin == tree.root
    if code == origin or tree.is_ancestor(code, origin):
        return addressee is None or (addressee != origin and tree.knows(addressee))
    if stream.audience == DESCENDANTS:
        return tree.is_ancestor(origin, code)
    return addressee is not None and (code == addressee or tree.is_ancestor(code, addressee))


def holders(tree: Tree, stream: StreamName) -> frozenset[str]:
    """Return the codes of all nodes that hold the stream; empty when its origin or addressee is not in the tree."""
    if not tree.knows(stream.origin):
        return frozenset()
    if stream.audience == TRUST:
        return tree.codes if stream.origin == tree.root else frozenset()
    upward = {stream.origin, *tree.ancestors(stream.origin)}
    if stream.audience == ANCESTORS:
        return frozenset(upward)
    if stream.audience == DESCENDANTS:
        return frozenset(upward | set(tree.descendants(stream.origin)))
    addressee = stream.audience
    if addressee == stream.origin or not tree.knows(addressee):
        return frozenset()
    return frozenset(upward | {addressee, *tree.ancestors(addressee)})


def travels(tree: Tree, stream: StreamName, sender: str, receiver: str) -> bool:
    """Tell whether slices of the stream travel from ``sender`` to ``receiver``.

    Both hold it, they are neighbours, and the sender is the receiver's neighbour on the way to the origin.
    """
    return (
        tree.are_neighbours(sender, receiver)
        and holds(tree, stream, sender)
        and holds(tree, stream, receiver)
        and tree.next_hop(receiver, stream.origin) == sender
    )
