"""Single records, each in a package of its own: what one costs on the line and on the disk when nothing else happens.

A city in this process pushes them to a running province over mutual TLS, through a relay that counts the bytes of the
line both ways: packages, answers, HTTP and TLS. The disk is the province's database, in pages that are in use.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.exchange.carriers.https import HttpsCarrier
from tests.bench.processes import LOOPBACK, relay_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.bootstrap import Node
    from node.clock import Clock
    from node.demo.raising import DemoNode
    from tests.bench.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Singles:
    """How many were sent, and bytes a record on the line and in the province's database."""

    count: int
    wire_bytes: float
    disk_bytes: float


def carrier_to(node: Node, parent: str, port: int) -> HttpsCarrier:
    """Return what carries packages of ``node`` to its parent at a port of this machine."""
    limits = node.exchange.context.limits
    return HttpsCarrier(
        node.identity, parent=parent, host=LOOPBACK, port=port, package_bytes_max=limits.package_bytes_max
    )


def measure_singles(records: Iterator[None], city: Node, province: DemoNode, clock: Clock, plan: Plan) -> Singles:
    """Send records one by one, each step of ``records`` making one, until there are enough or the time is over."""
    database = province.home / "yizhan.sqlite"
    with relay_to(province.link_port) as relay, closing(carrier_to(city, province.plan.code, relay.port)) as carrier:

        def send() -> None:
            next(records)
            if city.exchange.push_once(province.plan.code, carrier).sent_records != 1:
                message = "a single record did not leave alone"
                raise RuntimeError(message)

        # The first pays for the connection.
        send()
        line, disk, begun_s = relay.counted, used_bytes(database), clock.monotonic_s()
        count = 0
        while count < plan.singles and clock.monotonic_s() - begun_s < plan.singles_s_max:
            send()
            count += 1
        return Singles(
            count=count,
            wire_bytes=(relay.counted - line) / count,
            disk_bytes=(used_bytes(database) - disk) / count,
        )


def used_bytes(database: Path) -> int:
    """Return the bytes of the pages that an SQLite database uses, what still lies in its log included."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        pages, free, page_bytes = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * page_bytes)
