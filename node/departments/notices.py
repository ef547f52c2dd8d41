"""Supervision notices and their replies: the directed records of the first form.

A notice goes from a node to one node below it; the stream ``<from>/<to>`` is held by both and by every ancestor of
either, and by nobody else. The reply goes back the same way.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.departments.publish import Draft, Publisher, published_version, remember_version
from node.errors import AuthorityError, NotFoundError, RecordRefusedError
from node.standard.codec import TAG_PREFIX, parse_record
from node.standard.facts import TREE_ZONE
from node.standard.identifiers import notice_number
from node.standard.seals import StreamName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from sqlalchemy.engine import Connection

    from node.journal.holdings import Held
    from node.journal.store import Transaction
    from node.trust.tree import Tree

NOTICE: Final = "SupervisionNotice"
REPLY: Final = "NoticeReply"
SEARCHED_MAX: Final = 20_000
"""Newest records of one directed stream in which a notice is looked for. Our own choice."""
NAMED_MAX: Final = 12
"""Nodes that an error names at most, so that its line can still be read. Our own choice."""
_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeText:
    """What a notice says; empty parts are left out. ``reply_due`` is the last day for the reply."""

    subject: str
    text: str
    actor: str
    organisation_code: str = ""
    organisation_name: str = ""
    case_no: str = ""
    rule_code: str = ""
    basis: str = ""
    reply_due: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRecord:
    """A notice or reply: its number, the stream in which it stands, and whether this call wrote it."""

    number: str
    stream: StreamName
    new: bool

    def as_json(self) -> dict[str, Any]:
        """Return the document ``yizhan.notice/1``."""
        return {"schema": "yizhan.notice/1", "notice": self.number, "stream": str(self.stream), "new": self.new}


def publish_notice(publisher: Publisher, to: str, notice: NoticeText, *, key: str = "") -> SentRecord:
    """Send a notice to the node ``to`` below this one and return its number.

    With a ``key`` (the caller's own word for it) the same notice is sent once, however often this is called. Raises
    NotFoundError when the tree has no node ``to``, AuthorityError when it does not stand below this node,
    RecordRefusedError when a text does not fit.
    """
    with _fitting("notice"):
        return publisher.store.write(lambda transaction: _write_notice(publisher, transaction, to, notice, key))


def publish_reply(publisher: Publisher, number: str, *, text: str, actor: str, organisation_name: str) -> SentRecord:
    """Answer a notice that this node holds; the same answer again is sent once, another one is one more reply.

    Raises NotFoundError when no notice of that number was directed to this node, RecordRefusedError when a text does
    not fit.
    """
    with publisher.store.reading() as connection:
        origin = _origin_of(publisher, connection, number)
    stream = StreamName(publisher.node_code, origin)
    content = {"NoticeNo": number, "OrgName": organisation_name, "Text": text, "Actor": {"Name": actor}}
    draft = Draft(name=f"reply:{number}", record_type=REPLY, content=content)
    with _fitting("reply"):
        return SentRecord(number=number, stream=stream, new=publisher.write(stream, [draft]) > 0)


def _write_notice(publisher: Publisher, transaction: Transaction, to: str, notice: NoticeText, key: str) -> SentRecord:
    connection = transaction.connection
    _check_addressee(publisher.load_tree(connection), publisher.node_code, to)
    stream = StreamName(publisher.node_code, to)
    named = f"notice-key:{to}:{hashlib.sha256(key.encode()).hexdigest()}"
    if key:
        known, number_bytes = published_version(connection, named)
        if known:
            return SentRecord(number=number_bytes.decode(), stream=stream, new=False)
    number = _next_number(publisher, transaction)
    draft = Draft(name=f"notice:{number}", record_type=NOTICE, content=_content(to, number, notice))
    publisher.write_in(transaction, stream, [draft])
    if key:
        remember_version(transaction, named, 1, number.encode())
    return SentRecord(number=number, stream=stream, new=True)


def _check_addressee(tree: Tree, node_code: str, to: str) -> None:
    """Raise NotFoundError or AuthorityError, naming the nodes that could be meant, unless ``to`` stands below."""
    if tree.is_ancestor(node_code, to):
        return
    below = tree.descendants(node_code)
    named = ", ".join(below[:NAMED_MAX]) + (" …" if len(below) > NAMED_MAX else "")
    action = f"Name one of the nodes below: {named}" if below else "Invite a child first: yizhan invite"
    if not tree.knows(to):
        raise NotFoundError(
            f"There is no node {to[:20]!r} in the tree",
            why="no certificate was issued for it, or the record of it has not arrived here yet",
            action=action,
        )
    raise AuthorityError(
        f"{node_code} may not send a notice to {to}", why=f"{to} does not stand below {node_code}", action=action
    )


@contextmanager
def _fitting(named: str) -> Iterator[None]:
    """Say of which text it is that the standard refuses it."""
    try:
        yield
    except RecordRefusedError as error:
        raise RecordRefusedError(
            f"The {named} was not written", error.problems, action="Correct the part named, then send it again"
        ) from error


def _content(to: str, number: str, notice: NoticeText) -> dict[str, Any]:
    return {
        "NoticeNo": number,
        "Addressee": to,
        "OrgCode": notice.organisation_code,
        "OrgName": notice.organisation_name,
        "CaseNo": notice.case_no,
        "RuleCode": notice.rule_code,
        "Subject": notice.subject,
        "Text": notice.text,
        "Basis": notice.basis,
        "ReplyDue": notice.reply_due.isoformat() if notice.reply_due else "",
        "Actor": {"Name": notice.actor},
    }


def _next_number(publisher: Publisher, transaction: Transaction) -> str:
    day = publisher.clock.now().astimezone(TREE_ZONE).date()
    counted = f"notice-numbers:{day.isoformat()}"
    serial = published_version(transaction.connection, counted)[0] + 1
    remember_version(transaction, counted, serial)
    return notice_number(publisher.node_code, day, serial)


def _origin_of(publisher: Publisher, connection: Connection, number: str) -> str:
    """Return the node that sent a notice to this one."""
    for held in publisher.journal.streams(connection):
        if held.stream.audience == publisher.node_code and _holds(publisher, connection, held, number):
            return held.stream.origin
    raise NotFoundError(
        f"This node holds no notice {number[:20]!r} directed to it",
        why="the number is wrong, or the notice has not arrived yet",
        action="look for its number in the directed streams: yizhan records list",
    )


def _holds(publisher: Publisher, connection: Connection, held: Held, number: str) -> bool:
    for last in range(held.size, max(0, held.size - SEARCHED_MAX), -_PAGE):
        for stored in publisher.journal.stored(connection, held.stream, max(1, last - _PAGE + 1), last):
            if stored.record_type != NOTICE or stored.body is None:
                continue
            if parse_record(stored.body).findtext(f"{TAG_PREFIX}NoticeNo") == number:
                return True
    return False
