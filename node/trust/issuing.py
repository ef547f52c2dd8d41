"""Issuing: the authority of a node over its children, and of the root over its tree.

``found_tree`` makes the first node, ``make_certificates`` and ``issue`` admit a child (02, R14). Asked for by joining
(node.trust.admission); what other issuers wrote is carried into ``trust`` by node.trust.repeating.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.errors import IdentityError
from node.standard.seals import ANCESTORS, TRUST, StreamName
from node.trust.certificates import make_issuing, make_node, make_root
from node.trust.identity import Identity, save_identity
from node.trust.issued import RECORD_TYPE, IssuedNode
from node.trust.keys import ISSUING_KEY_FILE, NODE_KEY_FILE, load_or_make_key
from node.trust.names import checked_code, refuse_headings
from node.trust.produce import append_once, make_entry

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from node.journal.entries import Entry
    from node.journal.store import Transaction
    from node.journal.streams import Journal
    from node.trust.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a node is admitted as: by whom it is invited, or, for the root, by itself.

    ``children_depth`` counts the levels that may stand below it (0: none, and no issuing certificate).
    """

    code: str
    name: str
    level: str
    divisions: tuple[str, ...]
    children_depth: int


def make_root_identity(
    admission: Admission,
    *,
    node_key: ec.EllipticCurvePrivateKey,
    issuing_key: ec.EllipticCurvePrivateKey,
    at: datetime,
    time_zone: str = "Asia/Shanghai",
) -> Identity:
    """Return the identity of a new tree's root, whose ``issuing_key`` becomes the tree's name.

    Raises IdentityError for a code that cannot name a node or a root that nothing may stand below.
    """
    checked_code(admission.code)
    refuse_headings(admission.code, *admission.divisions)
    if admission.children_depth < 1:
        raise IdentityError(
            f"{admission.code} cannot be the root of a tree.",
            why=f"children_depth of level {admission.level} is {admission.children_depth}",
            action="choose a level below which other levels may stand",
        )
    root = make_root(issuing_key, code=admission.code, path_length=admission.children_depth - 1, at=at)
    certificate = make_node(node_key.public_key(), code=admission.code, at=at, issuer=root, issuer_key=issuing_key)
    return Identity(
        private_key=node_key,
        chain=(certificate, root),
        path=(issued_node(admission, None, certificate.der, root.der),),
        issuing_key=issuing_key,
        issuing_certificate=root,
        time_zone=time_zone,
    )


def found_tree(
    home: Path, admission: Admission, *, at: datetime, passphrase_file: Path | None = None, time_zone: str
) -> Identity:
    """Make the root of a new tree in ``home``: two keys and two certificates; the keys of an interrupted try are used.

    Write its record with ``record_founding``. Raises as ``make_root_identity`` and ``load_key`` do.
    """
    identity = make_root_identity(
        admission,
        node_key=load_or_make_key(home, NODE_KEY_FILE, passphrase_file=passphrase_file),
        issuing_key=load_or_make_key(home, ISSUING_KEY_FILE, passphrase_file=passphrase_file),
        at=at,
        time_zone=time_zone,
    )
    save_identity(home, identity)
    return identity


def record_founding(
    journal: Journal, transaction: Transaction, tree: Tree, identity: Identity, *, at: datetime, salt: bytes
) -> bool:
    """Write the root's own CertificateIssued, the first record of ``trust``; False when it stands there already."""
    issuing = None if identity.issuing_certificate is None else identity.issuing_certificate.der
    own = identity.path[0]
    issued = IssuedNode(
        code=own.code,
        name=own.name,
        level=own.level,
        parent=None,
        divisions=own.divisions,
        certificate=own.certificate,
        issuing_certificate=issuing,
    )
    entry = issued_entry(issued, at=at, salt=salt)
    return append_once(journal, transaction, tree, StreamName(identity.code, TRUST), entry, key=issued.key)


def make_certificates(
    identity: Identity,
    admission: Admission,
    *,
    node_key: ec.EllipticCurvePublicKey,
    issuing_key: ec.EllipticCurvePublicKey | None,
    at: datetime,
) -> IssuedNode:
    """Return the certificates of a child of this node; ``issuing_key`` must be given exactly when it may have children.

    Raises IdentityError when this node may not issue, or not as deep as the admission says.
    """
    issuer, issuer_key = identity.issuing_certificate, identity.issuing_key
    if issuer is None or issuer_key is None:
        raise IdentityError(
            f"Node {identity.code} cannot issue certificates.", why="nothing may stand below it (children_depth)"
        )
    if (issuing_key is None) != (admission.children_depth == 0):
        raise IdentityError(f"Node {admission.code} has another number of keys than its level needs.")
    issuing = None
    if issuing_key is not None:
        depth = admission.children_depth - 1
        issuing = make_issuing(
            issuing_key, code=admission.code, path_length=depth, at=at, issuer=issuer, issuer_key=issuer_key
        )
    certificate = make_node(node_key, code=admission.code, at=at, issuer=issuer, issuer_key=issuer_key)
    return issued_node(admission, identity.code, certificate.der, None if issuing is None else issuing.der)


def issued_entry(issued: IssuedNode, *, at: datetime, salt: bytes) -> Entry:
    """Return the CertificateIssued record of what was issued, made and checked outside the journal's lock."""
    return make_entry(RECORD_TYPE, issued.content(), key=issued.key, event_at=at, salt=salt)


def issue(
    journal: Journal, transaction: Transaction, tree: Tree, identity: Identity, issued: IssuedNode, entry: Entry
) -> bool:
    """Write the ``issued_entry`` of what was issued: the root into ``trust``, others into their ``ancestors`` stream.

    The node is in this node's tree from then on. False when it was written before. Raises AuthorityError when this
    node may not say so.
    """
    audience = TRUST if identity.code == identity.root_code else ANCESTORS
    return append_once(journal, transaction, tree, StreamName(identity.code, audience), entry, key=issued.key)


def issued_node(admission: Admission, parent: str | None, certificate: bytes, issuing: bytes | None) -> IssuedNode:
    """Return what the CertificateIssued of an admission says; both certificates are DER."""
    return IssuedNode(
        code=admission.code,
        name=admission.name,
        level=admission.level,
        parent=parent,
        divisions=admission.divisions,
        certificate=certificate,
        issuing_certificate=issuing,
    )
