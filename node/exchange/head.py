"""The Head of a package (报文头): values to bytes and back.

Head is everything of a package but the records: who sends what to whom, each slice with its checkpoint, receipts,
verdicts, statements, certificates. The sender signs its bytes, so they are written here, by hand and in one way only:
as they stand they are their own exclusive C14N 1.0 (a test compares with libxml2). Reading takes an element that the
signature's verifier returned and that the schema has accepted (package.xsd).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.errors import PackageRefusedError
from node.standard.codec import NAMESPACE, TAG_PREFIX
from node.standard.seals import Checkpoint, Receipt, StreamName, parse_time_text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

PROTOCOL: Final = 1
HEAD_START: Final = f'<Head xmlns="{NAMESPACE}" Id="head">'.encode()
HEAD_END: Final = b"</Head>"

PUSH: Final = "PUSH"
POLL: Final = "POLL"
OPEN: Final = "OPEN"
ANSWER: Final = "ANSWER"
RETURN: Final = "RETURN"
"""Purpose of a package whose slices answer ``Tail`` requests of the receiver; no verdicts are given on them."""

HELD: Final = "HELD"
EARLY: Final = "EARLY"
GAP: Final = "GAP"
REFUSED: Final = "REFUSED"
BUSY: Final = "BUSY"

_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_CUT: Final = len(TAG_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Records ``first`` … ``last`` of a stream, which end at ``checkpoint``.

    ``leaves_hash`` is SHA-256 over their leaf hashes; ``lengths`` has the bytes of each record in order, 0 for one that
    is redacted, whose leaf hash stands in ``redacted`` (position, hash). ``announced``: checkpoints beyond the slice.
    """

    stream: StreamName
    first: int
    last: int
    checkpoint: Checkpoint
    leaves_hash: bytes
    lengths: tuple[int, ...]
    redacted: tuple[tuple[int, bytes], ...] = ()
    announced: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one slice: ``word`` is HELD, EARLY, GAP, REFUSED or BUSY; ``held`` the receiver's size.

    ``reason`` is a constant word (docs/reference/protocol.md), ``deferred`` the count and first position of records
    that wait for an upgrade of the receiver.
    """

    stream: StreamName
    first: int
    last: int
    word: str
    held: int | None = None
    reason: str | None = None
    deferred: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, order=True)
class Standing:
    """One line of a statement: a stream, the size held under a checkpoint, and the root there (32 bytes)."""

    stream: StreamName
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a node says that it holds: a digest (hex) per origin, and the lines of some origins.

    ``unsettled``: the speaker is in doubt about its own database (02, R12); ``gathered``: it has taken by now what its
    children hold.
    """

    digests: tuple[tuple[str, str], ...]
    lines: tuple[Standing, ...] = ()
    unsettled: bool = False
    gathered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Asks a neighbour for its tail of a stream (02, R7, R12).

    ``known`` holds sizes and the roots that the speaker has there, falling, the last one 0: the answer begins behind
    the largest of them at which the neighbour has the same root.
    """

    stream: StreamName
    known: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One package's Head. ``certificates`` are DER; ``start_id`` is 32 hex digits of the sender's process."""

    tree: str
    sender: str
    receiver: str
    start_id: str
    sent_at: datetime
    purpose: str
    protocol: int = PROTOCOL
    slices: tuple[Slice, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    statement: Statement | None = None
    tails: tuple[Tail, ...] = ()
    certificates: tuple[bytes, ...] = ()
    more: bool = False


def write_head(head: Head) -> bytes:
    """Return the bytes of a Head, canonical as they stand."""
    parts = [
        HEAD_START.decode(),
        f"<Tree>{head.tree}</Tree><Sender>{head.sender}</Sender><Receiver>{head.receiver}</Receiver>",
        f"<Protocol>{head.protocol}</Protocol><StartId>{head.start_id}</StartId>",
        f"<SentAt>{time_text(head.sent_at)}</SentAt><Purpose>{head.purpose}</Purpose>",
        *(_slice_text(one) for one in head.slices),
        *(_receipt_text(receipt) for receipt in head.receipts),
        *(_verdict_text(verdict) for verdict in head.verdicts),
    ]
    if head.statement is not None:
        parts.append(_statement_text(head.statement))
    parts += [_tail_text(tail) for tail in head.tails]
    parts += [f"<Certificate>{_base64(der)}</Certificate>" for der in head.certificates]
    if head.more:
        parts.append("<More>true</More>")
    parts.append(HEAD_END.decode())
    return "".join(parts).encode()


def read_head(element: Any) -> Head:
    """Return the values of a Head that the schema has accepted; PackageRefusedError ``head`` where they disagree."""
    found = _grouped(element)
    statements = found.get("Statement", ())
    return Head(
        tree=found["Tree"][0].text,
        sender=found["Sender"][0].text,
        receiver=found["Receiver"][0].text,
        protocol=int(found["Protocol"][0].text),
        start_id=found["StartId"][0].text,
        sent_at=_moment(found["SentAt"][0].text),
        purpose=found["Purpose"][0].text,
        slices=tuple(_read_slice(one) for one in found.get("Slice", ())),
        receipts=tuple(_read_receipt(one) for one in found.get("Receipt", ())),
        verdicts=tuple(_read_verdict(one) for one in found.get("Verdict", ())),
        statement=_read_statement(statements[0]) if statements else None,
        tails=tuple(_read_tail(one) for one in found.get("Tail", ())),
        certificates=tuple(b64decode(one.text) for one in found.get("Certificate", ())),
        more=any(_truth(one.text) for one in found.get("More", ())),
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def _slice_text(one: Slice) -> str:
    redacted = "".join(
        f"<Redacted><Position>{position}</Position><LeafHash>{leaf.hex()}</LeafHash></Redacted>"
        for position, leaf in one.redacted
    )
    announced = "".join(f"<Announced>{_checkpoint_text(ahead)}</Announced>" for ahead in one.announced)
    return (
        f"<Slice>{_stream_text(one.stream)}<First>{one.first}</First><Last>{one.last}</Last>"
        f"{_checkpoint_text(one.checkpoint)}<LeavesHash>{one.leaves_hash.hex()}</LeavesHash>"
        f"<Lengths>{' '.join(map(str, one.lengths))}</Lengths>{redacted}{announced}</Slice>"
    )


def _stream_text(stream: StreamName) -> str:
    return f"<Origin>{stream.origin}</Origin><Audience>{stream.audience}</Audience>"


def _checkpoint_text(one: Checkpoint) -> str:
    return (
        f"<Checkpoint>{_stream_text(one.stream)}<Size>{one.size}</Size><Root>{one.root.hex()}</Root>"
        f"<SealedAt>{time_text(one.sealed_at)}</SealedAt><Signer>{one.signer}</Signer>"
        f"<Signature>{_base64(one.signature)}</Signature></Checkpoint>"
    )


def _receipt_text(one: Receipt) -> str:
    return (
        f"<Receipt><Holder>{one.holder}</Holder>{_stream_text(one.stream)}<Size>{one.size}</Size>"
        f"<Root>{one.root.hex()}</Root><ReceivedAt>{time_text(one.received_at)}</ReceivedAt>"
        f"<Signer>{one.signer}</Signer><Signature>{_base64(one.signature)}</Signature></Receipt>"
    )


def _verdict_text(one: Verdict) -> str:
    held = "" if one.held is None else f"<Held>{one.held}</Held>"
    reason = "" if one.reason is None else f"<Reason>{one.reason.translate(_TEXT_ESCAPES)}</Reason>"
    deferred = ""
    if one.deferred is not None:
        count, first = one.deferred
        deferred = f"<Deferred><Count>{count}</Count><First>{first}</First></Deferred>"
    return (
        f"<Verdict>{_stream_text(one.stream)}<First>{one.first}</First><Last>{one.last}</Last>"
        f"<Verdict>{one.word}</Verdict>{held}{reason}{deferred}</Verdict>"
    )


def _statement_text(one: Statement) -> str:
    unsettled = "<Unsettled>true</Unsettled>" if one.unsettled else ""
    unsettled += "<Gathered>true</Gathered>" if one.gathered else ""
    digests = "".join(f'<Digest Origin="{origin}">{digest}</Digest>' for origin, digest in one.digests)
    lines = "".join(
        f"<Stream>{_stream_text(line.stream)}<Size>{line.size}</Size><Root>{line.root.hex()}</Root></Stream>"
        for line in one.lines
    )
    return f"<Statement>{unsettled}{digests}{lines}</Statement>"


def _tail_text(one: Tail) -> str:
    known = "".join(f"<Known><Size>{size}</Size><Root>{root.hex()}</Root></Known>" for size, root in one.known)
    return f"<Tail>{_stream_text(one.stream)}{known}</Tail>"


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


# --- reading ---------------------------------------------------------------------------------------------------------


def _grouped(element: Any) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for child in element:
        groups.setdefault(child.tag[_CUT:], []).append(child)
    return groups


def _texts(elements: Iterable[Any]) -> list[str]:
    return [element.text for element in elements]


def _read_slice(element: Any) -> Slice:
    stream = StreamName(element[0].text, element[1].text)
    first, last = int(element[2].text), int(element[3].text)
    lengths = tuple(map(int, element[6].text.split()))
    rest = _grouped(element[7:])
    redacted = tuple((int(one[0].text), bytes.fromhex(one[1].text)) for one in rest.get("Redacted", ()))
    if len(lengths) != last - first + 1:
        raise PackageRefusedError("head", f"A slice of {stream} has {len(lengths)} lengths for {first} to {last}.")
    if [position for position, _ in redacted] != [first + at for at, length in enumerate(lengths) if length == 0]:
        raise PackageRefusedError("head", f"A slice of {stream} names other redacted records than its lengths.")
    return Slice(
        stream=stream,
        first=first,
        last=last,
        checkpoint=_read_checkpoint(element[4]),
        leaves_hash=bytes.fromhex(element[5].text),
        lengths=lengths,
        redacted=redacted,
        announced=tuple(_read_checkpoint(one[0]) for one in rest.get("Announced", ())),
    )


def _read_checkpoint(element: Any) -> Checkpoint:
    origin, audience, size, root, sealed_at, signer, signature = _texts(element)
    return Checkpoint(
        stream=StreamName(origin, audience),
        size=int(size),
        root=bytes.fromhex(root),
        sealed_at=_moment(sealed_at),
        signer=signer,
        signature=b64decode(signature),
    )


def _read_receipt(element: Any) -> Receipt:
    holder, origin, audience, size, root, received_at, signer, signature = _texts(element)
    return Receipt(
        holder=holder,
        stream=StreamName(origin, audience),
        size=int(size),
        root=bytes.fromhex(root),
        received_at=_moment(received_at),
        signer=signer,
        signature=b64decode(signature),
    )


def _read_verdict(element: Any) -> Verdict:
    rest = _grouped(element[5:])
    deferred = rest.get("Deferred")
    return Verdict(
        stream=StreamName(element[0].text, element[1].text),
        first=int(element[2].text),
        last=int(element[3].text),
        word=element[4].text,
        held=int(rest["Held"][0].text) if "Held" in rest else None,
        reason=rest["Reason"][0].text if "Reason" in rest else None,
        deferred=(int(deferred[0][0].text), int(deferred[0][1].text)) if deferred else None,
    )


def _read_statement(element: Any) -> Statement:
    found = _grouped(element)
    return Statement(
        unsettled=any(_truth(one.text) for one in found.get("Unsettled", ())),
        gathered=any(_truth(one.text) for one in found.get("Gathered", ())),
        digests=tuple((one.get("Origin"), one.text) for one in found.get("Digest", ())),
        lines=tuple(
            Standing(StreamName(one[0].text, one[1].text), int(one[2].text), bytes.fromhex(one[3].text))
            for one in found.get("Stream", ())
        ),
    )


def _read_tail(element: Any) -> Tail:
    return Tail(
        stream=StreamName(element[0].text, element[1].text),
        known=tuple((int(one[0].text), bytes.fromhex(one[1].text)) for one in element[2:]),
    )


def _truth(text: str) -> bool:
    return text in {"true", "1"}


def _moment(text: str) -> datetime:
    try:
        return parse_time_text(text)
    except ValueError as error:
        raise PackageRefusedError("head", "A time in the Head is not whole seconds in UTC.", why=text[:40]) from error
