"""Invitation codes: what one level hands to the level below, by telephone, on paper or as a QR picture (02, R14).

A code is 80 letters and digits: 128 random bits, the first 128 bits of the SHA-256 of the parent's node key and of the
root's key, and a CRC-16 of it all, in base32 (RFC 4648). So the child knows whom it talks to before it says anything,
and a typing error is told before anything is sent. It is bound to one node code, expires, and belongs to the first key
that uses it. The store keeps only the SHA-256 of the random bits.
"""

from __future__ import annotations

import hashlib
from base64 import b32decode, b32encode
from binascii import crc_hqx
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, select

from node.errors import IdentityError
from node.standard.codec import parse_record
from node.standard.compose import compose
from node.trust.divisions import check_divisions, nothing_published
from node.trust.issued import RECORD_TYPE
from node.trust.issuing import issued_node
from node.trust.names import refuse_headings
from node.trust.tables import invitation as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.trust.divisions import Above
    from node.trust.identity import Identity
    from node.trust.issuing import Admission
    from node.trust.tree import Tree

SECRET_BYTES: Final = 16
"""Random bytes of a code: nobody guesses 128 bits, so a code needs no counter of failed tries."""
VALIDITY: Final = timedelta(hours=24)
"""Chosen by us: long enough to travel to the county and install, short enough to be forgotten with the paper."""
VALIDITY_MIN: Final = timedelta(minutes=1)
VALIDITY_MAX: Final = timedelta(days=30)
REMEMBERED: Final = timedelta(days=30)
"""How long an expired invitation is kept, so that a late code is told from a wrong one."""
OPEN_MAX: Final = 2_000
"""Invitations at once: more than any node has children."""

