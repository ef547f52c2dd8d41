"""Private keys: PKCS#8 files of mode 0600 in the home's folder ``keys`` (0700), apart from the database.

A node has a node key, which signs and speaks TLS, and, if nodes may stand below it, an issuing key, which signs
certificates only. A passphrase is optional: the file named by ``keys.passphrase_file`` holds it, so that ``run`` starts
unattended either way.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from node.config.files import OWNER_ONLY_FOLDER, write_safely
from node.errors import ConfigurationError, IdentityError, StoreUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

KEYS_FOLDER: Final = "keys"
NODE_KEY_FILE: Final = "node.key"
ISSUING_KEY_FILE: Final = "issuing.key"
KEY_FILE_BYTES_MAX: Final = 16_384
PASSPHRASE_BYTES_MAX: Final = 1_023
"""OpenSSL takes no longer passphrase from a callback."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new key on P-256, from the operating system's generator (never from a seed)."""
    return ec.generate_private_key(ec.SECP256R1())


def public_bytes(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key's DER SubjectPublicKeyInfo."""
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_fingerprint(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the SHA-256 of the key's DER SubjectPublicKeyInfo: 32 bytes; in hex, the root's is the tree."""
    return hashlib.sha256(public_bytes(public_key)).digest()


def read_public_key(data: bytes) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key of a DER SubjectPublicKeyInfo; IdentityError for anything else."""
    try:
        key = serialization.load_der_public_key(data)
    except Exception as error:  # noqa: BLE001 - the library raises several kinds for bytes from outside.
        raise IdentityError("A public key cannot be read.", why=type(error).__name__) from None
    return checked_curve(key)


def checked_curve(key: object) -> ec.EllipticCurvePublicKey:
    """Return ``key`` when it is a public key on P-256, the curve of suite 1; IdentityError otherwise."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IdentityError("A key is of another kind than suite 1 allows.", why="only P-256 is taken")
    return key


def load_or_make_key(home: Path, name: str, *, passphrase_file: Path | None = None) -> ec.EllipticCurvePrivateKey:
    """Return the key in ``home/keys/name``, made and written there first when there is none.

    So a ``join`` that was interrupted goes on with the same key. Raises as ``load_key`` does.
    """
    path = keys_folder(home) / name
    if path.exists():
        return load_key(path, passphrase_file=passphrase_file)
    key = new_key()
    write_safely(path, _encoded(key, read_passphrase(passphrase_file)))
    return key


def load_key(path: Path, *, passphrase_file: Path | None = None) -> ec.EllipticCurvePrivateKey:
    """Return the private key of a PKCS#8 file.

    Raises IdentityError when the file is missing, readable by others, damaged, or when the passphrase is not its own.
    """
    data = _read_private(path)
    try:
        key = serialization.load_pem_private_key(data, read_passphrase(passphrase_file))
    except (ValueError, TypeError) as error:
        raise IdentityError(
            f"The key {path} cannot be opened.",
            why=str(error)[:200],
            action="check keys.passphrase_file in node.toml, or restore the key from its safe copy",
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError(f"The key {path} is of another kind.", why="only P-256 is taken")
    checked_curve(key.public_key())
    return key


def read_passphrase(path: Path | None) -> bytes | None:
    """Return the first line of the passphrase file, None when there is none; ConfigurationError when it is unusable."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            passphrase = file.readline(PASSPHRASE_BYTES_MAX + 2).rstrip(b"\r\n")
    except OSError as error:
        raise ConfigurationError(
            f"The passphrase file {path} cannot be read.",
            why=error.strerror or "",
            action="check keys.passphrase_file in node.toml",
        ) from error
    if not 0 < len(passphrase) <= PASSPHRASE_BYTES_MAX:
        raise ConfigurationError(
            f"The passphrase in {path} is empty or too long.",
            why=f"its first line holds {len(passphrase)} bytes, 1 to {PASSPHRASE_BYTES_MAX} are allowed",
        )
    return passphrase


def keys_folder(home: Path) -> Path:
    """Return ``home/keys``, made with mode 0700 when it is not there."""
    folder = home / KEYS_FOLDER
    try:
        folder.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        folder.chmod(OWNER_ONLY_FOLDER)
    except OSError as error:
        raise StoreUnavailableError(f"The folder {folder} cannot be written.", why=error.strerror or "") from error
    return folder


def _encoded(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> bytes:
    encryption = (
        serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise IdentityError(
            f"The key {path} cannot be read.",
            why=error.strerror or "",
            action="run this as the account that made the node, or restore the key from its safe copy",
        ) from error
    if mode & 0o077:
        raise IdentityError(
            f"The key {path} is open to other accounts.", why=f"its mode is {mode:04o}", action=f"chmod 600 {path}"
        )
    if len(data) > KEY_FILE_BYTES_MAX:
        raise IdentityError(f"The key {path} is too large.", why="a key file has at most 16 KiB")
    return data
