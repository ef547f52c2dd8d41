"""How each link is: one row a neighbour, written when something changes, so that a restart goes on where it was.

The words of a state are for screens and programs alike (``yizhan status --json``): ``new``, ``up``, ``down``,
``stopped``. A neighbour that goes away is logged once, and once when it is back.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from node.errors import YizhanError
from node.exchange.clocks import SHOWN_S, STOPPING_S
from node.exchange.opening import RETURNED_NOTE
from node.exchange.retry import BOUND_S_MAX, retry_delay_s
from node.journal.links import CHILD, Link, link_to, links, save_link

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from node.exchange.context import Context
    from node.journal.store import Transaction
    from node.randomness import Randomness

NEW: Final = "new"
UP: Final = "up"
DOWN: Final = "down"
STOPPED: Final = "stopped"
NOTE_CHARACTERS_MAX: Final = 300

_LOG: Final = logging.getLogger(__name__)


class LinkStates:
    """Writes link rows; remembers when it last did, so that a quiet link costs no commits."""

    def __init__(self, context: Context, randomness: Randomness) -> None:
        self._context = context
        self._randomness = randomness
        self._written_at_s: dict[str, float] = {}
        self._offsets_s: dict[str, int] = {}
        self._lock = threading.Lock()

    def heard(self, peer: str, role: str, start_id: str | None = None) -> None:
        """Note a successful contact; writes when the link was not up, or once a minute."""
        now_s = self._context.clock.monotonic_s()
        with self._lock:
            written_at_s = self._written_at_s.get(peer)
            if written_at_s is not None and now_s - written_at_s < self._context.limits.contact_s:
                return
            self._written_at_s[peer] = now_s
        try:
            self._context.store.write(lambda transaction: self._up(transaction, peer, role, start_id))
        except YizhanError:
            # Nothing is written: the next contact tries again.
            with self._lock:
                self._written_at_s.pop(peer, None)
            raise

    def note_clock(self, peer: str, offset_s: int | None) -> None:
        """Note by how many seconds a neighbour's clock is ahead; it is written with the next contact.

        Crossing a bound is written at that contact, without waiting for the minute to end.
        """
        if offset_s is None:
            return
        with self._lock:
            before = self._offsets_s.get(peer)
            self._offsets_s[peer] = offset_s
            if before is None or _grade(before) != _grade(offset_s):
                self._written_at_s.pop(peer, None)

    def failed(self, peer: str, role: str, why: str, *, retry_after_s: float | None = None) -> float:
        """Note a failed attempt and return the seconds to wait before the next one (02, R13)."""
        with self._lock:
            self._written_at_s.pop(peer, None)

        def work(transaction: Transaction) -> float:
            link = link_to(transaction.connection, peer) or Link(peer=peer, role=role)
            delay_s = retry_delay_s(link.failures + 1, self._randomness, retry_after_s=retry_after_s)
            now = self._context.clock.now()
            # PostgreSQL takes no NUL in a text, and what a neighbour answers may hold one.
            note = why.replace("\0", " ")[:NOTE_CHARACTERS_MAX]
            down = _changed(link, DOWN, self._context.clock.now)
            save_link(
                transaction,
                replace(down, failures=link.failures + 1, next_attempt_at=now + timedelta(seconds=delay_s), note=note),
            )
            if link.state != DOWN:
                transaction.after_commit(lambda: _LOG.warning("link down", extra={"peer": peer, "why": note}))
            return delay_s

        return self._context.store.write(work)

    def stopped(self, peer: str, role: str) -> None:
        """Note that this node closes the link by itself."""

        def work(transaction: Transaction) -> None:
            link = link_to(transaction.connection, peer) or Link(peer=peer, role=role)
            save_link(transaction, _changed(link, STOPPED, self._context.clock.now))

        with self._lock:
            self._written_at_s.pop(peer, None)
        self._context.store.write(work)

    def opened(self, peer: str, role: str) -> float:
        """Make the link's row when there is none; return the seconds that an older back-off still asks for."""

        def work(transaction: Transaction) -> Link:
            link = link_to(transaction.connection, peer)
            if link is None:
                link = Link(peer=peer, role=role, state=NEW, since=self._context.clock.now())
                save_link(transaction, link)
            return link

        link = self._context.store.write(work)
        if link.next_attempt_at is None or not link.failures:
            return 0.0
        left_s = (link.next_attempt_at - self._context.clock.now()).total_seconds()
        # A clock that was set back must not keep a link waiting for years.
        return min(max(left_s, 0.0), BOUND_S_MAX)

    def mark_silent(self) -> list[str]:
        """Show children as down that were not heard of for longer than three long-polls; return those that changed."""
        now = self._context.clock.now()
        bound = timedelta(seconds=self._context.limits.silence_s_max + self._context.limits.contact_s)
        with self._context.store.reading() as connection:
            quiet = [
                link
                for link in links(connection)
                if link.role == CHILD
                and link.state == UP
                and (link.contact_at is None or now - link.contact_at > bound)
            ]
        for link in quiet:
            self._silence(link)
        return [link.peer for link in quiet]

    def _silence(self, link: Link) -> None:
        with self._lock:
            self._written_at_s.pop(link.peer, None)
        down = replace(_changed(link, DOWN, self._context.clock.now), note="not heard of")
        self._context.store.write(lambda transaction: save_link(transaction, down))
        _LOG.warning("link down", extra={"peer": link.peer, "why": "not heard of"})

    def _up(self, transaction: Transaction, peer: str, role: str, start_id: str | None) -> None:
        link = link_to(transaction.connection, peer) or Link(peer=peer, role=role)
        up = _changed(link, UP, self._context.clock.now)
        note = link.note if link.state == UP or link.note == RETURNED_NOTE else ""
        save_link(
            transaction,
            replace(
                up,
                role=role,
                failures=0,
                next_attempt_at=None,
                contact_at=self._context.clock.now(),
                note=note,
                start_id=start_id or link.start_id,
                clock_offset_s=self._offsets_s.get(peer, link.clock_offset_s),
            ),
        )
        if link.state != UP:
            transaction.after_commit(lambda: _LOG.info("link up", extra={"peer": peer}))


def _grade(offset_s: int) -> int:
    return (abs(offset_s) >= SHOWN_S) + (abs(offset_s) >= STOPPING_S)


def _changed(link: Link, state: str, now: Callable[[], datetime]) -> Link:
    return link if link.state == state else replace(link, state=state, since=now())
