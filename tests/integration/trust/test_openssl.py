"""What this node signs is checked by a program that knows nothing of us: ``openssl``."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from node.journal.checkpoints import newest
from node.standard.seals import Receipt, StreamName
from node.trust.invitations import InvitationCode
from node.trust.join_forms import read_request
from node.trust.joining import make_request
from tests.support.identities import AT, identities, root_with_tree

if TYPE_CHECKING:
    from pathlib import Path

    from node.trust.certificates import Certificate
    from node.trust.identity import Identity

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl is not installed"),
]


def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, timeout=30)


def verified(folder: Path, certificate: Certificate, text: bytes, signature: bytes) -> bool:
    """Do what docs/reference/trust.md shows: the certificate's public key, the text, the signature."""
    pem, key = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.parsed.public_bytes(Encoding.PEM))
    (folder / "text").write_bytes(text)
    (folder / "signature").write_bytes(signature)
    key.write_text(openssl("x509", "-in", str(pem), "-noout", "-pubkey").stdout, encoding="ascii")
    done = openssl(
        "dgst", "-sha256", "-verify", str(key), "-signature", str(folder / "signature"), str(folder / "text")
    )
    return done.returncode == 0 and done.stdout == "Verified OK\n"


def test_openssl_verifies_a_checkpoint_that_a_node_sealed(tmp_path: Path) -> None:
    root = root_with_tree(identities())
    with root.store.reading() as connection:
        checkpoint = newest(connection, StreamName("360000", "trust"))
    assert checkpoint is not None
    text = checkpoint.text(root.identity.tree)
    assert text.startswith(b"yizhan.checkpoint/1\ntree ")
    certificate = root.identity.certificate
    assert verified(tmp_path, certificate, text, checkpoint.signature)
    assert not verified(tmp_path, certificate, text.replace(b"size 4", b"size 5"), checkpoint.signature)
    assert not verified(tmp_path, identities()["360100"].certificate, text, checkpoint.signature)


def receipt_of(identity: Identity) -> Receipt:
    unsigned = Receipt(
        holder=identity.code,
        stream=StreamName("360102", "ancestors"),
        size=3,
        root=b"r" * 32,
        received_at=AT,
        signer=identity.fingerprint,
    )
    return replace(unsigned, signature=identity.sign(unsigned.text(identity.tree)))


def test_openssl_verifies_a_receipt(tmp_path: Path) -> None:
    city = identities()["360100"]
    receipt = receipt_of(city)
    text = receipt.text(city.tree)
    assert verified(tmp_path, city.certificate, text, receipt.signature)
    assert not verified(tmp_path, city.certificate, text.replace(b"size 3", b"size 2"), receipt.signature)


@pytest.mark.parametrize("code", ["360000", "360100", "360102"])
def test_openssl_verifies_the_chain_of_every_node(tmp_path: Path, code: str) -> None:
    chain = identities()[code].chain
    for name, certificates in (("root.pem", chain[-1:]), ("above.pem", chain[1:-1]), ("node.pem", chain[:1])):
        (tmp_path / name).write_bytes(b"".join(one.parsed.public_bytes(Encoding.PEM) for one in certificates))
    above = ("-untrusted", str(tmp_path / "above.pem")) if len(chain) > 2 else ()
    for purpose in ("sslclient", "sslserver"):
        done = openssl(
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            str(tmp_path / "root.pem"),
            *above,
            str(tmp_path / "node.pem"),
        )
        assert done.returncode == 0, done.stderr


def test_openssl_verifies_a_join_request(tmp_path: Path) -> None:
    county = identities()["360102"]
    invited = InvitationCode(secret=bytes(16), parent=bytes(16), root=bytes(16))
    request = make_request(
        invited,
        county.tree,
        code="360102",
        level="county",
        node_key=county.private_key,
        issuing_key=county.issuing_key,
    )
    asked = read_request(request)
    assert verified(tmp_path, county.certificate, asked.text(), asked.node_proof)
    assert county.issuing_certificate is not None
    assert verified(tmp_path, county.issuing_certificate, asked.text(), asked.issuing_proof or b"")
