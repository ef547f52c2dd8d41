"""Departments that never give up, for tests that break things under a running feed, and what must hold at the end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from node.demo.catalogue import items_of
from node.demo.feeding import offer
from node.demo.generator import generate_month
from node.demo.plan import PROVINCE
from node.demo.settling import Expectation, publish_statistics, settle, wait_quiet
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from node.clock import Clock
    from node.demo.raising import DemoNode

BATCH: Final = 5
ROUND_CASES: Final = 20
TRIES_MAX: Final = 2_000
SERIALS: Final = 40
"""Serial numbers that one round of cases may use."""


class Feeder:
    """A department that never gives up: it repeats each batch, with its key, until the node has answered.

    ``accepted`` counts records that a door took, ``received`` those that it answered would wait (once each time it
    said so); ``applications`` are their cases. Goes on where it stopped when it is
    fed again. ``pause_s`` rests between batches, so that a feed may last without becoming large. While ``deaf`` is set
    no answer arrives: the batch is offered again.
    """

    def __init__(self, county: DemoNode, key: str, *, seed: str, pause_s: float = 0.0) -> None:
        self.county = county
        self.applications: set[str] = set()
        self.illogical = 0
        self.accepted = 0
        self.received = 0
        self.deaf = threading.Event()
        self._key = key
        self._seed = seed
        self._pause_s = pause_s
        self._round = 0

    def feed(self, stop: threading.Event) -> None:
        """Deliver batch after batch until told to stop; a round is ended, so that its cases are whole."""
        items = items_of(self.county.plan.code, self.county.plan.name)
        while not stop.is_set():
            self._round += 1
            first_serial = 1 + SERIALS * self._round
            seed = f"{self._seed}/{self._round}"
            month = generate_month(items, cases=ROUND_CASES, seed=seed, first_serial=first_serial)
            self.illogical += month.illogical
            valid = [record for record in month.records if record.valid]
            for begin in range(0, len(valid), BATCH):
                batch = valid[begin : begin + BATCH]
                self._deliver(batch, f"{self._round}-{begin}")
                self.applications |= {str(record.content["CaseNo"]) for record in batch}
                if not stop.is_set():
                    stop.wait(self._pause_s)

    def _deliver(self, batch: Sequence[Any], key: str) -> None:
        for _ in range(TRIES_MAX):
            try:
                with httpx.Client(base_url=self.county.face, timeout=10) as client:
                    answer = offer(client, self._key, batch, idempotency_key=key, dialect="json")
            except (httpx.HTTPError, DemonstrationError, ValueError):
                threading.Event().wait(0.1)
                continue
            if self.deaf.is_set():
                continue
            if answer.get("received"):
                # Not decided: the node is settling what it lost (R12). A department asks again.
                self.received += len(batch)
                threading.Event().wait(0.1)
                continue
            assert answer["accepted"] + answer["repeated"] == len(batch), answer
            self.accepted += len(batch)
            return
        pytest.fail(f"{self.county.plan.code} never came back")


@contextmanager
def feeding(feeders: Sequence[Feeder]) -> Iterator[None]:
    """Feed while the block runs; what a feeder found wrong comes out at its end."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(feeders)) as pool:
        running = [pool.submit(feeder.feed, stop) for feeder in feeders]
        try:
            yield
        finally:
            stop.set()
        for future in running:
            future.result()


def verify(
    tree: Mapping[str, DemoNode], feeders: Sequence[Feeder], clock: Clock, *, timeout_s: float = 90
) -> dict[str, Any]:
    """Do the demonstration's verification and return the status documents by code.

    Every record at city and province, same size and root everywhere, sealed, statistics published and agreed, nothing
    in quarantine, and not one record fewer than the doors accepted.
    """
    wait_quiet(tree, clock, timeout_s=timeout_s)
    publish_statistics(tree, clock)
    expected = Expectation(
        cases={feeder.county.plan.code: len(feeder.applications) for feeder in feeders},
        findings=sum(feeder.illogical for feeder in feeders),
        statistics=True,
    )
    statuses, problems = settle(tree, expected, clock, timeout_s=timeout_s)
    assert problems == []
    for feeder in feeders:
        stream = f"{feeder.county.plan.code}/ancestors"
        sizes = {f"{one['origin']}/{one['audience']}": one["size"] for one in statuses[PROVINCE.code]["streams"]}
        assert sizes[stream] >= feeder.accepted > 0
    return statuses
