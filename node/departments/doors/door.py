"""The process of one adapter: ``python -P -m node.departments.doors.door``, started by its keeper.

It opens the adapter and does what the keeper asks, one request after another. It holds nothing of the node: no home, no
key, no store; settings and secrets come through its standard input, which is the line to the keeper. When that ends
(the keeper is gone, however it went), this process ends within seconds, whatever the adapter does.

Whatever the adapter prints goes to standard error, which the keeper reads with a bound.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import resource
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adapters.conforming import conform
from adapters.contract import AdapterError, Document, Opening
from node.beside import Line
from node.clock import MachineClock
from node.collector import collect_seldom
from node.departments.doors.kinds import find_kind
from node.departments.doors.messages import (
    INLINE_BYTES_MAX,
    REPORT_PATIENCES,
    delivery_message,
    error_message,
    outcome_of,
    packed,
    unpacked,
)
from node.departments.doors.remote_log import RemoteHandler
from node.departments.doors.secrets import masking
from node.randomness import SystemRandomness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from adapters.contract import Adapter, AdapterKind, Delivery

LEAVE_S: Final = 2.0
"""Seconds that an adapter has to return, once nobody listens any more."""
HEAD_BYTES: Final = 1024 * 1024
"""Beginning that is handed over of a delivery that is too large: as much as is kept of it."""
NICENESS: Final = 5
"""How far the process steps back behind the node. Our own choice: a line must still be served in time."""
MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""Memory that an adapter may use beside what it holds of a delivery. Our own choice: far above what any needs."""
_LATE_S: Final = 1.0
_SPOOLED: Final = "delivery"


