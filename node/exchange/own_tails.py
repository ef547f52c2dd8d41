"""Tails of own streams that others hold: compared with our own signature, adopted, and told to everybody (02, R12).

``settling`` asks for them and decides; here is what one slice proves, and what is written in the end.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.exchange.contradictions import leads_to_resolution, objection_to
from node.exchange.judging import authorised
from node.exchange.tails import entries_of
from node.journal import receipts
from node.journal.alarms import raise_alarm
from node.journal.doubt import Returned, end_doubt, find_doubt, save_doubt
from node.journal.returning import common_size
from node.standard.seals import time_text
from node.trust.produce import produce

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.head import Slice
    from node.journal.holdings import Held
    from node.journal.store import Transaction
    from node.standard.compose import Value
    from node.standard.seals import StreamName

LOST_ALARM: Final = "OTHER"
"""Kind of the alarm of records that were sealed, and that nobody holds any more."""
RETURN_TYPE: Final = "StreamReturn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a slice of an own stream says: ``objection`` is why it does not stand, None when this node has signed it.

    ``common``: up to which position it agrees with what is held. ``rewritten``: what is held contradicts our own
    receipts behind that, so it was changed by somebody.
    """

    objection: str | None = None
    common: int = 0
    rewritten: bool = False


class OwnTails:
    """Compares and adopts slices of own streams that neighbours give back."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def compare(self, one: Slice, leaves: Sequence[bytes]) -> Compared:
        """Return what a slice with these leaf hashes says."""
        with self._context.store.reading() as connection:
            held = self._context.journal.held(connection, one.stream)
            objection = objection_to(self._context, connection, held, one, leaves)
            if objection is not None or held is None:
                return Compared(objection=objection)
            common = common_size(connection, held, one.first, leaves)
            rewritten = (
                common < min(held.size, one.last)
                and self._is_rewritten(connection, held, common)
                and not leads_to_resolution(connection, held, one, leaves)
            )
            return Compared(common=common, rewritten=rewritten)

    def adopt(self, one: Slice, bodies: Sequence[bytes]) -> None:
        """Adopt a slice that this node has signed, while in doubt; what it contradicts is set aside."""
        read = entries_of(one, bodies)

        def work(transaction: Transaction) -> None:
            # What stood quarantined here, as everywhere, does so again.
            tree = self._context.load_tree(transaction.connection)
            entries = [authorised(tree, one.stream, entry) for entry in read]
            found = find_doubt(transaction.connection)
            if found is None:
                return
            returned = self._context.journal.adopt(
                transaction, one.stream, one.first, entries, one.checkpoint, self._context.comeback
            )
            if returned is not None:
                save_doubt(transaction, found.with_return(one.stream, returned))

        self._context.store.write(work)

    def _is_rewritten(self, connection: Connection, held: Held, common: int) -> bool:
        """Tell whether our own receipts say that we once held, beyond ``common``, another tree than we do now."""
        return any(
            self._context.journal.root_at(connection, held.stream, receipt.size) != receipt.root
            for receipt in receipts.all_receipts(connection, held.stream)
            if common < receipt.size <= held.size
        )


def end_with_returns(transaction: Transaction, context: Context, lost: Mapping[StreamName, tuple[int, int]]) -> bool:
    """End the doubt if everybody was heard, and tell whether it ended: a StreamReturn for each stream that came back.

    ``lost``: streams that end before what was sealed of them, with what they hold and what was sealed.
    """
    found = find_doubt(transaction.connection)
    if found is None or found.unheard is None or found.unheard:
        return False
    end_doubt(transaction)
    # What was sealed beyond what came back counts no more, though nobody knows what it was.
    cut_short = {stream: Returned(common=stands) for stream, (stands, _) in lost.items()}
    for stream, returned in sorted((cut_short | dict(found.returned)).items()):
        _write_return(transaction, context, stream, returned)
    for stream, (stands, sealed) in sorted(lost.items()):
        raise_alarm(
            transaction,
            LOST_ALARM,
            f"lost {stands} {sealed}",
            f"Records {stands + 1} to {sealed} of {stream} were sealed, and nobody who was asked holds them: they are "
            "lost. What departments had handed in has to be offered again by its source.",
            stream,
            raised_at=context.clock.now(),
        )
    return True


def _write_return(transaction: Transaction, context: Context, stream: StreamName, returned: Returned) -> None:
    held = context.journal.held(transaction.connection, stream)
    size = 0 if held is None else held.size
    abandoned = [
        {
            "Size": str(one.size),
            "Root": one.root.hex(),
            "SealedAt": time_text(one.sealed_at),
            "Signer": one.signer,
            "Signature": b64encode(one.signature).decode(),
        }
        for one in returned.abandoned
    ]
    content: dict[str, Value] = {
        "Stream": str(stream),
        "CommonSize": str(returned.common),
        "Abandoned": abandoned,
    }
    produce(
        context.journal,
        transaction,
        context.load_tree(transaction.connection),
        stream,
        RETURN_TYPE,
        content,
        key=f"return:{stream}:{returned.common}:{size}",
        event_at=context.clock.now(),
        salt=context.salt(),
    )
