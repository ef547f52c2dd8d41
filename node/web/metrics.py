"""Figures for Prometheus: what the status document says, plus request durations; one registry per node.

Names begin with ``yizhan_``; docs/reference/metrics.md lists them. Values are read when asked for, so an idle node
costs nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as METRICS_TYPE

from node.departments.doors.book import TROUBLE
from node.errors import YizhanError
from node.status import CONNECTED, node_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.core import Metric

    from node.bootstrap import Node

__all__ = ["METRICS_TYPE", "Metrics"]

OTHER = "other"
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})

_log = logging.getLogger(__name__)


class Metrics:
    """The figures of one node."""

    def __init__(self, node: Node) -> None:
        self._clock = node.clock
        self._registry = CollectorRegistry()
        self._durations = Histogram(
            "yizhan_request_seconds",
            "Duration of answered requests of the face listener.",
            ("method", "path", "status"),
            registry=self._registry,
        )
        self._registry.register(_StatusCollector(node))

    def now_s(self) -> float:
        """Return monotonic seconds of the node's clock."""
        return self._clock.monotonic_s()

    def request(self, method: str, path: str, status: int, duration_s: float) -> None:
        """Count one answered request; ``path`` is the route's pattern, never a path with values in it.

        A method that HTTP does not know counts as ``other``: whoever makes up names must not fill the memory.
        """
        self._durations.labels(method if method in _METHODS else OTHER, path, str(status)).observe(duration_s)

    def text(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self._registry)


class _StatusCollector:
    """Reads the status document at each collection."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand, so that registering reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every figure of the status document; only ``yizhan_up 0`` when the store does not answer."""
        up = GaugeMetricFamily("yizhan_up", "1 when the node's store answers.", labels=("node", "level"))
        config = self._node.config
        try:
            status = node_status(self._node)
        except YizhanError as error:
            _log.warning("status not available", extra={"code": error.code})
            up.add_metric((config.code, config.level.name), 0)
            yield up
            return
        up.add_metric((config.code, config.level.name), 1)
        yield up
        yield from _links(status)
        yield from _streams(status)
        yield from _sources(status)
        yield from _adapters(status)
        yield GaugeMetricFamily(
            "yizhan_doubt",
            "1 while this node is in doubt about its database.",
            value=float(status["doubt"] is not None),
        )
        yield from _disk(status)
        yield from _scrub(status)
        for name, text in _COUNTS.items():
            yield GaugeMetricFamily(f"yizhan_{name}", text, value=status[name])


_COUNTS = {
    "quarantined": "Records that hold a position but are not applied.",
    "redacted": "Records that were redacted: only their leaf hash is held.",
    "awaited": "Records without their bytes whose Redaction is not held.",
    "refused": "Refused deliveries that wait for a decision.",
    "cases": "Cases known to this node.",
    "findings": "Findings about cases.",
    "penalties": "Penalties known to this node.",
    "penalty_findings": "Findings about penalties.",
    "alarms": "Alarms raised by this node.",
}


def _scrub(status: dict[str, Any]) -> Iterator[Metric]:
    scrub = status["scrub"]
    yield GaugeMetricFamily("yizhan_damages_open", "Damages of what is stored, not mended yet.", value=scrub["open"])
    if scrub["done_at"] is not None:
        age_s = (datetime.fromisoformat(status["at"]) - datetime.fromisoformat(scrub["done_at"])).total_seconds()
        yield GaugeMetricFamily("yizhan_scrub_age_seconds", "Time since all was read again last.", value=age_s)


def _links(status: dict[str, Any]) -> Iterator[Metric]:
    labels = ("peer", "role")
    up = GaugeMetricFamily("yizhan_link_up", "1 when the last conversation with the peer went well.", labels=labels)
    records = GaugeMetricFamily("yizhan_link_lag_records", "Records that the peer has not receipted.", labels=labels)
    seconds = GaugeMetricFamily("yizhan_link_lag_seconds", "Age of the oldest of them.", labels=labels)
    offset = GaugeMetricFamily(
        "yizhan_link_clock_offset_seconds", "By how much the peer's clock is ahead of ours.", labels=labels
    )
    for link in status["links"]:
        name = (link["peer"], link["role"])
        if link["clock_offset_s"] is not None:
            offset.add_metric(name, link["clock_offset_s"])
        up.add_metric(name, float(link["state"] in CONNECTED))
        records.add_metric(name, link["lag_records"])
        seconds.add_metric(name, link["lag_s"])
    yield from (up, records, seconds, offset)


def _streams(status: dict[str, Any]) -> Iterator[Metric]:
    labels = ("origin", "audience")
    size = GaugeMetricFamily("yizhan_stream_records", "Records held, by stream.", labels=labels)
    sealed = GaugeMetricFamily("yizhan_stream_sealed_records", "Records under a checkpoint.", labels=labels)
    held = GaugeMetricFamily("yizhan_stream_receipted_records", "Records receipted.", labels=(*labels, "holder"))
    for stream in status["streams"]:
        name = (stream["origin"], stream["audience"])
        size.add_metric(name, stream["size"])
        sealed.add_metric(name, stream["sealed"])
        for holder, count in stream["held_by"].items():
            held.add_metric((*name, holder), count)
    yield from (size, sealed, held)


def _disk(status: dict[str, Any]) -> Iterator[Metric]:
    """Yield the figures of the disk, as far as they are known; none where the database is on a server of its own."""
    for name, text in _DISK.items():
        value = (status["disk"] or {}).get(name)
        if value is not None:
            yield GaugeMetricFamily(f"yizhan_disk_{name}", text, value=float(value))


_DISK = {
    "database_bytes": "Bytes of the database.",
    "free_bytes": "Bytes that are free on its disk.",
    "bytes_per_day": "Growth of the database in a day.",
    "days_left": "Days that the free bytes last at that pace.",
    "low": "1 when the doors are closed because the disk is nearly full.",
}


def _sources(status: dict[str, Any]) -> Iterator[Metric]:
    labels = ("source",)
    accepted = CounterMetricFamily("yizhan_records_accepted_total", "Records accepted, by source.", labels=labels)
    repeated = CounterMetricFamily("yizhan_records_repeated_total", "Records offered again.", labels=labels)
    refused = CounterMetricFamily("yizhan_records_refused_total", "Records refused, by source.", labels=labels)
    for activity in status["sources"]:
        name = (activity["source"],)
        accepted.add_metric(name, activity["accepted"])
        repeated.add_metric(name, activity["repeated"])
        refused.add_metric(name, activity["refused"])
    yield from (accepted, repeated, refused)


def _adapters(status: dict[str, Any]) -> Iterator[Metric]:
    labels = ("adapter", "kind")
    up = GaugeMetricFamily("yizhan_adapter_up", "0 when an adapter brings nothing though it should.", labels=labels)
    brought = CounterMetricFamily("yizhan_adapter_deliveries_total", "Deliveries answered, by adapter.", labels=labels)
    rejected = CounterMetricFamily("yizhan_adapter_rejected_total", "Deliveries that nobody could read.", labels=labels)
    for one in status["adapters"]:
        name = (one["name"], one["kind"])
        up.add_metric(name, float(one["state"] not in TROUBLE))
        brought.add_metric(name, one["deliveries"])
        rejected.add_metric(name, one["rejected"])
    yield from (up, brought, rejected)
