"""The doorkeeper of a running node: a keeper with a thread for each adapter of ``adapters.toml``, and a watch.

The watch looks once a second whether the file (or that of secrets) changed, and what people asked of an adapter
(``yizhan adapters pause``, ``run``). What changed of one adapter restarts that adapter alone. Nothing here holds the
node up: a keeper that cannot go on is a state of its adapter.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final

from node.departments.doors import book
from node.departments.doors.adapters_file import ADAPTERS_FILE, read_adapters
from node.departments.doors.folders import kept_by_us, make_folder
from node.departments.doors.keeper import Control, Keeper
from node.departments.doors.rest import NEEDS_PERSON
from node.departments.doors.secrets import SECRETS_FILE
from node.errors import YizhanError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from node.departments.accept import Intake
    from node.departments.delivering.acknowledging import Delivering
    from node.departments.doors.adapters_file import AdapterConfig, ListedAdapter
    from node.journal.store import Transaction

LOOK_S: Final = 1.0
"""How often the files and the wishes of people are looked at: two calls of the system, and one small query."""
TAKEN_S: Final = 1.0
"""How often a keeper tries again when another process keeps its adapter, or its folder cannot be made."""
STOP_S: Final = 4.0
"""How long ``stop`` waits for keepers; their processes end with this one in any case."""

_log = logging.getLogger(__name__)


class Doorkeeper:
    """Keeps all adapters of a home; ``environment`` may hold secrets, ``zone`` is the node's time zone.

    ``delivering`` does what it takes to hand documents down to departments; without it nothing goes down.
    """

    def __init__(
        self,
        intake: Intake,
        home: Path,
        *,
        zone: str,
        environment: Mapping[str, str] = os.environ,
        delivering: Delivering | None = None,
    ) -> None:
        self._intake = intake
        self._home = home
        self._zone = zone
        self._environment = environment
        self._delivering = delivering
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="doorkeeper", daemon=True)
        self._kept: dict[str, _Kept] = {}
        self._seen: object = None
        self._trouble = ""

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop every keeper, and return within a few seconds; safe when it was never started."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        self._end(list(self._kept))

    @property
    def alive(self) -> bool:
        """Whether the watch and every keeper run."""
        return self._thread.is_alive() and all(kept.is_alive for kept in self._kept.copy().values())

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
                self._told("")
            except YizhanError as error:
                self._told(str(error))
            except Exception as error:  # noqa: BLE001 - the runner of adapters: a defect must not leave them unwatched.
                if not self._trouble:
                    _log.exception("adapters not looked after")
                self._trouble = f"{type(error).__name__}: {error}"
            self._stopping.wait(LOOK_S)

    def _told(self, trouble: str) -> None:
        """Log trouble with the file or the store once, and once that it is over."""
        if trouble != self._trouble:
            if trouble:
                _log.warning("adapters not looked after", extra={"why": trouble})
            else:
                _log.info("adapters looked after again")
        self._trouble = trouble

    def _look(self) -> None:
        seen = tuple(_signature(self._home / name) for name in (ADAPTERS_FILE, SECRETS_FILE))
        if seen != self._seen:
            self._take_up(read_adapters(self._home, self._environment))
            self._seen = seen
        if self._kept:
            wishes = self._wishes()
            for name, kept in self._kept.items():
                if name in wishes:
                    kept.keeper.control(wishes[name])

    def _wishes(self) -> dict[str, Control]:
        """Return what people ask of each adapter that was kept or paused before."""
        with self._intake.store.reading() as connection:
            known = book.known_adapters(connection)
        return {
            name: Control(is_paused=row.paused_at is not None, run_asked_at=row.run_asked_at)
            for name, row in known.items()
        }

    def _take_up(self, listed: Mapping[str, ListedAdapter]) -> None:
        """Keep what is listed: what went is ended, what changed is kept anew, mistakes are told."""
        wanted = {name: one.config for name, one in listed.items() if one.config is not None}
        self._end([name for name, kept in self._kept.items() if kept.keeper.config != wanted.get(name)])
        for one in listed.values():
            if one.mistake is not None:
                self._tell_mistake(one)
        fresh = [config for name, config in wanted.items() if name not in self._kept]
        wishes = self._wishes() if fresh else {}
        for config in fresh:
            self._begin(config, wishes.get(config.name, Control()))

    def _begin(self, config: AdapterConfig, control: Control) -> None:
        keeper = Keeper(
            self._intake,
            config,
            self._home,
            zone=self._zone,
            environment=self._environment,
            delivering=self._delivering,
        )
        # Before its first turn: one that is paused must not take a round first.
        keeper.control(control)
        self._kept[config.name] = kept = _Kept(keeper=keeper, home=self._home)
        kept.thread.start()

    def _end(self, names: list[str]) -> None:
        ended = [self._kept.pop(name) for name in names]
        for kept in ended:
            kept.stop()
        deadline_s = self._intake.clock.monotonic_s() + STOP_S
        for kept in ended:
            if kept.thread.is_alive():
                kept.thread.join(max(0.0, deadline_s - self._intake.clock.monotonic_s()))

    def _tell_mistake(self, listed: ListedAdapter) -> None:
        text = str(listed.mistake)
        at = self._intake.clock.now()

        def work(transaction: Transaction) -> bool:
            # Not entered: a kind that is mistyped must not cost the adapter its cursor.
            known = book.row_of(transaction, listed.name, kind=listed.kind, source=listed.source, at=at)
            state = book.OFF if listed.is_off else NEEDS_PERSON
            if (known.state, known.text) == (state, text[: book.TEXT_LENGTH_MAX]):
                return False
            book.save(transaction, listed.name, state=state, since=at, text=text, next_at=None)
            return True

        if self._intake.store.write(work):
            _log.warning("adapter not opened", extra={"adapter": listed.name, "why": text})


class _Kept:
    """A keeper and its thread."""

    def __init__(self, *, keeper: Keeper, home: Path) -> None:
        self.keeper = keeper
        self._home = home
        self._stopping = threading.Event()
        name = f"adapter-{keeper.config.name}"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is meant to have ended."""
        return self.thread.is_alive() or self._stopping.is_set()

    def stop(self) -> None:
        """Have it end within seconds."""
        self._stopping.set()
        self.keeper.stop()

    def _run(self) -> None:
        """Keep the adapter as soon as no other process does."""
        while not self._stopping.is_set():
            try:
                with kept_by_us(make_folder(self._home, self.keeper.config.name)) as ours:
                    if ours:
                        self.keeper.run()
            except OSError as error:
                self.keeper.is_held_up(f"its folder cannot be made: {error.strerror}")
            self._stopping.wait(TAKEN_S)


def _signature(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is written, or closed to other accounts; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
