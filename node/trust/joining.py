"""The child's side of joining: with nothing but a code, a node gets into its tree and trusts nobody on the way.

The rule is R14 of the exchange:


1. The code is read; a typing error ends here.
2. The keys are made and written, or those of an interrupted try are used again.
3. The parent's chain is fetched over a connection that is not believed. Believed is only what the code says: the root's
   key, the parent's node key, and that the parent's TLS key is this node key.
4. Only then are code and request sent, over a connection that trusts exactly this chain.
5. Everything in the answer is checked against the root's key and the own keys, and written; ``identity.json`` last.

Every step can be repeated: after a crash the same keys ask again and get the same certificates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from node.errors import IdentityError
from node.trust.certificates import NODE, Certificate, check_chain, read_certificate
from node.trust.identity import Identity, check_identity, has_identity, load_identity, save_identity
from node.trust.invitations import read_code
from node.trust.join_forms import JoinAnswer, JoinRequest, read_answer, read_chain, request_bytes
from node.trust.keys import ISSUING_KEY_FILE, NODE_KEY_FILE, load_or_make_key, public_bytes
from node.trust.names import checked_code
from node.trust.suites import sign

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from node.trust.invitations import InvitationCode

_PART: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedParent:
    """The parent that a code names, with the chain that was checked: node certificate first, root last."""

    code: str
    tree: str
    chain: tuple[Certificate, ...]


class JoinCarrier(Protocol):
    """What carries a join request; ``address`` is ``host:port`` of the parent's link listener."""

    def fetch_chain(self, address: str) -> tuple[bytes, bytes]:
        """Return the DER certificate that the parent's TLS presented, and its chain document; nothing is believed.

        Raises PeerUnavailableError when the parent does not answer.
        """

    def send_join(self, address: str, request: bytes, parent: TrustedParent) -> bytes:
        """Send the request over a connection that trusts exactly ``parent``; return the answer.

        Raises PeerUnavailableError when the parent does not answer, IdentityError when it is another, JoinRefusedError
        when it refuses.
        """


def join(  # noqa: PLR0913 - what the command line knows, by name.
    home: Path,
    *,
    code: str,
    level: str,
    children_depth: int,
    invitation: str,
    address: str,
    carrier: JoinCarrier,
    at: datetime,
    passphrase_file: Path | None = None,
) -> Identity:
    """Join the node ``code`` that lives in ``home`` to its tree and return its identity, written to the home.

    ``invitation`` is the code's text, ``address`` the parent's ``host:port``, ``at`` the present by the machine's
    clock. A node that has joined this tree already is returned as it is, with nothing sent. Raises IdentityError
    for a typing error, a parent or an answer that is not what the code names, and a home that belongs to another tree;
    JoinRefusedError and PeerUnavailableError from the parent.
    """
    checked_code(code)
    invited = read_code(invitation)
    if has_identity(home):
        return _joined_before(load_identity(home, passphrase_file=passphrase_file), code, invited)
    node_key = load_or_make_key(home, NODE_KEY_FILE, passphrase_file=passphrase_file)
    issuing_key = load_or_make_key(home, ISSUING_KEY_FILE, passphrase_file=passphrase_file) if children_depth else None
    parent = check_parent(invited, *carrier.fetch_chain(address), at=at)
    request = make_request(invited, parent.tree, code=code, level=level, node_key=node_key, issuing_key=issuing_key)
    answer = read_answer(carrier.send_join(address, request, parent))
    identity = check_answer(answer, parent, code=code, node_key=node_key, issuing_key=issuing_key, at=at)
    save_identity(home, identity)
    return load_identity(home, passphrase_file=passphrase_file)


