"""What happened at one adapter lately: a bounded file of events in its folder, read by ``yizhan adapters logs``.

Beside the node's own log, which has the same events: this one is by adapter and can be read without the machine's log.
Every text in it is masked already. Two files of lines of JSON take turns, so it never grows beyond ``FILE_BYTES_MAX``
twice.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any, Final

from node.config.files import OWNER_ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from node.clock import Clock

FILE_BYTES_MAX: Final = 512 * 1024
PER_MINUTE_MAX: Final = 60
"""Events that are kept in a minute; the others are counted. Our own choice: an adapter that says more says nothing."""
_FILE: Final = "events.log"
_OLDER: Final = "events.1.log"
_MINUTE_S: Final = 60.0
_LEVELS: Final = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING}

_log = logging.getLogger(__name__)


class EventLog:
    """The events of one adapter, written by whoever keeps it; ``folder`` is there."""

    def __init__(self, name: str, folder: Path, clock: Clock) -> None:
        self._name = name
        self._folder = folder
        self._clock = clock
        self._minute_ends_s = 0.0
        self._in_minute = 0
        self._omitted = 0

    def note(self, level: str, phrase: str, fields: Mapping[str, str] | None = None) -> None:
        """Keep and log an event of the keeper itself; texts are masked and bounded already."""
        self._keep(level, phrase, fields or {})

    def add(self, level: str, phrase: str, fields: Mapping[str, str] | None = None) -> None:
        """Keep and log an event of the adapter's process, unless this minute had too many."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._minute_ends_s:
            omitted, self._omitted, self._in_minute = self._omitted, 0, 0
            self._minute_ends_s = now_s + _MINUTE_S
            if omitted:
                self._keep("WARNING", "events omitted", {"count": str(omitted)})
        self._in_minute += 1
        if self._in_minute > PER_MINUTE_MAX:
            self._omitted += 1
            return
        self._keep(level, phrase, fields or {})

    def _keep(self, level: str, phrase: str, fields: Mapping[str, str]) -> None:
        level = level if level in _LEVELS else "ERROR"
        _log.log(
            _LEVELS.get(level, logging.ERROR),
            "adapter event",
            extra={"adapter": self._name, "event": phrase, **({"fields": dict(fields)} if fields else {})},
        )
        at = self._clock.now().isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, "level": level, "event": phrase, "fields": dict(fields)}, ensure_ascii=False)
        try:
            self._append(line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError as error:
            # The event is in the node's own log; a full disk must not end a keeper.
            _log.warning("adapter events not kept", extra={"adapter": self._name, "why": error.strerror})

    def _append(self, line: bytes) -> None:
        path = self._folder / _FILE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
        try:
            os.write(descriptor, line)
            is_full = os.fstat(descriptor).st_size > FILE_BYTES_MAX
        finally:
            os.close(descriptor)
        if is_full:
            path.replace(self._folder / _OLDER)


def last_events(folder: Path, count: int) -> list[dict[str, Any]]:
    """Return the last events of an adapter, oldest first; none when it never had any."""
    lines: list[bytes] = []
    for name in (_OLDER, _FILE):
        path = folder / name
        if path.is_file():
            lines += path.read_bytes().splitlines()
    return [event for line in lines[-count:] if (event := _read(line)) is not None]


def _read(line: bytes) -> dict[str, Any] | None:
    """Return the event of a line, None of one that a crash cut."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
