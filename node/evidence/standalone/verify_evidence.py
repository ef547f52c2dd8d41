#!/usr/bin/env python3
"""Check evidence files of a Yizhan node: python3 verify_evidence.py [--tree FINGERPRINT] FILE...

Needs Python 3.8 or newer and the program `openssl` (1.1.1 or newer), nothing else: no node, no network, no database.
It is written apart from the node's own `yizhan verify` and has to come to the same result. It leaves with 0 when every
file stands, else with 1; the word in brackets says what does not. Compare the tree's fingerprint that it prints with
the one that the root of the tree (the province) publishes, or give it with --tree.

核验驿站证据文件；只需要 Python 3.8 以上和 openssl。全部成立时退出码为 0，否则为 1，方括号内的词说明原因。
请把显示的树指纹与省级节点公布的指纹核对，或用 --tree 给出。
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any
from xml.etree import ElementTree as ET

SCHEMA = "yizhan.evidence/1"
NAMESPACE = "{urn:yizhan:standard:1}"
FILE_BYTES_MAX = 4 * 1024 * 1024
URI = re.compile(r"URI:urn:yizhan:node:([0-9a-f]{64}):([0-9]{6}(?:[0-9]{3}){0,2})(?![0-9])")


class Refused(Exception):
    """Something does not stand; the first argument is the constant word that says what."""


def check(condition: object, reason: str, text: str) -> None:
    if not condition:
        raise Refused(reason, text)


# --- Merkle trees: RFC 9162, 2.1 ---------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count: int) -> int:
    """The largest power of two below count."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def root_by_path(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    """Undo PATH(index, D[count]): the root to which the leaf at index (from 0) leads; path is used up from its end."""
    if count == 1:
        return leaf
    check(path, "inclusion", "a proof is too short")
    other = path.pop()
    power = split(count)
    if index < power:
        return node_hash(root_by_path(leaf, index, power, path), other)
    return node_hash(other, root_by_path(leaf, index - power, count - power, path))


def roots_by_growth(
    first: int, second: int, *, whole: bool, first_root: bytes, path: list[bytes]
) -> tuple[bytes, bytes]:
    """Undo SUBPROOF(first, D[second], whole): the roots of the first part and of all; path is used up from its end."""
    if first == second:
        if whole:
            return first_root, first_root
        check(path, "consistency", "a proof is too short")
        node = path.pop()
        return node, node
    check(path, "consistency", "a proof is too short")
    other = path.pop()
    power = split(second)
    if first <= power:
        old, new = roots_by_growth(first, power, whole=whole, first_root=first_root, path=path)
        return old, node_hash(new, other)
    old, new = roots_by_growth(first - power, second - power, whole=False, first_root=first_root, path=path)
    return node_hash(other, old), node_hash(other, new)


def check_inclusion(leaf: bytes, position: int, checkpoint: dict[str, Any], proof: list[str], what: str) -> None:
    size = checkpoint["size"]
    check(0 < position <= size, "inclusion", "%s is beyond its checkpoint" % what)
    path = [unhex(one) for one in proof]
    root = root_by_path(leaf, position - 1, size, path)
    check(not path and root == unhex(checkpoint["root"]), "inclusion", "%s is not shown to stand in its stream" % what)


def check_growth(first: dict[str, Any], second: dict[str, Any], proof: list[str], what: str) -> None:
    check(first["size"] <= second["size"], "consistency", "%s is for less than the checkpoint" % what)
    path = [unhex(one) for one in proof]
    old, new = roots_by_growth(first["size"], second["size"], whole=True, first_root=unhex(first["root"]), path=path)
    stands = not path and old == unhex(first["root"]) and new == unhex(second["root"])
    check(stands, "consistency", "%s is for another past of the stream" % what)


# --- certificates and signatures, by openssl ---------------------------------------------------------------------


def openssl(*arguments: str) -> tuple[int, bytes]:
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    return done.returncode, done.stdout


class Certificate:
    """One certificate, as openssl reads it."""

    def __init__(self, der: bytes, folder: str) -> None:
        self.name = hashlib.sha256(der).hexdigest()
        self.path = os.path.join(folder, self.name + ".pem")
        self.key_path = os.path.join(folder, self.name + ".pub")
        armour = base64.encodebytes(der).decode()
        self.pem = "-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % armour
        write(self.path, self.pem)
        code, key = openssl("x509", "-in", self.path, "-pubkey", "-noout")
        check(code == 0, "chain", "a certificate cannot be read")
        write(self.key_path, key.decode())
        body = "".join(line for line in key.decode().splitlines() if not line.startswith("-"))
        self.key_id = hashlib.sha256(base64.b64decode(body)).hexdigest()
        extensions = "subjectAltName,basicConstraints,authorityKeyIdentifier"
        _, shown = openssl("x509", "-in", self.path, "-noout", "-ext", extensions, "-startdate", "-enddate")
        text = shown.decode()
        names = URI.findall(text)
        check(len(names) == 1, "chain", "a certificate names no node, or several")
        self.tree, self.code = names[0]
        self.issues = "CA:TRUE" in text
        issuer = re.search(r"Authority Key Identifier:[^\n]*\n\s*(?:keyid:)?([0-9A-F:]{95})", text)
        self.issuer_key_id = issuer.group(1).replace(":", "").lower() if issuer else ""
        self.begins, self.ends = (date_of(text, name) for name in ("notBefore", "notAfter"))
        self.is_root = self.issues and self.key_id == self.tree

    def has_signed(self, text: str, signature: bytes) -> bool:
        base = os.path.join(os.path.dirname(self.path), "signed")
        write(base, text)
        with open(base + ".sig", "wb") as file:
            file.write(signature)
        arguments = ("-sha256", "-verify", self.key_path, "-signature", base + ".sig", base)
        return openssl("dgst", *arguments)[0] == 0


def inside(certificate: Certificate, issuer: Certificate) -> bool:
    return issuer.begins <= certificate.begins and certificate.ends <= issuer.ends


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def date_of(text: str, name: str) -> str:
    """A date as openssl writes it (Jan  5 04:00:00 2026 GMT) as 2026-01-05T04:00:00Z."""
    found = re.search(name + r"=(\w{3}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4}) GMT", text)
    if found is None:
        raise Refused("chain", "a certificate has no %s" % name)
    month = "JanFebMarAprMayJunJulAugSepOctNovDec".index(found.group(1)) // 3 + 1
    return "%s-%02d-%02dT%sZ" % (found.group(4), month, int(found.group(2)), found.group(3))


class Book:
    """The certificates of one file, and what the root says of them in the trust stream."""

    def __init__(self, given: dict[str, Any], folder: str) -> None:
        self.tree = given["tree"]
        self.all = {one.name: one for one in (Certificate(unbase64(der), folder) for der in given["certificates"])}
        self.folder = folder
        check(all(one.tree == self.tree for one in self.all.values()), "tree", "a certificate is of another tree")
        roots = [one for one in self.all.values() if one.is_root]
        check(roots, "chain", "the certificate of the root is missing")
        self.root = roots[0]
        self.named: dict[str, tuple[str, str]] = {}
        self.read_trust(given["trust"])

    def chain(self, name: str, code: str) -> list[Certificate]:
        """The certificate of a node with its issuers up to the root, proved by openssl."""
        one = self.all.get(name)
        if one is None or one.code != code:
            raise Refused("signer", "the certificate of %s is missing" % code)
        chain = [one]
        while not chain[-1].is_root:
            above = [two for two in self.all.values() if two.issues and two.key_id == chain[-1].issuer_key_id]
            # Of several certificates of the issuing key that one counts under whose dates this one stands.
            above.sort(key=lambda two: not inside(chain[-1], two))
            check(above and above[0] not in chain, "chain", "a certificate of %s does not lead to the root" % code)
            chain.append(above[0])
        nested = all(inside(down, up) for down, up in zip(chain, chain[1:]))
        check(nested, "chain", "a certificate of %s lasts longer than its issuer's" % code)
        between = os.path.join(self.folder, "between.pem")
        write(between, "".join(one.pem for one in chain[1:-1]) or "\n")
        arguments = ["-no_check_time", "-check_ss_sig", "-CAfile", self.root.path]
        arguments += ["-untrusted", between] if len(chain) > 2 else []
        check(openssl("verify", *arguments, one.path)[0] == 0, "chain", "a certificate of %s does not stand" % code)
        return chain

    def signer(self, name: str, code: str) -> Certificate:
        """The certificate with which a node signs: chained, and named by the root as this node's."""
        one = self.chain(name, code)[0]
        check(not one.issues, "signer", "%s signs with a key that only issues" % code)
        check(name in self.named, "named", "the root has not said that this certificate is %s's" % code)
        return one

    def read_trust(self, trust: dict[str, Any]) -> None:
        checkpoint = trust["checkpoint"]
        check(trust["stream"] == self.root.code + "/trust", "named", "this is not the root's trust stream")
        signer = self.chain(checkpoint["signer"], self.root.code)[0]
        check_seal(self.tree, trust["stream"], checkpoint, signer)
        for one in trust["records"]:
            body = one["record"].encode()
            check_inclusion(leaf_hash(body), one["position"], checkpoint, one["inclusion"], "a record of trust")
            code, parent, ders = read_issued(body)
            for der in ders:
                self.named[hashlib.sha256(der).hexdigest()] = (code, parent)
        for name, (code, parent) in self.named.items():
            if name in self.all and not self.all[name].is_root:
                issuer = self.chain(name, code)[1]
                check(issuer.code in (parent, self.root.code), "chain", "%s was certified by %s" % (code, issuer.code))
                known = issuer.is_root or issuer.name in self.named
                check(known, "named", "the root has not said that this certificate is %s's" % issuer.code)


