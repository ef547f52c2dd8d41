"""The link listener's paths: what neighbours below us say to this node (02, R13, R14).

``POST /link/v1/exchange`` takes one package (a zstd frame) and answers with one.
``POST /link/v1/records`` gives records to a child that lost them. ``GET /link/v1/chain`` and ``POST
/link/v1/join`` serve a node that has no certificate yet; every other path refuses without a valid one of a child of
this node. The views parse, call one function of an inner room, and answer.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, Final

import zstandard
from flask import Blueprint, Response, request

from node.errors import IdentityError, PackageRefusedError, RecordRefusedError
from node.exchange import fetching
from node.exchange.carriers.https import (
    COMPRESSION_LEVEL,
    CONTENT_TYPE,
    EXCHANGE_PATH,
    RECORDS_PATH,
    WAIT_HEADER,
)
from node.exchange.clocks import DATE_HEADER, offset_s
from node.standard.compression import expand_limited
from node.trust.admission import chain_document, redeem
from node.trust.join_forms import REQUEST_BYTES_MAX
from node.trust.tls import peer_code

if TYPE_CHECKING:
    from node.bootstrap import Node

CHAIN_PATH: Final = "/link/v1/chain"
JOIN_PATH: Final = "/link/v1/join"
JSON: Final = "application/json"
CONFLICT: Final = 409
_SALT_BYTES: Final = 16
_SECONDS: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?")


def create_link_blueprint(node: Node) -> Blueprint:
    """Return the paths of ``node``'s link listener."""
    blueprint = Blueprint("link", __name__)
    view = _LinkView(node)
    blueprint.add_url_rule(EXCHANGE_PATH, view_func=view.exchange, methods=["POST"])
    blueprint.add_url_rule(RECORDS_PATH, view_func=view.records, methods=["POST"])
    blueprint.add_url_rule(CHAIN_PATH, view_func=view.chain, methods=["GET"])
    blueprint.add_url_rule(JOIN_PATH, view_func=view.join, methods=["POST"])
    blueprint.register_error_handler(PackageRefusedError, _refused)
    return blueprint


class _LinkView:
    """The views, with the places for requests that may wait: half of the listener's threads."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._places = threading.Semaphore(max(1, node.config.level.limits.link_threads // 2))

    def exchange(self) -> Response:
        """Take a package of a child and answer it; a long-poll waits if a place is free, else is answered at once."""
        node = self._node
        exchange = node.exchange
        peer = self._peer()
        now = exchange.context.certificate_clock.now()
        exchange.links.note_clock(peer, offset_s(request.headers.get(DATE_HEADER), now))
        bytes_max = exchange.context.limits.package_bytes_max
        try:
            package = expand_limited(_body(bytes_max), bytes_max)
        except RecordRefusedError as error:
            raise PackageRefusedError("compression", "The package cannot be expanded.", why=error.why) from error
        wait_s = min(_wait_s(), float(node.config.level.limits.long_poll_s))
        if self._places.acquire(blocking=False):
            try:
                answer = exchange.answer(package, peer, wait=node.wakeups.wait, wait_s=wait_s)
            finally:
                self._places.release()
        else:
            answer = exchange.answer(package, peer)
        compressed = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(answer)
        return Response(compressed, content_type=CONTENT_TYPE)

    def records(self) -> Response:
        """Give records to a child that lost their bytes."""
        answer = self._node.exchange.give_records(_body(fetching.REQUEST_BYTES_MAX), self._peer())
        compressed = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(answer)
        return Response(compressed, content_type=CONTENT_TYPE)

    def chain(self) -> Response:
        """Show this node's certificate chain to whoever is about to join."""
        return Response(chain_document(self._node.identity), content_type=JSON)

    def join(self) -> Response:
        """Redeem an invitation."""
        node = self._node
        answer = redeem(
            node.store,
            node.journal,
            node.tree,
            node.identity,
            _body(REQUEST_BYTES_MAX),
            at=node.exchange.context.certificate_clock.now(),
            salt=node.randomness.token(_SALT_BYTES),
        )
        return Response(answer, content_type=JSON)

    def _peer(self) -> str:
        """Return the child's code out of the certificate that TLS verified; IdentityError for anybody else."""
        node = self._node
        certificate = request.environ.get("SSL_CLIENT_CERT")
        if not certificate or request.environ.get("SSL_CLIENT_VERIFY") != "SUCCESS":
            raise IdentityError("This path asks for a client certificate.", action="join the tree first: yizhan join")
        issuers = [
            one for one in (node.identity.issuing_certificate, node.identity.root_certificate) if one is not None
        ]
        at = node.exchange.context.certificate_clock.now()
        peer = peer_code(certificate, node.identity.tree, at, issuers=issuers)
        with node.store.reading() as connection:
            children = node.tree(connection).children(node.identity.code)
        if peer not in children:
            raise IdentityError(f"Node {peer} is not a child of this node.", why=f"this is {node.identity.code}")
        return peer


def _body(bytes_max: int) -> bytes:
    """Return the request's body; PackageRefusedError ``too large`` beyond ``bytes_max``, before it is read whole."""
    length = request.content_length
    if length is None or length > bytes_max:
        raise PackageRefusedError("too large", "The body is too large, or its length is not given.", why=f"{bytes_max}")
    return request.get_data(cache=False)


def _wait_s() -> float:
    """Return how long the child lets us wait; 0 for anything that is no number of seconds."""
    text = request.headers.get(WAIT_HEADER, "0")
    return float(text) if _SECONDS.fullmatch(text) else 0.0


def _refused(error: PackageRefusedError) -> tuple[dict[str, Any], int]:
    """Answer 409 with the constant word why, so that the child can tell it from a parent in trouble."""
    return {
        "schema": "yizhan.error/1",
        "code": error.code,
        "reason": error.reason,
        "what": error.what,
        "why": error.why,
        "action": error.action,
    }, CONFLICT