class Served:
    """The adapter of this process, and the line on which it is asked.

    ``ends`` ends the process with all that it started, ``bounds`` limits its memory to so many bytes, ``watches``
    ends it after so many seconds unless it is told otherwise (None) before.
    """

    def __init__(
        self,
        line: Line,
        *,
        ends: Callable[[], None],
        bounds: Callable[[int], None],
        watches: Callable[[float | None], None],
    ) -> None:
        self._line = line
        self._ends = ends
        self._bounds = bounds
        self._watches = watches
        self._requests: queue.SimpleQueue[tuple[dict[str, Any], bytes] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._sending = threading.Lock()
        self._handler = RemoteHandler(self._send)
        self._kind: AdapterKind | None = None
        self._opening: Opening | None = None
        self._adapter: Adapter | None = None
        self._fetching: Iterator[Delivery] | None = None
        self._current: Delivery | None = None
        self._spool = Path()
        self._bytes_max = 0
        self._patience_s = 0.0

    def serve(self) -> None:
        """Answer requests until the line ends or ``close`` was asked."""
        threading.Thread(target=self._listen, name="line", daemon=True).start()
        root = logging.getLogger()
        root.addHandler(self._handler)
        root.setLevel(logging.INFO)
        while (request := self._requests.get()) is not None:
            said, content = request
            answer, behind, goes_on = self._answered(said, content)
            self._handler.quiet()
            self._send(answer, behind)
            if not goes_on:
                return

    def _listen(self) -> None:
        """Take requests from the line; once it ends, let the adapter go, and leave without it if it does not return."""
        with suppress(EOFError, OSError):
            while True:
                said, content = unpacked(self._line.receive())
                if said["do"] == "stop":
                    self._stopping.set()
                else:
                    self._requests.put((said, content))
        self._stopping.set()
        self._requests.put(None)
        threading.Event().wait(LEAVE_S)
        self._ends()

    def _answered(self, said: Mapping[str, Any], content: bytes) -> tuple[dict[str, Any], bytes, bool]:
        """Return the answer, the content behind it, and whether this process goes on."""
        self._handler.listened_to()
        if said["do"] == "open":
            self._patience_s = said["patience_s"]
        patiences = REPORT_PATIENCES if said["do"] == "conform" else 1
        self._watches(patiences * self._patience_s + _LATE_S)
        try:
            answer, behind = self._actions[said["do"]](self, said, content)
        except AdapterError as error:
            self._fetching = None
            return error_message(error, self._handler.masked), b"", True
        except Exception as error:
            logging.getLogger(__name__).exception("defect")
            return error_message(error, self._handler.masked), b"", False
        finally:
            self._watches(None)
        return answer, behind, said["do"] != "close"

    def _send(self, message: Mapping[str, Any], content: bytes = b"") -> None:
        # When nobody listens any more, `_listen` knows it too.
        with suppress(OSError), self._sending:
            self._line.send(packed(message, content))

    def _open(self, said: Mapping[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        self._handler.masked = masking(said["secrets"].values())
        self._spool, self._bytes_max = Path(said["spool"]), said["bytes_max"]
        self._bounds(MEMORY_BYTES + 2 * self._bytes_max)
        found = find_kind(said["kind"])
        if found.kind is None:
            raise ImportError(found.reason)
        clock = MachineClock()
        self._kind = found.kind
        self._opening = Opening(
            name=said["name"],
            source_id=said["source_id"],
            settings=said["settings"],
            secrets=said["secrets"],
            folder=Path(said["folder"]),
            cursor=said["cursor"],
            now=clock.now,
            monotonic_s=clock.monotonic_s,
            wait=self._stopping.wait,
            token=SystemRandomness().token,
            is_trial=said["is_trial"],
        )
        self._adapter = found.kind.open(self._opening)
        return _DONE

    def _check(self, _: Mapping[str, Any], __: bytes) -> tuple[dict[str, Any], bytes]:
        self._opened.check()
        return _DONE

    def _fetch(self, said: Mapping[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        self._forget_fetch()
        self._fetching = iter(self._opened.fetch(said["limit"]))
        return self._next(said, b"")

    def _next(self, _: Mapping[str, Any], __: bytes) -> tuple[dict[str, Any], bytes]:
        delivery = None if self._fetching is None else next(self._fetching, None)
        self._current = delivery
        if delivery is None:
            self._fetching = None
            return {"is": "end"}, b""
        size = len(delivery.content) if delivery.file is None else delivery.file.stat().st_size
        said = delivery_message(delivery, size)
        if size > self._bytes_max:
            return {**said, "too_large": True}, _head(delivery)
        if delivery.file is not None:
            return {**said, "file": str(delivery.file.absolute())}, b""
        if size > INLINE_BYTES_MAX:
            spooled = self._spool / _SPOOLED
            spooled.write_bytes(delivery.content)
            return {**said, "file": str(spooled)}, b""
        return said, delivery.content

    def _acknowledge(self, said: Mapping[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        self._opened.acknowledge(self._answering(), outcome_of(said, content))
        return _DONE

    def _reject(self, said: Mapping[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        self._opened.reject(self._answering(), said["reason"])
        return _DONE

    def _deliver(self, said: Mapping[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
        document = Document(
            content=content,
            media_type=said["media_type"],
            record_type=said["record_type"],
            organisation=said["organisation"],
            text=said["text"],
        )
        self._opened.deliver(document, said["key"])
        return _DONE

    def _conform(self, _: Mapping[str, Any], __: bytes) -> tuple[dict[str, Any], bytes]:
        """Try the kind with openings like this one; the adapter of this process lets go of the source before."""
        self._forget_fetch()
        self._opened.close()
        kind, opening = self._kind, self._opening
        if kind is None or opening is None:
            message = "the adapter was not opened"
            raise RuntimeError(message)
        return {"is": "conformed", "findings": [asdict(one) for one in conform(kind, lambda: opening)]}, b""

    def _leave_off(self, _: Mapping[str, Any], __: bytes) -> tuple[dict[str, Any], bytes]:
        self._forget_fetch()
        return _DONE

    def _close(self, _: Mapping[str, Any], __: bytes) -> tuple[dict[str, Any], bytes]:
        self._forget_fetch()
        self._opened.close()
        return _DONE

    def _forget_fetch(self) -> None:
        fetching, self._fetching, self._current = self._fetching, None, None
        close = getattr(fetching, "close", None)
        if close is not None:
            close()

    def _answering(self) -> Delivery:
        """Return the delivery that is answered; what was spooled of it goes with the next one, or the process."""
        if self._current is None:
            message = "no delivery waits for an answer"
            raise RuntimeError(message)
        return self._current

    @property
    def _opened(self) -> Adapter:
        if self._adapter is None:
            message = "the adapter was not opened"
            raise RuntimeError(message)
        return self._adapter

    _actions: Final[Mapping[str, Callable[[Served, Mapping[str, Any], bytes], tuple[dict[str, Any], bytes]]]] = {
        "open": _open,
        "check": _check,
        "fetch": _fetch,
        "next": _next,
        "acknowledge": _acknowledge,
        "reject": _reject,
        "deliver": _deliver,
        "conform": _conform,
        "leave_off": _leave_off,
        "close": _close,
    }


_DONE: Final[tuple[dict[str, Any], bytes]] = ({"is": "done"}, b"")


def _head(delivery: Delivery) -> bytes:
    if delivery.file is None:
        return delivery.content[:HEAD_BYTES]
    with delivery.file.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def _end_group() -> None:
    """End this process and everything that it started: it leads a group of its own."""
    os.killpg(0, signal.SIGKILL)


def _bound_memory(size: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = size if most == resource.RLIM_INFINITY else min(size, most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))


def _watch(after_s: float | None) -> None:
    """Tell where this process hangs and end it then; this runs without the interpreter, which a library may hold."""
    if after_s is None:
        faulthandler.cancel_dump_traceback_later()
    else:
        faulthandler.dump_traceback_later(after_s, exit=True)


def _line_of_process() -> Line:
    """Take the line off standard input and output, so that nothing that an adapter reads or prints gets into it."""
    incoming, outgoing = os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.close(nothing)
    return Line(Connection(incoming, writable=False), Connection(outgoing, readable=False))


def main() -> None:
    """Serve one adapter, and leave."""
    faulthandler.enable()
    os.nice(NICENESS)
    collect_seldom()
    Served(_line_of_process(), ends=_end_group, bounds=_bound_memory, watches=_watch).serve()
    # Threads of an adapter that were not let go must not keep the process.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
