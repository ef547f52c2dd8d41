"""Breakages of the product, each a small named patch: the simulation must find every one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from node.exchange import judging
from node.exchange.lives import Lives
from node.exchange.receipts import Receipts
from node.exchange.receiver import Receiver
from node.journal import cursors, holdings, source_keys
from node.journal.cutting import plan
from node.journal.entries import read_entry
from node.journal.high_water import HighWaterMemory
from node.journal.streams import Journal
from node.standard.seals import Receipt
from node.statistics.summary import publish_statistics
from tests.simulation.storage import SimulatedStore
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pytest

    from node.journal.entries import Entry
    from node.journal.source_keys import SourceKey
    from node.journal.store import Transaction
    from node.journal.streams import Extension
    from node.standard.seals import StreamName

SEEDS_MAX = 500
"""Within so many seeds each breakage must be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """``plant`` breaks the product; ``found_by`` is a pattern of the invariants that may find it."""

    name: str
    found_by: str
    plant: Callable[[pytest.MonkeyPatch], None]


def _skip_the_flush(patch: pytest.MonkeyPatch) -> None:
    honest = SimulatedStore.__init__

    def begin(self: SimulatedStore, *arguments: Any) -> None:
        honest(self, *arguments)
        self.driver.execute("PRAGMA synchronous = OFF")

    patch.setattr(SimulatedStore, "__init__", begin)


def _receipt_before_commit(patch: pytest.MonkeyPatch) -> None:
    honest = Receiver._note_taken

    def note_taken(self: Receiver, transaction: Transaction, one: Extension, judged: Any) -> None:
        honest(self, transaction, one, judged)
        context = self._context
        receipt = Receipt(
            holder=context.code,
            stream=one.stream,
            size=one.checkpoint.size,
            root=one.checkpoint.root,
            received_at=context.clock.now(),
            signer=context.identity.fingerprint,
        )
        context.identity.sign(receipt.text(context.identity.tree))

    patch.setattr(Receiver, "_note_taken", note_taken)


def _slice_without_checkpoint(patch: pytest.MonkeyPatch) -> None:
    def extend_all(self: Journal, transaction: Transaction, extensions: Sequence[Extension]) -> None:
        for one in extensions:
            held = self._opened(transaction, one.stream)
            parts, _standings = plan(held.compact_range(), held.total_bytes, one.entries, self._cuts())
            self._write_all(transaction, [(held, parts)])

    patch.setattr(Journal, "extend_all", extend_all)


def _values_from_the_body(patch: pytest.MonkeyPatch) -> None:
    """Parsing the Body as a whole sees no comments, and so other records than their bytes are."""

    def read(body: bytes, *, leaf: bytes | None = None) -> Any:
        entry = read_entry(re.sub(rb"<!--.*?-->", b"", body))
        entry.body, entry.leaf = body, leaf or entry.leaf
        return entry

    patch.setattr("node.exchange.reading.read_entry", read)


def _frontier_in_memory(patch: pytest.MonkeyPatch) -> None:
    """A frontier that a process remembers is not rolled back with its transaction."""
    honest = holdings.move
    remembered: WeakKeyDictionary[Any, dict[tuple[int, int], bytes]] = WeakKeyDictionary()

    def move(transaction: Transaction, moves: Any) -> None:
        mine = remembered.setdefault(transaction.connection, {})
        kept = [
            (held, read, replace(part, frontier=mine.setdefault((held.stream_id, part.size), part.frontier)))
            for held, read, part in moves
        ]
        honest(transaction, kept)

    patch.setattr(holdings, "move", move)


def _late_catalogue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("node.bootstrap.repair_cases", lambda *_arguments: 0)
    patch.setattr("node.cases.reference.repair_in", lambda *_arguments: 0)


def _cursor_goes_back(patch: pytest.MonkeyPatch) -> None:
    honest = Receipts._believes

    def believes(self: Receipts, connection: Any, grounds: Any, receipt: Receipt, conversation: Any) -> bool:
        believed = honest(self, connection, grounds, receipt, conversation)
        return believed or (
            receipt.holder == conversation.peer
            and receipt.size < cursors.cursor(connection, conversation.peer, receipt.stream)
        )

    def advance(transaction: Transaction, peer: str, sizes: Mapping[StreamName, int]) -> None:
        for stream, size in sizes.items():
            cursors._set(transaction, peer, stream, size)

    patch.setattr(Receipts, "_believes", believes)
    patch.setattr(cursors, "advance", advance)


