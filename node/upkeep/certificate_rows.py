"""The rows of certificates: whether each is the one of its name, and says what its columns say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update

from node.errors import IdentityError
from node.journal.records import records_at
from node.journal.tables import record
from node.standard.codec import parse_unvalidated
from node.standard.families import record_number
from node.trust.certificates import fingerprint, read_certificate
from node.trust.issued import RECORD_TYPE, read_issued
from node.trust.tables import certificate
from node.upkeep.damages import Damage, executing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.upkeep.damages import Mend
    from node.upkeep.seal_rows import SealReader

DAMAGED: Final = "certificate"
_SAID: Final = ("code", "kind", "key_id", "not_before", "not_after")


def check_certificates(connection: Connection, reader: SealReader) -> Iterator[Damage]:
    """Yield the certificates that are not those of their names, and rows that say other things than theirs."""
    for row in connection.execute(select(certificate)).all():
        der = bytes(row.der)
        try:
            read = read_certificate(der)
        except IdentityError:
            read = None
        if read is None or fingerprint(der) != row.fingerprint:
            said = f"The certificate {row.fingerprint[:16]} of {row.code} is not that of its name."
            mend = _learning(reader, row.fingerprint)
            yield Damage(kind=DAMAGED, subject=row.fingerprint, text=said, mend=mend)
            continue
        wanted = {name: getattr(read, name) for name in _SAID}
        if any(row._mapping[name] != value for name, value in wanted.items()):  # noqa: SLF001 - its public mapping.
            statement = update(certificate).where(certificate.c.fingerprint == row.fingerprint).values(**wanted)
            said = f"The row of the certificate {row.fingerprint[:16]} says other things than the certificate."
            subject = f"{row.fingerprint} columns"
            yield Damage(kind=DAMAGED, subject=subject, text=said, mend=executing(statement))


def _learning(reader: SealReader, name: str) -> Mend:
    """Return what drops a row and learns again what this node got at joining and what records issue."""

    def mend(transaction: Transaction) -> None:
        transaction.connection.execute(delete(certificate).where(certificate.c.fingerprint == name))
        book = reader.fresh_book()
        for ders in (reader.brought, *_issued(transaction.connection)):
            try:
                book.learn(transaction, ders, reader.clock.now())
            except IdentityError:
                # Its chain is not whole yet: that of another record may make it so, at the next pass.
                continue

    return mend


def _issued(connection: Connection) -> Iterator[tuple[bytes, ...]]:
    """Yield the certificates of every record that issues some: a few hundred in a province."""
    query = select(record.c.key).where(record.c.type_number == record_number(RECORD_TYPE), record.c.body.is_not(None))
    for one in records_at(connection, connection.scalars(query.order_by(record.c.key)).all()):
        yield tuple(read_issued(parse_unvalidated(one.body or b"")).certificates)