_PART: Final = 16
_GROUP: Final = 5
_NAMED_MAX: Final = 5
_LETTERS: Final = 80
_CRC_START: Final = 0xFFFF
_MISREAD: Final = str.maketrans({"0": "O", "1": "I", "8": "B", "-": "", " ": "", "\t": "", "\n": "", "\r": ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationCode:
    """What a code says: 16 random bytes, and 16 bytes each of the parent's and the root's key fingerprint."""

    secret: bytes
    parent: bytes
    root: bytes

    @property
    def code_hash(self) -> bytes:
        """What the parent knows the invitation by: the SHA-256 of the random bytes."""
        return hashlib.sha256(self.secret).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInvitation:
    """An invitation as stored; ``used`` tells whether a key has taken it."""

    node_code: str
    name: str
    level: str
    expires_at: datetime
    used: bool


def code_text(code: InvitationCode) -> str:
    """Return the code as people see it: 16 groups of five letters and digits."""
    data = code.secret + code.parent + code.root
    letters = b32encode(data + crc_hqx(data, _CRC_START).to_bytes(2, "big")).decode()
    return "-".join(letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))


def read_code(text: str) -> InvitationCode:
    """Read a code; small letters, spaces, and 0, 1, 8 for O, I, B are forgiven. IdentityError for a typing error."""
    letters = text[: 4 * _LETTERS].translate(_MISREAD).upper()
    try:
        data = b32decode(letters) if len(letters) == _LETTERS else b""
    except ValueError:
        data = b""
    if not data or crc_hqx(data[:-2], _CRC_START).to_bytes(2, "big") != data[-2:]:
        raise IdentityError(
            "The invitation code is mistyped.",
            why=f"it has {len(letters)} letters and digits, {_LETTERS} are expected"
            if len(letters) != _LETTERS
            else "its check digits do not fit",
            action="compare it group by group; nothing was sent",
        )
    return InvitationCode(secret=data[:_PART], parent=data[_PART : 2 * _PART], root=data[2 * _PART : 3 * _PART])


def invite(
    transaction: Transaction,
    *,
    identity: Identity,
    tree: Tree,
    admission: Admission,
    secret: bytes,
    at: datetime,
    validity: timedelta = VALIDITY,
    above: Above = nothing_published,
) -> str:
    """Invite one node to stand below this one and return the code's text, which is stored nowhere.

    ``secret`` is 16 random bytes; ``above`` gives the tree of divisions as this node holds it. An earlier invitation of
    the same node that nobody used stops counting. Raises IdentityError for a node that cannot stand here or may not
    be given its divisions by this node, RecordRefusedError (with what is wrong) for a code, name, level or division
    that the standard does not allow.
    """
    _check_admission(identity, tree, admission)
    _check_divisions(identity, tree, admission, above)
    if not VALIDITY_MIN <= validity <= VALIDITY_MAX or len(secret) != SECRET_BYTES:
        raise IdentityError("An invitation is valid for one minute to thirty days.", why=f"{validity} was asked for")
    _forget(transaction, admission.code, at)
    if count_open(transaction.connection, at) >= OPEN_MAX:
        raise IdentityError("Too many invitations are open.", why=f"at most {OPEN_MAX} at once")
    code = InvitationCode(
        secret=secret,
        parent=bytes.fromhex(identity.certificate.key_id)[:_PART],
        root=bytes.fromhex(identity.tree)[:_PART],
    )
    transaction.connection.execute(
        insert(table).values(
            code_hash=code.code_hash,
            node_code=admission.code,
            name=admission.name,
            level=admission.level,
            children_depth=admission.children_depth,
            divisions=" ".join(admission.divisions),
            expires_at=at + validity,
        )
    )
    return code_text(code)


def invitations(connection: Connection) -> list[OpenInvitation]:
    """Return the invitations that are remembered, by node code."""
    rows = connection.execute(select(table).order_by(table.c.node_code, table.c.expires_at))
    return [
        OpenInvitation(
            node_code=row.node_code,
            name=row.name,
            level=row.level,
            expires_at=row.expires_at,
            used=row.used_key is not None,
        )
        for row in rows
    ]


def count_open(connection: Connection, at: datetime) -> int:
    """Return how many invitations can still be used at ``at``."""
    query = select(func.count()).select_from(table).where(table.c.used_key.is_(None), table.c.expires_at > at)
    return connection.scalar(query) or 0


def _check_admission(identity: Identity, tree: Tree, admission: Admission) -> None:
    refuse_headings(admission.code, *admission.divisions)
    issuer = identity.issuing_certificate
    if issuer is None or issuer.path_length is None or admission.children_depth > issuer.path_length:
        below = 0 if issuer is None or issuer.path_length is None else issuer.path_length + 1
        raise IdentityError(
            f"Node {identity.code} cannot invite {admission.code} as {admission.level}.",
            why=f"{below} levels may stand below this node, and {admission.level} asks for {admission.children_depth} "
            "below itself",
            action="see children_depth in both level files",
        )
    standing = tree.parent(admission.code) if tree.knows(admission.code) else identity.code
    if standing != identity.code:
        raise IdentityError(
            f"Node {admission.code} cannot stand below {identity.code}.",
            why="it is the root" if standing is None else f"it stands below {standing}",
            action="check the code; a node moves by an act of the root only",
        )
    if tree.knows(admission.code) and (children := tree.children(admission.code)):
        raise IdentityError(
            f"Node {admission.code} has children and cannot join again.",
            why=f"{', '.join(children[:_NAMED_MAX])} would not know its new key, and hear of it only through it",
            action="put the newest backup of its home in place: keys are part of it",
        )
    # The record that will be written, with a stand-in for the certificate: the standard says what is allowed.
    content = issued_node(admission, identity.code, b"-", None).content()
    header = {"RecordKey": "invitation", "EventTime": "2000-01-01T00:00:00Z"}
    parse_record(compose(RECORD_TYPE, {**header, **content}, salt=bytes(SECRET_BYTES)))


def _check_divisions(identity: Identity, tree: Tree, admission: Admission, above: Above) -> None:
    reason = check_divisions(tree, identity.code, admission.code, admission.divisions, above)
    if reason is not None:
        raise IdentityError(
            f"Node {identity.code} cannot admit {admission.code} with these divisions.",
            why=reason,
            action="check --org and --division; a node gives what it serves itself and what is below that",
        )


def _forget(transaction: Transaction, node_code: str, at: datetime) -> None:
    unused = (table.c.node_code == node_code) & table.c.used_key.is_(None)
    transaction.connection.execute(delete(table).where(unused | (table.c.expires_at < at - REMEMBERED)))
