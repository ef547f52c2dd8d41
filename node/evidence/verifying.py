"""Checking evidence with nothing but itself: no database, no network, no clock.

What is shown when everything stands: the record stood at its position of its origin's stream when the origin sealed
it; each witness held it at the time of its receipt; the root has said in ``trust`` whose certificates these are. What
has to be compared with something from elsewhere is the tree: the fingerprint of the root's key.

A reason is a constant word, the same in ``verify_evidence.py``: ``format tree record inclusion chain named signer seal
receipt consistency``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.errors import EvidenceRefusedError, IdentityError, RecordRefusedError
from node.journal.merkle import leaf_hash
from node.journal.proofs import grows, root_of_inclusion
from node.standard.codec import parse_record, record_type
from node.standard.seals import TRUST
from node.trust.certificates import NODE, ROOT, Certificate, check_chain, check_step, read_certificate
from node.trust.issued import RECORD_TYPE, IssuedNode, read_issued
from node.trust.suites import verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from node.evidence.document import Evidence, Witness
    from node.standard.seals import Checkpoint, StreamName

REASONS: Final = (
    "format",
    "tree",
    "record",
    "inclusion",
    "chain",
    "named",
    "signer",
    "seal",
    "receipt",
    "consistency",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One witness: ``holder`` has signed at ``received_at`` (its own clock) that it holds the record."""

    holder: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What evidence shows; ``record_type`` is "" where the record was redacted. ``sealed_at`` is the origin's clock."""

    tree: str
    root_code: str
    stream: StreamName
    position: int
    record_type: str
    sealed_at: datetime
    held: tuple[Held, ...]


def verify_evidence(evidence: Evidence, *, tree: str | None = None) -> Verified:
    """Check everything and return what is shown; EvidenceRefusedError, with its reason, at the first fault.

    ``tree`` is the fingerprint (hex) that the evidence has to belong to, where it is known from elsewhere.
    """
    if tree is not None and tree != evidence.tree:
        raise _refused("tree", f"It belongs to the tree {evidence.tree}.", f"{tree} was expected")
    book = _Book(evidence)
    _check_record(evidence)
    book.check_seal(evidence.checkpoint)
    for witness in evidence.witnesses:
        _check_witness(evidence, witness, book)
    return Verified(
        tree=evidence.tree,
        root_code=book.root.code,
        stream=evidence.stream,
        position=evidence.position,
        record_type="" if evidence.record is None else _type_of(evidence.record),
        sealed_at=evidence.checkpoint.sealed_at,
        held=tuple(Held(holder=one.receipt.holder, received_at=one.receipt.received_at) for one in evidence.witnesses),
    )


def _check_record(evidence: Evidence) -> None:
    if evidence.record is not None and leaf_hash(evidence.record) != evidence.leaf:
        raise _refused("record", "The record is not the one whose hash is given.", "a byte of it differs")
    _check_inclusion(evidence.leaf, evidence.position, evidence.checkpoint, evidence.inclusion)


def _check_inclusion(leaf: bytes, position: int, checkpoint: Checkpoint, proof: Sequence[bytes]) -> None:
    try:
        root = root_of_inclusion(leaf, position, checkpoint.size, proof)
    except ValueError as error:
        raise _refused("inclusion", f"Record {position} is not shown to stand in the stream.", str(error)) from None
    if root != checkpoint.root:
        why = "the proof leads to another root"
        raise _refused("inclusion", f"Record {position} is not shown to stand in the stream.", why)


def _check_witness(evidence: Evidence, witness: Witness, book: _Book) -> None:
    receipt, checkpoint = witness.receipt, evidence.checkpoint
    if receipt.holder == evidence.stream.origin:
        raise _refused("receipt", f"A receipt of {receipt.holder} witnesses nothing.", "it is the origin itself")
    if not grows(checkpoint.size, checkpoint.root, receipt.size, receipt.root, witness.consistency):
        what = f"The receipt of {receipt.holder} is for another past of the stream."
        raise _refused("consistency", what, "the proof does not lead from the checkpoint to it")
    signer = book.signer(receipt.signer, receipt.holder)
    if receipt.received_at > signer.not_after or not verify(
        signer.public_key, receipt.text(evidence.tree), receipt.signature
    ):
        raise _refused(
            "receipt", f"The receipt of {receipt.holder} was not signed by it.", f"certificate {signer.fingerprint}"
        )


