"""Who a node is: its keys, its certificates, and its way up to the root.

Kept in the home's folder ``keys``: ``node.key`` and ``issuing.key`` (PKCS#8, 0600), ``chain.pem`` (the node certificate
and every issuer up to the root), ``issuing.pem`` (its own issuing certificate) and ``identity.json`` (the nodes on the
way up, and how much of the trust stream must be held before any other). ``identity.json`` is written last: where it
stands, the node has joined. ``build_node`` loads an ``Identity`` once; tests make one without files.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from node.config.files import write_safely
from node.errors import IdentityError, NotInitialisedError
from node.trust.certificates import CERTIFICATE_BYTES_MAX, CHAIN_MAX, Certificate, check_chain, read_certificate
from node.trust.issued import IssuedNode
from node.trust.keys import ISSUING_KEY_FILE, KEYS_FOLDER, NODE_KEY_FILE, keys_folder, load_key
from node.trust.suites import sign
from node.trust.tree import DEPTH_MAX, TreeNode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

CHAIN_FILE: Final = "chain.pem"
ISSUING_FILE: Final = "issuing.pem"
IDENTITY_FILE: Final = "identity.json"
IDENTITY_FORM: Final = "yizhan.identity/1"
IDENTITY_BYTES_MAX: Final = 1_048_576
"""Twice the answer that it is written from (node.trust.join_forms): each division gets a line of its own here."""
_PEM_GROWTH: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """Where an identity lies on disk: for TLS, which reads its key and chain from files."""

    chain: Path
    node_key: Path
    passphrase_file: Path | None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A node's identity; satisfies ``node.journal.seal.Signer``.

    ``chain`` begins with the node certificate and ends with the root's; ``path`` begins with the node itself and ends
    with the root, as CertificateIssued names them. ``issuing_key`` and ``issuing_certificate`` are None when no node
    may stand below; for the root they are the root's own. ``trust_size`` is what must be held of the trust stream
    before another stream is accepted; ``time_zone`` is the tree's. ``files`` is None for an identity in memory.
    """

    private_key: ec.EllipticCurvePrivateKey
    chain: tuple[Certificate, ...]
    path: tuple[IssuedNode, ...]
    issuing_key: ec.EllipticCurvePrivateKey | None = None
    issuing_certificate: Certificate | None = None
    trust_size: int = 0
    time_zone: str = "Asia/Shanghai"
    files: KeyFiles | None = None

    @property
    def certificate(self) -> Certificate:
        """The node certificate."""
        return self.chain[0]

    @property
    def root_certificate(self) -> Certificate:
        """The certificate of the tree's root."""
        return self.chain[-1]

    @property
    def code(self) -> str:
        """The node's code."""
        return self.certificate.code

    @property
    def tree(self) -> str:
        """The tree: lower-case hex SHA-256 of the root's public key."""
        return self.certificate.tree

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the node certificate: how signatures name their signer."""
        return self.certificate.fingerprint

    @property
    def root_code(self) -> str:
        """The code of the tree's root."""
        return self.path[-1].code

    @property
    def parent(self) -> str | None:
        """The parent's code, None for the root."""
        return self.path[0].parent

    @property
    def tree_path(self) -> tuple[TreeNode, ...]:
        """The node and those above it, as ``TreeSource`` takes them."""
        return tuple(tree_node(issued) for issued in self.path)

    @property
    def issuing_chain(self) -> tuple[Certificate, ...]:
        """The chain that stands above the certificates issued here, the own issuing certificate first; may be empty."""
        if self.issuing_certificate is None:
            return ()
        above = self.chain[1:]
        return above if above and above[0] == self.issuing_certificate else (self.issuing_certificate, *above)

    @cached_property
    def key_ids(self) -> frozenset[str]:
        """The hex SHA-256 of each public key that this node holds the private key of."""
        own = (self.certificate, self.issuing_certificate)
        return frozenset(certificate.key_id for certificate in own if certificate is not None)

    @property
    def all_certificates(self) -> tuple[bytes, ...]:
        """Every certificate known from joining (DER): what the book learns at the start."""
        own = () if self.issuing_certificate is None else (self.issuing_certificate.der,)
        chain = [certificate.der for certificate in self.chain]
        return tuple(dict.fromkeys((*chain, *own, *(issued.certificate for issued in self.path))))

    def sign(self, text: bytes) -> bytes:
        """Return the DER signature of ``text`` by the node key (suite 1)."""
        return sign(self.private_key, text)


def tree_node(issued: IssuedNode) -> TreeNode:
    """Return the node of the tree that a CertificateIssued stands for."""
    return TreeNode(
        code=issued.code,
        name=issued.name,
        level=issued.level,
        parent=issued.parent,
        divisions=issued.divisions,
        certificate=issued.fingerprint,
    )


def has_identity(home: Path) -> bool:
    """Whether the node of this home has joined its tree, or founded it."""
    return (home / KEYS_FOLDER / IDENTITY_FILE).is_file()


