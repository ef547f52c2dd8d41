"""Secrets that have to be used, not compared: wrapped in the database by a key that lies in the home.

Of an API key the hash is enough. The secret of a signature (HMAC) is needed itself, so what the database holds of it is
encrypted: AES-256-GCM under a key derived from ``keys/sources.key``, which is protected as every key of the home is
(mode 0600, the passphrase where there is one). docs/adr/0016-secrets-of-sources.md says against whom that helps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from node.errors import IdentityError
from node.trust.keys import KEYS_FOLDER, load_key, load_or_make_key

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from node.randomness import Randomness

SOURCES_KEY_FILE: Final = "sources.key"
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
_PURPOSE: Final = b"yizhan secrets of sources 1"


class KeptSecrets:
    """Wraps secrets and opens them again; the key of the home is read when it is first needed, and kept.

    Reading it with a passphrase takes a noticeable part of a second, and every signed request needs it.
    """

    def __init__(self, home: Path, *, passphrase_file: Path | None = None) -> None:
        self._home = home
        self._passphrase_file = passphrase_file
        self._key: bytes | None = None

    def wrap(self, secret: bytes, owner: str, randomness: Randomness) -> bytes:
        """Return ``secret`` as the database may hold it; ``owner`` has to be named to open it.

        Makes the key of the home when there is none; called under the journal's lock, so that it is made once. Raises
        IdentityError when it cannot be read, StoreUnavailableError when it cannot be written.
        """
        key = load_or_make_key(self._home, SOURCES_KEY_FILE, passphrase_file=self._passphrase_file)
        self._key = _derived(key)
        nonce = randomness.token(NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, secret, owner.encode())

    def unwrap(self, wrapped: bytes, owner: str) -> bytes:
        """Return the secret; IdentityError when the key of the home is missing, or is not the one that wrapped it."""
        if self._key is not None:
            try:
                return _opened(self._key, wrapped, owner)
            except InvalidTag:
                # Another process may have made the key anew since it was read.
                self._key = None
        self._key = _derived(
            load_key(self._home / KEYS_FOLDER / SOURCES_KEY_FILE, passphrase_file=self._passphrase_file)
        )
        try:
            return _opened(self._key, wrapped, owner)
        except InvalidTag as error:
            raise IdentityError(
                f"The secret of the source {owner} cannot be opened.",
                why=f"keys/{SOURCES_KEY_FILE} is not the key that it was wrapped with",
                action=f"restore that file from its safe copy, or make a new secret: yizhan sources rotate {owner}",
            ) from error


def _opened(key: bytes, wrapped: bytes, owner: str) -> bytes:
    return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], owner.encode())


def _derived(key: ec.EllipticCurvePrivateKey) -> bytes:
    private = key.private_numbers().private_value.to_bytes(KEY_BYTES, "big")
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_PURPOSE).derive(private)
