"""The keeper of one adapter: it knows when the source may be asked, starts and ends its process, and tells how it is.

A plain loop of turns. Each turn looks what is to be done now, does it, and says how long to rest; whatever goes wrong
becomes a state with a rest of its own. In a running node the loop is a thread (``doorkeeper``); ``yizhan adapters run``
takes one turn by itself. An idle adapter costs a request to its process per round and writes nothing.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from adapters.contract import AdapterError, SourceNeedsPersonError, SourceUnavailableError
from node.departments.doors import book
from node.departments.doors.doorway import BrokenDoorError, Doorway, InterruptedDoorError, Place
from node.departments.doors.events import EventLog
from node.departments.doors.folders import OWN, SPOOL, folder_of
from node.departments.doors.handing_over import hand_over
from node.departments.doors.hours import is_open, opens_at, read_window
from node.departments.doors.pace import Pace
from node.departments.doors.rest import AWAY, BROKEN, HELD, NEEDS_PERSON, rest_s
from node.departments.doors.rounds import RoundDone, open_source, run_round
from node.errors import ConfigurationError, NotFoundError, UsageError, YizhanError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from node.departments.accept import Intake
    from node.departments.delivering.acknowledging import Delivering
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.taking_in import TakenIn

LEAVE_AFTER_S: Final = 600.0
"""A process that is not needed for so long is ended: an idle one holds memory. Our own choice."""
UNWRITTEN_S: Final = 2.0
"""How soon a state is written again that could not be written."""
WORKING_S: Final = 5.0
"""A round that lasts longer is told as a state of its own; writing it for each would cost a commit more."""
SOON_S: Final = 0.05
"""Rest of an adapter that hears a line, so that one that does not wait itself cannot keep a processor busy."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What people ask of an adapter: whether it is paused, and when a round was asked for last."""

    is_paused: bool = False
    run_asked_at: datetime | None = None


