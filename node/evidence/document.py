"""The evidence file: one JSON document, read strictly because it comes from outside.

docs/reference/evidence.md describes it. Hashes are lower-case hex, signatures and certificates base64, the record is
its exact text, times are those of the signed texts.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.errors import EvidenceRefusedError
from node.standard.codec import RECORD_BYTES_MAX
from node.standard.seals import Checkpoint, Receipt, StreamName, parse_time_text, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

SCHEMA: Final = "yizhan.evidence/1"
FILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of an evidence file: a record of the largest size, escaped, and everything beside it. Our own choice."""
PROOF_HASHES_MAX: Final = 80
"""Hashes of one proof: twice the levels of a tree of 2^40 records."""
RECEIPTS_MAX: Final = 64
CERTIFICATES_MAX: Final = 64
NAMED_MAX: Final = 64
FORMAT: Final = "format"
"""Reason: the file is not an evidence file of this form."""

_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")
_CODE: Final = re.compile(r"[0-9]{6}(?:[0-9]{3}){0,2}\Z")
_SIZE_MAX: Final = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A receipt for the stream, and the proof that the checkpoint's root grew into its root."""

    receipt: Receipt
    consistency: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A CertificateIssued record of ``trust``: its position, its exact bytes, its inclusion proof."""

    position: int
    record: bytes
    inclusion: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one evidence file says.

    ``record`` is the exact bytes, None where the record was redacted: then only its ``leaf`` (32 bytes) is left.
    ``inclusion`` leads from it to ``checkpoint``, the first that is kept behind it. ``certificates`` are DER: those of
    all signers and of their issuers, the root's included. ``named`` are the records by which the root says in ``trust``
    whose they are; they stand under ``trust``, a checkpoint of the root.
    """

    tree: str
    stream: StreamName
    position: int
    record: bytes | None
    leaf: bytes
    checkpoint: Checkpoint
    inclusion: tuple[bytes, ...]
    witnesses: tuple[Witness, ...]
    certificates: tuple[bytes, ...]
    trust: Checkpoint
    named: tuple[Named, ...]


