"""docs/reference/protocol.md says what the code does: every word and every limit that a neighbour meets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from node.exchange import accepting, receiver
from node.exchange.limits import Limits
from node.exchange.receipts import Receipts
from node.journal import checkpoints
from node.standard.seals import ANCESTORS, Checkpoint, Receipt, StreamName
from node.trust.book import BROUGHT_MAX
from tests.support.exchanging import carrier_to, settled_nodes
from tests.support.identities import identities

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/reference/protocol.md").read_text(encoding="utf-8")
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "node/exchange").rglob("*.py")}


def test_every_reason_of_a_refused_package_or_receipt_stands_in_the_page() -> None:
    code = "".join(SOURCES.values())
    words = set(re.findall(r'(?:Package|Receipt)RefusedError\(\s*"([a-z ]+)"', code))
    assert len(words) > 15
    assert [word for word in words if f"`{word}`" not in PAGE] == []


def test_every_verdict_and_reason_of_a_slice_stands_in_the_page() -> None:
    code = SOURCES["receiver.py"] + SOURCES["judging.py"]
    words = set(re.findall(r'reason="([a-z ]+)"', code)) | set(re.findall(r'return "([a-z ]+)"', code))
    assert words >= {"stream", "seal", "root", "trust first"}
    assert [word for word in words if f"| `{word}` |" not in PAGE] == []


@pytest.mark.parametrize("reason", sorted(receiver.EVIDENT_REASONS | accepting.KEPT_REASONS))
def test_what_is_kept_as_evidence_is_marked(reason: str) -> None:
    assert f"| `{reason}` | ● |" in PAGE


def test_the_limits_in_the_page_are_those_of_the_code() -> None:
    limits = Limits()
    assert f"{limits.package_bytes_max // 1024**2} MiB" in PAGE
    assert f"| slices in a package | {limits.slices_max} |" in PAGE
    assert f"| records in a slice | {limits.slice_records_max:,} |" in PAGE
    assert f"| {limits.receipts_max:,}, {limits.verdicts_max}, {limits.certificates_max} |" in PAGE
    assert f"| certificates of one node that neighbours bring | {BROUGHT_MAX} |" in PAGE
    assert f"| digests and lines of a statement | {limits.lines_max:,} |" in PAGE
    assert f"at most {limits.evidence_files_max} files and {limits.evidence_bytes_max // 1024**2} MiB" in PAGE


def openssl_verifies(folder: Path, signer: str, text: bytes, signature: bytes) -> bool:
    certificate = identities()[signer].certificate.parsed.public_bytes(Encoding.PEM)
    for name, data in (("signer.pem", certificate), ("text", text), ("signature.der", signature)):
        (folder / name).write_bytes(data)
    for command in re.findall(r"^openssl .*$", PAGE, re.MULTILINE):
        done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def made() -> tuple[Checkpoint, Receipt]:
    """Return a checkpoint of a county, and the city's receipt for it."""
    nodes = settled_nodes()
    county, city = nodes["360102"], nodes["360100"]
    carrier = carrier_to(city, county)
    stream = county.write(3)
    county.exchange.open_conversation("360100", carrier)
    assert county.exchange.push_once("360100", carrier).receipts == 1
    with city.store.reading() as connection:
        checkpoint = checkpoints.newest(connection, stream)
        (receipt,) = Receipts(city.exchange.context).signed(connection, [StreamName("360102", ANCESTORS)])
    assert checkpoint is not None
    return checkpoint, receipt


def test_openssl_verifies_a_checkpoint_and_a_receipt_as_the_page_says(tmp_path: Path) -> None:
    checkpoint, receipt = made()
    tree = identities()["360000"].tree
    assert openssl_verifies(tmp_path, "360102", checkpoint.text(tree), checkpoint.signature)
    assert openssl_verifies(tmp_path, "360100", receipt.text(tree), receipt.signature)
    assert not openssl_verifies(tmp_path, "360100", checkpoint.text(tree), checkpoint.signature)


def test_the_signed_texts_have_the_lines_of_the_page() -> None:
    for text in (one.text("0" * 64) for one in made()):
        lines = text.decode().splitlines()
        shown = PAGE[PAGE.index(lines[0]) :].splitlines()[: len(lines)]
        assert [line.split(" ")[0] for line in shown] == [line.split(" ")[0] for line in lines]
