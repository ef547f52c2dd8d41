from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from node.journal import wakeups as module
from node.journal.settings import save_setting
from node.journal.store import Store, Transaction, open_store
from node.journal.wakeups import Wakeups
from tests.support.journals import OWN, append, journal_on, plain_entries
from tests.support.stores import new_file_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 5.0


@pytest.fixture(params=["file", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two stores on one database, as two processes have them."""
    if request.param == "file":
        stores = (new_file_store(tmp_path), new_file_store(tmp_path))
    else:
        url = request.getfixturevalue("postgres_url")
        stores = (open_store(url), open_store(url))
    yield stores
    for store in stores:
        store.close()


def test_an_append_of_this_process_wakes(memory: Store) -> None:
    wakeups = Wakeups(memory)
    wakeups.start()
    assert not wakeups.wait(0)
    append(journal_on(memory), plain_entries(1, 1))
    assert wakeups.wait(0)
    assert not wakeups.wait(0)
    wakeups.close()


def test_a_failed_append_wakes_nobody(memory: Store) -> None:
    wakeups = Wakeups(memory)
    wakeups.wait(0)
    journal = journal_on(memory)

    def work(transaction: Transaction) -> None:
        journal.append(transaction, OWN, plain_entries(1, 1))
        raise KeyError

    with pytest.raises(KeyError):
        memory.write(work)
    assert not wakeups.wait(0)


def test_an_append_of_another_process_wakes(pair: tuple[Store, Store]) -> None:
    here, there = pair
    wakeups = Wakeups(here)
    wakeups.start()
    wakeups.start()
    assert not wakeups.wait(0.3)
    append(journal_on(there), plain_entries(1, 1))
    assert wakeups.wait(WAIT_S)
    append(journal_on(there), plain_entries(2, 1))
    assert wakeups.wait(WAIT_S)
    wakeups.close()


def test_another_process_that_appends_nothing_wakes_nobody(pair: tuple[Store, Store]) -> None:
    here, there = pair
    wakeups = Wakeups(here)
    wakeups.start()
    wakeups.wait(0.3)
    there.write(lambda transaction: save_setting(transaction, "a", "1"))
    assert not wakeups.wait(0.4)
    wakeups.close()


def test_every_waiting_thread_is_woken(memory: Store) -> None:
    wakeups = Wakeups(memory)
    ready = threading.Barrier(4)
    woken: list[bool] = []

    def waiting() -> None:
        wakeups.wait(0)
        ready.wait(WAIT_S)
        woken.append(wakeups.wait(WAIT_S))

    threads = [threading.Thread(target=waiting) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait(WAIT_S)
    # A bell between two waits of a thread is not lost, so it does not matter whether they wait already.
    wakeups.notify()
    for thread in threads:
        thread.join()
    assert woken == [True, True, True]


def test_closing_lets_waiting_threads_go_without_news(memory: Store) -> None:
    wakeups = Wakeups(memory)
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(wakeups.wait(60)))
    thread.start()
    wakeups.close()
    thread.join(WAIT_S)
    assert woken == [False]


def test_a_lost_database_is_said_once_and_heard_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "REOPEN_S", 0.05)
    caplog.set_level(logging.INFO)
    store = open_store(postgres_url)
    wakeups = Wakeups(store)
    wakeups.start()
    wakeups.wait(0.3)
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(query, 'LISTEN')"
    store.write(lambda transaction: transaction.connection.exec_driver_sql(ended).all())
    assert wakeups.wait(WAIT_S)
    append(journal_on(store), plain_entries(1, 1))
    assert wakeups.wait(WAIT_S)
    wakeups.close()
    store.close()
    events = [one.message for one in caplog.records if one.name == module.__name__]
    assert events == ["wake-ups lost the database", "wake-ups have the database again"]
