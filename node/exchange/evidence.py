"""Evidence (证据): bad packages and receipts, kept whole so that people can look at them, and bounded (02, R7, R19).

What does not fit is refused and the stream goes on; what it was lies in ``home/evidence/<peer>/``. Each file is named
by what it shows, or else by its content, so a neighbour that repeats itself fills nothing; beyond the limits the oldest
files go.
"""

from __future__ import annotations

import hashlib
import logging
import re
from typing import TYPE_CHECKING, Final

from node.standard.seals import StreamName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from node.exchange.limits import Limits

PACKAGE_SUFFIX: Final = ".package.xml"
RECEIPT_SUFFIX: Final = ".receipt.txt"

_SLICE: Final = re.compile(
    rb"<Slice><Origin>(\w+)</Origin><Audience>(\w+)</Audience><First>(\d+)</First><Last>(\d+)</Last>"
)
_LOG: Final = logging.getLogger(__name__)


class Evidence:
    """Keeps evidence under ``folder``; None keeps nothing (a simulation, a node without a home)."""

    __slots__ = ("_folder", "_limits")

    def __init__(self, folder: Path | None, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits

    def keep(
        self, peer: str, data: bytes, reason: str, *, suffix: str = PACKAGE_SUFFIX, subject: str | None = None
    ) -> Path | None:
        """Keep ``data`` that ``peer`` sent; return the file, or None when it was kept before or cannot be.

        ``peer`` is a node code, so it can name a folder; ``subject``, in characters of a file name, says what the
        reason is about (default: a hash of ``data``). A disk that does not take it costs the evidence, not the node:
        that is logged and nothing is raised.
        """
        if self._folder is None or len(data) > self._limits.evidence_bytes_max:
            return None
        name = f"{subject or hashlib.sha256(data).hexdigest()[:32]}.{reason.replace(' ', '-')}{suffix}"
        path = self._folder / peer / name
        try:
            if path.exists():
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            self._trim(path.parent)
        except OSError as error:
            _LOG.warning("evidence not kept", extra={"peer": peer, "cause": error.strerror})
            return None
        return path

    def drop(self, places: Mapping[StreamName, Iterable[int]]) -> int:
        """Drop the packages with slices over any of these positions, whose records were redacted; return how many.

        Their Heads say so. What is no package at all says nothing about what it holds, and goes with the bound.
        """
        if self._folder is None or not places:
            return 0
        dropped = 0
        for path in sorted(self._folder.glob(f"*/*{PACKAGE_SUFFIX}")):
            try:
                if _covers(path.read_bytes(), places):
                    path.unlink()
                    dropped += 1
            except OSError as error:
                _LOG.warning("evidence not dropped", extra={"path": str(path), "cause": error.strerror})
        return dropped

    def _trim(self, folder: Path) -> None:
        files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        total = sum(file.stat().st_size for file in files)
        while len(files) > self._limits.evidence_files_max or total > self._limits.evidence_bytes_max:
            oldest = files.pop(0)
            total -= oldest.stat().st_size
            oldest.unlink()


def _covers(data: bytes, places: Mapping[StreamName, Iterable[int]]) -> bool:
    for origin, audience, first, last in _SLICE.findall(data):
        positions = places.get(StreamName(origin.decode(), audience.decode()), ())
        if any(int(first) <= position <= int(last) for position in positions):
            return True
    return False
