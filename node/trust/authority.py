"""Who may write which record into which stream (02, R10): the table of record types, applied.

Asked before a record is appended (intake, ``produce``) and when a slice is accepted: there, a record without authority
is quarantined, because the origin has signed it. Pure: the tree and the record are all that counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node.standard.codec import TAG_PREFIX
from node.standard.families import DIRECTED, RECORD_TYPES
from node.trust.divisions import check_divisions

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.standard.facts import Facts
    from node.standard.seals import StreamName
    from node.trust.tree import Tree


def check_authority(
    tree: Tree, stream: StreamName, record_type: str, facts: Facts | None = None, element: Any = None
) -> str | None:
    """Return why a record of ``record_type`` may not stand in ``stream``, None when it may.

    ``facts`` gives the record's division; ``element`` is needed for ``issuer`` records (CertificateIssued,
    Revocation) and for Redaction. The reason is for people and names codes only. A type that is not known here is not
    judged: None.
    """
    known = RECORD_TYPES.get(record_type)
    if known is None:
        return None
    if not tree.knows(stream.origin):
        return f"{stream.origin} is not in the tree"
    addressee = stream.directed_to
    audience = stream.audience if addressee is None else DIRECTED
    if audience not in known.audiences:
        return f"{record_type} may not stand in a stream for {stream.audience}"
    if addressee is not None and (addressee == stream.origin or not tree.knows(addressee)):
        return f"{addressee} is not another node of the tree"
    if audience == "trust" and stream.origin != tree.root:
        return f"only the root {tree.root} writes into trust"
    return _RULES[known.authority](tree, stream, facts, element)


def _own(tree: Tree, stream: StreamName, facts: Facts | None, _: Any) -> str | None:
    division = None if facts is None else facts.division
    if division is None or tree.serves(stream.origin, division):
        return None
    return f"{stream.origin} does not serve division {division}"


def _root(tree: Tree, stream: StreamName, _: Facts | None, __: Any) -> str | None:
    return None if stream.origin == tree.root else f"only the root {tree.root} may write it"


def _ancestor_of_addressee(tree: Tree, stream: StreamName, _: Facts | None, __: Any) -> str | None:
    if tree.is_ancestor(stream.origin, stream.audience):
        return None
    return f"{stream.origin} does not stand above {stream.audience}"


def _descendant_of_addressee(tree: Tree, stream: StreamName, _: Facts | None, __: Any) -> str | None:
    if tree.is_ancestor(stream.audience, stream.origin):
        return None
    return f"{stream.origin} does not stand below {stream.audience}"


def _supervisor(tree: Tree, stream: StreamName, facts: Facts | None, element: Any) -> str | None:
    """A supervisor speaks of what it answers for, upward, and to those below it, downward."""
    rule = _own if stream.directed_to is None else _ancestor_of_addressee
    return rule(tree, stream, facts, element)


def _issuer(tree: Tree, stream: StreamName, _: Facts | None, element: Any) -> str | None:
    """An issuer speaks of its own children and gives them divisions of its branch; the root, in ``trust``, of all."""
    subject, parent = _text(element, "NodeCode"), _text(element, "ParentCode")
    standing = tree.parent(subject) if subject is not None and tree.knows(subject) else None
    if subject == tree.root:
        # In any other place this would put the root below one of its own descendants.
        allowed = stream.audience == "trust" and parent is None
        return None if allowed else f"nobody issues certificates to the root {tree.root}"
    if stream.audience == "trust":
        return None
    named = standing if parent is None else parent
    if named != stream.origin:
        return f"{stream.origin} is not the parent named, {named}"
    if standing not in {None, stream.origin}:
        return f"{subject} stands below {standing}"
    divisions = [] if element is None else [one.text for one in element.iterchildren(f"{TAG_PREFIX}Division")]
    if subject is None or not divisions:
        return None
    return check_divisions(tree, stream.origin, subject, divisions)


def _redactor(tree: Tree, stream: StreamName, _: Facts | None, element: Any) -> str | None:
    """An origin erases in its own streams; an ancestor asks the node below it to do so, in what it directs to it."""
    named = _text(element, "Stream")
    if named == str(stream):
        return None
    addressee = stream.directed_to
    if addressee is None or named is None or named.partition("/")[0] != addressee:
        return f"a Redaction in {stream} may not name a record of {named}"
    return _ancestor_of_addressee(tree, stream, None, None)


def _any(_: Tree, __: StreamName, ___: Facts | None, ____: Any) -> str | None:
    return None


def _text(element: Any, name: str) -> str | None:
    found: str | None = None if element is None else element.findtext(f"{TAG_PREFIX}{name}")
    return found


_RULES: Final[dict[str, Callable[[Tree, StreamName, Facts | None, Any], str | None]]] = {
    "own": _own,
    "root": _root,
    "ancestor_of_addressee": _ancestor_of_addressee,
    "descendant_of_addressee": _descendant_of_addressee,
    "supervisor": _supervisor,
    "issuer": _issuer,
    "redactor": _redactor,
    "any": _any,
}
