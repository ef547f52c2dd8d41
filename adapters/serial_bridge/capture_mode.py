"""The mode ``capture``: a device sends text by itself, and every record in it is kept before the device is answered."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from adapters.contract import SourceUnavailableError
from adapters.serial_bridge.control_text import on_the_line, plain
from adapters.serial_bridge.framing import Flaw, Found, Frame, Framer, ParityMarks
from adapters.serial_bridge.inbox import InboxUnwritableError
from adapters.serial_bridge.ports import marks_parity_errors
from adapters.serial_bridge.refused_pieces import RefusedPieces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from adapters.contract import Document
    from adapters.serial_bridge.inbox import Inbox
    from adapters.serial_bridge.ports import Port

ENCODINGS: Final = ("utf-8", "gb18030", "gbk", "utf-16-le", "utf-16-be", "ascii", "bytes")
"""``bytes`` is none: records are handed over as they came."""
WAITING_MAX: Final = 100_000
"""Records that may wait for the node's answer; further ones are refused, as if they had come damaged."""
_READ_BYTES: Final = 4096
_log = logging.getLogger(__name__)
_DRAIN_S: Final = 0.05


def frame_of(settings: Mapping[str, Any]) -> Frame:
    """Return what a record looks like by the settings; raises ValueError when a mark is written wrongly."""
    encoding = settings["encoding"]
    return Frame(
        start=encoded(settings["record_start"], encoding),
        end=encoded(settings["record_end"], encoding),
        unit=2 if encoding.startswith("utf-16") else 1,
        bytes_max=int(settings["record_bytes_max"]),
        check=settings["check"],
        check_end_mark=settings["check_end_mark"],
        check_before_end=settings["check_before_end"],
        check_hexadecimal=settings["check_hexadecimal"],
    )


def encoded(written: str, encoding: str) -> bytes:
    """Return a text of the settings as it goes over the line; what the encoding lacks becomes a question mark."""
    return on_the_line(plain(written), encoding)


class CaptureTalk:
    """Text over a port. What is not whole when the port is closed is kept as broken off."""

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        folder: Path,
        inbox: Inbox,
        *,
        now: Callable[[], datetime],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._name = name
        self._settings = settings
        self._inbox = inbox
        self._monotonic_s = monotonic_s
        self._encoding: str = settings["encoding"]
        self._framer = Framer(frame_of(settings))
        self._refused = RefusedPieces(name, folder / "refused", now, monotonic_s)
        self._heading = plain(settings["heading"]).encode("utf-8")
        self._not_taken = encoded(settings["answer_damaged"], self._encoding)
        self._marks = ParityMarks() if marks_parity_errors(settings) else None
        self._heard_s = monotonic_s()
        self._unkept: list[Found] = []
        self._told_unwritable = False
        self._told_trial = False
        self._stopped = threading.Event()

    def listen(self, port: Port, wait_s: float) -> None:
        """Keep the records that come within ``wait_s``, and tell the device of those that came damaged.

        While the disk takes nothing, nothing more is read: the driver holds some, and flow control holds the device.
        """
        if self._unkept:
            self._stopped.wait(wait_s)
            self._keep([], port)
            return
        data = port.read(_READ_BYTES, wait_s)
        now_s = self._monotonic_s()
        if data:
            self._heard_s = now_s
            clean, damaged = self._marks.feed(data) if self._marks else (data, ())
            found = self._framer.feed(clean, damaged if self._settings["parity_errors"] == "refuse" else ())
        elif self._framer.holds and now_s - self._heard_s >= self._settings["record_idle_s"]:
            found = self._framer.silence()
        else:
            self._refused.tell()
            return
        self._keep(found, port)

    def send(self, port: Port, document: Document, key: str) -> None:  # noqa: ARG002 - a device knows no keys.
        """Write what a display or printer shows of a document, and wait until the line has taken it."""
        port.write(on_the_line(document.text, self._encoding) + encoded(self._settings["deliver_end"], self._encoding))
        until_s = self._monotonic_s() + self._settings["deliver_wait_s"]
        while port.unsent():
            if self._monotonic_s() > until_s or self._stopped.wait(_DRAIN_S):
                raise SourceUnavailableError("the line does not take it; is its flow control right?")

    def break_off(self) -> None:
        """Keep what was not whole when the port went."""
        self._keep(self._framer.silence(), None)

    def stop(self) -> None:
        """Come back soon."""
        self._stopped.set()

    def _keep(self, found: list[Found], port: Port | None) -> None:
        """Put records into the inbox and pieces beside it; what finds no room on the disk is kept for the next time."""
        judged = [one if one.flaw else self._decoded(one) for one in found]
        judged, self._unkept = [*self._unkept, *judged], []
        records = [self._heading + one.content for one in judged if one.flaw is None]
        refused = [one for one in judged if one.flaw]
        if records and self._inbox.waiting() >= WAITING_MAX:
            refused += [Found(content=content, flaw=Flaw.NO_ROOM) for content in records]
            records = []
        try:
            if records:
                self._inbox.put_records(records, self._settings["media_type"])
                self._tell_trial()
        except InboxUnwritableError as error:
            self._unkept = judged
            self._tell_once(str(error))
            return
        self._told_unwritable = False
        if refused:
            self._refused.keep(refused)
        if port is not None:
            port.write(self._not_taken * sum(one.flaw is not Flaw.JUNK for one in refused))

    def _tell_once(self, reason: str) -> None:
        if not self._told_unwritable:
            self._told_unwritable = True
            _log.warning("records wait for room on the disk", extra={"adapter": self._name, "reason": reason})

    def _tell_trial(self) -> None:
        """Say, once, that what comes during a trial is not kept: these devices say nothing twice by themselves."""
        if self._inbox.is_trial and not self._told_trial:
            self._told_trial = True
            _log.warning("records of a trial are not kept: have them sent again", extra={"adapter": self._name})

    def _decoded(self, record: Found) -> Found:
        """Return a record in UTF-8: guessing the encoding of so short a text, as for files, would go wrong.

        Where CR or LF alone is the end mark, the other half of a line's end stands before or behind the record.
        """
        if self._encoding == "bytes":
            return record
        try:
            text = record.content.decode(self._encoding)
        except UnicodeDecodeError:
            return Found(content=record.content, flaw=Flaw.NOT_TEXT)
        return Found(content=text.removeprefix("\n").removesuffix("\r").encode("utf-8"))
