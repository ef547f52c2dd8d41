"""Which certificate of a node counts: what is known first-hand, until ``trust`` has caught up with it (02, R14).

Everywhere the newest CertificateIssued in ``trust`` counts. But trust takes its time: a city issues a certificate, its
record climbs to the root, the root repeats it, the repetition comes down. Two nodes know better meanwhile, because they
were there:

- the issuer, for its direct children: by its own ``ancestors`` stream;
- the node that has joined, for itself and those above it: by the answer to its join (its ``path``).

If they waited, a node that joins again with a new key could not talk to its parent until the root has spoken: the
parent would expect the key that was lost, and the child, reading trust from the beginning, its parent's old key. With
the province away, never.

So what is known first-hand counts **until the same certificate stands in trust**. From then on trust knows at least as
much, and its newest counts, for the node that was there too. A record of trust by which the node stands below another
parent ends it as well: nobody but the root moves a node.

The answer is a function of what is held, in whatever order it arrived: each record only adds to what is known of its
certificate, and nothing is forgotten when another one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from node.journal.statements import upsert_sql
from node.trust.tables import issued_certificate as table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.trust.issued import IssuedNode

_COLUMNS = tuple(column.name for column in table.c)
_PUT = tuple(column.name for column in table.c if not column.primary_key)


def note_issued(transaction: Transaction, issued: IssuedNode, position: int, *, from_trust: bool) -> None:
    """Note that a CertificateIssued stands at ``position`` of ``trust``, or of the own ``ancestors`` stream."""
    query = select(table).where(table.c.code == issued.code, table.c.certificate == issued.fingerprint)
    before = transaction.connection.execute(query).one_or_none()
    known = {} if before is None else dict(before._mapping)  # noqa: SLF001 - the row's public mapping.
    place = "trust_position" if from_trust else "own_position"
    stood = known.get(place)
    newer = stood is None or position >= stood
    said = known
    if newer and (from_trust or known.get("trust_position") is None):
        said = _said(issued)
    row = {"own_position": None, "trust_position": None, **known, **said}
    row |= {"code": issued.code, "certificate": issued.fingerprint, place: position if newer else stood}
    statement = upsert_sql(table, transaction.dialect, put=_PUT)
    transaction.connection.exec_driver_sql(statement, tuple(row[name] for name in _COLUMNS))


def standing_of(connection: Connection, code: str) -> Any:
    """Return the row of ``issued_certificate`` that counts for the node; at least one must be there."""
    rows = connection.execute(select(table).where(table.c.code == code)).all()
    own = _newest(rows, "own_position")
    trust = _newest(rows, "trust_position")
    if trust is None or (own is not None and own.trust_position is None and own.parent == trust.parent):
        return own
    return trust


def trust_position(connection: Connection, code: str, certificate: str) -> int | None:
    """Return where a node's certificate stands in ``trust``, None when it does not stand there."""
    query = select(table.c.trust_position).where(table.c.code == code, table.c.certificate == certificate)
    return connection.scalar(query)


def trust_positions(connection: Connection, code: str, last: int) -> list[int]:
    """Return where the certificates of a node stand in ``trust``, up to position ``last``, the newest first."""
    position = table.c.trust_position
    query = select(position).where(table.c.code == code, position.is_not(None), position <= last)
    return list(connection.scalars(query.order_by(position.desc())))


def stands_in_trust(connection: Connection, issued: IssuedNode) -> bool:
    """Tell whether ``trust`` says of this certificate exactly what ``issued`` says."""
    query = select(table).where(table.c.code == issued.code, table.c.certificate == issued.fingerprint)
    row = connection.execute(query).one_or_none()
    if row is None or row.trust_position is None:
        return False
    return all(getattr(row, name) == value for name, value in _said(issued).items())


def in_trust(connection: Connection, codes: Iterable[str]) -> frozenset[str]:
    """Return the fingerprints of these nodes' certificates that stand in ``trust``."""
    query = select(table.c.certificate).where(table.c.code.in_(list(codes)), table.c.trust_position.is_not(None))
    return frozenset(connection.execute(query).scalars())


def _said(issued: IssuedNode) -> dict[str, str | None]:
    return {
        "name": issued.name,
        "level": issued.level,
        "parent": issued.parent,
        "divisions": " ".join(issued.divisions),
    }


def _newest(rows: Sequence[Any], place: str) -> Any:
    found = [row for row in rows if getattr(row, place) is not None]
    return max(found, key=lambda row: getattr(row, place), default=None)
