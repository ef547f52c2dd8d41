"""The keeper's end of an adapter's process: requests with limits in time and size, and an end when it breaks them.

What comes from the process is not trusted: a message that is too long or malformed, a delivery too many, an answer that
is late or missing ends the process, with everything that it started, and BrokenDoorError says why. What an adapter
raises by its contract is raised here again, its words masked.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import AdapterError
from node.beside import COMMAND, start_process
from node.departments.doors.messages import (
    MESSAGE_BYTES_MAX,
    REPORT_PATIENCES,
    TEXT_LENGTH_MAX,
    MalformedMessageError,
    brought,
    error_of,
    findings_of,
    outcome_message,
    packed,
    unpacked,
)
from node.departments.doors.secrets import masking, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from adapters.conforming import Finding
    from adapters.contract import Document, Outcome
    from node.beside import Line
    from node.clock import Clock
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.messages import Brought

    Told = Callable[[str, str, Mapping[str, str]], None]
    """Told of each event of the process: level, phrase, fields; masked."""

MODULE: Final = "node.departments.doors.door"
GRACE_S: Final = 5.0
"""Seconds beyond the kind's patience before the process is ended; after one of them it tells itself where it hangs."""
EXIT_S: Final = 1.0
"""Seconds in which a process whose line ended has to end too, so that it can be told how."""
STOP_S: Final = 2.0
"""Seconds that a call may go on once the keeper wants to stop. Our own choice: a node stops within a few seconds."""
MESSAGE_S: Final = 10.0
"""Seconds for a message that has begun to come whole, and for one to be taken."""
LOOK_S: Final = 0.25
"""How often a waiting keeper looks whether it is to stop."""
LINE_BYTES_MAX: Final = 64 * 1024
SAID_BYTES_MAX: Final = 16 * 1024 * 1024
"""What a process may write to standard error before it is ended; its last lines are kept. Our own choice."""
EVENTS_MAX: Final = 10_000
"""Events that a process may tell within one request. Our own choice."""
LAST_WORDS_MAX: Final = 12
LINE_LENGTH_MAX: Final = 300
_EXIT_LOOK_S: Final = 0.02


class BrokenDoorError(Exception):
    """The process of an adapter was ended, or ended by itself: it hung, crashed, or did not keep to the contract."""


class InterruptedDoorError(Exception):
    """The keeper is to stop, and the call was not waited for any longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an adapter may keep things: its own folder, and that in which large deliveries are handed over.

    ``is_trial`` tells that both are thrown away afterwards.
    """

    own: Path
    spool: Path
    is_trial: bool = False


