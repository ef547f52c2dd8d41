"""Files by Kermit: ``kermit`` (C-Kermit, package ckermit) receives and sends, told what to do by a script of commands.

It is never a server: it receives one transfer, or sends one. A file that came whole it moves into a folder of its own
before it acknowledges the end of the file; its answer is held back until that file stands in the inbox and on the disk.
What broke off it throws away, and the sender begins again: Kermit's recovery trusts that both halves are of one file.
"""

from __future__ import annotations

import binascii
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from adapters.serial_bridge.naming import decoded_name, media_type, refusal_of
from adapters.serial_bridge.programs import Passing, Session, TransferRefusedError, refuse_on_trial, refuse_without_room

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from adapters.serial_bridge.inbox import Inbox

SENDING: Final = re.compile(rb"\x01[\x20-\x7e] S")
"""Beginning of a Send-Init packet: mark, length, number 0, type (Frank da Cruz, "Kermit: A File Transfer Protocol")."""
_SESSION: Final = """\
set delay 0
set transfer display none
set command bytesize 8
set parity {parity}
set flow none
set block-check 3
set receive packet-length {packet_bytes}
set send packet-length {packet_bytes}
set window {window}
set streaming off
set retry-limit 20
set send timeout 5 fixed
set receive timeout 5
set file type binary
set transfer mode manual
set file names literal
set file incomplete discard
set file collision reject
set send pathnames off
set receive pathnames off
set attributes all off
disable all
"""


class KermitFiles:
    """Files by Kermit on one adapter's line."""

    package: Final = "ckermit"
    programs: Final = ("kermit",)
    beginning: Final = SENDING

    def __init__(self, settings: Mapping[str, Any], folder: Path, inbox: Inbox) -> None:
        self._settings = settings
        self._folder = folder
        self._inbox = inbox

    def take_what_came(self) -> None:
        """Keep what the process before had moved aside and not entered."""
        done = self._folder / "receiving" / "done"
        if done.is_dir():
            with suppress(TransferRefusedError):
                ReceivingTap(self._settings, self._inbox, done).finish()

    def receive(self, work: Path) -> Session:
        """Return how one transfer is received in the empty folder ``work``: whole files are moved to ``done``.

        Raises TransferRefusedError when the largest file that is taken would fill the disk: sizes are not told.
        """
        refuse_without_room(work, int(self._settings["file_bytes_max"]))
        files, done = work / "files", work / "done"
        files.mkdir()
        done.mkdir()
        argv = self._commands(work, f"receive /move-to:{{{done}}}")
        tap = ReceivingTap(self._settings, self._inbox, done)
        return Session(argv=argv, folder=files, tap=tap, fails_politely=True)

    def send(self, work: Path, name: str) -> Session:
        """Return how the file ``name`` in the folder ``work`` is sent."""
        return Session(argv=self._commands(work, f"send {{{name}}}"), folder=work, tap=Passing(), fails_politely=True)

    def refusal(self, why: str) -> bytes:
        """Return what ends a transfer at the other side: an Error packet.

        How packets are checked is agreed between the programs, so it is sent in each of the three ways; those that do
        not fit are passed over.
        """
        return b"".join(_error_packet(why, kind) for kind in (1, 2, 3))

    def _commands(self, work: Path, command: str) -> list[str]:
        session = _SESSION.format(
            # A line of seven bits carries bytes of eight with a prefix; what parity the port adds is the port's.
            parity="none" if self._settings["bytesize"] == "8" else "space",
            packet_bytes=int(self._settings["kermit_packet_bytes"]),
            window=int(self._settings["kermit_window"]),
        )
        script = work / "commands"
        script.write_text(f"{session}{command}\nif fail exit 1\nexit 0\n", encoding="utf-8")
        return ["kermit", "-q", "-y", str(script)]


class ReceivingTap:
    """Keeps what kermit has moved aside before its answer goes out."""

    def __init__(self, settings: Mapping[str, Any], inbox: Inbox, done: Path) -> None:
        self.is_over = False
        self._settings = settings
        self._inbox = inbox
        self._done = done

    def heard(self, data: bytes) -> bytes:
        """Pass on what the sender sends."""
        return data

    def silent(self) -> bytes:
        """Nothing is held."""
        return b""

    def answered(self, data: bytes) -> bytes:
        """Let an answer out once what came whole is kept; raises TransferRefusedError for names that are not taken."""
        self.finish()
        return data

    def finish(self) -> bytes:
        """Put what came whole into the inbox; raises TransferRefusedError for names that are not taken."""
        for path in sorted(self._done.iterdir()):
            written = os.fsencode(path.name)
            name = decoded_name(written, self._settings["encoding"])
            refusal = refusal_of(written, self._settings["encoding"], self._settings["names"])
            if not refusal and not path.stat().st_size:
                refusal = "the file is empty"
            if refusal:
                path.unlink()
                raise TransferRefusedError(refusal)
            self._inbox.put_file(path, name, media_type(name))
            refuse_on_trial(self._inbox.is_trial)
        return b""


def _error_packet(why: str, check: int) -> bytes:
    """Return an Error packet, number 0, with a block check of type 1 to 3."""
    content = bytes([*(" E".encode("ascii")), *why.encode("ascii", "replace")[:60]])
    checked = bytes([len(content) + check + 32]) + content
    if check == 3:  # noqa: PLR2004 - types of checks are numbers.
        rest = _crc(checked)
        return b"\x01" + checked + bytes([(rest >> 12) + 32, (rest >> 6 & 63) + 32, (rest & 63) + 32]) + b"\r"
    total = sum(checked)
    if check == 1:
        return b"\x01" + checked + bytes([(total + (total >> 6 & 3) & 63) + 32]) + b"\r"
    return b"\x01" + checked + bytes([(total >> 6 & 63) + 32, (total & 63) + 32]) + b"\r"


def _crc(data: bytes) -> int:
    """Return the CRC of Kermit: that of CCITT with the bits of every byte, and of the result, in the other order."""
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return int(f"{binascii.crc_hqx(turned, 0):016b}"[::-1], 2)
