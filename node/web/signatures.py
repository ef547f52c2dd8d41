"""Signatures of requests: HTTP Message Signatures (RFC 9421) with HMAC-SHA-256, and Content-Digest (RFC 9530).

What a source signs is a profile of the RFC: one signature, ``hmac-sha256``, over at least the method, the whole
address, the digest of the body, and whatever decides how the body is read or what the request is called; with a time,
a nonce, and the name of its secret. docs/reference/open-api.md is its reference. Nothing here reads a clock, a store or
a body by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import http_sf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALGORITHM: Final = "hmac-sha256"
VALIDITY_S: Final = 300
"""How long a signature counts from ``created`` on: a slow upload over a poor line, and no more. Our own choice."""
SKEW_S: Final = 60
"""How far ``created`` may lie ahead of this node's clock. Our own choice."""
REQUIRED: Final = ("@method", "@target-uri", "content-digest")
"""What every signature covers."""
REQUIRED_IF_SENT: Final = ("content-type", "content-encoding", "idempotency-key")
"""Fields that decide how the body is read, or what the request is called: whoever sends them signs them."""
FIELD_LENGTH_MAX: Final = 4_096
COMPONENTS_MAX: Final = 30
_NONCE = re.compile(r"[\x21-\x7e]{16,100}\Z")
_DIGESTS: Final[Mapping[str, Callable[[bytes], Any]]] = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
DIGESTS: Final = tuple(_DIGESTS)


