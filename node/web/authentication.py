"""Where a request of the open API comes from: by an API key, a signature, or a client certificate of the listener.

What is sent is judged, all of it: a wrong key or signature refuses a request whatever else it brings, and everything
has to belong to one source. A certificate counts as TLS verified it and as this node's clock finds it valid; what a
header says of one is never looked at, so behind a proxy that ends TLS there are none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from werkzeug.http import http_date

from node.departments.callers import Callers
from node.departments.certificates import fingerprint_name, other_names
from node.departments.credentials import CERTIFICATE, HMAC, KEY
from node.departments.nonces import NONCES_MAX, Nonce
from node.errors import IdentityError
from node.web.refusals import UNAVAILABLE_RETRY_S, RequestRefusedError
from node.web.signatures import (
    ALGORITHM,
    REQUIRED,
    Message,
    Signature,
    SignatureRefusedError,
    check_time,
    is_signed_with,
    read_signature,
)

if TYPE_CHECKING:
    from flask import Request

    from node.clock import Clock
    from node.departments.callers import Known
    from node.departments.sources import Source
    from node.journal.store import Store
    from node.trust.kept_secrets import KeptSecrets

_BEARER = re.compile(r"Bearer +([\x21-\x7e]{1,200})\Z", re.IGNORECASE)
HOST: Final = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,260}\Z")
"""What a Host may be: a name or an address, with a port or without."""
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
KEY_IN_MESSAGE: Final = "key in the message"
_COVERED: Final = " ".join(f'"{name}"' for name in REQUIRED)
CHALLENGES: Final = {
    "WWW-Authenticate": 'Bearer realm="yizhan"',
    "Accept-Signature": f'yizhan=({_COVERED});created;alg="{ALGORITHM}"',
}
"""What every refusal with 401 offers: a key (RFC 6750), or a signature (RFC 9421, section 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The source that a request comes from, and the nonce of its signature, if it has one."""

    source: Source
    nonce: Nonce | None = None


class Authentication:
    """Tells of a request from which source it comes.

    ``public_url`` is how senders address this node when that differs from what arrives here, as behind a proxy; without
    it the address is that of the request.
    """

    def __init__(self, store: Store, clock: Clock, *, secrets: KeptSecrets | None = None, public_url: str = "") -> None:
        self._store = store
        self._clock = clock
        self._secrets = secrets
        self._public_url = public_url

    def caller(self, request: Request, *, key: str = "") -> Caller:
        """Return where the request comes from; RequestRefusedError when that is not proved.

        ``key`` is an API key that the message itself brings, "" for none.
        """
        at = self._clock.now()
        found: dict[str, Source] = {}
        nonce = None
        with self._store.reading() as connection:
            callers = Callers(connection, at)
            if "Signature" in request.headers or "Signature-Input" in request.headers:
                found[HMAC], nonce = self._signer(callers, request, at)
            if "Authorization" in request.headers:
                given = _BEARER.match(request.headers.get("Authorization", ""))
                found[KEY] = _owner_of_key(callers, given and given[1])
            if key:
                found[KEY_IN_MESSAGE] = _owner_of_key(callers, key)
            if (owner := _owner_of_certificate(callers, request, at)) is not None:
                found[CERTIFICATE] = owner
        return Caller(source=_the_one(found), nonce=nonce)

    def _signer(self, callers: Callers, request: Request, at: datetime) -> tuple[Source, Nonce]:
        """Return whose signature it is, and its nonce. The body is not read: what is signed of it is its digest."""
        message = Message(method=request.method, target_uri=self._target_uri(request), fields=_fields(request))
        try:
            signature = read_signature(message)
            known = self._checked(callers.by_key_id(signature.key_id), signature, message)
            check_time(signature, at.timestamp())
        except SignatureRefusedError as error:
            raise _refused_signature(str(error), at) from error
        until = datetime.fromtimestamp(signature.counts_until, tz=UTC)
        nonce = Nonce(source=known.source.name, nonce=signature.nonce, kept_until=until)
        if callers.is_taken(nonce):
            raise replayed(at)
        if not callers.has_room(known.source):
            raise RequestRefusedError(
                429,
                "This source has signed too many requests lately.",
                why=f"{NONCES_MAX} nonces of it are kept",
                action="put more records into one request",
                headers={"Retry-After": str(UNAVAILABLE_RETRY_S)},
            )
        return known.source, nonce

    def _checked(self, known: Known | None, signature: Signature, message: Message) -> Known:
        """Return whose secret a signature was made with; SignatureRefusedError when it was not."""
        if known is None:
            raise SignatureRefusedError("its keyid is not known, or its source is disabled")
        if not is_signed_with(self._secret(known), signature, message):
            raise SignatureRefusedError(f"it does not stand over {message.method} {message.target_uri[:200]}")
        return known

    def _secret(self, known: Known) -> bytes:
        if self._secrets is None:
            raise _no_secrets("its keys lie in no home")
        try:
            return self._secrets.unwrap(known.credential.value, known.source.name)
        except IdentityError as error:
            raise _no_secrets(error.what) from error

    def _target_uri(self, request: Request) -> str:
        """Return the whole address as its sender wrote it: the path as it came, never decoded and encoded again."""
        target = str(request.environ.get("REQUEST_URI", ""))
        if not target.startswith("/"):
            # The absolute form of a request line names the address itself (RFC 9112, 3.2.2).
            target = "/" + target.partition("://")[2].partition("/")[2]
        if self._public_url:
            return self._public_url + target
        host = request.headers.get("Host", "")
        if not HOST.match(host):
            raise RequestRefusedError(400, "The Host is malformed.", action="send the name of the node")
        scheme = str(request.environ.get("wsgi.url_scheme", "http"))
        return f"{scheme}://{host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ' '))}{target}"


def replayed(at: datetime) -> RequestRefusedError:
    """Return the refusal of a request whose signature was taken before."""
    return _refused_signature("it was taken before: every request has a nonce and a signature of its own", at)


def _fields(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _owner_of_key(callers: Callers, key: str | None) -> Source:
    source = callers.by_key(key) if key is not None else None
    if source is None:
        raise _unproved("no key was sent" if key is None else "the key is not known, or its source is disabled")
    return source


def _owner_of_certificate(callers: Callers, request: Request, at: datetime) -> Source | None:
    """Return the source of the client certificate that TLS verified, None when there is none that is bound to one."""
    pem = request.environ.get("SSL_CLIENT_CERT")
    if not pem or request.environ.get("SSL_CLIENT_VERIFY") != "SUCCESS":
        return None
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        exact, names = fingerprint_name(certificate), other_names(certificate)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        # TLS took it, so it is well formed for OpenSSL; what we cannot read names nobody.
        return None
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        # A connection may live longer than the certificate that it began with.
        return None
    owners = callers.by_certificate(exact, names)
    if len(owners) > 1:
        raise _unproved(f"the certificate speaks for {' and '.join(sorted(owner.name for owner in owners))}")
    return owners[0] if owners else None


def _the_one(found: dict[str, Source]) -> Source:
    sources = {source.name: source for source in found.values()}
    if not sources:
        raise _unproved("neither a key nor a signature was sent, nor a certificate that belongs to a source")
    if len(sources) > 1:
        raise _unproved(f"by {', '.join(found)} it comes from {' and '.join(sorted(sources))}")
    return next(iter(sources.values()))


def _unproved(why: str) -> RequestRefusedError:
    return RequestRefusedError(
        401,
        "This request does not prove which source it comes from.",
        why=why,
        action="send Authorization: Bearer KEY, or sign the request; `yizhan sources add NAME` makes the key",
        headers=CHALLENGES,
    )


def _refused_signature(why: str, at: datetime) -> RequestRefusedError:
    """Return the refusal of a signature, with this node's time, by which the sender can put its own right."""
    return RequestRefusedError(
        401,
        "The signature of this request is not accepted.",
        why=f"{why} (it is {http_date(at)} here)",
        action="sign it anew as docs/reference/open-api.md says, with the present time and a new nonce",
        headers={**CHALLENGES, "Date": http_date(at)},
    )


def _no_secrets(why: str) -> RequestRefusedError:
    return RequestRefusedError(
        503,
        "This node cannot check signatures now.",
        why=why,
        action="tell the node's administrator; send it again when that is mended",
        headers={"Retry-After": str(UNAVAILABLE_RETRY_S)},
    )
