"""Secrets in the database are of no use without the key of the home, nor for another owner."""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from node.errors import IdentityError
from node.randomness import SystemRandomness
from node.trust.kept_secrets import SOURCES_KEY_FILE, KeptSecrets

if TYPE_CHECKING:
    from pathlib import Path

CHANCE = SystemRandomness()
SECRET = b"yzs_the secret"


def test_a_secret_is_wrapped_and_opened_again_by_whoever_has_the_key_of_the_home(tmp_path: Path) -> None:
    wrapped = KeptSecrets(tmp_path).wrap(SECRET, "hall", CHANCE)
    assert SECRET not in wrapped
    kept = KeptSecrets(tmp_path)
    assert [kept.unwrap(wrapped, "hall") for _ in range(2)] == [SECRET, SECRET]
    path = tmp_path / "keys" / SOURCES_KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_secret_is_wrapped_differently_each_time(tmp_path: Path) -> None:
    kept = KeptSecrets(tmp_path)
    wrapped = {kept.wrap(SECRET, "hall", CHANCE) for _ in range(3)}
    assert len(wrapped) == 3
    assert {kept.unwrap(one, "hall") for one in wrapped} == {SECRET}


def test_a_secret_is_opened_for_its_owner_only_and_only_whole(tmp_path: Path) -> None:
    kept = KeptSecrets(tmp_path)
    wrapped = kept.wrap(SECRET, "hall", CHANCE)
    for changed, owner in (
        (wrapped, "tax"),
        (wrapped[:-1], "hall"),
        (wrapped[:-1] + b"\0", "hall"),
        (bytes(30), "hall"),
    ):
        with pytest.raises(IdentityError, match=f"secret of the source {owner} cannot be opened") as caught:
            kept.unwrap(changed, owner)
        assert f"rotate {owner}" in caught.value.action
        assert "yzs_" not in str(caught.value)


def test_with_a_passphrase_the_key_of_the_home_alone_opens_nothing(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n", encoding="utf-8")
    wrapped = KeptSecrets(tmp_path, passphrase_file=passphrase).wrap(SECRET, "hall", CHANCE)
    assert KeptSecrets(tmp_path, passphrase_file=passphrase).unwrap(wrapped, "hall") == SECRET
    with pytest.raises(IdentityError, match="cannot be opened"):
        KeptSecrets(tmp_path).unwrap(wrapped, "hall")


def test_without_the_key_nothing_is_opened_and_a_new_one_opens_only_what_it_wrapped(tmp_path: Path) -> None:
    running = KeptSecrets(tmp_path)
    old = running.wrap(SECRET, "hall", CHANCE)
    shutil.rmtree(tmp_path / "keys")
    with pytest.raises(IdentityError, match="cannot be read"):
        KeptSecrets(tmp_path).unwrap(old, "hall")
    new = KeptSecrets(tmp_path).wrap(SECRET, "hall", CHANCE)
    # A process that read the old key finds the new one by itself, and has the old one no longer.
    assert running.unwrap(new, "hall") == SECRET
    with pytest.raises(IdentityError):
        running.unwrap(old, "hall")
