"""How long one record takes from a county's door to the province, when nothing else is going on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import httpx

from node.demo.catalogue import items_of
from node.demo.comparing import percentile
from node.demo.feeding import offer
from node.demo.figures import read_figures
from node.demo.generator import generate_month
from node.demo.raising import wait_until
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from node.clock import Clock
    from node.demo.raising import DemoNode

TRIES: Final = 40
"""Single records per measurement: enough for a 99th percentile that means the slowest one; our own choice."""
ARRIVAL_TIMEOUT_S: Final = 20.0
LOOK_EVERY_S: Final = 0.01
_SERIAL: Final = 90_001
"""Serials of these cases begin here, far from those of the month (a serial has five digits)."""


def measure_latency(county: DemoNode, ancestor: DemoNode, key: str, clock: Clock, *, seed: int) -> dict[str, float]:
    """Offer single applications one after another and return seconds until the ancestor holds each: p50 and p99.

    The clock starts before the request and stops when the ancestor's figures show the record; looking takes some
    milliseconds, so the true time is a little shorter. Raises DemonstrationError when one does not arrive.
    """
    stream = f"{county.plan.code}/ancestors"
    month = generate_month(
        items_of(county.plan.code, county.plan.name), cases=TRIES, seed=f"{seed}/latency", first_serial=_SERIAL
    )
    applications = [record for record in month.records if record.record_type == "Application" and record.valid]
    taken_s = []
    with httpx.Client(base_url=county.face) as door, httpx.Client() as looker:
        for number, record in enumerate(applications):
            size = _size(looker, ancestor, stream)
            begun_s = clock.monotonic_s()
            answer = offer(door, key, [record], idempotency_key=f"latency-{seed}-{number}")
            grown = partial(_grown, looker, ancestor, stream, size)
            if not wait_until(grown, ARRIVAL_TIMEOUT_S, clock, pause_s=LOOK_EVERY_S) or answer["accepted"] != 1:
                raise DemonstrationError(
                    f"a record of {stream} did not arrive at {ancestor.plan.code}", why=str(answer)
                )
            taken_s.append(clock.monotonic_s() - begun_s)
    return {"p50": round(percentile(taken_s, 0.5), 3), "p99": round(percentile(taken_s, 0.99), 3)}


def _grown(client: httpx.Client, node: DemoNode, stream: str, size: int) -> bool:
    return _size(client, node, stream) > size


def _size(client: httpx.Client, node: DemoNode, stream: str) -> int:
    figures = read_figures(client, node.face)
    return figures.streams.get(stream, 0) if figures else 0