def load_identity(home: Path, *, passphrase_file: Path | None = None) -> Identity:
    """Read the identity of the node that lives in ``home``.

    Raises NotInitialisedError when it has not joined yet, IdentityError when a file is damaged or does not belong to
    the others. Validity in time is not asked: an expired certificate must not keep people from looking.
    """
    folder = home / KEYS_FOLDER
    if not has_identity(home):
        raise NotInitialisedError(
            f"The node in {home} belongs to no tree yet.",
            why=f"{folder / IDENTITY_FILE} does not exist",
            action="ask the level above for an invitation, then run: yizhan join CODE@HOST:PORT",
        )
    document = _read_document(folder / IDENTITY_FILE)
    chain = _read_certificates(folder / CHAIN_FILE)
    issuing = _read_certificates(folder / ISSUING_FILE) if (folder / ISSUING_FILE).is_file() else ()
    identity = Identity(
        private_key=load_key(folder / NODE_KEY_FILE, passphrase_file=passphrase_file),
        chain=chain,
        path=document["path"],
        issuing_key=load_key(folder / ISSUING_KEY_FILE, passphrase_file=passphrase_file) if issuing else None,
        issuing_certificate=issuing[0] if issuing else None,
        trust_size=document["trust_size"],
        time_zone=document["time_zone"],
        files=KeyFiles(chain=folder / CHAIN_FILE, node_key=folder / NODE_KEY_FILE, passphrase_file=passphrase_file),
    )
    check_identity(identity)
    return identity


def save_identity(home: Path, identity: Identity) -> None:
    """Write everything but the keys, which are written when they are made; safe to repeat after a crash."""
    folder = keys_folder(home)
    write_safely(folder / CHAIN_FILE, _pem(identity.chain))
    if identity.issuing_certificate is not None:
        write_safely(folder / ISSUING_FILE, _pem((identity.issuing_certificate,)))
    document = {
        "form": IDENTITY_FORM,
        "trust_size": identity.trust_size,
        "time_zone": identity.time_zone,
        "path": [issued_document(issued) for issued in identity.path],
    }
    write_safely(folder / IDENTITY_FILE, json.dumps(document, ensure_ascii=False, indent=1).encode())


def check_identity(identity: Identity, at: datetime | None = None) -> None:
    """Check that keys, chain and path belong together; ``at`` asks for validity too. Raises IdentityError."""
    check_chain(identity.chain, identity.tree, at)
    _check_key(identity.certificate, identity.private_key)
    if identity.issuing_certificate is not None and identity.issuing_key is not None:
        _check_key(identity.issuing_certificate, identity.issuing_key)
        check_chain(identity.issuing_chain, identity.tree, at)
    if not 0 < len(identity.path) <= DEPTH_MAX + 1 or identity.path[0].certificate != identity.certificate.der:
        raise IdentityError("The way to the root does not begin with this node.")
    for issued, above in zip(identity.path, (*identity.path[1:], None), strict=True):
        if issued.parent != (None if above is None else above.code):
            raise IdentityError("The way to the root has a gap.", why=f"at {issued.code}")


def issued_document(issued: IssuedNode) -> dict[str, object]:
    """Return one node of a path as JSON values: for ``identity.json`` and for the answer to a join request."""
    return {
        "code": issued.code,
        "name": issued.name,
        "level": issued.level,
        "parent": issued.parent,
        "divisions": list(issued.divisions),
        "certificate": b64encode(issued.certificate).decode(),
    }


def read_issued_document(values: Any) -> IssuedNode:
    """Read what ``issued_document`` wrote; ValueError, TypeError or KeyError when it is something else."""
    parent = values["parent"]
    return IssuedNode(
        code=_text(values["code"]),
        name=_text(values["name"]),
        level=_text(values["level"]),
        parent=None if parent is None else _text(parent),
        divisions=tuple(_text(division) for division in values["divisions"]),
        certificate=b64decode(values["certificate"], validate=True),
    )


def _text(value: object) -> str:
    text = str(value)
    text.encode()
    return text


def _check_key(certificate: Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    if certificate.public_key != key.public_key():
        raise IdentityError(
            f"A key of {certificate.code} does not belong to its certificate.",
            why="key file and certificate file are of different ages",
            action="restore the folder keys as a whole",
        )


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(path, IDENTITY_BYTES_MAX))
        if document["form"] != IDENTITY_FORM:
            raise _damaged(path, f"its form is {str(document['form'])[:40]!r}")
        return {
            "path": tuple(read_issued_document(values) for values in document["path"]),
            "trust_size": int(document["trust_size"]),
            "time_zone": str(document["time_zone"]),
        }
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, type(error).__name__) from error


def _read_certificates(path: Path) -> tuple[Certificate, ...]:
    data = _read(path, _PEM_GROWTH * CERTIFICATE_BYTES_MAX * CHAIN_MAX)
    try:
        parsed = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise _damaged(path, "it holds no certificates") from error
    return tuple(read_certificate(one.public_bytes(Encoding.DER)) for one in parsed)


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise _damaged(path, error.strerror or "") from error
    if len(data) > bytes_max:
        raise _damaged(path, "it is too large")
    return data


def _damaged(path: Path, why: str) -> IdentityError:
    return IdentityError(f"{path} cannot be used.", why=why, action="restore the folder keys as a whole")


def _pem(certificates: Sequence[Certificate]) -> bytes:
    return b"".join(certificate.parsed.public_bytes(Encoding.PEM) for certificate in certificates)
