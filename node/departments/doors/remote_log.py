"""The log of an adapter's process: what it says goes through the line to its keeper, who masks and keeps it.

The keeper listens only while it waits for an answer. What is logged between two requests (by a thread of the adapter)
waits, the newest of it; how much was dropped is told.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WAITING_MAX: Final = 100
"""Events that wait until the keeper listens again. Our own choice."""
PHRASE_LENGTH_MAX: Final = 300
FIELDS_MAX: Final = 20
FIELD_LENGTH_MAX: Final = 500
TRACE_LENGTH_MAX: Final = 4000
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class RemoteHandler(logging.Handler):
    """Hands log records to ``say`` as messages while somebody listens.

    ``masked`` replaces secrets in a text: before it is cut, since nobody would know the rest of a secret again.
    """

    def __init__(self, say: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self.masked: Callable[[str], str] = str
        self._say = say
        self._speaking = threading.RLock()
        self._waiting: deque[dict[str, Any]] = deque(maxlen=WAITING_MAX)
        self._dropped = 0
        self._listened_to = False

    def listened_to(self) -> None:
        """Say that the keeper listens from now on; what waited is told first."""
        with self._speaking:
            self._listened_to = True
            if self._dropped:
                self._say(_message("WARNING", "events dropped", {"count": str(self._dropped)}))
            while self._waiting:
                self._say(self._waiting.popleft())
            self._dropped = 0

    def quiet(self) -> None:
        """Say that the keeper does not listen any more; returns when nothing more is under way."""
        with self._speaking:
            self._listened_to = False

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a record, or keep it until somebody listens."""
        message = self._of_record(record)
        with self._speaking:
            if self._listened_to:
                self._say(message)
                return
            self._dropped += len(self._waiting) == WAITING_MAX
            self._waiting.append(message)

    def _of_record(self, record: logging.LogRecord) -> dict[str, Any]:
        try:
            phrase = record.getMessage()
        except (TypeError, ValueError):
            phrase = str(record.msg)
        given = {name: self.masked(str(value)) for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info:
            trace = self.masked(logging.Formatter().formatException(record.exc_info))
            given["traceback"] = trace[-TRACE_LENGTH_MAX:]
        return _message(record.levelname, self.masked(phrase), given)


def _message(level: str, phrase: str, fields: Mapping[str, str]) -> dict[str, Any]:
    few = list(fields.items())[:FIELDS_MAX]
    bounded = {name[:40]: text if name == "traceback" else text[:FIELD_LENGTH_MAX] for name, text in few}
    return {"is": "log", "level": level, "phrase": phrase[:PHRASE_LENGTH_MAX], "fields": bounded}