class SignatureRefusedError(Exception):
    """A signature, or what it signs, is not accepted; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request as signatures see it.

    ``target_uri`` is the whole address, the query included, as its sender wrote it; ``fields`` are header fields by
    their names in small letters, several lines of one joined by a comma and a blank.
    """

    method: str
    target_uri: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature of a message: what it covers, its parameters as they are signed, and its value."""

    components: tuple[str, ...]
    parameters: Mapping[str, Any]
    signed_parameters: str
    value: bytes

    @property
    def key_id(self) -> str:
        """The name of the secret that it says it was made with."""
        return str(self.parameters["keyid"])

    @property
    def nonce(self) -> str:
        """What makes it a signature of its own."""
        return str(self.parameters["nonce"])

    @property
    def counts_until(self) -> int:
        """Until when it counts, in seconds since 1970."""
        latest = int(self.parameters["created"]) + VALIDITY_S
        return min(latest, int(self.parameters.get("expires", latest)))


def read_signature(message: Message) -> Signature:
    """Return the one signature of a message; SignatureRefusedError when it is not of the profile."""
    inputs = _dictionary(message.fields.get("signature-input", ""), "Signature-Input")
    values = _dictionary(message.fields.get("signature", ""), "Signature")
    if len(inputs) != 1 or inputs.keys() != values.keys():
        raise SignatureRefusedError("Signature-Input and Signature have exactly one member, under the same label")
    (covered, parameters), (value, _) = *inputs.values(), *values.values()
    if not isinstance(covered, list) or not isinstance(value, bytes):
        raise SignatureRefusedError("a signature is a byte sequence, and its input a list of components")
    if len(covered) > COMPONENTS_MAX or not all(isinstance(one, str) and not more for one, more in covered):
        raise SignatureRefusedError(f"at most {COMPONENTS_MAX} components are covered, each without parameters")
    found = Signature(
        components=tuple(str(name) for name, _ in covered),
        parameters=parameters,
        signed_parameters=http_sf.ser([(covered, parameters)]),
        value=value,
    )
    _check_parameters(parameters)
    _check_coverage(found.components, message)
    return found


def check_time(signature: Signature, now_s: float) -> None:
    """Raise SignatureRefusedError when a signature does not count at this time, in seconds since 1970."""
    created = int(signature.parameters["created"])
    if created > now_s + SKEW_S:
        raise SignatureRefusedError(f"it was created {created - now_s:.0f} s ahead of this node's clock")
    if now_s >= signature.counts_until:
        raise SignatureRefusedError(f"it ended {now_s - signature.counts_until:.0f} s ago by this node's clock")


def is_signed_with(secret: bytes, signature: Signature, message: Message) -> bool:
    """Tell whether the signature of a message was made with ``secret``."""
    base = signature_base(message, signature.components, signature.signed_parameters)
    return hmac.compare_digest(hmac.digest(secret, base, "sha256"), signature.value)


def signature_base(message: Message, components: tuple[str, ...], signed_parameters: str) -> bytes:
    """Return what is signed (RFC 9421, 2.5); SignatureRefusedError when a component is not there."""
    lines = [f'"{name}": {_value(message, name)}' for name in components]
    lines.append(f'"@signature-params": {signed_parameters}')
    try:
        return "\n".join(lines).encode("ascii")
    except UnicodeEncodeError as error:
        raise SignatureRefusedError("what is covered has other characters than those of ASCII") from error


def check_digest(field: str, body: bytes) -> None:
    """Raise SignatureRefusedError unless a Content-Digest is that of the body, as it was sent (RFC 9530).

    Algorithms that are not known are passed over; every known one has to fit, and there has to be one.
    """
    known = 0
    for name, (value, _) in _dictionary(field, "Content-Digest").items():
        make = _DIGESTS.get(name)
        if make is None:
            continue
        known += 1
        if not isinstance(value, bytes) or not hmac.compare_digest(make(body).digest(), value):
            raise SignatureRefusedError(f"the {name} of the body is another one")
    if not known:
        raise SignatureRefusedError(f"it has none of {', '.join(DIGESTS)}")


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    for name in ("keyid", "nonce"):
        if not isinstance(parameters.get(name), str):
            raise SignatureRefusedError(f"the parameter {name} is missing, or no string")
    for name, wanted in (("created", True), ("expires", "expires" in parameters)):
        if wanted and type(parameters.get(name)) is not int:
            raise SignatureRefusedError(f"the parameter {name} is missing, or no number of seconds since 1970")
    if not _NONCE.match(parameters["nonce"]):
        raise SignatureRefusedError("a nonce has 16 to 100 visible ASCII characters")
    if parameters.get("alg", ALGORITHM) != ALGORITHM:
        raise SignatureRefusedError(f"the algorithm is {ALGORITHM}")


def _check_coverage(components: tuple[str, ...], message: Message) -> None:
    if len(set(components)) != len(components):
        raise SignatureRefusedError("a component is covered twice")
    wanted = [*REQUIRED, *(name for name in REQUIRED_IF_SENT if name in message.fields)]
    missing = [name for name in wanted if name not in components]
    if missing:
        raise SignatureRefusedError(f"it does not cover {', '.join(missing)}")


def _value(message: Message, name: str) -> str:
    """Return the value of a component: of the message itself, or of a header field (RFC 9421, 2.1 and 2.2)."""
    if name in _DERIVED:
        return _DERIVED[name](message)
    if name.startswith("@") or name != name.lower() or name not in message.fields:
        raise SignatureRefusedError(f"it covers {name[:60]}, which is not there")
    return message.fields[name].strip()


def _scheme(message: Message) -> str:
    return message.target_uri.partition("://")[0]


def _authority(message: Message) -> str:
    return message.target_uri.partition("://")[2].partition("/")[0].partition("?")[0]


def _request_target(message: Message) -> str:
    return message.target_uri.partition("://")[2][len(_authority(message)) :] or "/"


def _path(message: Message) -> str:
    return _request_target(message).partition("?")[0] or "/"


def _query(message: Message) -> str:
    return "?" + _request_target(message).partition("?")[2]


_DERIVED: Final[Mapping[str, Callable[[Message], str]]] = {
    "@method": lambda message: message.method,
    "@target-uri": lambda message: message.target_uri,
    "@authority": _authority,
    "@scheme": _scheme,
    "@request-target": _request_target,
    "@path": _path,
    "@query": _query,
}


def _dictionary(field: str, name: str) -> dict[str, Any]:
    """Return the members of a structured field that is a dictionary (RFC 9651), each with its parameters."""

    def refuse(key: str, _: str) -> None:
        raise SignatureRefusedError(f"{name} has {key[:60]} twice")

    if len(field) > FIELD_LENGTH_MAX:
        raise SignatureRefusedError(f"{name} has more than {FIELD_LENGTH_MAX} characters")
    try:
        found = http_sf.parse(field.encode("latin-1"), tltype="dictionary", on_duplicate_key=refuse)
    except (http_sf.StructuredFieldError, ValueError) as error:
        raise SignatureRefusedError(f"{name} is no dictionary of structured fields") from error
    return dict(found)  # type: ignore[arg-type] # A dictionary was asked for.