class Doorway:
    """One process with an open adapter; ``is_stopping`` is asked while it is waited for.

    ``was_stopped`` tells that the adapter was told to stop: it waits for nothing any more, and is to be closed.

    Making it raises BrokenDoorError, SourceNeedsPersonError (settings that do not fit together) and
    InterruptedDoorError.
    """

    def __init__(
        self,
        config: AdapterConfig,
        place: Place,
        cursor: str | None,
        *,
        clock: Clock,
        environment: Mapping[str, str],
        told: Told,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._config = config
        self._clock = clock
        self._masked = masking(config.secrets.values())
        self._told = told
        self._is_stopping = is_stopping
        self.was_stopped = False
        self._ended = False
        self._process, self._line = self._start(environment)
        self._errors = _ErrorReader(self._process)
        try:
            self._ask(
                {
                    "do": "open",
                    "kind": config.kind.name,
                    "name": config.name,
                    "source_id": config.source,
                    "settings": config.settings,
                    "secrets": config.secrets,
                    "folder": str(place.own),
                    "spool": str(place.spool),
                    "is_trial": place.is_trial,
                    "cursor": cursor,
                    "bytes_max": config.bytes_max,
                    "patience_s": config.kind.patience_s,
                }
            )
        except BaseException:
            self.end()
            raise

    @property
    def process_id(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return not self._ended and self._exit_code() is None

    @property
    def has_left(self) -> bool:
        """Whether the process was ended and is gone."""
        return self._ended and self._process.poll() is not None

    def check(self) -> None:
        """Try that the source answers and lets us in; raises the adapter's errors."""
        self._ask({"do": "check"})

    def fetch(self, limit: int) -> Brought | None:
        """Return the first of at most ``limit`` deliveries, None when there is none; raises the adapter's errors."""
        return self._brought(self._ask({"do": "fetch", "limit": limit}))

    def next(self) -> Brought | None:
        """Return the next delivery of the fetch, None at its end; raises the adapter's errors."""
        return self._brought(self._ask({"do": "next"}))

    def acknowledge(self, outcome: Outcome) -> None:
        """Have the source told that the delivery brought last is held, and what became of its records."""
        self._ask(*outcome_message(outcome))

    def reject(self, reason: str) -> None:
        """Have the source told that the delivery brought last cannot be read."""
        self._ask({"do": "reject", "reason": reason})

    def leave_off(self) -> None:
        """End the fetch before its end; what was not answered comes again."""
        self._ask({"do": "leave_off"})

    def deliver(self, document: Document, key: str) -> None:
        """Have a document handed to the department; raises the adapter's errors."""
        said = {
            "do": "deliver",
            "key": key,
            "media_type": document.media_type,
            "record_type": document.record_type,
            "organisation": document.organisation,
            "text": document.text,
        }
        self._ask(said, document.content)

    def conform(self) -> tuple[Finding, ...]:
        """Have the adapter tried against its source, opened anew for it; nothing is answered there."""
        said, _ = self._ask({"do": "conform"}, within_s=REPORT_PATIENCES * (self._config.kind.patience_s + GRACE_S))
        try:
            return findings_of(said, self._masked)
        except MalformedMessageError as error:
            raise self.broke(f"what it sent is no report: {error}") from error

    def close(self) -> None:
        """Let the adapter go and end its process, within seconds whatever it does."""
        if self.is_alive:
            with suppress(AdapterError, BrokenDoorError, InterruptedDoorError):
                self._ask({"do": "close"}, within_s=STOP_S)
        self.end()

    def end(self) -> None:
        """End the process and everything that it started, at once."""
        if self._ended:
            return
        self._ended = True
        # It was not waited for before: so its number is still its own.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # One that waits for a disk or a device that is gone ends later, or never; nobody waits for it.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self._line.close()
        self._errors.finish()

    def broke(self, why: str, *, exit_s: float = 0.0) -> BrokenDoorError:
        """End the process and return the error that says why, with its last words told as an event.

        One that is ending by itself has ``exit_s`` to do so, so that it can be told how.
        """
        code = self._exit_code(exit_s)
        self.end()
        if self._errors.overflowed:
            why = f"it wrote more than {SAID_BYTES_MAX:,} bytes to standard error"
        words = [self._masked(line)[:LINE_LENGTH_MAX] for line in self._errors.last_words()]
        if words:
            self._told("WARNING", "last words of the process", {"lines": "\n".join(words)})
        ended = f" ({_how(code)})" if code is not None and exit_s and not self._errors.overflowed else ""
        return BrokenDoorError(f"{why}{ended}")

    def _start(self, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Line]:
        try:
            return start_process([*COMMAND, MODULE], environment=without_secrets(environment), errors=subprocess.PIPE)
        except OSError as error:
            raise BrokenDoorError(f"its process cannot be started: {error.strerror}") from error

    def _exit_code(self, wait_s: float = 0.0) -> int | None:
        """Return how the process ended, as ``subprocess`` numbers it, None while it runs; nobody has waited for it."""
        deadline_s = self._clock.monotonic_s() + wait_s
        while True:
            left = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if left is not None:
                return left.si_status if left.si_code == os.CLD_EXITED else -left.si_status
            if self._clock.monotonic_s() >= deadline_s:
                return None
            threading.Event().wait(_EXIT_LOOK_S)

    def _ask(
        self, request: Mapping[str, Any], content: bytes = b"", *, within_s: float | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Return the answer to a request; raises what the adapter raised, or BrokenDoorError."""
        wait_s = self._config.kind.patience_s + GRACE_S if within_s is None else within_s
        begun_s = self._clock.monotonic_s()
        try:
            self._line.send(packed(request, content), MESSAGE_S)
            said, behind = self._answer(begun_s + wait_s, str(request["do"]))
        except TimeoutError as error:
            raise self.broke("it stopped in the middle of a message") from error
        except (OSError, EOFError) as error:
            if self._clock.monotonic_s() - begun_s >= self._config.kind.patience_s:
                # Its own watch ended it, and its last words tell where it hung.
                raise self.broke(self._hung(str(request["do"]))) from error
            raise self.broke(f"its process ended during {request['do']}", exit_s=EXIT_S) from error
        except ValueError as error:
            raise self.broke(f"it sent a message of more than {MESSAGE_BYTES_MAX:,} bytes") from error
        except MalformedMessageError as error:
            raise self.broke(f"what it sent is no message: {error}") from error
        if said.get("is") == "error":
            raise self._error(said)
        return said, behind

    def _answer(self, deadline_s: float, doing: str) -> tuple[dict[str, Any], bytes]:
        """Return the next message that is no event; the events before it are told.

        Raises InterruptedDoorError when the keeper is to stop and none comes within ``STOP_S``.
        """
        events, is_interrupted = 0, False
        while True:
            has_news = self._line.has_news(LOOK_S)
            if not is_interrupted and self._is_stopping():
                is_interrupted = True
                deadline_s = min(deadline_s, self._clock.monotonic_s() + STOP_S)
                self._tell_to_stop()
            if has_news:
                said, behind = unpacked(self._line.receive(MESSAGE_S, bytes_max=MESSAGE_BYTES_MAX))
                if said.get("is") != "log":
                    return said, behind
                events += 1
                self._tell(said)
            if events > EVENTS_MAX:
                raise self.broke(f"it told more than {EVENTS_MAX:,} events during {doing}")
            if self._clock.monotonic_s() >= deadline_s:
                if not is_interrupted:
                    raise self.broke(self._hung(doing))
                self.end()
                raise InterruptedDoorError

    def _tell_to_stop(self) -> None:
        if not self.was_stopped:
            self.was_stopped = True
            self._line.send(packed({"do": "stop"}), MESSAGE_S)

    def _hung(self, doing: str) -> str:
        return f"it hung: {doing} took longer than its patience of {self._config.kind.patience_s:g} s"

    def _error(self, said: Mapping[str, Any]) -> Exception:
        text = self._masked(str(said.get("text")))[:TEXT_LENGTH_MAX]
        return error_of(said, text) or self.broke(f"it has a defect: {text}")

    def _brought(self, answer: tuple[dict[str, Any], bytes]) -> Brought | None:
        said, content = answer
        if said.get("is") == "end":
            return None
        try:
            return brought(said, content, source_id=self._config.source)
        except MalformedMessageError as error:
            raise self.broke(f"it does not keep to the contract: {error}") from error

    def _tell(self, said: Mapping[str, Any]) -> None:
        fields = said.get("fields")
        few = fields.items() if isinstance(fields, dict) else ()
        masked = {str(name): self._masked(str(text)) for name, text in few}
        self._told(str(said.get("level")), self._masked(str(said.get("phrase"))), masked)


class _ErrorReader:
    """Reads standard error of a process to its end, so that it never waits for a reader, and keeps the last lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None  # noqa: S101 - it was started with a pipe.
        self._stream = process.stderr
        self._process_group = process.pid
        self._last: deque[str] = deque(maxlen=LAST_WORDS_MAX)
        self.overflowed = False
        self._thread = threading.Thread(target=self._read, name=f"door-errors-{process.pid}", daemon=True)
        self._thread.start()

    def last_words(self) -> list[str]:
        """Return the last lines that the process wrote, once it has ended."""
        return list(self._last)

    def finish(self) -> None:
        """Wait until everything was read; something that left the process's group must not hold us up."""
        self._thread.join(STOP_S)

    def _read(self) -> None:
        said = 0
        with suppress(OSError), self._stream:
            while line := self._stream.readline(LINE_BYTES_MAX):
                said += len(line)
                self._last.append(line.decode(errors="replace").rstrip())
                if said > SAID_BYTES_MAX and not self.overflowed:
                    self.overflowed = True
                    # Its owner, who alone waits for it, then sees that it ended.
                    os.killpg(self._process_group, signal.SIGKILL)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
