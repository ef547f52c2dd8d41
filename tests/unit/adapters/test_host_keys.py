"""Host keys as people write them down; the fingerprints here were told by ssh-keygen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters.contract import SourceNeedsPersonError
from adapters.sftp.host_keys import known_host_keys
from tests.support.sshd import make_key, require_sshd

if TYPE_CHECKING:
    from pathlib import Path

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
FINGERPRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
"""GitHub's published host key and its published fingerprint."""


@pytest.mark.parametrize("line", [KEY, f"{KEY} comment", f"github.com,[10.0.0.1]:2222 {KEY} comment", f" {KEY}\n"])
def test_a_whole_key_may_stand_alone_or_in_a_line_of_known_hosts(line: str) -> None:
    known = known_host_keys([line])
    assert (known.fingerprints, known.types) == (frozenset({FINGERPRINT}), ("ssh-ed25519",))


def test_a_fingerprint_suffices_and_several_may_be_known() -> None:
    other = f"SHA256:{'A' * 43}"
    known = known_host_keys([f" {FINGERPRINT} ", other])
    assert (known.fingerprints, known.types) == (frozenset({FINGERPRINT, other}), ())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "SHA256:short",
        "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "ssh-ed25519",
        "ssh-ed25519 ????",
        KEY.replace("ssh-ed25519", "ssh-rsa"),
        KEY.replace("AAAAC3", "AAAAD3"),
        f"@revoked * {KEY}",
        f"@cert-authority * {KEY}",
    ],
)
def test_what_is_no_host_key_is_refused(line: str) -> None:
    with pytest.raises(SourceNeedsPersonError, match="is no host key"):
        known_host_keys([line])


def test_no_server_is_trusted_without_a_key() -> None:
    with pytest.raises(SourceNeedsPersonError, match="host_keys is empty"):
        known_host_keys([])


def test_algorithms_of_known_keys_are_asked_for_first() -> None:
    offered = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
    assert known_host_keys([FINGERPRINT]).preferred(offered) == list(offered)
    assert known_host_keys([KEY]).preferred(reversed(offered)) == [
        "ssh-ed25519",
        "rsa-sha2-256",
        "rsa-sha2-512",
        "ecdsa-sha2-nistp256",
    ]


def test_a_key_of_type_rsa_is_asked_for_by_its_signatures(tmp_path: Path) -> None:
    require_sshd()
    make_key(tmp_path / "key", kind="rsa")
    known = known_host_keys([(tmp_path / "key.pub").read_text()])
    assert known.preferred(("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")) == [
        "rsa-sha2-512",
        "rsa-sha2-256",
        "ssh-ed25519",
    ]
