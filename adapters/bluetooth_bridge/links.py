"""Where each terminal is: looked for, away, refused, or talking; written by the radio, read by the adapter.

"Away" is said once when a look has not brought a terminal back, and "back" once when it talks again; a connection that
is lost and taken up within one look is no news.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from adapters.bluetooth_bridge.gatt_port import GattPort
    from adapters.bluetooth_bridge.settings import Terminal
    from adapters.record_line.line import RecordLine

RETRY_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0)
"""Pause before each further try, up to the setting ``retry_s_max``; the last one for ever. Our own choice."""
STEADY_S: Final = 30.0
"""A terminal that has talked for so long begins again with the shortest pause. Our own choice: storms stay slow."""
DOUBT_S: Final = 300.0
"""For so long another device that fits is preferred to one that did not prove the key. Our own choice."""
_DOUBTFUL_MAX: Final = 32

_log: Final = logging.getLogger(__name__)


class Standing(StrEnum):
    """How a terminal stands."""

    LOOKED_FOR = "looked_for"
    """Nothing is known yet, or the connection was lost and the look for it is not over."""
    AWAY = "away"
    """The last try did not reach it."""
    REFUSED = "refused"
    """It was reached, and a person has to act: wrong key, no bond, wrong service, Bluetooth switched off."""
    TALKING = "talking"
    """It has proved its key and answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a terminal is, since when (aware UTC), and why, in English and without secrets."""

    standing: Standing
    since: datetime
    text: str


class Link:
    """One terminal, its record line, and what the radio knows of it."""

    def __init__(self, terminal: Terminal, line: RecordLine, place: Place) -> None:
        self.terminal = terminal
        self.line = line
        self.place = place
        self.port: GattPort | None = None
        self.due_s = 0.0
        self.tries = 0
        """How many tries and connections have ended."""
        self.proven = ""
        """Address of the device that proved the key last; "" for none yet."""
        self._in_vain = 0
        self._doubtful: dict[str, float] = {}

    def lost(self, now_s: float, talked_s: float, pause_s_max: float) -> None:
        """Say when the next try is due, after one that failed or a connection in which it talked for ``talked_s``."""
        self._in_vain = 0 if talked_s >= STEADY_S else self._in_vain + 1
        self.due_s = now_s + min(RETRY_S[min(self._in_vain, len(RETRY_S) - 1)], pause_s_max)
        self.tries += 1

    @property
    def may_be_connected(self) -> bool:
        """Tell whether what the stack says is connected is tried next: every other time, because a stack may be wrong.

        One that crashed is remembered by bleak with the connections that it had. What was connected by somebody else
        is heard by no scan. So either is tried after the other was in vain.
        """
        return self._in_vain % 2 == 0

    def doubt(self, address: str, now_s: float) -> None:
        """Prefer others to a device that did not prove this terminal's key."""
        if len(self._doubtful) >= _DOUBTFUL_MAX:
            self._doubtful.pop(next(iter(self._doubtful)))
        self._doubtful[address] = now_s + DOUBT_S

    def is_doubtful(self, address: str, now_s: float) -> bool:
        """Tell whether a device did not prove the key a short while ago."""
        return self._doubtful.get(address, now_s) > now_s


class Board:
    """All links of one adapter; a change wakes who waits for one."""

    def __init__(self, links: Iterable[Link], now: Callable[[], datetime]) -> None:
        self.links: Mapping[str, Link] = {link.terminal.name: link for link in links}
        self._now = now
        self._changed = threading.Condition()

    def put(self, link: Link, standing: Standing, text: str) -> None:
        """Write where a terminal is, and say it once."""
        before = link.place
        with self._changed:
            since = before.since if before.standing is standing else self._now()
            link.place = Place(standing=standing, since=since, text=text)
            self._changed.notify_all()
        fields = {"terminal": link.terminal.name, "reason": text}
        if standing is Standing.TALKING and before.standing in {Standing.AWAY, Standing.REFUSED}:
            _log.info("bluetooth terminal is back", extra=fields)
        elif standing is not before.standing and standing in {Standing.AWAY, Standing.REFUSED}:
            _log.warning("bluetooth terminal is away", extra={**fields, "needs_person": standing is Standing.REFUSED})

    def wait_for(self, done: Callable[[], bool], wait_s: float) -> bool:
        """Wait until ``done``, for at most so many seconds; tells whether it is."""
        with self._changed:
            return self._changed.wait_for(done, wait_s)

    def talking(self) -> list[Link]:
        """Return those that talk, in the order of the settings."""
        return [link for link in self.links.values() if link.place.standing is Standing.TALKING]

    def is_settled(self) -> bool:
        """Tell whether any terminal talks, or every one of them was tried in vain."""
        standings = {link.place.standing for link in self.links.values()}
        return Standing.TALKING in standings or Standing.LOOKED_FOR not in standings

    def problem(self) -> SourceUnavailableError | SourceNeedsPersonError | None:
        """Return why no terminal talks, None when one does or may soon."""
        standings = {link.place.standing for link in self.links.values()}
        return None if standings & {Standing.TALKING, Standing.LOOKED_FOR} else self.missing()

    def missing(self) -> SourceUnavailableError | SourceNeedsPersonError | None:
        """Return which terminals do not talk and why, None when all do."""
        text = self.told(self.links.values())
        refused = any(link.place.standing is Standing.REFUSED for link in self.links.values())
        if not text:
            return None
        return SourceNeedsPersonError(text) if refused else SourceUnavailableError(text)

    @staticmethod
    def told(links: Iterable[Link]) -> str:
        """Return in words where terminals are that do not talk, and since when."""
        return "; ".join(
            f"terminal {link.terminal.name} since {link.place.since:%Y-%m-%d %H:%M:%S} UTC: {link.place.text}"
            for link in links
            if link.place.standing is not Standing.TALKING
        )


def line_folder(folder: Path, name: str) -> Path:
    """Return the folder of one terminal's line, made when it is new."""
    made = folder / "lines" / name
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made
