"""A simulation that cannot fail is worthless: each fault planted here into a node is found by some early seed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, update

from node.journal import cursors
from node.journal import seal as sealing
from node.journal.streams import Journal
from node.journal.tables import record
from node.statistics.tables import counter
from tests.simulation.history import HistoryFailedError, play, settled_tree
from tests.simulation.planted import BREAKAGES, SEEDS_MAX, Breakage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.journal.store import Transaction
    from node.journal.streams import Extension
    from node.standard.seals import Checkpoint, StreamName

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def honest_beginning() -> None:
    """Make what histories begin with before a fault is planted."""
    settled_tree()


def found(pattern: str) -> None:
    """Play seeds until one fails, as ``pattern`` says; one that fails must say how to replay it."""
    failed = next(filter(None, map(failure, range(1, SEEDS_MAX + 1))), None)
    assert failed is not None, f"{SEEDS_MAX} histories did not find it"
    assert re.search(pattern, failed), failed
    assert re.search(r"replay: scripts/simulate --seed \d+ --trace", failed)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: one.name.replace(" ", "_"))
def test_every_named_breakage_is_found(breakage: Breakage, monkeypatch: pytest.MonkeyPatch) -> None:
    breakage.plant(monkeypatch)
    found(breakage.found_by)


def failure(seed: int) -> str | None:
    """Return how the history of ``seed`` fails, None when it does not."""
    try:
        play(seed)
    except HistoryFailedError as error:
        return str(error)
    return None


def test_a_lost_record_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Journal.extend_all

    def extend_all(self: Journal, transaction: Transaction, extensions: Sequence[Extension]) -> None:
        honest(self, transaction, extensions)
        for one in extensions:
            if one.checkpoint.size > 8:
                transaction.connection.execute(delete(record).where(record.c.key == one.entries[-1].key))

    monkeypatch.setattr(Journal, "extend_all", extend_all)
    found("I2: .* has gaps|IndexError")


def test_a_reordered_stream_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Journal.extend_all

    def extend_all(self: Journal, transaction: Transaction, extensions: Sequence[Extension]) -> None:
        honest(self, transaction, extensions)
        for first, second, *_ in (one.entries for one in extensions if len(one.entries) > 2):
            for one, other in ((first, second), (second, first)):
                query = update(record).where(record.c.key == one.key).values(leaf=other.leaf)
                transaction.connection.execute(query)

    monkeypatch.setattr(Journal, "extend_all", extend_all)
    found("I2: .* differs")


def test_a_cursor_beyond_what_is_held_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = cursors.advance

    def advance(transaction: Transaction, peer: str, sizes: Mapping[StreamName, int]) -> None:
        honest(transaction, peer, {stream: size + 1 for stream, size in sizes.items()})

    monkeypatch.setattr(cursors, "advance", advance)
    found("I8: .* believes that")


def test_a_seal_of_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = sealing._signed

    def signed(held: Any, points: Any, signer: Any, clock: Any) -> list[Checkpoint]:
        return honest(held, [replace(point, root=bytes(32)) for point in points], signer, clock)

    monkeypatch.setattr(sealing, "_signed", signed)
    found("I9: ")


def test_a_counter_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Journal.extend_all

    def extend_all(self: Journal, transaction: Transaction, extensions: Sequence[Extension]) -> None:
        honest(self, transaction, extensions)
        transaction.connection.execute(delete(counter).where(counter.c.amount == 2))

    monkeypatch.setattr(Journal, "extend_all", extend_all)
    found("I3: |I4: |raised an alarm")


def test_a_key_that_leaves_its_cause_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.departments.deciding.lookup_many", lambda *_arguments: {})
    found("I1: |I3: |UNIQUE|Integrity")
