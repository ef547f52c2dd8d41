"""Group commit: who comes at the same moment shares a transaction, and one failing job fails alone."""

from __future__ import annotations

from threading import Barrier, Event, Thread
from typing import TYPE_CHECKING

import pytest

from node.departments.group_commit import GroupCommit
from node.errors import StoreBusyError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ledger:
    """Commits jobs (numbers), one group at a time, and remembers the groups; can be held up."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.entered = Event()
        self.go_on = Event()
        self.go_on.set()

    def commit(self, jobs: Sequence[int]) -> list[int]:
        self.groups.append(list(jobs))
        self.entered.set()
        assert self.go_on.wait(10)
        if 13 in jobs:
            raise ValueError("thirteen")
        if 99 in jobs:
            raise StoreUnavailableError("the disk is full")
        if 77 in jobs:
            raise KeyboardInterrupt
        return [job * 10 for job in jobs]


def submitted(commits: GroupCommit[int, int], jobs: Sequence[int]) -> dict[int, object]:
    """Submit every job from a thread of its own; return results and errors by job."""
    results: dict[int, object] = {}

    def submit(job: int) -> None:
        try:
            results[job] = commits.submit(job, 1)
        except BaseException as error:  # noqa: BLE001 - the interrupted leader's error is looked at too.
            results[job] = error

    threads = [Thread(target=submit, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    return results


def held_up(ledger: Ledger, commits: GroupCommit[int, int], jobs: Sequence[int]) -> dict[int, object]:
    """Hold the first job up in its commit until all others wait, then let go."""
    ledger.go_on.clear()
    first = Thread(target=commits.submit, args=(1, 1))
    first.start()
    assert ledger.entered.wait(10)
    results: dict[int, object] = {}
    others = Thread(target=lambda: results.update(submitted(commits, jobs)))
    others.start()
    while len(commits._waiting) < len(jobs):
        Event().wait(0.001)
    ledger.go_on.set()
    first.join(10)
    others.join(10)
    return results


def test_alone_a_job_is_committed_at_once() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit)
    assert [commits.submit(job, 1) for job in (1, 2)] == [10, 20]
    assert ledger.groups == [[1], [2]]


def test_jobs_that_wait_share_one_transaction_and_get_their_own_results() -> None:
    ledger = Ledger()
    results = held_up(ledger, GroupCommit(ledger.commit), range(2, 12))
    assert results == {job: job * 10 for job in range(2, 12)}
    assert [len(group) for group in ledger.groups] == [1, 10]


def test_a_group_is_no_larger_than_allowed() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit, together_max=4)
    held_up(ledger, commits, range(2, 12))
    assert [len(group) for group in ledger.groups] == [1, 4, 4, 2]


def test_a_job_larger_than_a_group_goes_alone() -> None:
    ledger = Ledger()
    assert GroupCommit(ledger.commit, together_max=4).submit(5, 100) == 50


def test_a_job_that_fails_fails_alone() -> None:
    ledger = Ledger()
    results = held_up(ledger, GroupCommit(ledger.commit), [2, 13, 3])
    assert (results[2], results[3]) == (20, 30)
    assert isinstance(results[13], ValueError)


def test_a_store_that_is_not_available_fails_everybody_and_nobody_is_retried() -> None:
    ledger = Ledger()
    results = held_up(ledger, GroupCommit(ledger.commit), [2, 99, 3])
    assert all(isinstance(result, StoreUnavailableError) for result in results.values())
    assert len(ledger.groups) == 2


def test_an_interrupted_leader_leaves_nobody_waiting() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit)
    results = held_up(ledger, commits, [77])
    assert isinstance(results[77], KeyboardInterrupt)
    assert commits.submit(4, 1) == 40


def test_more_than_may_wait_is_turned_away_at_once() -> None:
    ledger = Ledger()
    ledger.go_on.clear()
    commits = GroupCommit(ledger.commit, waiting_max=2)
    threads = [Thread(target=commits.submit, args=(1, 1))]
    threads[0].start()
    assert ledger.entered.wait(10)
    for job in (2, 3):
        threads.append(Thread(target=commits.submit, args=(job, 1)))
        threads[-1].start()
    while len(commits._waiting) < 2:
        Event().wait(0.001)
    with pytest.raises(StoreBusyError, match="2 are waiting, 2 may"):
        commits.submit(4, 1)
    ledger.go_on.set()
    for thread in threads:
        thread.join(10)
    assert commits.submit(4, 1) == 40


def test_many_threads_lose_nothing() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit, together_max=7)
    barrier = Barrier(16)
    results: list[int] = []

    def work(number: int) -> None:
        barrier.wait(10)
        results.extend(commits.submit(number * 1000 + job, 1) for job in range(100, 150))

    threads = [Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == len(set(results)) == 800
    assert sorted(job for group in ledger.groups for job in group) == sorted(result // 10 for result in results)
