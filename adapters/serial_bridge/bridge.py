"""The adapter of the modes ``zmodem``, ``kermit`` and ``capture``: between the node and the thread of the port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.contract import DeliveryRejectedError
from adapters.serial_bridge.capture_mode import CaptureTalk
from adapters.serial_bridge.control_text import on_the_line, plain
from adapters.serial_bridge.inbox import Inbox, as_delivery, writing
from adapters.serial_bridge.listening import Listener
from adapters.serial_bridge.mode_settings import DELIVER_MAX_S
from adapters.serial_bridge.port_keeper import PortKeeper
from adapters.serial_bridge.ports import open_port
from adapters.serial_bridge.transfer_mode import TransferTalk, require_programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.contract import Delivery, Document, Opening, Outcome
    from adapters.serial_bridge.listening import Talk

WAIT_S: Final = 1.5
"""How long ``fetch`` waits for something to come."""


class SerialBridge:
    """One port, and whoever is at its other end. Its thread begins with the first ``fetch`` or ``deliver``."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._settings = opening.settings
        self._inbox: Inbox | None = None
        self._listener: Listener | None = None

    def check(self) -> None:
        """Open the port as it is set, and close it again; nothing is read or written.

        Whether somebody is at the other end cannot be seen: these devices speak when they have something to say.
        """
        self._require_programs()
        if self._listener is not None:
            self._listener.refuse_when_away()
        else:
            open_port(self._settings).close()

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield what waits for an answer, oldest first; waits a second or two when there is nothing."""
        inbox, listener = self._started()
        came = inbox.after(0, 1)
        if not came:
            self._require_programs()
            listener.refuse_when_away()
            inbox.wait(WAIT_S)
            came = inbox.after(0, 1)
        fetched = 0
        while came and fetched < limit:
            yield as_delivery(came[0], self._opening.source_id)
            fetched += 1
            came = inbox.after(came[0].seq, 1)
        listener.refuse_when_away()

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Forget the delivery, and tell the device by the answer that the settings give."""
        kept = outcome.accepted + outcome.repeated + outcome.received
        form = "answer_accepted" if kept or not outcome.refused else "answer_refused"
        reason = outcome.problems[0].text if outcome.problems else ""
        self._answer(delivery, form, outcome.accepted + outcome.received, outcome.repeated, outcome.refused, reason)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Forget the delivery, and tell the device that it could not be read."""
        self._answer(delivery, "answer_refused", 0, 0, 0, reason)

    def deliver(self, document: Document, key: str) -> None:
        """Hand a document to the device or machine at the other end."""
        if self._settings["deliver"] == "none":
            raise DeliveryRejectedError("nothing is delivered on this line: its setting deliver is none")
        inbox, listener = self._started()
        if inbox.is_delivered(key):
            return
        self._require_programs()
        listener.refuse_when_away()
        listener.send(document, key, DELIVER_MAX_S)

    def close(self) -> None:
        """Let go of the port; calling it twice is harmless."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None

    def _started(self) -> tuple[Inbox, Listener]:
        opening = self._opening
        with writing():
            if self._inbox is None:
                self._inbox = Inbox(opening.folder, opening.now, is_trial=opening.is_trial)
            if self._listener is None:
                keeper = PortKeeper(opening.name, lambda: open_port(self._settings), opening.monotonic_s)
                self._listener = Listener(opening.name, self._talk(self._inbox), keeper, self._inbox)
                self._listener.start()
        return self._inbox, self._listener

    def _require_programs(self) -> None:
        """Raise SourceNeedsPersonError when what the mode needs is not installed, or no more."""
        if self._settings["mode"] != "capture":
            require_programs(self._settings["mode"])

    def _talk(self, inbox: Inbox) -> Talk:
        opening = self._opening
        if self._settings["mode"] == "capture":
            return CaptureTalk(
                opening.name, self._settings, opening.folder, inbox, now=opening.now, monotonic_s=opening.monotonic_s
            )
        return TransferTalk(opening.name, self._settings, opening.folder, inbox, opening.monotonic_s)

    def _answer(self, delivery: Delivery, form: str, accepted: int, repeated: int, refused: int, reason: str) -> None:
        # Counts and reason come from the node: only what the settings write may hold control characters.
        shown = "".join(character if character.isprintable() else " " for character in reason)
        line = plain(self._settings[form])
        for name, value in (("accepted", accepted), ("repeated", repeated), ("refused", refused), ("reason", shown)):
            line = line.replace(f"{{{name}}}", str(value))
        answer = on_the_line(line, self._settings["encoding"])
        inbox, listener = self._started()
        if inbox.remove(delivery.delivery_key, answer if accepted + repeated and not refused else None):
            listener.say(answer)
