"""Making evidence at a node that holds the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import EvidenceNotYetError, NotFoundError
from node.evidence.document import RECEIPTS_MAX, Evidence, Named, Witness
from node.journal import checkpoints
from node.journal.proofs import consistency_proof, inclusion_proof
from node.journal.receipts import first_receipts
from node.standard.codec import parse_record
from node.standard.seals import TRUST, StreamName
from node.trust.certificates import ROOT, fingerprint
from node.trust.issued import read_issued
from node.trust.standing import trust_positions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from node.journal.holdings import Held
    from node.journal.streams import Journal
    from node.standard.seals import Checkpoint
    from node.trust.book import CertificateBook
    from node.trust.certificates import Certificate
    from node.trust.identity import Identity


def make_evidence(
    connection: Connection,
    journal: Journal,
    book: CertificateBook,
    identity: Identity,
    *,
    stream: StreamName,
    position: int,
) -> Evidence:
    """Return the evidence of one held record: under the first checkpoint behind it, with each holder's first receipt.

    Raises NotFoundError when the record is not held, EvidenceNotYetError while it is not sealed or the root has not yet
    named a signer in ``trust`` as far as this node holds it.
    """
    held = journal.held(connection, stream)
    found = journal.stored(connection, stream, position, position) if held is not None else []
    if held is None or not found:
        raise NotFoundError(
            f"{stream} has no record at {position}",
            why=f"{held.size} of its records are held here" if held else "the stream is not held here",
            action="yizhan status names the streams that are held, and their sizes",
        )
    checkpoint = _sealed(connection, held, position)
    receipts = first_receipts(connection, stream, position)[:RECEIPTS_MAX]
    witnesses = tuple(
        Witness(
            receipt=one,
            consistency=tuple(consistency_proof(connection, held.stream_id, checkpoint.size, one.size)),
        )
        for one in receipts
    )
    trust, trusted = _trust(connection, journal, identity)
    signers = {checkpoint.signer, trust.signer, *(one.signer for one in receipts)}
    chains = [certificate for name in sorted(signers) for certificate in _chain(connection, book, name)]
    certificates = {one.fingerprint: one for one in chains}
    return Evidence(
        tree=identity.tree,
        stream=stream,
        position=position,
        record=found[0].body,
        leaf=found[0].leaf,
        checkpoint=checkpoint,
        inclusion=tuple(inclusion_proof(connection, held.stream_id, position, checkpoint.size)),
        witnesses=witnesses,
        certificates=tuple(one.der for one in certificates.values()),
        trust=trust,
        named=_named(connection, journal, trusted, trust, certificates.values()),
    )


def _sealed(connection: Connection, held: Held, position: int) -> Checkpoint:
    found = checkpoints.between(connection, held.stream, position - 1, held.size, limit=1)
    if not found:
        raise EvidenceNotYetError(
            f"Record {position} of {held.stream} is not sealed yet.",
            why="its origin seals what is committed while it runs",
            action="run the node, then ask again",
        )
    return found[0]


def _trust(connection: Connection, journal: Journal, identity: Identity) -> tuple[Checkpoint, Held]:
    stream = StreamName(identity.root_code, TRUST)
    held = journal.held(connection, stream)
    newest = checkpoints.newest(connection, stream)
    if held is None or newest is None:
        raise EvidenceNotYetError(
            "Nothing of the trust stream is held yet.",
            why="by it the root says whose certificates these are",
            action="run the node until its link to the level above is up, then ask again",
        )
    return newest, held


def _chain(connection: Connection, book: CertificateBook, name: str) -> list[Certificate]:
    chain: list[Certificate] = []
    one = book.certificate(connection, name)
    while one is not None:
        chain.append(one)
        one = book.issuer(connection, one.fingerprint)
    return chain


def _named(
    connection: Connection, journal: Journal, trusted: Held, trust: Checkpoint, certificates: Iterable[Certificate]
) -> tuple[Named, ...]:
    """Return the records of ``trust`` that name these certificates, each record once, in order."""
    missing = {one.fingerprint: one for one in certificates if one.kind != ROOT}
    found: dict[int, Named] = {}
    for code in sorted({one.code for one in missing.values()}):
        for position in trust_positions(connection, code, trust.size):
            record = journal.stored(connection, trust.stream, position, position)[0].body or b""
            named = missing.keys() & {fingerprint(der) for der in read_issued(parse_record(record)).certificates}
            if named:
                proof = inclusion_proof(connection, trusted.stream_id, position, trust.size)
                found[position] = Named(position=position, record=record, inclusion=tuple(proof))
            for name in named:
                del missing[name]
    if missing:
        one = next(iter(missing.values()))
        raise EvidenceNotYetError(
            f"The root has not named a certificate of {one.code} in trust, as far as it is held here.",
            why=f"the {one.kind} certificate {one.fingerprint[:16]}",
            action="wait until what its issuer wrote has reached the root and come back, then ask again",
        )
    return tuple(found[position] for position in sorted(found))