def check_parent(invited: InvitationCode, presented: bytes, document: bytes, *, at: datetime) -> TrustedParent:
    """Return the parent when it is the one that the code names; IdentityError says what differs.

    ``presented`` is the certificate (DER) that its TLS showed, ``document`` its chain document.
    """
    chain = tuple(read_certificate(der) for der in read_chain(document))
    if bytes.fromhex(chain[-1].key_id)[:_PART] != invited.root:
        raise _another("its root key is not the one that the code names")
    if chain[0].kind != NODE or bytes.fromhex(chain[0].key_id)[:_PART] != invited.parent:
        raise _another("its node key is not the one that the code names")
    if presented != chain[0].der:
        raise _another("its TLS certificate is not the first of its chain")
    tree = chain[-1].key_id
    check_chain(chain, tree, at)
    return TrustedParent(code=chain[0].code, tree=tree, chain=chain)


def make_request(
    invited: InvitationCode,
    tree: str,
    *,
    code: str,
    level: str,
    node_key: ec.EllipticCurvePrivateKey,
    issuing_key: ec.EllipticCurvePrivateKey | None,
) -> bytes:
    """Return the request, signed by both keys."""
    asked = JoinRequest(
        tree=tree,
        secret=invited.secret,
        node_code=code,
        level=level,
        node_key=public_bytes(node_key.public_key()),
        issuing_key=None if issuing_key is None else public_bytes(issuing_key.public_key()),
    )
    text = asked.text()
    proof = None if issuing_key is None else sign(issuing_key, text)
    return request_bytes(replace(asked, node_proof=sign(node_key, text), issuing_proof=proof))


def check_answer(
    answer: JoinAnswer,
    parent: TrustedParent,
    *,
    code: str,
    node_key: ec.EllipticCurvePrivateKey,
    issuing_key: ec.EllipticCurvePrivateKey | None,
    at: datetime,
) -> Identity:
    """Return the identity that the answer gives; IdentityError unless all of it hangs together and is ours."""
    certificate = read_certificate(answer.certificate)
    issuing = None if answer.issuing_certificate is None else read_certificate(answer.issuing_certificate)
    above = tuple(read_certificate(der) for der in answer.chain)
    if above[1:] != parent.chain[1:] and above != parent.chain[1:]:
        raise _unfit("its chain is not the parent's")
    identity = Identity(
        private_key=node_key,
        chain=(certificate, *above),
        path=answer.path,
        issuing_key=issuing_key,
        issuing_certificate=issuing,
        trust_size=answer.trust_size,
        time_zone=answer.time_zone,
    )
    if (certificate.code, certificate.tree, certificate.kind) != (code, parent.tree, NODE):
        raise _unfit(f"it holds a certificate of {certificate.code}")
    if (issuing is None) != (issuing_key is None) or (issuing is not None and issuing.code != code):
        raise _unfit("its issuing certificate is missing or another's")
    check_identity(identity, at)
    _check_path(identity, parent)
    return identity


def _check_path(identity: Identity, parent: TrustedParent) -> None:
    """Check that the nodes on the way up are those that the chain names, from the parent to the root."""
    if len(identity.path) != len(identity.chain) or identity.path[1].certificate != parent.chain[0].der:
        raise _unfit("its parent is not the one that was asked")
    for position, issued in enumerate(identity.path[1:], start=1):
        certificate = read_certificate(issued.certificate)
        # An ancestor's own certificate stands under its parent's issuing certificate; the root's under its own.
        chain = (certificate, *(identity.chain[position + 1 :] or identity.chain[-1:]))
        check_chain(chain, parent.tree)
        if not certificate.code == issued.code == identity.chain[position].code:
            raise _unfit(f"{issued.code} has a certificate of {certificate.code}")


def _joined_before(identity: Identity, code: str, invited: InvitationCode) -> Identity:
    if identity.code != code or bytes.fromhex(identity.tree)[:_PART] != invited.root:
        raise IdentityError(
            f"This home already belongs to node {identity.code} of tree {identity.tree[:16]}.",
            why="a node joins one tree, once",
            action="use another home for another node",
        )
    return identity


def _another(why: str) -> IdentityError:
    return IdentityError(
        "The node at this address is not the one that the invitation names.",
        why=why,
        action="check the address; if it is right, tell the level above: somebody may be between",
    )


def _unfit(why: str) -> IdentityError:
    return IdentityError("The answer to the join request does not fit.", why=why, action="tell the level above")
