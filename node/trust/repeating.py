"""The root's job that repeats into ``trust`` what other issuers wrote: every node of the tree reads it there (02, R14).

The projection notes each CertificateIssued of another origin when it arrives; this looks at it. What must not enter the
tree is not repeated: the record stays where its issuer wrote it, an alarm tells people, and the note waits. It is
looked at again when the tree or the published divisions change: streams arrive in any order, and what a county issued
under a new key may come before the record of its city that names this key.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from node.errors import IdentityError
from node.journal.alarms import raise_alarm
from node.journal.holdings import stream_names
from node.journal.records import records_at
from node.journal.tables import stream_id_of
from node.standard.codec import parse_unvalidated
from node.standard.seals import TRUST, StreamName
from node.trust.authority import check_authority
from node.trust.certificates import NODE, read_certificate
from node.trust.divisions import check_divisions, nothing_published
from node.trust.issued import RECORD_TYPE, read_issued
from node.trust.notices import fresh, put_away, wait
from node.trust.produce import produce
from node.trust.standing import stands_in_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.journal.streams import Journal
    from node.trust.book import CertificateBook
    from node.trust.divisions import Above
    from node.trust.identity import Identity
    from node.trust.issued import IssuedNode
    from node.trust.tree import Tree

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
    divisions_on: Callable[[Connection, str], Above] = lambda *_: nothing_published,
) -> int:
    """Repeat what arrived since the last call; return how many records were written. Elsewhere than at the root: 0.

    ``token`` gives random salts, ``divisions_on`` the published divisions of a day (YYYY-MM-DD). Safe to repeat: a
    record's key is derived from the certificate.
    """
    connection = transaction.connection
    keys = fresh(connection) if identity.code == identity.root_code else ()
    # The root's own day: the issuer could choose one on which what it gives was not published yet.
    day = at.astimezone(ZoneInfo(identity.time_zone)).date().isoformat()
    written, waiting = 0, list[int]()
    for key, stream, element, issued in _noted(connection, keys):
        if issued.parent == stream.origin and stands_in_trust(connection, issued):
            # After a rebuild everything is looked at again, but not judged by what was published since.
            continue
        tree = tree_of(connection)
        reason = (
            check_authority(tree, stream, RECORD_TYPE, None, element)
            or _fault_of_certificates(transaction, book, issued, at)
            or _fault_of_divisions(tree, issued, divisions_on(connection, day))
        )
        if reason is not None:
            _report(transaction, stream, issued, reason, at)
            wait(transaction, key, stream.origin)
            waiting.append(key)
            continue
        written += produce(
            journal,
            transaction,
            tree,
            StreamName(identity.code, TRUST),
            RECORD_TYPE,
            issued.content(),
            key=issued.key,
            event_at=at,
            salt=token(_SALT_BYTES),
        )
    put_away(transaction, [key for key in keys if key not in waiting])
    return written


def _noted(connection: Connection, keys: Sequence[int]) -> Iterator[tuple[int, StreamName, Any, IssuedNode]]:
    """Give key, stream, element and content of each record that was noted and is held whole."""
    streams = stream_names(connection)
    for stored in records_at(connection, keys):
        if stored.body is not None:
            element = parse_unvalidated(stored.body)
            yield stored.key, streams[stream_id_of(stored.key)], element, read_issued(element)


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


def _fault_of_divisions(tree: Tree, issued: IssuedNode, above: Above) -> str | None:
    return check_divisions(tree, issued.parent or tree.root, issued.code, issued.divisions, above)


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
