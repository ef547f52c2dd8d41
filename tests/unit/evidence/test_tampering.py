"""Forged evidence: each change of a file is refused, for the same reason, by both verifiers."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node.errors import EvidenceRefusedError
from node.evidence.document import read_evidence, write_evidence
from node.evidence.standalone import VERIFIER
from node.evidence.verifying import REASONS, verify_evidence
from node.standard.seals import Checkpoint, StreamName, parse_time_text
from node.trust.certificates import fingerprint, make_issuing
from tests.support.identities import AT, SEVEN, identities, make_identities

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.evidence.document import Evidence

Document = dict[str, Any]


def flipped(text: str) -> str:
    """Return a hex text with its last digit changed."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def broken(text: str) -> str:
    """Return a base64 text with one bit of its last byte changed."""
    data = bytearray(b64decode(text))
    data[-1] ^= 1
    return b64encode(bytes(data)).decode()


def resealed(given: Document, code: str, **changes: Any) -> None:
    """Change the checkpoint and sign it as the node ``code``."""
    one = given["checkpoint"]
    one |= changes
    identity = identities()[code]
    one["signer"] = identity.fingerprint
    checkpoint = Checkpoint(
        stream=StreamName.parse(given["stream"]),
        size=one["size"],
        root=bytes.fromhex(one["root"]),
        sealed_at=parse_time_text(one["time"]),
        signer=one["signer"],
    )
    one["signature"] = b64encode(identity.sign(checkpoint.text(given["tree"]))).decode()


def swapped(items: list[Any]) -> None:
    items[0], items[1] = items[1], items[0]


def without_named(given: Document, code: str) -> None:
    """Leave out what the root says of a node."""
    records = given["trust"]["records"]
    given["trust"]["records"] = [one for one in records if f"<NodeCode>{code}</NodeCode>" not in one["record"]]


def foreign_certificate(given: Document) -> None:
    other = make_identities(SEVEN)["360102"]
    given["certificates"].append(b64encode(other.certificate.der).decode())


