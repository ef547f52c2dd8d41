"""Whether a file is whole: nobody has changed it for a while, as far as can be seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.folders.place import Entry


class Settling:
    """Since when files are as they are; by the adapter's own clock, since that of the source may be wrong."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._seen: dict[bytes, tuple[Entry, float]] = {}

    def look(self, entries: Sequence[Entry], now_s: float) -> None:
        """Take in how files are now; what is not among ``entries`` is forgotten."""
        before = self._seen
        self._seen = {}
        for entry in entries:
            known = before.get(entry.raw)
            self._seen[entry.raw] = known if known is not None and known[0] == entry else (entry, now_s)

    def left_s(self, entry: Entry, now_s: float) -> float:
        """Return for how many seconds a file must stay as it is before it counts as whole; 0: it is."""
        seen, since_s = self._seen.get(entry.raw, (None, now_s))
        if seen != entry:
            since_s = now_s
        return max(0.0, since_s + self._settle_s - now_s)
