"""A running node: both listeners, the worker that makes records and seals, the link to the parent, and the schedules.

A thin shell of threads around plain calls. The *worker* seals whenever there is news, from this process or another one
of the home, and does the rest of the node's own work then too, a few times a second at most, and every few seconds
anyway; link, listeners and schedules have threads of their own and meet only in the store.

Starting takes the ports first, so that a node that cannot listen does nothing at all. Stopping goes the other way
round: nobody new is let in, waiting requests are woken and answered, what is under way ends, the store is closed last.
A kill at any moment is as good: what was answered is committed.
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from node.cli.runnable import parent_place
from node.collector import collect_seldom
from node.departments.doors.doorkeeper import Doorkeeper
from node.errors import TryLaterError, YizhanError
from node.exchange.carriers.https import HttpsCarrier
from node.exchange.links import LinkWorker
from node.journal.holdings import any_unsealed
from node.scheduler import Job, Scheduler
from node.trust.tls import server_context
from node.upkeep.damages import RECORD, open_damages
from node.web.app import create_face_app, create_link_app
from node.web.listeners import HttpListener, face_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.bootstrap import Node
    from node.config import ParentAddress

IDLE_S: Final = 5.0
"""Longest time between two looks of the worker when no wake-up came (02, R13)."""
WORK_PAUSE_S: Final = 0.5
"""Shortest rest of the worker between two rounds of everything, sealing apart: each package that a busy node takes is
news, and a round for each cost a province a fifth of its time (docs/performance.md)."""
FAILED_PAUSE_S: Final = 1.0
"""How long the worker rests after a failure, so that a full disk is not hammered. Chosen by us."""
STOP_S: Final = 3.0
SCRUB_CRON: Final = "23 * * * *"
"""Every hour a part is read again, so that everything is within the 30 days that are promised (02, I6)."""

_log = logging.getLogger(__name__)


class Service:
    """What ``run`` starts and stops, in one ``try``: ``stop`` puts right whatever a failed ``start`` left behind.

    Making it raises ConfigurationError for settings that ``check_runnable`` refuses; ``start`` raises HomeInUseError or
    ConfigurationError for a port that cannot be taken.
    """

    def __init__(self, node: Node) -> None:
        config = node.config
        limits = config.level.limits
        self._node = node
        self._stopping = threading.Event()
        self._standing = threading.Event()
        self._worker = threading.Thread(target=self._work, name="worker", daemon=True)
        self._link = HttpListener(
            "link",
            create_link_app(node),
            config.link,
            threads=limits.link_threads,
            body_bytes_max=limits.request_bytes_max,
            context=server_context(node.identity),
        )
        self._face = HttpListener(
            "face",
            create_face_app(node, sealer_alive=self._worker.is_alive, alive=self.alive),
            config.face,
            threads=limits.face_threads,
            body_bytes_max=limits.request_bytes_max,
            context=face_context(config.face),
        )
        self._scheduler = Scheduler(schedules_of(node), time_zone=config.time_zone)
        self._parent_link = link_to_parent(node)
        self._doorkeeper = Doorkeeper(node.intake, config.home, zone=config.time_zone, delivering=node.delivering)
        self._linked = False
        self._dead: set[str] = set()

    def start(self) -> None:
        """Take the ports, then start every thread; what was left committed is sealed first."""
        self._face.bind()
        self._link.bind()
        self._node.start()
        self._node.exchange.read_beside()
        collect_seldom()
        self._node.wakeups.start()
        self._worker.start()
        self._face.start()
        self._link.start()
        if self._parent_link is not None:
            self._linked = True
            self._parent_link.start()
        self._scheduler.start()
        self._doorkeeper.start()
        self._standing.set()
        _log.info("node started", extra={"node": self._node.code, **self.addresses()})

    def addresses(self) -> dict[str, Any]:
        """Return the node's code and where its listeners are, with the ports that were really taken."""
        return {"node": self._node.code, "face": self._face.address, "link": self._link.address}

    def alive(self) -> dict[str, bool]:
        """Tell of each part with threads of its own whether all of them run; a part that died is logged once."""
        found = {
            "face listener": self._face.alive,
            "link listener": self._link.alive,
            "scheduler": self._scheduler.alive,
            "wake-ups": self._node.wakeups.alive,
            "adapters": self._doorkeeper.alive,
        }
        if self._parent_link is not None:
            found["parent link"] = self._parent_link.alive
        dead = {name for name, runs in found.items() if not runs}
        for name in sorted(dead - self._dead) if not self._stopping.is_set() else ():
            _log.error("part died", extra={"part": name})
        self._dead = dead
        return found

    def stand_by(self, asked_to_stop: threading.Event) -> None:
        """Wait until somebody asks to stop."""
        asked_to_stop.wait()

    def stop(self) -> None:
        """Stop everything within a few seconds; safe to call when starting failed half-way."""
        self._stopping.set()
        self._scheduler.stop()
        self._doorkeeper.stop()
        # A link that was never started has no state to write: the store itself may be what stopped the start.
        if self._parent_link is not None and self._linked:
            self._parent_link.stop()
        # Everybody who waits for news is let go: long polls are answered, the worker sees that it is to stop.
        self._node.wakeups.close()
        for listener in (self._link, self._face):
            listener.stop()
        if self._worker.is_alive():
            self._worker.join(STOP_S)
        _log.info("node stopped", extra={"node": self._node.code})

    def _work(self) -> None:
        clock = self._node.clock
        rested_s = clock.monotonic_s()
        while not self._stopping.is_set():
            if self._standing.is_set():
                self.alive()
            whole = clock.monotonic_s() >= rested_s
            well = work_once(self._node) if whole else seal_once(self._node)
            if whole:
                rested_s = clock.monotonic_s() + WORK_PAUSE_S
            if not well:
                self._stopping.wait(FAILED_PAUSE_S)
            try:
                self._node.wakeups.wait(IDLE_S if whole else max(0.0, rested_s - clock.monotonic_s()))
            except TryLaterError:
                return


