"""A node that lies: packages with its own valid signature that say what is not so, and bytes that were changed.

The liar is an ordinary node otherwise, and each lie is a package beside its honest ones. It never forks a stream of its
own: all its lies are about what others signed. ``Lies.tell`` makes one; what must hold whatever it says is checked as
ever, and its neighbours must be whole again when the lies end.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from node.exchange.head import ANSWER, GAP, HELD, OPEN, PUSH, REFUSED, Head, Slice, Standing, Statement, Verdict
from node.exchange.package import write_package
from node.journal import checkpoints
from node.standard.codec import leaf_hash
from node.standard.seals import Receipt
from node.trust.holders import travels
from node.trust.identity import Identity
from tests.simulation.template import CODES
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.bootstrap import Node
    from node.journal.holdings import Held
    from tests.simulation.world import World

RAW_SHARE = 0.3
"""How often a lie is an honest package, once more or with a bit changed, when there is one."""
TRIES = 4
Lie = tuple[Head, list[bytes]]
"""A Head to be signed, and the records of its slices."""


class Lies:
    """Makes the lies of ``liar`` to its neighbours."""

    def __init__(self, world: World, liar: str) -> None:
        self._world = world
        self._chance = world.chance
        self._liar = liar
        self._kinds: tuple[Callable[[str], Lie | None], ...] = (
            self._other_record,
            self._forged_checkpoint,
            self._forged_checkpoint,
            self._stream_of_others,
            self._stream_of_others,
            self._receipt,
            self._receipt,
            self._handed_receipt,
            self._statement,
            self._verdicts,
        )

    def tell(self) -> tuple[str, str, bytes] | None:
        """Return whom a lie goes to, its name and its bytes; None when there is nothing to lie about."""
        to = self._chance.pick(_neighbours(self._liar))
        data = self._honest(to)
        if data is not None and self._chance.happens(RAW_SHARE):
            return (to, "replay", data) if self._chance.happens(0.5) else (to, "changed byte", self._changed(data))
        for _ in range(TRIES):
            kind = self._chance.pick(self._kinds)
            lie = kind(to)
            if lie is not None:
                head, records = lie
                return to, kind.__name__.strip("_"), write_package(head, records, self._node.identity.private_key)
        return None

    # --- what lies are made of -----------------------------------------------------------------------------------

    @property
    def _node(self) -> Node:
        return self._world.nodes[self._liar]

    def _honest(self, to: str) -> bytes | None:
        """Return the bytes of an honest package that went to ``to`` before."""
        child, direction = (self._liar, "up") if SEVEN[self._liar].parent == to else (to, "down")
        sent = self._world.network.sent[child, direction]
        return self._chance.pick(list(sent)) if sent else None

    def _changed(self, data: bytes) -> bytes:
        at = self._chance.number(0, len(data) - 1)
        return data[:at] + bytes([data[at] ^ (1 << self._chance.number(0, 7))]) + data[at + 1 :]

    def _head(self, to: str, **said: Any) -> Head:
        context = self._node.exchange.context
        purpose = PUSH if SEVEN[self._liar].parent == to else ANSWER
        return Head(
            tree=context.identity.tree,
            sender=self._liar,
            receiver=to,
            start_id=context.start_id,
            sent_at=self._node.clock.now(),
            **{"purpose": purpose, **said},
        )

    def _streams(self, code: str) -> list[Held]:
        node = self._world.nodes[code]
        with node.store.reading() as connection:
            return [held for held in node.journal.streams(connection) if held.size]

    # --- slices --------------------------------------------------------------------------------------------------

    def _other_record(self, to: str) -> Lie | None:
        """A record in which one byte is another, under the true checkpoint."""
        return self._altered(to, forge=False)

    def _forged_checkpoint(self, to: str) -> Lie | None:
        """The same, under a checkpoint that fits and that its origin has not signed."""
        return self._altered(to, forge=True)

    def _altered(self, to: str, *, forge: bool) -> Lie | None:
        found = self._true_slice(to, relayed=True)
        if found is None:
            return None
        one, records = found
        number = self._chance.number(0, len(records) - 1)
        altered = [*records[:number], records[number].replace(b"2026", b"2025"), *records[number + 1 :]]
        leaves = [leaf_hash(body) for body in altered]
        said = replace(one, leaves_hash=hashlib.sha256(b"".join(leaves)).digest())
        if forge:
            said = replace(said, checkpoint=self._forged(one, leaves))
        return self._head(to, slices=(said,)), altered

    def _forged(self, one: Slice, leaves: list[bytes]) -> Any:
        """Return a checkpoint over what stands before the slice and the altered leaves, with a signature of ours."""
        memory = self._world.witness.streams[one.stream]
        root = memory.root_with(one.first - 1, leaves)
        forged = replace(one.checkpoint, root=root)
        if self._chance.happens(0.5):
            # With the signature of the true one.
            return forged
        identity = self._node.identity
        forged = replace(forged, signer=identity.fingerprint)
        # Past the witness, which would take it for an honest one.
        return replace(forged, signature=Identity.sign(identity, forged.text(identity.tree)))

    def _stream_of_others(self, to: str) -> Lie | None:
        """A true slice of a stream that the neighbour must not hold, or not from here."""
        found = self._true_slice(to, relayed=False)
        return None if found is None else (self._head(to, slices=(found[0],)), found[1])

    def _true_slice(self, to: str, *, relayed: bool) -> tuple[Slice, list[bytes]] | None:
        """Return a slice of a stream of others that goes (``relayed``) or does not go to ``to``, as it is held here."""
        node, witness = self._node, self._world.witness
        held = [
            one
            for one in self._streams(self._liar)
            if not one.own and travels(witness.tree, one.stream, self._liar, to) is relayed
        ]
        if not held:
            return None
        stream, size = (one := self._chance.pick(held)).stream, one.size
        first = known + 1 if (known := witness.held[to, stream]) < size else 1
        with node.store.reading() as connection:
            newest = checkpoints.at(connection, stream, size)
            records = [one.body or b"" for one in node.journal.stored(connection, stream, first, size)]
            leaves = node.journal.leaves(connection, stream, first, size)
        assert newest is not None
        said = Slice(
            stream=stream,
            first=first,
            last=size,
            checkpoint=newest,
            leaves_hash=hashlib.sha256(b"".join(leaves)).digest(),
            lengths=tuple(len(one) for one in records),
        )
        return said, records

    # --- receipts, statements, verdicts --------------------------------------------------------------------------

    def _receipt(self, to: str) -> Lie | None:
        """A receipt for more than was sent, for no checkpoint's size, or with another root."""
        return self._claimed(to, self._liar)

    def _handed_receipt(self, to: str) -> Lie | None:
        """A receipt in the name of another holder."""
        return self._claimed(to, self._chance.pick([code for code in CODES if code not in {self._liar, to}]))

    def _claimed(self, to: str, holder: str) -> Lie | None:
        held = self._streams(to)
        if not held:
            return None
        one, identity = self._chance.pick(held), self._node.identity
        size = self._chance.pick((one.size, one.size + 1, one.size + 7, max(1, one.size // 2)))
        receipt = Receipt(
            holder=holder,
            stream=one.stream,
            size=size,
            root=self._chance.pick((one.root, bytes(32))),
            received_at=self._node.clock.now().replace(microsecond=0),
            signer=identity.fingerprint,
        )
        receipt = replace(receipt, signature=Identity.sign(identity, receipt.text(identity.tree)))
        return self._head(to, receipts=(receipt,)), []

    def _statement(self, to: str) -> Lie | None:
        """An opening, or the answer to one, that states more than is held, less, or something else."""
        lines = []
        for held in self._streams(to):
            size = self._chance.pick((held.size, held.size + 3, max(1, held.size // 2)))
            lines.append(Standing(held.stream, size, self._chance.pick((held.root, bytes(32)))))
        origins = sorted({line.stream.origin for line in lines})
        said = Statement(digests=tuple((origin, "0" * 64) for origin in origins), lines=tuple(sorted(lines)))
        purpose = OPEN if SEVEN[self._liar].parent == to else ANSWER
        return self._head(to, statement=said, purpose=purpose), []

    def _verdicts(self, to: str) -> Lie | None:
        """Verdicts on slices that may be under way."""
        found = []
        for held in self._streams(to):
            word = self._chance.pick((HELD, GAP, REFUSED))
            first = self._chance.number(1, held.size)
            found.append(Verdict(stream=held.stream, first=first, last=held.size, word=word, held=first - 1))
        return (self._head(to, verdicts=tuple(found)), []) if found else None


def _neighbours(code: str) -> list[str]:
    parent = SEVEN[code].parent
    return [*([] if parent is None else [parent]), *(one for one, place in SEVEN.items() if place.parent == code)]


def likely_liars() -> tuple[str, ...]:
    """Return nodes that may lie: relays most often, for they carry what others signed."""
    relays = tuple(code for code, place in SEVEN.items() if place.level == "city")
    return (*CODES, *relays, *relays)
