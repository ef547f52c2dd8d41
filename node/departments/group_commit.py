"""Group commit: requests that come at the same moment share one transaction.

A durable commit costs milliseconds, appending a record a fraction of one. So the thread that finds nobody at work
becomes the leader and commits everything that waits, its own job first; the others sleep until theirs is done. When it
has finished it hands the lead to the oldest that came meanwhile. There is no thread and no timer of its own: alone, a
job is committed at once.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from node.errors import StoreBusyError, YizhanError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Job = TypeVar("Job")
Result = TypeVar("Result")

WAITING_MAX: Final = 5000
"""Records that may wait before new ones are turned away: about a second of work. Our own choice."""
TOGETHER_MAX: Final = 500
"""Records of one transaction: what lies between two seals at most, so that nobody holds the lock for long."""


class _Place(Generic[Job, Result]):
    """One job in the queue. ``woken`` is set when it is finished, or when its thread has to take the lead."""

    __slots__ = ("error", "finished", "job", "result", "size", "woken")

    def __init__(self, job: Job, size: int) -> None:
        self.job = job
        self.size = size
        self.finished = False
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.woken = threading.Event()

    def finish(self, result: Result | None, error: BaseException | None = None) -> None:
        self.result, self.error, self.finished = result, error, True
        self.woken.set()


class GroupCommit(Generic[Job, Result]):
    """Runs ``commit(jobs)`` for jobs that several threads submit; it returns one result per job, in order.

    A job larger than ``together_max`` is committed alone.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Job]], Sequence[Result]],
        *,
        together_max: int = TOGETHER_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._commit = commit
        self._together_max = together_max
        self._waiting_max = waiting_max
        self._lock = threading.Lock()
        self._waiting: deque[_Place[Job, Result]] = deque()
        self._waiting_size = 0
        self._led = False

    def submit(self, job: Job, size: int) -> Result:
        """Commit one job of ``size`` records together with others and return its result once it is durable.

        Raises StoreBusyError at once when too much waits already, else what ``commit`` raised for this job.
        """
        place: _Place[Job, Result] = _Place(job, size)
        if not self._enter(place):
            place.woken.wait()
        if not place.finished:
            self._lead()
        if place.error is not None:
            raise place.error
        return place.result  # type: ignore[return-value] # A finished place without an error has a result.

    def _enter(self, place: _Place[Job, Result]) -> bool:
        """Queue up; return whether this thread has to take the lead."""
        with self._lock:
            if self._waiting and self._waiting_size + place.size > self._waiting_max:
                raise StoreBusyError(
                    "Too many records wait to be written.",
                    why=f"{self._waiting_size} are waiting, {self._waiting_max} may",
                    action="send again in a second",
                )
            self._waiting.append(place)
            self._waiting_size += place.size
            leads = not self._led
            self._led = True
            return leads

    def _lead(self) -> None:
        """Commit the oldest jobs, this thread's own first, then hand the lead on."""
        places = self._taken()
        try:
            self._run(places)
        finally:
            with self._lock:
                self._led = bool(self._waiting)
                heir = self._waiting[0] if self._waiting else None
            if heir is not None:
                heir.woken.set()

    def _taken(self) -> list[_Place[Job, Result]]:
        with self._lock:
            places = [self._waiting.popleft()]
            size = places[0].size
            while self._waiting and size + self._waiting[0].size <= self._together_max:
                places.append(self._waiting.popleft())
                size += places[-1].size
            self._waiting_size -= size
            return places

    def _run(self, places: list[_Place[Job, Result]]) -> None:
        try:
            results = self._commit([place.job for place in places])
        except YizhanError as error:
            _fail(places, error)
        except BaseException as error:
            if len(places) == 1 or not isinstance(error, Exception):
                _fail(places, error)
                if not isinstance(error, Exception):
                    raise
                return
            # One of them is at fault: each alone, so that it fails by itself.
            for place in places:
                self._run([place])
        else:
            for place, result in zip(places, results, strict=True):
                place.finish(result)


def _fail(places: list[_Place[Job, Result]], error: BaseException) -> None:
    for place in places:
        place.finish(None, error)
