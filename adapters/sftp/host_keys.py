"""Which host keys a server may show: nothing is trusted because it came first."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from adapters.contract import SourceNeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_RSA: Final = "ssh-rsa"
_RSA_SIGNATURES: Final = ("rsa-sha2-512", "rsa-sha2-256")
"""The names by which a key of type ssh-rsa is negotiated (RFC 8332, section 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeys:
    """Fingerprints of the keys that are known, and the types of those of which the whole key is."""

    fingerprints: frozenset[str]
    types: tuple[str, ...]

    def preferred(self, offered: Iterable[str]) -> list[str]:
        """Return the algorithms that are ``offered``, those of known keys first, so that a server shows such a key."""
        known = {name for one in self.types for name in (_RSA_SIGNATURES if one == _RSA else (one,))}
        return sorted(offered, key=lambda name: name not in known)


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a public key (its bytes in the form of RFC 4253) as OpenSSH shows it."""
    return f"SHA256:{base64.b64encode(sha256(key).digest()).decode().rstrip('=')}"


def known_host_keys(lines: Sequence[str]) -> HostKeys:
    """Return the keys that ``lines`` name: fingerprints, public keys, or lines of a known_hosts file.

    Raises SourceNeedsPersonError when there is none, or a line is none of these.
    """
    fingerprints, types = set(), []
    for line in lines:
        if _FINGERPRINT.fullmatch(line.strip()):
            fingerprints.add(line.strip())
        else:
            kind, key = _public_key(line)
            fingerprints.add(fingerprint(key))
            types.append(kind)
    if not fingerprints:
        raise SourceNeedsPersonError(
            "host_keys is empty: ask the server's administrator for the fingerprint of its host key (SHA256:…)"
        )
    return HostKeys(fingerprints=frozenset(fingerprints), types=tuple(types))


def _public_key(line: str) -> tuple[str, bytes]:
    """Return type and bytes of the key in a line, with or without host names before it."""
    words = [] if line.lstrip().startswith("@") else line.split()
    for kind, text in pairwise(words[:3]):
        try:
            key = base64.b64decode(text, validate=True)
        except binascii.Error:
            continue
        if key[4 : 4 + len(kind)] == kind.encode() and key[:4] == len(kind).to_bytes(4):
            return kind, key
    raise SourceNeedsPersonError(
        f"host_keys holds {line[:60]!r}, which is no host key: give SHA256:… or a line such as ssh-ed25519 AAAA…"
    )
