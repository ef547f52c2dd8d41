"""What came over a line and is no record: kept for people in a folder, since the device cannot say it again."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from adapters.serial_bridge.framing import Found

FILES_MAX: Final = 1000
"""The oldest go when there are more."""
PIECE_BYTES_MAX: Final = 4096
"""How much of one piece is kept: junk of a line that is set to a wrong speed has no end."""
LOG_PAUSE_S: Final = 60.0

_log = logging.getLogger(__name__)


class RefusedPieces:
    """The folder of one adapter: a file for each piece, named by the time and the flaw."""

    def __init__(self, name: str, folder: Path, now: Callable[[], datetime], monotonic_s: Callable[[], float]) -> None:
        self._name = name
        self._folder = folder
        self._now = now
        self._monotonic_s = monotonic_s
        self._counts: Counter[str] = Counter()
        self._log_at_s = 0.0
        folder.mkdir(mode=0o700, exist_ok=True)
        self._names = sorted(path.name for path in folder.iterdir())
        self._count = 0

    def keep(self, pieces: Sequence[Found]) -> None:
        """Keep what was refused, and tell of it at most once a minute: how many of which flaw, never what."""
        for piece in pieces:
            self._count += 1
            name = f"{self._now():%Y%m%dT%H%M%S}-{self._count:06}-{piece.flaw}.bin"
            with suppress(OSError):
                # A full disk takes away the piece, not its count.
                (self._folder / name).write_bytes(piece.content[:PIECE_BYTES_MAX])
                self._names.append(name)
            self._counts[str(piece.flaw)] += 1
        while len(self._names) > FILES_MAX:
            (self._folder / self._names.pop(0)).unlink(missing_ok=True)
        self.tell()

    def tell(self) -> None:
        """Log what was refused since it was told last, when it is time."""
        now_s = self._monotonic_s()
        if self._counts and now_s >= self._log_at_s:
            _log.warning("pieces refused", extra={"adapter": self._name, **self._counts})
            self._counts.clear()
            self._log_at_s = now_s + LOG_PAUSE_S