class _Book:
    """The certificates of the evidence, as far as the root has named them in ``trust``."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._certificates = _certificates(evidence)
        self.root = next(iter(one for one in self._certificates.values() if one.kind == ROOT), None) or _rootless()
        self._named: dict[str, IssuedNode] = {}
        for issued in self._statements():
            self._named.update((read_certificate(der).fingerprint, issued) for der in issued.certificates)
        self._check_named()

    def check_seal(self, checkpoint: Checkpoint) -> None:
        """Check that the stream's origin signed a checkpoint."""
        self._check_seal(checkpoint, self.signer(checkpoint.signer, checkpoint.stream.origin))

    def signer(self, name: str, code: str) -> Certificate:
        """Return the node certificate ``name`` of the node ``code``, which the root has named."""
        certificate = self._chained(name, code)[0]
        if name not in self._named:
            raise _refused("named", f"The root has not said that this certificate is {code}'s.", name)
        return certificate

    def _statements(self) -> Iterator[IssuedNode]:
        """Yield what the root says in ``trust``, once its seal over it stands."""
        evidence, root = self._evidence, self.root.code
        trust = evidence.trust
        if trust.stream.audience != TRUST or trust.stream.origin != root:
            raise _refused(
                "named", f"{trust.stream} is not the trust stream of the root {root}.", "only it names nodes"
            )
        # The root's own certificate stands by itself: it is signed with the key that names the tree.
        self._check_seal(trust, self._chained(trust.signer, root)[0])
        for one in evidence.named:
            _check_inclusion(leaf_hash(one.record), one.position, trust, one.inclusion)
            try:
                element = parse_record(one.record)
                if record_type(element) != RECORD_TYPE:
                    raise _refused(
                        "named", f"Record {one.position} of trust names no certificate.", record_type(element)
                    )
                yield read_issued(element)
            except RecordRefusedError as error:
                raise _refused(
                    "named", f"Record {one.position} of trust does not follow the standard.", error.why
                ) from None

    def _check_named(self) -> None:
        """Check that whoever issued a certificate is, by the root's word, the parent of its holder, or the root."""
        for name, issued in self._named.items():
            certificate = self._certificates.get(name)
            if certificate is None or certificate.kind == ROOT:
                continue
            if certificate.code != issued.code:
                raise _refused("named", f"A certificate of {certificate.code} is named as {issued.code}'s.", name)
            issuer = self._chained(name, certificate.code)[1]
            if issuer.code not in {issued.parent, self.root.code}:
                what = f"The certificate of {issued.code} was issued by {issuer.code}."
                raise _refused("chain", what, f"its parent is {issued.parent or 'nobody'}")
            if issuer.fingerprint not in self._named and issuer.kind != ROOT:
                raise _refused(
                    "named", f"The root has not said that this issuing certificate is {issuer.code}'s.", name
                )

    def _chained(self, name: str, code: str) -> list[Certificate]:
        """Return a certificate of ``code`` and its issuers up to the root."""
        certificate = self._certificates.get(name)
        if certificate is None or certificate.code != code:
            raise _refused("signer", f"The certificate with which {code} signed is missing.", name)
        chain = [certificate]
        while chain[-1].kind != ROOT:
            above = self._issuer_of(chain[-1])
            if above is None or above in chain:
                raise _refused("chain", f"A certificate of {code} does not lead to the root.", chain[-1].fingerprint)
            chain.append(above)
        try:
            check_chain(chain, self._evidence.tree)
        except IdentityError as error:
            raise _refused("chain", error.what, error.why) from None
        return chain

    def _issuer_of(self, certificate: Certificate) -> Certificate | None:
        """Return what issued a certificate: of several of the issuing key the one under which it stands."""
        issuers = [
            one for one in self._certificates.values() if one.key_id == certificate.issuer_key_id and one.kind != NODE
        ]
        return next((one for one in issuers if _stands_under(certificate, one)), next(iter(issuers), None))

    def _check_seal(self, checkpoint: Checkpoint, signer: Certificate) -> None:
        stands = signer.kind == NODE and checkpoint.sealed_at <= signer.not_after
        if not stands or not verify(signer.public_key, checkpoint.text(self._evidence.tree), checkpoint.signature):
            what = f"The checkpoint of {checkpoint.stream} at {checkpoint.size} was not signed by its origin."
            raise _refused("seal", what, f"certificate {signer.fingerprint}")


def _certificates(evidence: Evidence) -> dict[str, Certificate]:
    try:
        found = [read_certificate(der) for der in evidence.certificates]
    except IdentityError as error:
        raise _refused("chain", error.what, error.why) from None
    strange = next((one for one in found if one.tree != evidence.tree), None)
    if strange is not None:
        raise _refused("tree", f"A certificate of {strange.code} belongs to another tree.", strange.tree)
    return {one.fingerprint: one for one in found}


def _stands_under(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        check_step(certificate, issuer)
    except IdentityError:
        return False
    return True


def _rootless() -> Certificate:
    raise _refused("chain", "The certificate of the root is missing.", "it names the tree")


def _type_of(record: bytes) -> str:
    """Return the record's type; a record that this version cannot read is shown all the same, by its hash."""
    try:
        return record_type(parse_record(record))
    except RecordRefusedError:
        return ""


def _refused(reason: str, what: str, why: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(reason, what, why=why)
