"""The scheduler: it calls jobs at their times, and one that fails is called again."""

from __future__ import annotations

import logging
import threading

import pytest
from apscheduler.triggers.cron import CronTrigger

from node.errors import ConfigurationError, StoreBusyError
from node.scheduler import Job, Scheduler, run_job


def test_an_impossible_time_is_refused_with_its_key() -> None:
    with pytest.raises(ConfigurationError, match=r"schedules\.statistics"):
        Scheduler([Job(name="statistics", cron="99 * * * *", work=lambda: None)], time_zone="Asia/Shanghai")


def test_a_started_scheduler_knows_when_its_jobs_are_due_and_stops() -> None:
    scheduler = Scheduler([Job(name="retention", cron="40 2 * * *", work=lambda: None)], time_zone="Asia/Shanghai")
    alive = [scheduler.alive]
    scheduler.start()
    alive.append(scheduler.alive)
    due = scheduler._scheduler.get_job("retention").next_run_time
    scheduler.stop()
    assert (due.hour, due.minute, str(due.tzinfo)) == (2, 40, "Asia/Shanghai")
    assert [*alive, scheduler.alive] == [False, True, False]
    assert "scheduler" not in {thread.name for thread in threading.enumerate()}
    scheduler.stop()


def no_second_time(_trigger: object, previous: object, now: object) -> object:
    """Times that cannot be computed once the first has come."""
    if previous is not None:
        raise ZeroDivisionError
    return now


def test_a_scheduler_that_died_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    scheduler = Scheduler([Job(name="retention", cron="40 2 * * *", work=lambda: None)], time_zone="Asia/Shanghai")
    scheduler.start()
    monkeypatch.setattr(CronTrigger, "get_next_fire_time", no_second_time)
    scheduler._scheduler.add_job(lambda: None, CronTrigger())
    for _ in range(100):
        if not scheduler.alive:
            break
        threading.Event().wait(0.05)
    assert not scheduler.alive
    assert [dead.exc_type for dead in died] == [ZeroDivisionError]
    scheduler.stop()


def test_a_job_that_goes_well_is_told_so() -> None:
    done: list[str] = []
    assert run_job(Job(name="x", cron="* * * * *", work=lambda: done.append("x")))
    assert done == ["x"]


@pytest.mark.parametrize("error", [StoreBusyError("locked"), ZeroDivisionError("bug")])
def test_a_job_that_fails_is_logged_and_does_not_stop_the_scheduler(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    with caplog.at_level(logging.WARNING):
        assert not run_job(Job(name="x", cron="* * * * *", work=fail))
    assert [record.message for record in caplog.records] == ["job failed"]
