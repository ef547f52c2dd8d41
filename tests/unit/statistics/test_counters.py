"""Counters: interning, taking back, what a rollback must not leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from node.statistics import counters as counters_module
from node.statistics.counters import Counters, day_number, day_text, figures_of_day, unpack
from node.statistics.indicators import INDICATOR_NUMBERS, FigureKey
from node.statistics.tables import changed_day, dimension
from tests.support.case_records import TASK, facts
from tests.support.samples import CREDIT_CODE

if TYPE_CHECKING:
    from node.journal.store import Store, Transaction

APPLIED = INDICATOR_NUMBERS["applied"]
FEES = INDICATOR_NUMBERS["fees"]
DAY = day_number("2026-01-05")


def test_days_are_numbers_and_back() -> None:
    assert day_text(day_number("2026-01-05")) == "2026-01-05"
    # 0001-01-01 is day 1.
    assert day_number("0001-01-01") == 1
    with pytest.raises(ValueError, match="Invalid"):
        day_number("5.1.2026")


def test_what_was_added_can_be_taken_back(any_store: Store) -> None:
    counters = Counters()

    def add(transaction: Transaction) -> bytes:
        book = counters.open(transaction, 1, own=True)
        packed = book.add(facts("Application"), [(APPLIED, 1)])
        packed += book.add(facts("Fee"), [(FEES, 10_000), (APPLIED, 1)])
        counters.close(transaction, [book])
        return packed

    packed = any_store.write(add)
    assert [(what, amount) for (_, _, what), amount in unpack(packed)] == [(APPLIED, 1), (FEES, 10_000), (APPLIED, 1)]
    key = ("360102", CREDIT_CODE, TASK, "FILE")
    with any_store.reading() as connection:
        figures = figures_of_day(connection, 1, DAY)
        assert connection.execute(select(changed_day.c.day)).scalars().all() == [DAY]
    assert figures == {FigureKey(*key, "applied"): 2, FigureKey(*key, "fees"): 10_000}

    def take_back(transaction: Transaction) -> None:
        book = counters.open(transaction, 1, own=False)
        book.take_back(packed)
        counters.close(transaction, [book])

    any_store.write(take_back)
    with any_store.reading() as connection:
        assert figures_of_day(connection, 1, DAY) == {}


def test_another_streams_days_are_not_this_nodes_to_publish(memory: Store) -> None:
    def add(transaction: Transaction) -> None:
        counters = Counters()
        book = counters.open(transaction, 2, own=False)
        book.add(facts("Application"), [(APPLIED, 1)])
        counters.close(transaction, [book])

    memory.write(add)
    with memory.reading() as connection:
        assert connection.execute(select(changed_day)).all() == []


def test_an_interned_key_of_a_rolled_back_transaction_is_forgotten(memory: Store) -> None:
    counters = Counters()

    def add(transaction: Transaction, *, fails: bool) -> None:
        book = counters.open(transaction, 1, own=True)
        book.add(facts("Application"), [(APPLIED, 1)])
        counters.close(transaction, [book])
        if fails:
            raise LookupError

    with pytest.raises(LookupError):
        memory.write(lambda transaction: add(transaction, fails=True))
    memory.write(lambda transaction: add(transaction, fails=False))
    with memory.reading() as connection:
        assert len(connection.execute(select(dimension)).all()) == 1
        assert len(figures_of_day(connection, 1, DAY)) == 1


def test_an_interned_key_is_found_by_another_process(memory: Store) -> None:
    for _ in range(2):
        counters = Counters()

        def add(transaction: Transaction, counters: Counters = counters) -> None:
            book = counters.open(transaction, 1, own=True)
            book.add(facts("Application"), [(APPLIED, 1)])
            book.add(facts("Application"), [(APPLIED, 1)])
            counters.close(transaction, [book])

        memory.write(add)
    with memory.reading() as connection:
        assert len(connection.execute(select(dimension)).all()) == 1
        assert list(figures_of_day(connection, 1, DAY).values()) == [4]


def test_what_is_remembered_of_keys_is_bounded(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters_module, "DIMENSIONS_CACHED_MAX", 1)
    counters = Counters()
    counters.learn({("a", "", "", ""): 1})
    counters.learn({("b", "", "", ""): 2})
    assert counters.known(("a", "", "", "")) is None
    assert counters.known(("b", "", "", "")) == 2
    memory.write(counters.clear)


@pytest.mark.parametrize("batches", [1, 4])
def test_a_sum_beyond_64_bits_is_cut_when_read_and_exact_when_taken_back(any_store: Store, batches: int) -> None:
    counters = Counters()
    largest, small = 9_999_999_999_999_999, 5

    def add(transaction: Transaction) -> bytes:
        book = counters.open(transaction, 1, own=False)
        packed = b"".join(book.add(facts("Fee"), [(FEES, largest)]) for _ in range(1_000 // batches))
        counters.close(transaction, [book])
        return packed

    def add_small(transaction: Transaction) -> None:
        book = counters.open(transaction, 1, own=False)
        book.add(facts("Fee"), [(FEES, small)])
        counters.close(transaction, [book])

    def take_back(transaction: Transaction, packed: bytes) -> None:
        book = counters.open(transaction, 1, own=False)
        book.take_back(packed)
        counters.close(transaction, [book])

    added = b"".join(any_store.write(add) for _ in range(batches))
    any_store.write(add_small)
    with any_store.reading() as connection:
        assert list(figures_of_day(connection, 1, DAY).values()) == [2**63 - 1]
    any_store.write(lambda transaction: take_back(transaction, added))
    with any_store.reading() as connection:
        assert list(figures_of_day(connection, 1, DAY).values()) == [small]
