"""The log of a running node: one line an event on standard error, where systemd's journal collects it."""

from __future__ import annotations

import logging
import sys

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LOUD = ("alembic", "apscheduler", "httpx", "httpcore", "werkzeug")


class _EventFormatter(logging.Formatter):
    """Constant phrase first, then the fields as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line (and the traceback, if there is one)."""
        fields = " ".join(f"{name}={value!r}" for name, value in vars(record).items() if name not in _PLAIN)
        text = super().format(record)
        head, newline, rest = text.partition("\n")
        return f"{head} {fields}{newline}{rest}" if fields else text


def log_to_stderr(verbosity: int) -> None:
    """Send the log to standard error: warnings with ``-1``, events with 0, everything from 1."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_EventFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel({-1: logging.WARNING, 0: logging.INFO}.get(verbosity, logging.DEBUG))
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
