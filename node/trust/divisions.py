"""Which divisions an issuer may give to a child: those of its own branch, as far as they are known (02, R10, R14).

Whoever is admitted with a division may write records of it, and so may everybody above. So a city that admits a node
with a division of another city's county would give itself a right over that county. Two things are asked, of the
divisions and of the node's own code, which is the division that it stands for:

1. **The tree of nodes**: nobody outside the issuer's branch was admitted with it. "Outside" are nodes that are neither
   the issuer nor below it, the issuer's ancestors among them: what they keep for themselves, they have not given.
2. **The tree of divisions**, as the root publishes it (``Division`` records): where the division is published, it is
   one that the issuer's branch serves, or stands below one of these, directly or through divisions that replaced them.
   A division that is not published is not judged: a tree begins before its root has published anything, and
   what is below the counties may never be. Nobody reads it out of the digits of a code.

The first is asked wherever authority is asked, since it needs only the tree: at the invitation, at the admission, and
by every receiver of the record. The second needs reference data, which a receiver may not hold yet, and no answer of a
receiver may depend on what arrived first. It is asked by the issuer at the invitation, with what it holds, so that a
typing error is told; and by the root before it repeats the record into ``trust``. The root has written the divisions
itself, so it holds all of them, and only what it repeats gives a right anywhere else than at the issuer.

Within a branch divisions may overlap: whoever stands above has authority over all of them anyway. A county may answer
for its neighbour until that has a machine of its own, and no division is without a node while it is handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.trust.tree import Tree

Above = Callable[[str], Sequence[str] | None]
"""Gives what stands above a division in the published tree of divisions; None for one that is not published."""


def nothing_published(_: str) -> None:
    """Say of every division that it is not published: an ``Above``."""


def check_divisions(
    tree: Tree, issuer: str, subject: str, divisions: Iterable[str], above: Above = nothing_published
) -> str | None:
    """Return why ``issuer`` may not admit the node ``subject`` with ``divisions``, None when it may."""
    for division in dict.fromkeys((subject, *divisions)):
        reason = _taken(tree, issuer, subject, division) or _elsewhere(tree, issuer, division, above)
        if reason is not None:
            return reason
    return None


def _taken(tree: Tree, issuer: str, subject: str, division: str) -> str | None:
    for code in tree.admitted_with(division):
        if code not in {issuer, subject} and not tree.is_ancestor(issuer, code):
            return f"division {division} is served by {code}, which does not stand below {issuer}"
    return None


def _elsewhere(tree: Tree, issuer: str, division: str, above: Above) -> str | None:
    covering = above(division)
    if covering is None or any(tree.serves(issuer, code) for code in (division, *covering)):
        return None
    return f"division {division} does not stand below one that {issuer} serves"
