from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from node.clock import MachineClock
from node.errors import IdentityError
from node.trust.certificates import make_node
from node.trust.identity import load_identity
from node.trust.issuing import found_tree
from node.trust.keys import new_key
from node.trust.tls import (
    client_context,
    joining_context,
    peer_code,
    server_context,
    server_name,
    unbelieving_context,
)
from tests.support.identities import AT, FOUR, admission, identities, make_identities

if TYPE_CHECKING:
    from pathlib import Path

    from node.trust.identity import Identity

NOW = MachineClock().now()
MADE = make_identities(FOUR, at=NOW)
PROVINCE, CITY, COUNTY = MADE["360000"], MADE["360100"], MADE["360102"]
CITY_NAME = server_name("360100", CITY.tree)


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None) -> tuple[bytes | None, bytes | None]:
    """Shake hands over a socket pair; return what the server saw of the client, and the client of the server."""
    ours, theirs = socket.socketpair()
    seen: list[bytes | None] = []

    def serve() -> None:
        try:
            with server.wrap_socket(ours, server_side=True) as secure:
                seen.append(secure.getpeercert(binary_form=True))
                secure.sendall(b"!")
        except OSError:
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with closing(theirs), client.wrap_socket(theirs, server_hostname=name) as secure:
            # TLS 1.3 tells a refused client certificate with the first bytes read.
            assert secure.recv(1) == b"!"
            return seen[0], secure.getpeercert(binary_form=True)
    finally:
        thread.join(5)


def test_parent_and_child_know_each_other() -> None:
    seen, shown = shake(server_context(CITY), client_context(COUNTY), CITY_NAME)
    assert (seen, shown) == (COUNTY.certificate.der, CITY.certificate.der)
    assert seen is not None
    issuers = (CITY.issuing_chain[0], CITY.root_certificate)
    assert peer_code(seen, CITY.tree, NOW, issuers=issuers) == "360102"


def test_an_identity_with_files_and_passphrase_serves_unattended(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse", encoding="utf-8")
    found_tree(
        tmp_path,
        admission("360000", FOUR["360000"]),
        at=NOW,
        passphrase_file=passphrase,
        time_zone="Asia/Shanghai",
    )
    root = load_identity(tmp_path, passphrase_file=passphrase)
    context = joining_context(root.root_certificate)
    seen, shown = shake(server_context(root), context, server_name("360000", root.tree))
    assert (seen, shown) == (None, root.certificate.der)
    passphrase.write_text("wrong", encoding="utf-8")
    with pytest.raises(IdentityError, match="cannot be used for TLS"):
        server_context(root)


def test_who_has_no_certificate_yet_is_let_in_and_names_nobody() -> None:
    seen, _ = shake(server_context(CITY), joining_context(CITY.root_certificate), CITY_NAME)
    assert seen is None


def test_who_believes_nothing_sees_the_certificate() -> None:
    _, shown = shake(server_context(CITY), unbelieving_context(), None)
    assert shown == CITY.certificate.der


def test_a_name_that_is_not_the_parents_is_refused() -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(server_context(CITY), client_context(COUNTY), server_name("360000", CITY.tree))


def stranger(at: str = "now") -> Identity:
    return make_identities(FOUR, at=NOW if at == "now" else NOW - timedelta(days=735))["360102"]


@pytest.mark.parametrize("client", [stranger(), stranger("past")])
def test_a_client_of_another_tree_is_refused(client: Identity) -> None:
    context = client_context(client)
    context.load_verify_locations(cadata=CITY.root_certificate.der)
    with pytest.raises(OSError, match=r"alert|reset|closed|EOF"):
        shake(server_context(CITY), context, CITY_NAME)


def test_an_expired_client_is_refused() -> None:
    past = make_identities(FOUR, at=NOW - timedelta(days=735))
    context = client_context(past["360102"])
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(OSError, match=r"alert|reset|closed|EOF"):
        shake(server_context(past["360100"]), context, None)


PEM = COUNTY.certificate.parsed.public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    "certificate",
    [COUNTY.certificate.der, PEM, PEM.replace("\n", " "), PEM.replace("\n", "\r\n"), quote(PEM)],
)
def test_a_client_certificate_is_read_in_every_form(certificate: bytes | str) -> None:
    assert peer_code(certificate, COUNTY.tree, NOW) == "360102"


@pytest.mark.parametrize("certificate", ["", "no PEM", "é", "A" * 30_000, b""])
def test_what_is_no_client_certificate_is_refused(certificate: bytes | str) -> None:
    with pytest.raises(IdentityError):
        peer_code(certificate, COUNTY.tree, NOW)


def test_a_client_of_another_tree_or_kind_or_time_names_nobody() -> None:
    issuing = COUNTY.issuing_certificate
    assert issuing is not None
    for der, tree, at in (
        (COUNTY.certificate.der, "0" * 64, NOW),
        (issuing.der, COUNTY.tree, NOW),
        (COUNTY.certificate.der, COUNTY.tree, NOW + timedelta(days=731)),
    ):
        with pytest.raises(IdentityError):
            peer_code(der, tree, at)


def test_a_child_that_another_branch_certified_is_refused() -> None:
    """TLS lets it pass: the chain is valid X.509. That its issuer is not its parent is ours to see."""
    assert COUNTY.issuing_key is not None
    assert COUNTY.issuing_certificate is not None
    forged = make_node(
        new_key().public_key(),
        code="360103",
        at=NOW,
        issuer=COUNTY.issuing_certificate,
        issuer_key=COUNTY.issuing_key,
    )
    assert peer_code(forged.der, CITY.tree, NOW) == "360103"
    issuers = (CITY.issuing_chain[0], CITY.root_certificate)
    with pytest.raises(IdentityError, match="was not issued here"):
        peer_code(forged.der, CITY.tree, NOW, issuers=issuers)


def test_identities_in_memory_leave_no_key_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server_context(identities()["360100"])
    assert list(tmp_path.iterdir()) == []
    assert AT.tzinfo is not None
