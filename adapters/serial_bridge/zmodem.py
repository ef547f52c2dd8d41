"""Files by ZMODEM: ``rz`` receives, ``sz`` sends (package lrzsz), and this decides what is received and what is whole.

``rz`` answers a sender as soon as it has closed a file, whatever became of it: it does not look whether everything
could be written. So its answer is held back until the file stands in the inbox and on the disk, and replaced by a
cancellation when the file is not as long as was said. A transfer that broke off is kept and gone on with when the same
file (name, size and time) is offered again: anything else would glue two files together, since ZMODEM does not check
the seam.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from adapters.serial_bridge.naming import decoded_name, media_type, refusal_of
from adapters.serial_bridge.programs import (
    BegunAnewError,
    Passing,
    Session,
    TransferRefusedError,
    refuse_on_trial,
    refuse_without_room,
)
from adapters.serial_bridge.zmodem_frames import (
    CANCEL,
    FINISHED,
    INVITED,
    INVITED_ANEW,
    OVER_AND_OUT,
    READY,
    WANTED,
    FileOffer,
    Frames,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from adapters.serial_bridge.inbox import Inbox

NAME_BYTES_MAX: Final = 100
PARTIAL_COUNT_MAX: Final = 20
WRITTEN_BYTES: Final = 4096
"""``rz`` writes so much at once, the least that it can be told: what it holds is lost when a transfer breaks off."""
ASKS_AGAIN_TENTHS: Final = 40
"""``rz`` asks again after so many tenths of a second without a byte; its own 10 s make a bad line a slow one."""

_HEADERS: Final = re.compile(b"|".join(re.escape(header) for header in (READY, WANTED, FINISHED)))


class ZmodemFiles:
    """Files by ZMODEM on one adapter's line."""

    package: Final = "lrzsz"
    programs: Final = ("rz", "sz")
    beginning: Final = re.compile(re.escape(INVITED) + rb"|rz\r")
    """The header that invites a receiver, or the command that a sender types first."""

    def __init__(self, settings: Mapping[str, Any], folder: Path, inbox: Inbox) -> None:
        self._settings = settings
        self._inbox = inbox
        self._partials = Partials(folder / "partial")
        # A line with XON/XOFF swallows those characters wherever they stand.
        self._options = ["--zmodem", "--binary", "--quiet", *(["--escape"] if settings["xonxoff"] else [])]

    def take_what_came(self) -> None:
        """Keep what came whole before the process before was ended."""
        self._partials.take_whole(self._inbox, self._settings["encoding"])

    def receive(self, work: Path) -> Session:
        """Return how one transfer is received in the empty folder ``work``.

        ``rz`` is restricted by itself: no paths that lead out of its folder, no commands of the sender.
        """
        tap = ReceivingTap(self._settings, self._inbox, self._partials, work)
        options = ["--resume", "--bufsize", str(WRITTEN_BYTES), "--timeout", str(ASKS_AGAIN_TENTHS), *self._options]
        return Session(argv=["rz", *options], folder=work, tap=tap)

    def send(self, work: Path, name: str) -> Session:
        """Return how the file ``name`` in the folder ``work`` is sent."""
        return Session(argv=["sz", *self._options, "--", name], folder=work, tap=SendingTap())

    def refusal(self, why: str) -> bytes:
        """Return what ends a session at the other side, and tells whoever sits there why."""
        return CANCEL + f"\r\nREFUSED: {why}\r\n".encode("ascii", "replace")