def read_issued(body: bytes) -> tuple[str, str, list[bytes]]:
    """Code, parent and certificates out of a CertificateIssued record."""
    check(b"<!" not in body and b"<?" not in body, "named", "a record of trust is no record")
    try:
        element = ET.fromstring(body)
    except ET.ParseError:
        raise Refused("named", "a record of trust is no record") from None
    check(element.tag == NAMESPACE + "CertificateIssued", "named", "a record of trust names no certificate")
    ders = [element.findtext(NAMESPACE + name) for name in ("IssuingCertificate", "Certificate")]
    code, parent = (element.findtext(NAMESPACE + name) or "" for name in ("NodeCode", "ParentCode"))
    return code, parent, [base64.b64decode(der) for der in ders if der]


def check_seal(tree: str, stream: str, one: dict[str, Any], signer: Certificate) -> None:
    text = "yizhan.checkpoint/1\ntree %s\nstream %s\nsize %d\nroot %s\ntime %s\nsigner %s\n" % (
        tree,
        stream,
        one["size"],
        one["root"],
        one["time"],
        one["signer"],
    )
    stands = not signer.issues and one["time"] <= signer.ends and signer.has_signed(text, unbase64(one["signature"]))
    check(stands, "seal", "a checkpoint of %s was not signed by its origin" % stream)


