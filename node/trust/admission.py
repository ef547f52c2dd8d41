"""The parent's side of joining: an invitation is redeemed for certificates (02, R14).

Anybody may ask, so whoever asks must not hold up the node. Without the journal's lock the request is read, its
invitation looked up, the proofs of its keys verified, the certificates and their record made; most of what is refused
ends there, an unknown code before any signature is verified. One short transaction then looks at the invitation again,
writes the record into the stream, and has the invitation remember its keys. Of two requests at once the first to commit
decides: the other gets the same certificates if it has the same keys, and is refused if it has not; what was made for
it is forgotten, and nobody has seen it.

So a child that lost the answer asks again and gets the very same certificates, and a child that was never answered has
not been admitted. Everything that is refused is a JoinRefusedError: the child's person has to act.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from node.errors import JoinRefusedError
from node.journal.holdings import find
from node.standard.seals import TRUST, StreamName
from node.trust.issuing import Admission, issue, issued_entry, issued_node, make_certificates
from node.trust.join_forms import JoinAnswer, JoinRequest, answer_bytes, chain_bytes, read_request
from node.trust.keys import read_public_key
from node.trust.suites import verify
from node.trust.tables import invitation as table

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric import ec
    from sqlalchemy.engine import Connection

    from node.journal.store import Store, Transaction
    from node.journal.streams import Journal
    from node.trust.identity import Identity
    from node.trust.issued import IssuedNode
    from node.trust.tree import Tree

_log = logging.getLogger(__name__)


def chain_document(identity: Identity) -> bytes:
    """Return what the parent shows to anybody who asks, before joining: its chain, no secret in it."""
    return chain_bytes([certificate.der for certificate in identity.chain])


def redeem(
    store: Store,
    journal: Journal,
    tree_of: Callable[[Connection], Tree],
    identity: Identity,
    request: bytes,
    *,
    at: datetime,
    salt: bytes,
) -> bytes:
    """Redeem an invitation and return the answer to send; repeating it with the same key gives the same certificates.

    ``tree_of`` gives the tree as a connection sees it, ``at`` is the present by the machine's clock, ``salt`` 16 random
    bytes. To be called outside any transaction. Raises JoinRefusedError for a code that is unknown, late, used by
    another key, or meant for another node or level, IdentityError for a request that cannot be read or whose keys are
    not proven, AuthorityError when this node may not admit the node any more.
    """
    asked = read_request(request)
    if asked.tree != identity.tree:
        raise JoinRefusedError("The join request is meant for another tree.", why=f"it names {asked.tree[:16]}")
    with store.reading() as connection:
        row = _row(connection, asked, at)
    node_key, issuing_key = _proven_keys(asked)
    _check_meant(row, asked)
    issued = _issued_before(row, asked, identity)
    if issued is None:
        admission = _admission(row)
        _check_keys_fit(admission, issuing_key)
        made = make_certificates(identity, admission, node_key=node_key, issuing_key=issuing_key, at=at)
        entry = issued_entry(made, at=at, salt=salt)

        def work(transaction: Transaction) -> IssuedNode:
            before = _issued_before(_row(transaction.connection, asked, at), asked, identity)
            if before is not None:
                return before
            issue(journal, transaction, tree_of(transaction.connection), identity, made, entry)
            _remember(transaction, asked, made)
            return made

        issued = store.write(work)
        _log.info("node admitted", extra={"node": issued.code, "certificate": issued.fingerprint})
    with store.reading() as connection:
        answer = _answer(connection, identity, issued)
    return answer_bytes(answer)


def _proven_keys(asked: JoinRequest) -> tuple[ec.EllipticCurvePublicKey, ec.EllipticCurvePublicKey | None]:
    """Return both public keys; the request must be signed by each of them."""
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
    """Return the invitation's row; refused when it is unknown or late."""
    row = connection.execute(select(table).where(table.c.code_hash == _code_hash(asked))).one_or_none()
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
    return row


def _check_meant(row: Any, asked: JoinRequest) -> None:
    if (asked.node_code, asked.level) != (row.node_code, row.level):
        raise JoinRefusedError(
            "This invitation is for another node.",
            why=f"it invites {row.node_code} as {row.level}; {asked.node_code[:12]} as {asked.level[:64]} asked",
            action="use the code that was given for this node, or correct node.toml",
        )


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
    issuing = None if row.issuing_certificate is None else bytes(row.issuing_certificate)
    return issued_node(_admission(row), identity.code, bytes(row.certificate), issuing)


def _admission(row: Any) -> Admission:
    return Admission(
        code=row.node_code,
        name=row.name,
        level=row.level,
        divisions=tuple(row.divisions.split()),
        children_depth=row.children_depth,
    )


def _check_keys_fit(admission: Admission, issuing_key: ec.EllipticCurvePublicKey | None) -> None:
    if (issuing_key is None) != (admission.children_depth == 0):
        raise JoinRefusedError(
            "The joining node expects another number of levels below it than it was invited with.",
            why=f"it was invited with children_depth = {admission.children_depth}",
            action=f"use the same file for level {admission.level} at both nodes",
        )


def _remember(transaction: Transaction, asked: JoinRequest, issued: IssuedNode) -> None:
    transaction.connection.execute(
        update(table)
        .where(table.c.code_hash == _code_hash(asked))
        .values(
            used_key=_key_hash(asked),
            certificate=issued.certificate,
            issuing_certificate=issued.issuing_certificate,
        )
    )


def _code_hash(asked: JoinRequest) -> bytes:
    return hashlib.sha256(asked.secret).digest()


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
