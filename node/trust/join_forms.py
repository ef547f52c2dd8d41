"""What the two sides of joining say to each other: a request and an answer, as strict JSON, and the chain document.

The request is signed detached, by both keys, over a text of lines like every other signed text (02, R4), so that the
parent knows that the child holds the keys that it names. The answer needs no signature: the child checks everything in
it against the root key that its invitation names.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from node.errors import IdentityError
from node.trust.certificates import CHAIN_MAX
from node.trust.identity import issued_document, read_issued_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.trust.issued import IssuedNode

T = TypeVar("T")

JOIN_DOMAIN: Final = "yizhan.join/1"
ANSWER_FORM: Final = "yizhan.joined/1"
CHAIN_FORM: Final = "yizhan.chain/1"
REQUEST_BYTES_MAX: Final = 8_192
CHAIN_BYTES_MAX: Final = 131_072
ANSWER_BYTES_MAX: Final = 524_288
"""A chain of eight certificates, and a way up whose nodes serve a thousand divisions each."""
_NODES_MAX: Final = 9
_ZONE_LENGTH_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What a child asks with.

    ``secret`` is the 16 random bytes of the code; the keys are DER SubjectPublicKeyInfo, ``issuing_key`` None when
    nothing may stand below; the proofs are signatures of ``text`` by each key.
    """

    tree: str
    secret: bytes
    node_code: str
    level: str
    node_key: bytes
    node_proof: bytes = b""
    issuing_key: bytes | None = None
    issuing_proof: bytes | None = None

    def text(self) -> bytes:
        """Return the bytes that both keys sign."""
        lines = (
            JOIN_DOMAIN,
            f"tree {self.tree}",
            f"code {self.secret.hex()}",
            f"node {self.node_code}",
            f"level {self.level}",
            f"node-key {self.node_key.hex()}",
            f"issuing-key {'-' if self.issuing_key is None else self.issuing_key.hex()}",
        )
        return "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer:
    """What a parent answers with.

    ``certificate`` and ``issuing_certificate`` are the child's (DER); ``chain`` goes from the parent's issuing
    certificate to the root; ``path`` names the child, its parent and so on to the root, each with its node certificate;
    ``trust_size`` is how much of the trust stream the parent holds.
    """

    certificate: bytes
    issuing_certificate: bytes | None
    chain: tuple[bytes, ...]
    path: tuple[IssuedNode, ...]
    trust_size: int
    time_zone: str


def request_bytes(request: JoinRequest) -> bytes:
    """Return the request as it is sent."""
    return _dump(
        {
            "form": JOIN_DOMAIN,
            "tree": request.tree,
            "code": _base64(request.secret),
            "node": request.node_code,
            "level": request.level,
            "node_key": _base64(request.node_key),
            "node_proof": _base64(request.node_proof),
            "issuing_key": _base64(request.issuing_key),
            "issuing_proof": _base64(request.issuing_proof),
        }
    )


def read_request(data: bytes) -> JoinRequest:
    """Read a request; IdentityError for any other form."""

    def read(values: dict[str, Any]) -> JoinRequest:
        _check_names(values, "form tree code node level node_key node_proof issuing_key issuing_proof")
        return JoinRequest(
            tree=_text(values["tree"]),
            secret=_bytes(values["code"]),
            node_code=_text(values["node"]),
            level=_text(values["level"]),
            node_key=_bytes(values["node_key"]),
            node_proof=_bytes(values["node_proof"]),
            issuing_key=_optional(values["issuing_key"]),
            issuing_proof=_optional(values["issuing_proof"]),
        )

    return _load("The join request", data, REQUEST_BYTES_MAX, JOIN_DOMAIN, read)


def answer_bytes(answer: JoinAnswer) -> bytes:
    """Return the answer as it is sent."""
    return _dump(
        {
            "form": ANSWER_FORM,
            "certificate": _base64(answer.certificate),
            "issuing_certificate": _base64(answer.issuing_certificate),
            "chain": [_base64(der) for der in answer.chain],
            "path": [issued_document(issued) for issued in answer.path],
            "trust_size": answer.trust_size,
            "time_zone": answer.time_zone,
        }
    )


def read_answer(data: bytes) -> JoinAnswer:
    """Read an answer; IdentityError for any other form."""

    def read(values: dict[str, Any]) -> JoinAnswer:
        _check_names(values, "form certificate issuing_certificate chain path trust_size time_zone")
        size = values["trust_size"]
        if not isinstance(size, int) or isinstance(size, bool) or size < 0 or len(values["path"]) > _NODES_MAX:
            raise ValueError
        return JoinAnswer(
            certificate=_bytes(values["certificate"]),
            issuing_certificate=_optional(values["issuing_certificate"]),
            chain=_list_of_bytes(values["chain"]),
            path=tuple(read_issued_document(each) for each in values["path"]),
            trust_size=size,
            time_zone=_text(values["time_zone"])[:_ZONE_LENGTH_MAX],
        )

    return _load("The answer to the join request", data, ANSWER_BYTES_MAX, ANSWER_FORM, read)


def chain_bytes(chain: Sequence[bytes]) -> bytes:
    """Return the chain document of a node: its node certificate first, the root's last (DER)."""
    return _dump({"form": CHAIN_FORM, "chain": [_base64(der) for der in chain]})


def read_chain(data: bytes) -> tuple[bytes, ...]:
    """Read a chain document; IdentityError for any other form."""

    def read(values: dict[str, Any]) -> tuple[bytes, ...]:
        _check_names(values, "form chain")
        return _list_of_bytes(values["chain"])

    return _load("The parent's certificate chain", data, CHAIN_BYTES_MAX, CHAIN_FORM, read)


def _load(what: str, data: bytes, bytes_max: int, form: str, read: Callable[[dict[str, Any]], T]) -> T:
    if len(data) > bytes_max:
        raise IdentityError(f"{what} is too large.", why=f"{len(data)} bytes; at most {bytes_max} are taken")
    try:
        values = json.loads(data)
        if not isinstance(values, dict) or values.get("form") != form:
            raise IdentityError(f"{what} has another form than {form}.", action="compare the program versions")
        return read(values)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IdentityError(f"{what} cannot be read.", why=type(error).__name__) from error


def _check_names(values: dict[str, Any], names: str) -> None:
    if set(values) != set(names.split()):
        raise KeyError


def _dump(values: dict[str, object]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()


def _base64(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    # JSON can name halves of characters, which no text that is signed, stored or answered can hold.
    value.encode()
    return value


def _bytes(value: object) -> bytes:
    return b64decode(_text(value), validate=True)


def _optional(value: object) -> bytes | None:
    return None if value is None else _bytes(value)


def _list_of_bytes(values: object) -> tuple[bytes, ...]:
    if not isinstance(values, list) or not 0 < len(values) <= CHAIN_MAX:
        raise TypeError
    return tuple(_bytes(value) for value in values)