class Keeper:
    """Keeps one adapter of ``home``; whoever runs it has made the adapter's folder and holds its lock.

    ``environment`` is that of its process, ``zone`` the node's time zone; ``delivering`` does what it takes to hand
    documents down, None where nothing may. ``last_run`` is the result (JSON) of the round last asked for by hand.
    """

    def __init__(
        self,
        intake: Intake,
        config: AdapterConfig,
        home: Path,
        *,
        zone: str,
        environment: Mapping[str, str],
        delivering: Delivering | None = None,
    ) -> None:
        self.config = config
        self.last_run = ""
        self._intake = intake
        self._clock = intake.clock
        self._folder = folder_of(home, config.name)
        self._environment = environment
        self._delivering = delivering
        self._zone = ZoneInfo(zone)
        self._hours = tuple(read_window(text) for text in config.hours)
        self._pace = Pace(
            deliveries_per_minute_max=config.deliveries_per_minute_max,
            records_per_minute_max=config.records_per_minute_max,
            now_s=self._clock.monotonic_s(),
        )
        self._events = EventLog(config.name, self._folder, self._clock)
        self._doorway: Doorway | None = None
        self._left: Doorway | None = None
        self._nudged = threading.Event()
        self._stopping = threading.Event()
        self._control = Control()
        self._run_done_at: datetime | None = None
        self._is_entered = False
        self._state = book.NEW
        self._text = ""
        self._failures = 0
        self._round_began_s = 0.0
        self._last: RoundDone | None = None
        self._unwritten: dict[str, Any] = {}

    @property
    def state(self) -> str:
        """The state, as it is or is about to be written."""
        return self._state

    def control(self, control: Control) -> None:
        """Tell what people ask of the adapter; a change is acted upon at once."""
        if control != self._control:
            self._control = control
            self._nudged.set()

    def stop(self) -> None:
        """Have ``run`` end within seconds."""
        self._stopping.set()
        self._nudged.set()

    def run(self) -> None:
        """Take turns until ``stop``, then let the process go."""
        try:
            while not self._stopping.is_set():
                pause_s = self.turn()
                self._nudged.wait(pause_s if not self._unwritten else min(pause_s, UNWRITTEN_S))
                self._nudged.clear()
        finally:
            self.let_go()

    def turn(self) -> float:
        """Do what is to be done now and return the seconds until the next turn."""
        asked = None
        try:
            if not self._is_entered:
                self._enter()
            asked = self._asked()
            pause_s = self._turn(is_asked=asked is not None)
        except InterruptedDoorError:
            self.let_go()
            return 0.0
        except YizhanError as error:
            # The store itself: what is to be told of it cannot be written now.
            pause_s = self._failed(HELD, error)
        except Exception as error:  # noqa: BLE001 - the runner of adapters: a defect of ours is logged, not the end.
            _log.exception("adapter failed", extra={"adapter": self.config.name})
            self.let_go()
            pause_s = self._failed(BROKEN, error)
        if asked is not None:
            self._answer_run(asked)
        return pause_s

    def is_held_up(self, why: str) -> None:
        """Tell that the adapter cannot be kept now."""
        try:
            if not self._is_entered:
                self._enter()
            self._note(HELD, why)
        except YizhanError as error:
            _log.warning("adapter held up", extra={"adapter": self.config.name, "why": why, "code": error.code})

    def let_go(self) -> None:
        """End the process, if there is one."""
        doorway, self._doorway = self._doorway, None
        if doorway is not None:
            doorway.close()
            self._left = doorway

    # --- a turn --------------------------------------------------------------------------------------------------

    def _turn(self, *, is_asked: bool) -> float:
        if self._control.is_paused and not is_asked:
            self.let_go()
            return self._rests(book.PAUSED, "", None)
        now = self._clock.now()
        if not is_asked and not is_open(self._hours, now, self._zone):
            self.let_go()
            return self._rests(book.OUTSIDE_HOURS, "", opens_at(self._hours, now, self._zone))
        limit = self._pace.deliveries(self.config.deliveries_max, self._clock.monotonic_s())
        if limit == 0 and not is_asked:
            return self._pace.wait_s(self._clock.monotonic_s())
        pause_s = self._round(max(1, limit))
        if pause_s >= LEAVE_AFTER_S or (self._doorway is not None and self._doorway.was_stopped):
            self.let_go()
        return pause_s

    def _round(self, limit: int) -> float:
        """Take one round and return the rest behind it."""
        self._last = done = RoundDone()
        self._round_began_s = self._clock.monotonic_s()
        try:
            open_source(self._intake, self.config)
            doorway = self._open_doorway()
            run_round(self._intake, self.config, doorway, done, limit=limit, taken=self._took)
            more_waits = self._hand_over(doorway, done)
        except SourceUnavailableError as error:
            return self._failed(AWAY, error, retry_after_s=error.retry_after_s)
        except SourceNeedsPersonError as error:
            # What a person changes (a key file, a certificate) is read when the adapter is opened.
            self.let_go()
            return self._failed(NEEDS_PERSON, error)
        except AdapterError as error:
            return self._failed(AWAY, error)
        except BrokenDoorError as error:
            self.let_go()
            return self._failed(BROKEN, error)
        except (NotFoundError, UsageError, ConfigurationError) as error:
            return self._failed(NEEDS_PERSON, error)
        except YizhanError as error:
            return self._failed(HELD, error)
        return self._went_well(done, more=more_waits or done.deliveries >= limit)

    def _hand_over(self, doorway: Doorway, done: RoundDone) -> bool:
        route, delivering = self.config.route, self._delivering
        if route is None or delivering is None:
            return False
        return hand_over(self._intake, delivering, route, doorway, done, lambda: not self._is_interrupted())

    def _open_doorway(self) -> Doorway:
        if self._doorway is not None:
            if self._doorway.is_alive:
                return self._doorway
            raise self._doorway.broke("its process ended between two rounds")
        if self._left is not None and not self._left.has_left:
            raise BrokenDoorError("its last process cannot be ended: it waits for a disk or a device")
        if self._state == book.NEW:
            self._note(book.STARTING, "")
        place = Place(own=self._folder / OWN, spool=self._folder / SPOOL)
        self._doorway = Doorway(
            self.config,
            place,
            self._read_cursor(),
            clock=self._clock,
            environment=self._environment,
            told=self._events.add,
            is_stopping=self._is_interrupted,
        )
        return self._doorway

    def _took(self, taken: TakenIn) -> bool:
        """Count a delivery and tell whether the round may go on."""
        now_s = self._clock.monotonic_s()
        self._pace.took(taken.outcome.offered, now_s)
        if taken.unread:
            self._events.note("WARNING", "delivery not readable", {"name": taken.name, "why": taken.unread[:300]})
        if now_s - self._round_began_s > WORKING_S:
            self._note(book.WORKING, "", failures=0, next_at=None)
        return not self._is_interrupted() and self._pace.deliveries(1, now_s) > 0

    def _is_interrupted(self) -> bool:
        return self._stopping.is_set() or (self._control.is_paused and self._asked() is None)

    def _asked(self) -> datetime | None:
        """Return when a round was asked for that was not done yet; equal or not, because a clock may be set back."""
        asked = self._control.run_asked_at
        return None if asked == self._run_done_at else asked

    # --- what becomes of it --------------------------------------------------------------------------------------

    def _went_well(self, done: RoundDone, *, more: bool) -> float:
        self._failures = 0
        if done.answer_error:
            self._events.note("WARNING", "the source did not take an answer", {"why": done.answer_error})
        self._note(book.WAITING, "", failures=0, next_at=None)
        if self.config.every_s == 0:
            return SOON_S
        return 0.0 if more else self.config.every_s

    def _failed(self, state: str, error: Exception, *, retry_after_s: float | None = None) -> float:
        self._failures = self._failures + 1 if state == self._state else 1
        pause_s = rest_s(state, self._failures, self._intake.randomness, retry_after_s=retry_after_s)
        next_at = self._clock.now() + timedelta(seconds=pause_s)
        self._note(state, _said(error), failures=self._failures, next_at=next_at)
        return pause_s

    def _rests(self, state: str, text: str, until: datetime | None) -> float:
        self._note(state, text, failures=0, next_at=until)
        # A clock that is set must not keep it waiting for days: it looks at least every hour.
        longest_s = 3_600.0
        return longest_s if until is None else min(longest_s, max(1.0, (until - self._clock.now()).total_seconds()))

    def _note(self, state: str, text: str, **columns: Any) -> None:
        """Write the state when it changed, and log it once."""
        if (state, text) != (self._state, self._text) or columns.get("next_at") is not None or self._unwritten:
            changes = {**self._unwritten, **columns, "text": text}
            if state != self._state:
                changes |= {"state": state, "since": self._clock.now()}
                self._log_change(state, text)
            self._state, self._text = state, text
            self._write(changes)

    def _log_change(self, state: str, text: str) -> None:
        if state in book.TROUBLE or state == HELD:
            self._events.note("WARNING", f"adapter {state}", {"why": text})
        elif self._state in book.TROUBLE or self._state == HELD:
            self._events.note("INFO", "adapter works again", {"was": self._state})

    def _write(self, changes: dict[str, Any]) -> None:
        try:
            self._intake.store.write(lambda transaction: book.save(transaction, self.config.name, **changes))
            self._unwritten = {}
        except YizhanError as error:
            self._unwritten = changes
            _log.debug("adapter state not written", extra={"adapter": self.config.name, "code": error.code})

    def _answer_run(self, asked: datetime) -> None:
        done = self._last or RoundDone()
        told = {"state": self._state, "text": self._text, **done.as_json()}
        self.last_run = json.dumps(told, ensure_ascii=False)
        self._run_done_at = asked
        self._write({**self._unwritten, "run_done_at": asked, "last_run": self.last_run})

    def _enter(self) -> None:
        """Make or find the adapter's row; what another source brought is asked after again at the next turn."""
        config = self.config
        known = self._intake.store.write(
            lambda transaction: book.enter(
                transaction, config.name, kind=config.kind.name, source=config.source, at=self._clock.now()
            )
        )
        self._is_entered = (known.kind, known.source) == (config.kind.name, config.source)
        self._run_done_at = known.run_done_at
        self._state, self._text, self._failures = known.state, known.text, known.failures

    def _read_cursor(self) -> str | None:
        with self._intake.store.reading() as connection:
            known = book.known_adapter(connection, self.config.name)
        return None if known is None else known.cursor


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