def check_receipt(tree: str, stream: str, one: dict[str, Any], signer: Certificate) -> None:
    text = "yizhan.receipt/1\ntree %s\nholder %s\nstream %s\nsize %d\nroot %s\ntime %s\nsigner %s\n" % (
        tree,
        one["holder"],
        stream,
        one["size"],
        one["root"],
        one["time"],
        one["signer"],
    )
    stands = one["time"] <= signer.ends and signer.has_signed(text, unbase64(one["signature"]))
    check(stands, "receipt", "the receipt of %s was not signed by it" % one["holder"])


# --- one file ----------------------------------------------------------------------------------------------------


def unhex(text: str) -> bytes:
    check(re.fullmatch("[0-9a-f]{64}", text), "format", "a hash is not 64 hex digits")
    return bytes.fromhex(text)


def unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("format", "a text is not base64") from None


SHAPE = {
    "file": "certificates checkpoint inclusion leaf position receipts record schema stream tree trust",
    "checkpoint": "root signature signer size time",
    "receipt": "consistency holder root signature signer size time",
    "trust": "checkpoint records stream",
    "trust record": "inclusion position record",
}


def shaped(value: Any, name: str) -> None:
    check(isinstance(value, dict) and sorted(value) == SHAPE[name].split(), "format", "the %s is incomplete" % name)
    for key, one in value.items():
        whole = isinstance(one, int) and not isinstance(one, bool) and 0 < one < 2**40
        texts = isinstance(one, list) and all(isinstance(item, str) for item in one)
        right = {
            "size": whole,
            "position": whole,
            "inclusion": texts,
            "consistency": texts,
            "certificates": texts,
            "checkpoint": isinstance(one, dict),
            "trust": isinstance(one, dict),
            "receipts": isinstance(one, list),
            "records": isinstance(one, list),
            "record": isinstance(one, str) or (one is None and name == "file"),
        }.get(key, isinstance(one, str))
        check(right, "format", "%s of the %s has the wrong form" % (key, name))
    if "time" in value:
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value["time"]), "format", "a time has the wrong form")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    check(len(dict(pairs)) == len(pairs), "format", "a name stands twice")
    return dict(pairs)