def _relays_fork(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint that does not verify is taken for the origin's word when it is about what is held."""
    honest = judging.Judge._refuse_checkpoints

    def refuse(self: Any, one: Any) -> str | None:
        reason = honest(self, one)
        held = self._held.get(one.stream)
        return None if reason == "seal" and held is not None and one.last <= held.size else reason

    patch.setattr(judging.Judge, "_refuse_checkpoints", refuse)


def _held_back_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("node.cases.rows.CaseRows.correct", lambda *_arguments: None)


def _siblings_stream(patch: pytest.MonkeyPatch) -> None:
    for module in ("sender", "judging", "receipts", "opening"):
        patch.setattr(
            f"node.exchange.{module}.travels",
            lambda tree, stream, sender, receiver: (
                tree.are_neighbours(sender, receiver) and tree.next_hop(receiver, stream.origin) == sender
            ),
        )


def _counted_twice(patch: pytest.MonkeyPatch) -> None:
    def publish(store: Any, *, node_code: str, children: Any, **named: Any) -> Any:
        below = [code for code, place in SEVEN.items() if place.parent in children]
        return publish_statistics(store, node_code=node_code, children=[*children, *below], **named)

    patch.setattr("node.bootstrap.publish_statistics", publish)


def _no_authority_table(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judging, "check_authority", lambda *_arguments: None)


def _position_reused(patch: pytest.MonkeyPatch) -> None:
    """A node that forgets how far it has told others that its streams reach takes an old database for the newest."""
    patch.setattr(HighWaterMemory, "sizes", lambda _self: {})


def _made_twice(patch: pytest.MonkeyPatch) -> None:
    """A process remembers by itself what it made; the keys in its database, which a crash leaves, are not asked."""
    remember = source_keys.remember_many
    remembered: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    def remember_many(transaction: Transaction, made: list[SourceKey]) -> None:
        mine = remembered.setdefault(transaction.connection, set())
        transaction.after_commit(lambda: mine.update(one.key for one in made))
        remember(transaction, made)

    def lookup_many(connection: Any, _source: str, keys: Iterable[str]) -> set[str]:
        return remembered.get(connection, set()) & set(keys)

    patch.setattr("node.trust.produce.remember_many", remember_many)
    for module in ("node.trust.produce", "node.bootstrap.rejections"):
        patch.setattr(f"{module}.lookup_many", lookup_many)


def _answer_while_settling(patch: pytest.MonkeyPatch) -> None:
    """A node in doubt appends, seals, receipts and takes in as if it had none; it goes on settling all the same."""

    def append(
        self: Journal, transaction: Transaction, stream: StreamName, entries: Sequence[Entry]
    ) -> tuple[int, int]:
        held = self._opened(transaction, stream)
        parts, _ = plan(held.compact_range(), held.total_bytes, entries, self._cuts())
        self._write_all(transaction, [(held, parts)])
        return held.size + 1, held.size + len(entries)

    patch.setattr(Journal, "append", append)
    patch.setattr("node.journal.seal.check_no_doubt", lambda _connection: None)
    for module in ("node.exchange.receipts", "node.departments.accept"):
        patch.setattr(f"{module}.find_doubt", lambda _connection: None)


def _ignore_the_start_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lives, "check", lambda *_arguments: None)


BREAKAGES = (
    Breakage(
        name="skip the flush",
        found_by="I1: |I2: |I8: .* signed for|I8: .* believes|I9: the seal|I9: .* two roots",
        plant=_skip_the_flush,
    ),
    Breakage(name="sign the receipt before the commit", found_by="I8: .* signed for", plant=_receipt_before_commit),
    Breakage(
        name="accept a slice without its checkpoint",
        found_by="I2: .* without its origin's seal",
        plant=_slice_without_checkpoint,
    ),
    Breakage(
        name="read values from the Body",
        found_by="I3: |I5: |CANONICAL|a comment is not allowed",
        plant=_values_from_the_body,
    ),
    Breakage(name="keep the frontier in memory", found_by="I2: the frontier", plant=_frontier_in_memory),
    Breakage(
        name="apply a late catalogue without re-projecting", found_by="I3: rebuilt|I3: .* at ", plant=_late_catalogue
    ),
    Breakage(name="lower the cursor on a late receipt", found_by="I8: .* lowered its cursor", plant=_cursor_goes_back),
    Breakage(name="trust a relay's fork", found_by="I2: .* the alarm of a fork", plant=_relays_fork),
    Breakage(name="forget a held-back record after requeue", found_by="I3: ", plant=_held_back_forgotten),
    Breakage(name="send a sibling's stream", found_by="I5: .* holds", plant=_siblings_stream),
    Breakage(name="count city and county summaries", found_by="I4: ", plant=_counted_twice),
    Breakage(
        name="reuse a position after restore",
        found_by="I1: |I2: |I8: |I9: |raised an alarm",
        plant=_position_reused,
    ),
    Breakage(
        name="make a rejection or a summary twice after a crash",
        found_by="I3: .* wrote the same record twice",
        plant=_made_twice,
    ),
    Breakage(
        name="answer while settling",
        found_by="I9: .* signs in doubt|I1: |I2: ",
        plant=_answer_while_settling,
    ),
    Breakage(name="ignore the start id", found_by="I9: .* hears two processes", plant=_ignore_the_start_id),
    Breakage(name="skip the authority table", found_by="I3: |I5: ", plant=_no_authority_table),
)
