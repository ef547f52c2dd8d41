"""Signed requests made by an implementation of RFC 9421 that is not ours, for the open API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from http_message_signatures import HTTPMessageSigner, MappingKeyResolver, algorithms
from http_message_signatures.digests import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COVERED = ("@method", "@target-uri", "content-digest", "content-type")


@dataclass
class Request:
    """A request as the library wants to see one."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


def signed(
    url: str,
    body: bytes,
    *,
    key_id: str,
    secret: str,
    created: datetime,
    nonce: str,
    headers: Mapping[str, str],
    covered: Sequence[str] = COVERED,
    **options: Any,
) -> dict[str, str]:
    """Return the header fields of a POST with its digest and its signature, ``headers`` included."""
    request = Request(url, {**headers, "Content-Digest": ContentDigest.create(body)})
    keys = {key_id: secret.encode()}
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.HMAC_SHA256,
        key_resolver=MappingKeyResolver(public_keys=keys, private_keys=keys),
    )
    signer.sign(
        request,
        key_id=key_id,
        created=created.astimezone(UTC),
        nonce=nonce,
        label="sig1",
        covered_component_ids=covered,
        use_existing_digest=True,
        **options,
    )
    return request.headers
