"""The parent's side of joining: an invitation is redeemed for certificates (02, R14).

One transaction: the invitation is looked up, the certificates are made, what was issued is written into the stream, and
the invitation remembers its key. So a child that lost the answer asks again and gets the very same certificates, and a
child that was never answered has not been admitted. Everything that is refused is a JoinRefusedError: the child's
person has to act.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from node.errors import JoinRefusedError
from node.journal.holdings import find
from node.standard.seals import TRUST, StreamName
from node.trust.issuing import Admission, issue, issued_node, make_certificates
from node.trust.join_forms import JoinAnswer, JoinRequest, answer_bytes, chain_bytes, read_request
from node.trust.keys import read_public_key
from node.trust.suites import verify
from node.trust.tables import invitation as table

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric import ec
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.journal.streams import Journal
    from node.trust.identity import Identity
    from node.trust.issued import IssuedNode
    from node.trust.tree import Tree

_log = logging.getLogger(__name__)


def chain_document(identity: Identity) -> bytes:
    """Return what the parent shows to anybody who asks, before joining: its chain, no secret in it."""
    return chain_bytes([certificate.der for certificate in identity.chain])


def redeem(
    journal: Journal,
    transaction: Transaction,
    tree: Tree,
    identity: Identity,
    request: bytes,
    *,
    at: datetime,
    salt: bytes,
) -> bytes:
    """Redeem an invitation and return the answer to send; repeating it with the same key gives the same certificates.

    ``at`` is the present by the machine's clock, ``salt`` 16 random bytes. Raises JoinRefusedError for a code that is
    unknown, late, used by another key, or meant for another node or level, and IdentityError for a request that cannot
    be read or whose keys are not proven.
    """
    asked = read_request(request)
    node_key, issuing_key = _proven_keys(asked, identity.tree)
    row = _row(transaction.connection, asked, at)
    issued = _issued_before(row, asked, identity)
    if issued is None:
        admission = Admission(
            code=row.node_code,
            name=row.name,
            level=row.level,
            divisions=tuple(row.divisions.split()),
            children_depth=row.children_depth,
        )
        _check_keys_fit(admission, issuing_key)
        issued = make_certificates(identity, admission, node_key=node_key, issuing_key=issuing_key, at=at)
        issue(journal, transaction, tree, identity, issued, at=at, salt=salt)
        _remember(transaction, row.code_hash, asked, issued)
        _log.info("node admitted", extra={"node": issued.code, "certificate": issued.fingerprint})
    return answer_bytes(_answer(transaction.connection, identity, issued))


def _proven_keys(asked: JoinRequest, tree: str) -> tuple[ec.EllipticCurvePublicKey, ec.EllipticCurvePublicKey | None]:
    """Return both public keys; the request must be for this tree and signed by each of them."""
    if asked.tree != tree:
        raise JoinRefusedError("The join request is meant for another tree.", why=f"it names {asked.tree[:16]}")
    text = asked.text()
    node_key = read_public_key(asked.node_key)
    issuing_key = None if asked.issuing_key is None else read_public_key(asked.issuing_key)
    proven = verify(node_key, text, asked.node_proof) and (
        issuing_key is None or verify(issuing_key, text, asked.issuing_proof or b"")
    )
    if not proven or asked.issuing_key == asked.node_key:
        raise JoinRefusedError("The join request does not prove that its sender holds the keys that it names.")
    return node_key, issuing_key


def _row(connection: Connection, asked: JoinRequest, at: datetime) -> Any:
    """Return the invitation's row; refused when it is unknown, late, or meant for another node or level."""
    code_hash = hashlib.sha256(asked.secret).digest()
    row = connection.execute(select(table).where(table.c.code_hash == code_hash)).one_or_none()
    if row is None:
        raise JoinRefusedError(
            "This invitation is not known here.",
            why="it was replaced by a newer one, or given by another node",
            action="ask the level above for a new invitation",
        )
    if at > row.expires_at:
        raise JoinRefusedError(
            "This invitation has expired.",
            why=f"it was valid until {row.expires_at:%Y-%m-%d %H:%M} UTC",
            action="ask the level above for a new invitation",
        )
    if (asked.node_code, asked.level) != (row.node_code, row.level):
        raise JoinRefusedError(
            "This invitation is for another node.",
            why=f"it invites {row.node_code} as {row.level}; {asked.node_code[:12]} as {asked.level[:64]} asked",
            action="use the code that was given for this node, or correct node.toml",
        )
    return row


def _issued_before(row: Any, asked: JoinRequest, identity: Identity) -> IssuedNode | None:
    """Return what this invitation was redeemed for, None when it is unused; refused when another key used it."""
    if row.used_key is None:
        return None
    if bytes(row.used_key) != _key_hash(asked):
        raise JoinRefusedError(
            "This invitation was already used by another key.",
            why="one code admits one key",
            action="if it was not this node, tell the level above at once; then ask for a new invitation",
        )
    admission = Admission(
        code=row.node_code,
        name=row.name,
        level=row.level,
        divisions=tuple(row.divisions.split()),
        children_depth=row.children_depth,
    )
    issuing = None if row.issuing_certificate is None else bytes(row.issuing_certificate)
    return issued_node(admission, identity.code, bytes(row.certificate), issuing)


def _check_keys_fit(admission: Admission, issuing_key: ec.EllipticCurvePublicKey | None) -> None:
    if (issuing_key is None) != (admission.children_depth == 0):
        raise JoinRefusedError(
            "The joining node expects another number of levels below it than it was invited with.",
            why=f"it was invited with children_depth = {admission.children_depth}",
            action=f"use the same file for level {admission.level} at both nodes",
        )


def _remember(transaction: Transaction, code_hash: bytes, asked: JoinRequest, issued: IssuedNode) -> None:
    transaction.connection.execute(
        update(table)
        .where(table.c.code_hash == code_hash)
        .values(
            used_key=_key_hash(asked),
            certificate=issued.certificate,
            issuing_certificate=issued.issuing_certificate,
        )
    )


def _key_hash(asked: JoinRequest) -> bytes:
    """Return the hash of both public keys: what a used invitation belongs to."""
    return hashlib.sha256(asked.node_key + b"\0" + (asked.issuing_key or b"")).digest()


def _answer(connection: Connection, identity: Identity, issued: IssuedNode) -> JoinAnswer:
    trust = find(connection, StreamName(identity.root_code, TRUST))
    return JoinAnswer(
        certificate=issued.certificate,
        issuing_certificate=issued.issuing_certificate,
        chain=tuple(certificate.der for certificate in identity.issuing_chain),
        path=(issued, *identity.path),
        trust_size=0 if trust is None else trust.size,
        time_zone=identity.time_zone,
    )
