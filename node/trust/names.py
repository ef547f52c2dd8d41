"""What a node is called in certificates and in TLS: one URI, one DNS name, both made of its code and its tree."""

from __future__ import annotations

import re
from typing import Final

from node.errors import IdentityError
from node.standard.division_codes import is_summary_code

NODE_CODE: Final = re.compile(r"[0-9]{6}(?:[0-9]{3}){0,2}\Z")
"""A node is named by the division that it stands for: 6, 9 or 12 digits."""
TREE: Final = re.compile(r"[0-9a-f]{64}\Z")
"""A tree is named by the SHA-256 of its root's public key, in lower-case hex."""

_NODE_URI = re.compile(r"urn:yizhan:node:([0-9a-f]{64}):([0-9]{6}(?:[0-9]{3}){0,2})\Z")
_DNS_TREE_LENGTH = 16


def node_uri(code: str, tree: str) -> str:
    """Return the URI by which a certificate names a node: ``urn:yizhan:node:<tree>:<code>``."""
    return f"urn:yizhan:node:{tree}:{code}"


def code_and_tree(uri: str) -> tuple[str, str]:
    """Return code and tree out of a node's URI; IdentityError for any other URI."""
    found = _NODE_URI.match(uri)
    if found is None:
        raise IdentityError("A certificate names no node.", why=f"its URI is {uri[:120]!r}")
    return found.group(2), found.group(1)


def dns_name(code: str, tree: str) -> str:
    """Return the name that TLS checks, whatever address was dialled: ``<code>.<tree16>.yizhan.internal``.

    A client passes it as server name too. Sixteen hex digits of the tree, since a DNS label has 63 characters at most.
    """
    return f"{code}.{tree[:_DNS_TREE_LENGTH]}.yizhan.internal"


def refuse_headings(*codes: str) -> None:
    """Raise IdentityError when one of ``codes`` is no place that a node could stand for or serve (市辖区)."""
    for code in codes:
        if is_summary_code(code):
            raise IdentityError(
                f"{code} is no place.",
                why="it is a heading of statistics (市辖区) for all districts of a city together",
                action="give the code of the city, or of one district",
            )


def checked_code(code: str) -> str:
    """Return ``code`` when it can name a node; IdentityError otherwise."""
    if not NODE_CODE.match(code):
        raise IdentityError(
            f"{code[:40]!r} is not a node code.",
            why="a node is named by a division code of 6, 9 or 12 digits",
            action="give the code of the division that the node stands for",
        )
    return code