def work_once(node: Node) -> bool:
    """Do the node's own work once; tell whether all of it went well.

    A step that fails is logged and tried again at the next call; the others, sealing above all, go on.
    """
    # Sealing comes first too: what people have stored does not wait for a long repair.
    steps: dict[str, Callable[[], object]] = {"seal": node.seal, **node.steps()}
    steps["silent children"] = node.exchange.links.mark_silent
    return _all_done(node, steps)


def seal_once(node: Node) -> bool:
    """Seal what was stored since the last look, if there is any; tell whether that went well."""
    try:
        with node.store.reading() as connection:
            waits = any_unsealed(connection)
    except YizhanError as error:
        _log.warning("work failed", extra={"step": "seal", "code": error.code, "why": str(error)})
        return False
    return not waits or _all_done(node, {"seal": node.seal})


def _all_done(node: Node, steps: Mapping[str, Callable[[], object]]) -> bool:
    """Take steps, none of them in doubt about the database; tell whether all of them went well."""
    try:
        if node.doubts():
            return True
    except YizhanError as error:
        _log.warning("work failed", extra={"step": "doubt", "code": error.code, "why": str(error)})
        return False
    done = [_step_done(name, step) for name, step in steps.items()]
    return all(done)


def _step_done(name: str, step: Callable[[], object]) -> bool:
    try:
        step()
    except YizhanError as error:
        _log.warning("work failed", extra={"step": name, "code": error.code, "why": str(error)})
        return False
    except Exception:  # noqa: BLE001 - the job runner: a defect in one step must not stop sealing for good.
        _log.exception("work failed", extra={"step": name})
        return False
    return True


def schedules_of(node: Node) -> list[Job]:
    """Return the repeated jobs that the node's level asks for."""
    schedules = node.config.level.schedules
    jobs = [
        Job(name="retention", cron=schedules.retention, work=node.retain),
        Job(name="scrub", cron=SCRUB_CRON, work=partial(scrub_part, node)),
    ]
    if node.config.level.features.statistics:
        jobs.append(Job(name="statistics", cron=schedules.statistics, work=node.publish_statistics))
    return jobs


def scrub_part(node: Node) -> None:
    """Read the next part of what is stored again, and fetch what is lost from the parent, if there is one."""
    node.scrub().slice()
    fetch_lost(node)


def fetch_lost(node: Node) -> int:
    """Fetch from the parent the bytes of records that were found lost; return how many records came back.

    Raises PeerUnavailableError or PackageRefusedError when it does not give them.
    """
    with node.store.reading() as connection:
        lost = open_damages(connection, kind=RECORD)
    place = parent_place(node.config, node.identity.parent) if lost else None
    if place is None:
        return 0
    carrier = _carrier_to(node, place)
    try:
        return node.restore(carrier.fetch)
    finally:
        carrier.close()


def link_to_parent(node: Node) -> LinkWorker | None:
    """Return the link to the parent, None for the root; ConfigurationError when the parent's address is not known."""
    place = parent_place(node.config, node.identity.parent)
    if place is None:
        return None
    long_poll_s = node.config.level.limits.long_poll_s
    return LinkWorker(node.exchange, place.code, _carrier_to(node, place), node.wakeups, long_poll_s=long_poll_s)


def _carrier_to(node: Node, place: ParentAddress) -> HttpsCarrier:
    return HttpsCarrier(
        node.identity,
        parent=place.code,
        host=place.host,
        port=place.port,
        package_bytes_max=node.exchange.context.limits.package_bytes_max,
        note_clock=partial(node.exchange.links.note_clock, place.code),
    )