def read(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    check(len(data) <= FILE_BYTES_MAX, "format", "the file is too large")
    try:
        given: dict[str, Any] = json.loads(data.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Refused("format", "the file is no JSON document") from None
    shaped(given, "file")
    check(given["schema"] == SCHEMA, "format", "the file is not %s" % SCHEMA)
    shaped(given["checkpoint"], "checkpoint")
    shaped(given["trust"], "trust")
    shaped(given["trust"]["checkpoint"], "checkpoint")
    for one in given["receipts"]:
        shaped(one, "receipt")
    for one in given["trust"]["records"]:
        shaped(one, "trust record")
    for text in (given["tree"], given["leaf"]):
        unhex(text)
    return given


def verify(path: str, tree: str | None) -> list[str]:
    """Check one file and return the lines that tell what it shows."""
    given = read(path)
    check(tree in (None, given["tree"]), "tree", "it belongs to the tree %s" % given["tree"])
    stream, leaf, checkpoint = given["stream"], unhex(given["leaf"]), given["checkpoint"]
    with tempfile.TemporaryDirectory() as folder:
        book = Book(given, folder)
        if given["record"] is not None:
            check(leaf_hash(given["record"].encode()) == leaf, "record", "the record is not the one that was hashed")
        check_inclusion(leaf, given["position"], checkpoint, given["inclusion"], "the record")
        origin = stream.partition("/")[0]
        check_seal(given["tree"], stream, checkpoint, book.signer(checkpoint["signer"], origin))
        for one in given["receipts"]:
            check(one["holder"] != origin, "receipt", "the origin cannot witness its own record")
            check_growth(checkpoint, one, one["consistency"], "the receipt of %s" % one["holder"])
            check_receipt(given["tree"], stream, one, book.signer(one["signer"], one["holder"]))
    lines = ["stands  %s/%d" % (stream, given["position"]), "  tree %s" % given["tree"]]
    lines.append("  sealed by %s at %s" % (origin, checkpoint["time"]))
    return lines + ["  held by %s at %s" % (one["holder"], one["time"]) for one in given["receipts"]]


def main(arguments: list[str]) -> int:
    tree = None
    if arguments[:1] == ["--tree"]:
        tree, arguments = "".join(arguments[1:2]), arguments[2:]
    if not arguments or arguments[0].startswith("-"):
        print(__doc__.strip())
        return 2
    status = 0
    for path in arguments:
        try:
            print("%s: %s" % (path, "\n".join(verify(path, tree))))
        except Refused as error:
            print("%s: REFUSED [%s] %s" % (path, error.args[0], error.args[1]))
            status = 1
        except OSError as error:
            print("%s: cannot be read: %s" % (path, error.strerror))
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
