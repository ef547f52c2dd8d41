"""The root's job that repeats into ``trust`` what other issuers wrote: every node of the tree reads it there (02, R14).

The projection notes each CertificateIssued of another origin when it arrives; this looks at it once. What must not
enter the tree is not repeated: the record stays where its issuer wrote it, and an alarm tells people.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from node.errors import IdentityError
from node.journal.alarms import raise_alarm
from node.journal.holdings import stream_names
from node.journal.records import records_at
from node.journal.tables import stream_id_of
from node.standard.codec import parse_unvalidated
from node.standard.seals import TRUST, StreamName
from node.trust.authority import check_authority
from node.trust.certificates import NODE, read_certificate
from node.trust.issued import RECORD_TYPE, read_issued
from node.trust.produce import produce
from node.trust.tables import certificate_notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.journal.streams import Journal
    from node.trust.book import CertificateBook
    from node.trust.identity import Identity
    from node.trust.issued import IssuedNode
    from node.trust.tree import Tree

REPEATED_MAX: Final = 500
"""Records that one call looks at: a whole province in one transaction, and a bound."""
NOT_REPEATED: Final = "PACKAGE"
"""Kind of the alarm about a certificate that must not enter the tree."""
_SALT_BYTES: Final = 16

_log = logging.getLogger(__name__)


def repeat_certificates(
    journal: Journal,
    transaction: Transaction,
    *,
    identity: Identity,
    book: CertificateBook,
    tree_of: Callable[[Connection], Tree],
    at: datetime,
    token: Callable[[int], bytes],
) -> int:
    """Repeat what arrived since the last call; return how many records were written. Elsewhere than at the root: 0.

    ``token`` gives random bytes for salts. Safe to repeat: a record's key is derived from the certificate.
    """
    connection = transaction.connection
    query = select(certificate_notice.c.record_key).order_by(certificate_notice.c.record_key).limit(REPEATED_MAX)
    keys = connection.execute(query).scalars().all()
    if not keys or identity.code != identity.root_code:
        return 0
    streams = stream_names(connection)
    written = 0
    for stored in records_at(connection, keys):
        stream = streams[stream_id_of(stored.key)]
        if stored.body is None:
            continue
        element = parse_unvalidated(stored.body)
        issued = read_issued(element)
        reason = check_authority(tree_of(connection), stream, RECORD_TYPE, None, element)
        reason = reason or _fault_of_certificates(transaction, book, issued, at)
        if reason is not None:
            _report(transaction, stream, issued, reason, at)
            continue
        written += produce(
            journal,
            transaction,
            tree_of(connection),
            StreamName(identity.code, TRUST),
            RECORD_TYPE,
            issued.content(),
            key=issued.key,
            event_at=at,
            salt=token(_SALT_BYTES),
        )
    connection.execute(delete(certificate_notice).where(certificate_notice.c.record_key.in_(keys)))
    return written


def _fault_of_certificates(
    transaction: Transaction, book: CertificateBook, issued: IssuedNode, at: datetime
) -> str | None:
    """Return why the certificates do not stand: form, chain, or an issuer that is not the parent named."""
    try:
        book.learn(transaction, issued.certificates, at)
        found = [read_certificate(der) for der in issued.certificates]
        for one in found:
            if one.code != issued.code or (one.kind == NODE) is (one is not found[-1]):
                return f"a certificate in it is of the kind {one.kind}, of {one.code}"
            issuer = book.issuer(transaction.connection, one.fingerprint)
            if issuer is None or issuer.code != issued.parent:
                return f"its {one.kind} certificate was not issued by {issued.parent}"
    except IdentityError as error:
        return str(error)
    return None


def _report(transaction: Transaction, stream: StreamName, issued: IssuedNode, reason: str, at: datetime) -> None:
    _log.warning("certificate not repeated", extra={"node": issued.code, "stream": str(stream), "why": reason})
    raise_alarm(
        transaction,
        NOT_REPEATED,
        f"{issued.code} {issued.fingerprint}",
        f"{stream.origin} issued a certificate to {issued.code} that does not stand; it is not in the tree: {reason}",
        stream,
        raised_at=at,
    )