FORGERIES: dict[str, tuple[str, Callable[[Document], Any]]] = {
    "schema": ("format", lambda d: d.update(schema="yizhan.evidence/2")),
    "missing name": ("format", lambda d: d.pop("leaf")),
    "further name": ("format", lambda d: d.update(note="trust me")),
    "tree of another": ("tree", lambda d: d.update(tree=flipped(d["tree"]))),
    "tree no hash": ("format", lambda d: d.update(tree="x")),
    "stream of another": ("signer", lambda d: d.update(stream="360103/ancestors")),
    "stream for others": ("seal", lambda d: d.update(stream="360102/descendants")),
    "position moved": ("inclusion", lambda d: d.update(position=d["position"] + 1)),
    "position beyond": ("inclusion", lambda d: d.update(position=7)),
    "position no number": ("format", lambda d: d.update(position="4")),
    "position true": ("format", lambda d: d.update(position=True)),
    "leaf": ("record", lambda d: d.update(leaf=flipped(d["leaf"]))),
    "leaf of a redacted record": ("inclusion", lambda d: d.update(leaf=flipped(d["leaf"]), record=None)),
    "record, one letter": ("record", lambda d: d.update(record=d["record"].replace("Alarm", "Alarn", 1))),
    "record, a space": ("record", lambda d: d.update(record=d["record"] + " ")),
    "checkpoint size": ("inclusion", lambda d: d["checkpoint"].update(size=3)),
    "checkpoint size, larger": ("inclusion", lambda d: d["checkpoint"].update(size=9)),
    "checkpoint root": ("inclusion", lambda d: d["checkpoint"].update(root=flipped(d["checkpoint"]["root"]))),
    "checkpoint time": ("seal", lambda d: d["checkpoint"].update(time="2020-01-01T00:00:00Z")),
    "checkpoint after its certificate": ("seal", lambda d: resealed(d, "360102", time="2036-01-01T00:00:00Z")),
    "checkpoint signer": ("signer", lambda d: d["checkpoint"].update(signer=flipped(d["checkpoint"]["signer"]))),
    "checkpoint signature": ("seal", lambda d: d["checkpoint"].update(signature=broken(d["checkpoint"]["signature"]))),
    "checkpoint signature, none": ("seal", lambda d: d["checkpoint"].update(signature="AA==")),
    "checkpoint signed by the city": ("signer", lambda d: resealed(d, "360100")),
    "inclusion hash": ("inclusion", lambda d: d["inclusion"].__setitem__(0, flipped(d["inclusion"][0]))),
    "inclusion order": ("inclusion", lambda d: swapped(d["inclusion"])),
    "inclusion short": ("inclusion", lambda d: d["inclusion"].pop()),
    "inclusion long": ("inclusion", lambda d: d["inclusion"].append(d["leaf"])),
    "inclusion no hash": ("format", lambda d: d["inclusion"].append("AB")),
    "receipt holder": ("signer", lambda d: d["receipts"][0].update(holder="360100")),
    "receipt of the origin": ("receipt", lambda d: d["receipts"][0].update(holder="360102")),
    "receipt size": ("consistency", lambda d: d["receipts"][0].update(size=5)),
    "receipt size, larger": ("consistency", lambda d: d["receipts"][0].update(size=9)),
    "receipt root": ("consistency", lambda d: d["receipts"][0].update(root=flipped(d["receipts"][0]["root"]))),
    "receipt time": ("receipt", lambda d: d["receipts"][0].update(time="2020-01-01T00:00:00Z")),
    "receipt time, no time": ("format", lambda d: d["receipts"][0].update(time="yesterday")),
    "receipt signer": ("signer", lambda d: d["receipts"][0].update(signer=d["receipts"][1]["signer"])),
    "receipt signature": (
        "receipt",
        lambda d: d["receipts"][0].update(signature=broken(d["receipts"][0]["signature"])),
    ),
    "receipt proof, further": ("consistency", lambda d: d["receipts"][0]["consistency"].append(d["leaf"])),
    "certificate of the signer gone": ("signer", lambda d: _drop_certificate(d, d["checkpoint"]["signer"])),
    "certificate of the root gone": (
        "chain",
        lambda d: _drop_certificate(d, identities()["360000"].root_certificate.fingerprint),
    ),
    "certificate of the issuer gone": (
        "chain",
        lambda d: _drop_certificate(d, identities()["360102"].chain[1].fingerprint),
    ),
    "certificate, one bit": ("chain", lambda d: _bend_certificate(d, d["checkpoint"]["signer"])),
    "certificate, rubbish": ("chain", lambda d: d["certificates"].append("AAAA")),
    "certificate of another tree": ("tree", foreign_certificate),
    "trust of another": ("named", lambda d: d["trust"].update(stream="360100/trust")),
    "trust is another stream": ("named", lambda d: d["trust"].update(stream="360000/ancestors")),
    "trust root": ("seal", lambda d: d["trust"]["checkpoint"].update(root=flipped(d["trust"]["checkpoint"]["root"]))),
    "trust size": ("seal", lambda d: d["trust"]["checkpoint"].update(size=3)),
    "trust signature": (
        "seal",
        lambda d: d["trust"]["checkpoint"].update(signature=broken(d["trust"]["checkpoint"]["signature"])),
    ),
    "trust record, another parent": (
        "inclusion",
        lambda d: d["trust"]["records"][-1].update(
            record=d["trust"]["records"][-1]["record"].replace("<ParentCode>3601", "<ParentCode>3602")
        ),
    ),
    "trust record position": ("inclusion", lambda d: d["trust"]["records"][-1].update(position=1)),
    "trust record proof": ("inclusion", lambda d: d["trust"]["records"][-1]["inclusion"].pop()),
    "the county is not named": ("named", lambda d: without_named(d, "360102")),
    "the city is not named": ("named", lambda d: without_named(d, "360100")),
    "trust is silent": ("named", lambda d: d["trust"].update(records=[])),
    "trust names no list": ("format", lambda d: d["trust"].update(records={})),
}


def _drop_certificate(given: Document, name: str) -> None:
    given["certificates"] = [one for one in given["certificates"] if fingerprint(b64decode(one)) != name]


