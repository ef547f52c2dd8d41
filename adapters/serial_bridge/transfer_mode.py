"""The modes ``zmodem`` and ``kermit``: waits until somebody wants to send, and lets a program receive it."""

from __future__ import annotations

import logging
import shutil
import threading
from typing import TYPE_CHECKING, Final, Protocol

from adapters.contract import SourceUnavailableError
from adapters.serial_bridge.control_text import on_the_line
from adapters.serial_bridge.inbox import InboxUnwritableError
from adapters.serial_bridge.kermit import KermitFiles
from adapters.serial_bridge.naming import document_name
from adapters.serial_bridge.programs import (
    CONFINING,
    CONFINING_PACKAGE,
    BegunAnewError,
    Limits,
    Session,
    TransferRefusedError,
    require_program,
    started,
)
from adapters.serial_bridge.zmodem import ZmodemFiles

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from adapters.contract import Document
    from adapters.serial_bridge.inbox import Inbox
    from adapters.serial_bridge.ports import Port

WAITING_MAX: Final = 1000
"""Files that may wait for the node's answer; further ones are refused at their sender's."""
_READ_BYTES: Final = 1024
_REMEMBERED_BYTES: Final = 64
"""What is remembered of the line while nobody sends: more than any beginning of a transfer is long."""

_log = logging.getLogger(__name__)


class FileProtocol(Protocol):
    """A protocol for files, spoken by programs of a package of Debian."""

    @property
    def package(self) -> str:
        """The package that has the programs."""

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the programs."""

    @property
    def beginning(self) -> re.Pattern[bytes]:
        """What a sender says first."""

    def take_what_came(self) -> None:
        """Put into the inbox what came whole before the process before this one was ended."""

    def receive(self, work: Path) -> Session:
        """Return how one transfer is received in the empty folder ``work``."""

    def send(self, work: Path, name: str) -> Session:
        """Return how the file ``name`` in the folder ``work`` is sent."""

    def refusal(self, why: str) -> bytes:
        """Return what ends a session at the other side and tells why (ASCII)."""


PROTOCOLS: Final[Mapping[str, type[ZmodemFiles | KermitFiles]]] = {"zmodem": ZmodemFiles, "kermit": KermitFiles}


def require_programs(mode: str) -> None:
    """Raise SourceNeedsPersonError when a program that a mode needs is not installed."""
    protocol = PROTOCOLS[mode]
    for program in CONFINING:
        require_program(program, CONFINING_PACKAGE)
    for program in protocol.programs:
        require_program(program, protocol.package)


class TransferTalk:
    """Files over a port, one transfer after another."""

    def __init__(
        self, name: str, settings: Mapping[str, Any], folder: Path, inbox: Inbox, monotonic_s: Callable[[], float]
    ) -> None:
        self._name = name
        self._settings = settings
        self._folder = folder
        self._inbox = inbox
        self._monotonic_s = monotonic_s
        self._protocol: FileProtocol = PROTOCOLS[settings["mode"]](settings, folder, inbox)
        self._stopped = threading.Event()
        self._heard = b""
        self._protocol.take_what_came()

    def listen(self, port: Port, wait_s: float) -> None:
        """Wait for the beginning of a transfer, and receive it."""
        self._heard += port.read(_READ_BYTES, wait_s)
        found = self._protocol.beginning.search(self._heard)
        if found is None:
            self._heard = self._heard[-_REMEMBERED_BYTES:]
            return
        begun, self._heard = self._heard[found.start() :], b""
        try:
            self._receive(port, begun)
        except TransferRefusedError as refusal:
            _log.warning("transfer refused", extra={"adapter": self._name, "reason": str(refusal)})
            port.write(self._protocol.refusal(str(refusal)))
        except (InboxUnwritableError, OSError) as error:
            _log.warning("transfer refused", extra={"adapter": self._name, "reason": str(error)})
            port.write(self._protocol.refusal("the disk of the node takes nothing"))
        except BegunAnewError as anew:
            self._heard = anew.heard
        except SourceUnavailableError as error:
            _log.warning("transfer broke off", extra={"adapter": self._name, "reason": str(error)})
            raise

    def send(self, port: Port, document: Document, key: str) -> None:
        """Send a document as a file; raises SourceUnavailableError when nobody receives it."""
        try:
            session = self._outgoing(document, key)
            status = self._run(port, session, b"", self._settings["deliver_wait_s"])
        except TransferRefusedError as refusal:
            port.write(self._protocol.refusal(str(refusal)))
            raise SourceUnavailableError(f"nobody takes the file: {refusal}") from refusal
        except OSError as error:
            raise SourceUnavailableError(f"this machine cannot send the file: {error}") from error
        if status:
            raise SourceUnavailableError(f"nobody takes the file: {session.argv[0]} ended with {status}")

    def break_off(self) -> None:
        """Forget what was heard last."""
        self._heard = b""

    def stop(self) -> None:
        """End the transfer that goes on; its beginning is kept."""
        self._stopped.set()

    def _outgoing(self, document: Document, key: str) -> Session:
        """Put a document into a folder, and return how it is sent from there."""
        work = self._fresh("sending")
        if self._settings["deliver"] == "text":
            name, content = document_name(key, ".TXT"), on_the_line(document.text, self._settings["encoding"])
        else:
            name, content = document_name(key, ".XML"), document.content
        (work / name).write_bytes(content)
        return self._protocol.send(work, name)

    def _receive(self, port: Port, begun: bytes) -> None:
        if self._inbox.waiting() >= WAITING_MAX:
            raise TransferRefusedError("the node has not answered what came before")
        session = self._protocol.receive(self._fresh("receiving"))
        status = self._run(port, session, begun, self._settings["transfer_idle_s"])
        _log.info("transfer ended", extra={"adapter": self._name, "status": status})

    def _run(self, port: Port, session: Session, begun: bytes, idle_s: float) -> int:
        limits = Limits(idle_s=idle_s, whole_s=self._settings["transfer_time_max_s"])
        with started(session, int(self._settings["file_bytes_max"])) as program:
            status = program.relay(port, begun, limits, monotonic_s=self._monotonic_s, is_stopped=self._stopped.is_set)
        if not status:
            port.write(session.tap.finish())
        return status

    def _fresh(self, name: str) -> Path:
        """Return an empty folder of this adapter."""
        made = self._folder / name
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        return made