def write_evidence(evidence: Evidence) -> bytes:
    """Return the file's bytes: UTF-8, ended by a newline."""
    record = None if evidence.record is None else evidence.record.decode()
    document = {
        "schema": SCHEMA,
        "tree": evidence.tree,
        "stream": str(evidence.stream),
        "position": evidence.position,
        "leaf": evidence.leaf.hex(),
        "record": record,
        "checkpoint": _checkpoint_json(evidence.checkpoint),
        "inclusion": _hexes(evidence.inclusion),
        "receipts": [_witness_json(one) for one in evidence.witnesses],
        "certificates": [b64encode(der).decode() for der in evidence.certificates],
        "trust": {
            "stream": str(evidence.trust.stream),
            "checkpoint": _checkpoint_json(evidence.trust),
            "records": [
                {"position": one.position, "record": one.record.decode(), "inclusion": _hexes(one.inclusion)}
                for one in evidence.named
            ],
        },
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def read_evidence(data: bytes) -> Evidence:
    """Read an evidence file; EvidenceRefusedError (reason ``format``) names the first place that does not fit.

    Nothing is verified here: ``node.evidence.verifying`` does that.
    """
    if len(data) > FILE_BYTES_MAX:
        raise _unfit("file", f"{len(data)} bytes; at most {FILE_BYTES_MAX}")
    try:
        given = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _unfit("file", "it is no JSON document in UTF-8, or a name stands twice in it") from None
    top = _Reader(given, "file")
    if top.value.get("schema") != SCHEMA:
        raise _unfit("schema", f"{str(top.value.get('schema'))[:40]!r} is not {SCHEMA}")
    top.only(
        "schema tree stream position leaf record checkpoint inclusion receipts certificates trust",
    )
    stream = top.stream("stream")
    trust = top.inner("trust")
    trust.only("stream checkpoint records")
    record = top.value["record"]
    return Evidence(
        tree=top.hash("tree").hex(),
        stream=stream,
        position=top.size("position"),
        leaf=top.hash("leaf"),
        record=None if record is None else top.record("record"),
        checkpoint=_checkpoint(top.inner("checkpoint"), stream),
        inclusion=top.hashes("inclusion"),
        witnesses=top.each("receipts", RECEIPTS_MAX, lambda one: _witness(one, stream)),
        certificates=top.ders("certificates"),
        trust=_checkpoint(trust.inner("checkpoint"), trust.stream("stream")),
        named=trust.each("records", NAMED_MAX, _named),
    )


class _Reader:
    """One object of the file, with its place for messages; every method raises EvidenceRefusedError."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise _unfit(place, "an object is expected")
        self.value: Mapping[str, Any] = value
        self.place = place

    def only(self, names: str) -> None:
        """Refuse missing and further names."""
        wanted = set(names.split())
        if set(self.value) != wanted:
            odd = sorted(wanted ^ set(self.value))
            raise _unfit(self.place, f"{odd[0][:40]} is missing, or does not belong here")

    def text(self, name: str, longest: int) -> str:
        value = self.value[name]
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            raise self.unfit(name, f"a text of 1 to {longest} characters is expected")
        return value

    def hash(self, name: str) -> bytes:
        return self._hash(name, self.value[name])

    def hashes(self, name: str) -> tuple[bytes, ...]:
        return tuple(self._hash(name, one) for one in self._list(name, PROOF_HASHES_MAX))

    def size(self, name: str) -> int:
        value = self.value[name]
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < _SIZE_MAX:
            raise self.unfit(name, "a whole number from 1 is expected")
        return value

    def code(self, name: str) -> str:
        value = self.text(name, 12)
        if not _CODE.match(value):
            raise self.unfit(name, "a node's code of 6, 9 or 12 digits is expected")
        return value

    def stream(self, name: str) -> StreamName:
        try:
            return StreamName.parse(self.text(name, 40))
        except ValueError:
            raise self.unfit(name, "ORIGIN/AUDIENCE is expected") from None

    def time(self, name: str) -> datetime:
        try:
            return parse_time_text(self.text(name, 20))
        except ValueError:
            raise self.unfit(name, "a time like 2026-01-05T04:00:00Z is expected") from None

    def record(self, name: str) -> bytes:
        return self.text(name, RECORD_BYTES_MAX).encode()

    def base64(self, name: str) -> bytes:
        return self._base64(name, self.value[name])

    def ders(self, name: str) -> tuple[bytes, ...]:
        return tuple(self._base64(name, one) for one in self._list(name, CERTIFICATES_MAX))

    def inner(self, name: str) -> _Reader:
        return _Reader(self.value[name], f"{self.place}.{name}")

    def each(self, name: str, most: int, read: Callable[[_Reader], Any]) -> tuple[Any, ...]:
        return tuple(read(_Reader(one, f"{self.place}.{name}[{at}]")) for at, one in enumerate(self._list(name, most)))

    def unfit(self, name: str, text: str) -> EvidenceRefusedError:
        return _unfit(f"{self.place}.{name}", text)

    def _list(self, name: str, most: int) -> list[Any]:
        value = self.value[name]
        if not isinstance(value, list) or len(value) > most:
            raise self.unfit(name, f"a list of at most {most} is expected")
        return value

    def _hash(self, name: str, value: Any) -> bytes:
        if not isinstance(value, str) or not _HASH.match(value):
            raise self.unfit(name, "64 lower-case hex digits are expected")
        return bytes.fromhex(value)

    def _base64(self, name: str, value: Any) -> bytes:
        try:
            return b64decode(value, validate=True)
        except (ValueError, TypeError):
            raise self.unfit(name, "base64 is expected") from None


def _checkpoint(given: _Reader, stream: StreamName) -> Checkpoint:
    given.only("size root time signer signature")
    return Checkpoint(
        stream=stream,
        size=given.size("size"),
        root=given.hash("root"),
        sealed_at=given.time("time"),
        signer=given.hash("signer").hex(),
        signature=given.base64("signature"),
    )


def _witness(given: _Reader, stream: StreamName) -> Witness:
    given.only("holder size root time signer signature consistency")
    receipt = Receipt(
        holder=given.code("holder"),
        stream=stream,
        size=given.size("size"),
        root=given.hash("root"),
        received_at=given.time("time"),
        signer=given.hash("signer").hex(),
        signature=given.base64("signature"),
    )
    return Witness(receipt=receipt, consistency=given.hashes("consistency"))


def _named(given: _Reader) -> Named:
    given.only("position record inclusion")
    return Named(position=given.size("position"), record=given.record("record"), inclusion=given.hashes("inclusion"))


def _checkpoint_json(one: Checkpoint) -> dict[str, Any]:
    return {
        "size": one.size,
        "root": one.root.hex(),
        "time": time_text(one.sealed_at),
        "signer": one.signer,
        "signature": b64encode(one.signature).decode(),
    }


def _witness_json(one: Witness) -> dict[str, Any]:
    receipt = one.receipt
    return {
        "holder": receipt.holder,
        "size": receipt.size,
        "root": receipt.root.hex(),
        "time": time_text(receipt.received_at),
        "signer": receipt.signer,
        "signature": b64encode(receipt.signature).decode(),
        "consistency": _hexes(one.consistency),
    }


def _hexes(hashes: tuple[bytes, ...]) -> list[str]:
    return [one.hex() for one in hashes]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a name stands twice"
        raise ValueError(message)
    return found


def _unfit(place: str, text: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(FORMAT, f"This is no evidence file: {place}.", why=text)