def _bend_certificate(given: Document, name: str) -> None:
    at = next(at for at, one in enumerate(given["certificates"]) if fingerprint(b64decode(one)) == name)
    given["certificates"][at] = broken(given["certificates"][at])
    bent = fingerprint(b64decode(given["certificates"][at]))
    given["checkpoint"]["signer"] = bent


def reason_of(data: bytes) -> str:
    try:
        verify_evidence(read_evidence(data))
    except EvidenceRefusedError as error:
        return error.reason
    return "stands"


def run_alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier as a stranger would: no site packages, an empty environment but for the path to openssl."""
    command = [sys.executable, "-I", "-S", str(folder / VERIFIER.name), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env={"PATH": "/usr/bin:/bin"}
    )


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    (tmp_path / VERIFIER.name).write_bytes(VERIFIER.read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_with_its_reason(written: bytes, name: str) -> None:
    expected, forge = FORGERIES[name]
    document = json.loads(written)
    forge(document)
    assert reason_of(json.dumps(document, ensure_ascii=False).encode()) == expected
    assert expected in REASONS


@pytest.mark.slow
def test_the_verifier_alone_refuses_every_forgery_for_the_same_reason(written: bytes, alone: Path) -> None:
    names = list(FORGERIES)
    for number, name in enumerate(names):
        document = json.loads(written)
        FORGERIES[name][1](document)
        (alone / f"{number}.json").write_text(json.dumps(document, ensure_ascii=False))
    done = run_alone(alone, *(f"{number}.json" for number in range(len(names))))
    assert done.returncode == 1, done.stderr
    found = [line.partition("[")[2].partition("]")[0] for line in done.stdout.splitlines()]
    assert dict(zip(names, found, strict=True)) == {name: reason for name, (reason, _) in FORGERIES.items()}


def test_the_verifier_alone_accepts_what_stands(evidence: Evidence, written: bytes, alone: Path) -> None:
    (alone / "good.json").write_bytes(written)
    done = run_alone(alone, "--tree", evidence.tree, "good.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"stands  {evidence.stream}/{evidence.position}" in done.stdout
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("  held by")] == [
        "360000",
        "360100",
    ]
    other = run_alone(alone, "--tree", "0" * 64, "good.json")
    assert (other.returncode, "[tree]" in other.stdout) == (1, True)


def test_of_several_certificates_of_an_issuing_key_the_fitting_one_counts(evidence: Evidence, alone: Path) -> None:
    root, city = identities()["360000"], identities()["360100"]
    assert city.issuing_certificate is not None
    assert root.issuing_key is not None
    renewed = make_issuing(
        city.issuing_certificate.public_key,
        code="360100",
        path_length=city.issuing_certificate.path_length or 0,
        at=AT + timedelta(days=30),
        issuer=root.root_certificate,
        issuer_key=root.issuing_key,
    )
    both = replace(evidence, certificates=(renewed.der, *evidence.certificates))
    assert verify_evidence(both).position == evidence.position
    (alone / "both.json").write_bytes(write_evidence(both))
    assert run_alone(alone, "both.json").returncode == 0


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"schema": 1, "schema": 2}', b"[" * 100_000])
def test_rubbish_is_no_evidence(data: bytes, alone: Path) -> None:
    assert reason_of(data) == "format"
    (alone / "x").write_bytes(data)
    done = run_alone(alone, "x")
    assert (done.returncode, "[format]" in done.stdout, done.stderr) == (1, True, "")


def test_any_changed_letter_of_the_file_is_refused_or_changes_nothing(evidence: Evidence, written: bytes) -> None:
    """One bit in every 53rd byte of the file: what still stands says the same."""
    for at in range(0, len(written), 53):
        bent = bytearray(written)
        bent[at] ^= 1
        try:
            found = read_evidence(bytes(bent))
            verify_evidence(found)
        except EvidenceRefusedError:
            continue
        assert write_evidence(found) == write_evidence(evidence)


def test_a_file_that_is_too_large_is_not_read(alone: Path) -> None:
    data = b" " * (4 * 1024 * 1024 + 1)
    assert reason_of(data) == "format"
    (alone / "x").write_bytes(data)
    assert "[format]" in run_alone(alone, "x").stdout
