"""The clock of repeated jobs: APScheduler says when, the node says what.

Only this module knows APScheduler. Jobs run one after another in one thread, so a slow one delays the next and never
stands beside it; a time that was missed while the node was busy is made up once. What was missed while it was down is
not: each job does all that is due, so its next time is enough.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.cron import CronTrigger

from node.errors import ConfigurationError, YizhanError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A statistics summary or a re-sealing that comes an hour late is still right; chosen by us.
LATE_S_MAX = 3600
# Both only wait for a thread to take its first or its last step.
START_S = 5.0
STOP_S = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A repeated job: a constant name, cron text of five fields, and what to call (it returns nothing of interest)."""

    name: str
    cron: str
    work: Callable[[], object]


class Scheduler:
    """Calls each job at its times, in ``time_zone`` (tz database name), until stopped.

    Raises ConfigurationError when a job's cron text names a time that does not exist.
    """

    def __init__(self, jobs: Sequence[Job], *, time_zone: str) -> None:
        self._scheduler = BlockingScheduler(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": LATE_S_MAX},
            timezone=ZoneInfo(time_zone),
        )
        for job in jobs:
            self._scheduler.add_job(
                run_job, checked_times(job.name, job.cron, time_zone=time_zone), (job,), id=job.name
            )

        # In a thread of ours: the library's own background thread cannot be asked whether it lives.
        self._thread = threading.Thread(target=self._scheduler.start, name="scheduler", daemon=True)
        self._started = threading.Event()
        self._scheduler.add_listener(lambda _: self._started.set(), EVENT_SCHEDULER_STARTED)

    def start(self) -> None:
        """Begin to call jobs."""
        self._thread.start()
        self._started.wait(START_S)

    def stop(self) -> None:
        """Call no further job; one that is running ends by itself."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
            self._thread.join(STOP_S)

    @property
    def alive(self) -> bool:
        """Whether jobs are still called at their times."""
        return self._thread.is_alive()


def checked_times(name: str, cron: str, *, time_zone: str) -> CronTrigger:
    """Return the times of the job ``name``; ConfigurationError when its cron text names a time that does not exist."""
    try:
        return CronTrigger.from_crontab(cron, timezone=ZoneInfo(time_zone))
    except ValueError as cause:
        raise ConfigurationError(
            f"The schedule of {name} is not possible",
            why=f"{cron!r}: {cause}",
            action=f"Correct schedules.{name} in the level file",
        ) from cause


def run_job(job: Job) -> bool:
    """Run a job once; every error is logged and the job runs again at its next time. Return whether it went well."""
    try:
        job.work()
    except YizhanError as error:
        _log.warning("job failed", extra={"job": job.name, "code": error.code, "why": str(error)})
    except Exception:  # noqa: BLE001 - the job runner: logged with its traceback, and the next run goes on.
        _log.exception("job failed", extra={"job": job.name})
    else:
        _log.info("job done", extra={"job": job.name})
        return True
    return False