class Partials:
    """Beginnings of files whose transfer broke off; a name in the folder tells size, time and name of the whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def place(self, offer: FileOffer) -> Path:
        """Return where the beginning of this file is kept; made empty when there is none."""
        path = self._folder / f"{offer.size}-{offer.modified}-{offer.name.hex()}"
        if not path.exists():
            self._make_room()
            path.touch(mode=0o600)
        return path

    def take_whole(self, inbox: Inbox, encoding: str) -> None:
        """Put what came whole before this process was ended into the inbox."""
        for path in self._folder.iterdir():
            size, _, name = path.name.split("-")
            if path.stat().st_size == int(size) > 0:
                known = decoded_name(bytes.fromhex(name), encoding)
                inbox.put_file(path, known, media_type(known))

    def _make_room(self) -> None:
        kept = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in kept[: max(0, len(kept) - PARTIAL_COUNT_MAX + 1)]:
            path.unlink()


class SendingTap(Passing):
    """Says the last word that ``sz`` often throws away, together with its terminal."""

    def __init__(self) -> None:
        self._said = b""

    def answered(self, data: bytes) -> bytes:
        """Let everything out."""
        self._said = (self._said + data)[-len(OVER_AND_OUT) :]
        return data

    def finish(self) -> bytes:
        """Return the last word when it was not said."""
        return b"" if self._said == OVER_AND_OUT else OVER_AND_OUT


class ReceivingTap:
    """Sees what a sender offers and what ``rz`` answers; one for each session."""

    def __init__(self, settings: Mapping[str, Any], inbox: Inbox, partials: Partials, work: Path) -> None:
        self.is_over = False
        self._settings = settings
        self._inbox = inbox
        self._partials = partials
        self._work = work
        self._frames = Frames()
        self._current: FileOffer | None = None
        self._is_open = False
        self._heard = b""
        self._kept: Path | None = None
        self._said = b""

    def heard(self, data: bytes) -> bytes:
        """Take what the sender sends.

        Raises TransferRefusedError when a file is offered that is not taken; and BegunAnewError when the sender calls
        in the middle of a file: rz would tell it for minutes where to go on, and it would not listen.
        """
        heard = self._heard + data
        place = heard.find(INVITED_ANEW)
        if place >= 0 and self._current is not None:
            raise BegunAnewError(heard[place:])
        self._heard = heard[-len(INVITED_ANEW) :]
        return b"".join(
            self._look_at(piece) if isinstance(piece, FileOffer) else piece for piece in self._frames.feed(data)
        )

    def silent(self) -> bytes:
        """Pass on what was held: the frame is damaged, and the receiver will ask again."""
        return self._frames.give_up()

    def answered(self, data: bytes) -> bytes:
        """Let an answer out once what it tells is true; raises TransferRefusedError when a file did not come whole."""
        window = self._said + data
        end = 0
        for found in _HEADERS.finditer(window):
            end = found.end()
            if found[0] == WANTED:
                self._is_open = True
            else:
                self._take_file()
                # rz would stay for up to half a minute and take whoever comes next for the one that has gone.
                self.is_over = found[0] == FINISHED
        self._said = window[max(end, len(window) - len(READY) + 1) :]
        return data

    def finish(self) -> bytes:
        """Put the last file into the inbox; raises TransferRefusedError when it is not what was offered."""
        self._take_file()
        return b""

    def _take_file(self) -> None:
        """Put the file that was closed into the inbox; raises TransferRefusedError when it is not what was offered."""
        offer = self._current
        if offer is None:
            if any(self._work.iterdir()):
                raise TransferRefusedError("a file came that was not offered")
            return
        if not self._is_open:
            # rz said once more that it is ready, while the offer was on its way.
            return
        path = self._path(offer)
        size = path.stat().st_size if path.exists() else 0
        if offer.size not in {None, size}:
            raise TransferRefusedError(f"{size} bytes were written of {offer.size}; is the disk full?")
        self._current = None
        name = decoded_name(offer.name, self._settings["encoding"])
        if not size:
            path.unlink(missing_ok=True)
            self._drop_kept()
            raise TransferRefusedError("the file is empty")
        self._inbox.put_file(path, name, media_type(name))
        self._drop_kept()
        refuse_on_trial(self._inbox.is_trial)

    def _look_at(self, offer: FileOffer) -> bytes:
        """Make ready for a file; adds nothing to the stream."""
        if offer == self._current:
            return b""
        settings = self._settings
        refusal = refusal_of(offer.name, settings["encoding"], settings["names"]) or self._size_refusal(offer)
        if refusal:
            raise TransferRefusedError(refusal)
        refuse_without_room(self._work, int(settings["file_bytes_max"]) if offer.size is None else offer.size)
        for left in self._work.iterdir():
            left.unlink()
        self._current = offer
        self._is_open = False
        self._kept = None
        if offer.size and offer.modified and offer.as_it_is:
            self._kept = self._partials.place(offer)
            # rz takes its own name away when a session fails; this other name of the same file stays.
            self._path(offer).hardlink_to(self._kept)
        return b""

    def _size_refusal(self, offer: FileOffer) -> str:
        most = int(self._settings["file_bytes_max"])
        if len(offer.name) > NAME_BYTES_MAX:
            return f"the name is longer than {NAME_BYTES_MAX} bytes"
        if offer.size is not None and offer.size > most:
            return f"{offer.size} bytes are more than {most}"
        return ""

    def _path(self, offer: FileOffer) -> Path:
        return self._work / os.fsdecode(offer.name)

    def _drop_kept(self) -> None:
        if self._kept is not None:
            self._kept.unlink(missing_ok=True)
            self._kept = None
