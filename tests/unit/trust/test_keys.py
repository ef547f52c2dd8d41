from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from node.config.files import write_safely
from node.errors import ConfigurationError, IdentityError, StoreUnavailableError
from node.trust.keys import (
    NODE_KEY_FILE,
    keys_folder,
    load_key,
    load_or_make_key,
    new_key,
    public_bytes,
    read_passphrase,
)
from node.trust.suites import sign, verify

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def write_foreign(path: Path, key: PrivateKeyTypes) -> None:
    write_safely(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path, NODE_KEY_FILE)
    path = tmp_path / "keys" / NODE_KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    again = load_or_make_key(tmp_path, NODE_KEY_FILE)
    assert public_bytes(again.public_key()) == public_bytes(key.public_key())
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o755)
    assert stat.S_IMODE(keys_folder(tmp_path).stat().st_mode) == 0o700


def test_a_passphrase_locks_the_key(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n", encoding="utf-8")
    load_or_make_key(tmp_path, NODE_KEY_FILE, passphrase_file=passphrase)
    path = tmp_path / "keys" / NODE_KEY_FILE
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert load_key(path, passphrase_file=passphrase).key_size == 256
    with pytest.raises(IdentityError, match="cannot be opened"):
        load_key(path)
    passphrase.write_text("wrong horse\n", encoding="utf-8")
    with pytest.raises(IdentityError, match="cannot be opened"):
        load_key(path, passphrase_file=passphrase)


def test_a_key_that_others_can_read_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    load_or_make_key(tmp_path, NODE_KEY_FILE)
    path = tmp_path / "keys" / NODE_KEY_FILE
    path.chmod(0o640)
    with pytest.raises(IdentityError, match="mode is 0640") as refused:
        load_key(path)
    assert refused.value.action == f"chmod 600 {path}"


def test_a_missing_damaged_or_huge_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    with pytest.raises(IdentityError, match="cannot be read"):
        load_key(path)
    write_safely(path, b"not a key")
    with pytest.raises(IdentityError, match="cannot be opened"):
        load_key(path)
    write_safely(path, bytes(20_000))
    with pytest.raises(IdentityError, match="too large"):
        load_key(path)


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_a_key_of_another_kind_is_refused(tmp_path: Path, key: PrivateKeyTypes) -> None:
    write_foreign(tmp_path / "node.key", key)
    with pytest.raises(IdentityError, match="another kind"):
        load_key(tmp_path / "node.key")


@pytest.mark.parametrize("content", ["", "\nsecond line", "x" * 2000])
def test_an_empty_or_endless_passphrase_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "passphrase").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="empty or too long"):
        read_passphrase(tmp_path / "passphrase")


def test_a_missing_passphrase_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_passphrase(tmp_path / "passphrase")
    assert read_passphrase(None) is None


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        keys_folder(tmp_path)
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        write_safely(tmp_path / "nowhere" / "file", b"")


def test_a_signature_stands_for_its_text_and_its_key_only() -> None:
    key = new_key()
    signature = sign(key, b"text")
    assert verify(key.public_key(), b"text", signature)
    assert not verify(key.public_key(), b"other", signature)
    assert not verify(new_key().public_key(), b"text", signature)
    assert not verify(key.public_key(), b"text", signature + bytes(80))
    assert not verify(key.public_key(), b"text", b"")
    assert not verify(key.public_key(), b"text", b"\x30\x02\x02")
