"""The rows of seals: whether checkpoints and receipts of a stream are what their signers signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from node.errors import IdentityError
from node.journal.roots import frontier_at
from node.journal.tables import checkpoint as checkpoint_table
from node.journal.tables import receipt as receipt_table
from node.standard.seals import Checkpoint, Receipt, StreamName
from node.trust.suites import verify
from node.upkeep.damages import Damage, executing

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.journal.seal import Signer
    from node.journal.store import Transaction
    from node.trust.book import CertificateBook
    from node.trust.certificates import Certificate
    from node.upkeep.damages import Mend


@dataclass(frozen=True, slots=True, kw_only=True)
class SealReader:
    """Who reads seals: ``signer`` is this node's identity, which signs again what is its own.

    ``brought`` are the certificates (DER) that it got at joining, ``fresh_book`` gives a book that remembers nothing.
    ``certain``: every certificate held is the one of its name, so a seal whose signer is unknown is damaged itself.
    """

    code: str
    book: CertificateBook
    signer: Signer
    clock: Clock
    brought: tuple[bytes, ...]
    fresh_book: Callable[[], CertificateBook]
    certain: bool = True

    def certificate(self, connection: Connection, name: str) -> Certificate | None:
        """Return the certificate of this fingerprint, None when it is not known or cannot be read."""
        try:
            return self.book.certificate(connection, name)
        except IdentityError:
            return None

    def is_signed(self, connection: Connection, seal: Checkpoint | Receipt, code: str) -> bool:
        """Tell whether the node ``code`` signed this with the certificate that it names.

        Whether that certificate counts was judged when the seal came; here only its bytes matter.
        """
        certificate = self.certificate(connection, seal.signer)
        if certificate is None or certificate.code != code:
            return False
        return verify(certificate.public_key, seal.text(self.signer.tree), seal.signature)


@dataclass(slots=True, kw_only=True)
class Seals:
    """The seals of a stream at one size: the roots that are signed for, and the rows that do not stand."""

    roots: set[bytes]
    damages: list[Damage]
    checkpoints: list[Any]
    """Rows of checkpoints that stand, for what they say of bytes."""


def seals_between(
    connection: Connection, reader: SealReader, stream: StreamName, stream_id: int, low: int, high: int | None
) -> dict[int, Seals]:
    """Return the seals at sizes above ``low`` up to ``high`` (None: without end), by size."""
    found: dict[int, Seals] = {}
    for table, check in ((checkpoint_table, _check_checkpoint), (receipt_table, _check_receipt)):
        query = select(table).where(table.c.stream_id == stream_id, table.c.size > low)
        if high is not None:
            query = query.where(table.c.size <= high)
        for row in connection.execute(query).all():
            seals = found.setdefault(row.size, Seals(roots=set(), damages=[], checkpoints=[]))
            if damaged := check(connection, reader, stream, row):
                seals.damages.append(damaged)
            else:
                seals.roots.add(bytes(row.root))
                if table is checkpoint_table:
                    seals.checkpoints.append(row)
    return found


def drop_seal(table: Table, row: Any) -> Mend:
    """Return what drops one row of a seal: who signed it says it again."""
    where = [column == row._mapping[column.name] for column in table.primary_key]  # noqa: SLF001 - its public mapping.
    return executing(delete(table).where(*where))


def sign_again(reader: SealReader, stream: StreamName, stream_id: int, size: int) -> Mend:
    """Return what signs an own checkpoint again; its root is that of tiles and leaves, which are mended before."""

    def mend(transaction: Transaction) -> None:
        root = frontier_at(transaction.connection, stream_id, size).root()
        at = reader.clock.now().astimezone(UTC).replace(microsecond=0)
        plain = Checkpoint(stream=stream, size=size, root=root, sealed_at=at, signer=reader.signer.fingerprint)
        signature = reader.signer.sign(plain.text(reader.signer.tree))
        values = {"root": root, "sealed_at": at, "signer": plain.signer, "signature": signature}
        where = (checkpoint_table.c.stream_id == stream_id, checkpoint_table.c.size == size)
        transaction.connection.execute(update(checkpoint_table).where(*where).values(**values))

    return mend


def _check_checkpoint(connection: Connection, reader: SealReader, stream: StreamName, row: Any) -> Damage | None:
    seal = Checkpoint(
        stream=stream,
        size=row.size,
        root=bytes(row.root),
        sealed_at=row.sealed_at,
        signer=row.signer,
        signature=bytes(row.signature),
    )
    if not seal.sealed_at.microsecond and reader.is_signed(connection, seal, stream.origin):
        return None
    return Damage(
        kind="checkpoint",
        subject=f"{stream} at {row.size}",
        text=f"The checkpoint of {stream} at {row.size} is not what {stream.origin} signed.",
        stream_id=row.stream_id,
        mend=drop_seal(checkpoint_table, row) if reader.certain else None,
    )


def _check_receipt(connection: Connection, reader: SealReader, stream: StreamName, row: Any) -> Damage | None:
    seal = Receipt(
        holder=row.holder,
        stream=stream,
        size=row.size,
        root=bytes(row.root),
        received_at=row.received_at,
        signer=row.signer,
        signature=bytes(row.signature),
    )
    if not seal.received_at.microsecond and reader.is_signed(connection, seal, row.holder):
        return None
    return Damage(
        kind="receipt",
        subject=f"{stream} at {row.size} by {row.holder}",
        text=f"The receipt of {row.holder} for {stream} at {row.size} is not what it signed.",
        stream_id=row.stream_id,
        mend=drop_seal(receipt_table, row) if reader.certain else None,
    )
