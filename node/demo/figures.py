"""What a running node shows of itself: its ``/metrics``, read as any monitoring system would.

Cheap enough to be asked many times a second; the final comparison reads ``yizhan status --json`` instead, which has
the roots as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for one answer; our own choice, an answer takes some milliseconds."""


@dataclass(slots=True, kw_only=True)
class Figures:
    """Figures of one node at one moment; ``streams`` maps ``origin/audience`` to the number of records held.

    ``lag_records`` and ``lag_s`` are the largest of its links.
    """

    streams: dict[str, int] = field(default_factory=dict)
    sealed: dict[str, int] = field(default_factory=dict)
    cases: int = 0
    findings: int = 0
    quarantined: int = 0
    lag_records: int = 0
    lag_s: float = 0.0
    links_up: int = 0


def read_figures(client: httpx.Client, face: str) -> Figures | None:
    """Return the figures of the node whose face listener is at ``face`` (URL), or None when it does not answer."""
    try:
        answer = client.get(f"{face.rstrip('/')}/metrics", timeout=ANSWER_TIMEOUT_S)
        answer.raise_for_status()
    except httpx.HTTPError:
        return None
    return figures_of(answer.text)


def figures_of(text: str) -> Figures:
    """Return the figures in a document of the Prometheus text format."""
    figures = Figures()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            _take(figures, sample)
    return figures


def _take(figures: Figures, sample: Sample) -> None:
    stream = f"{sample.labels.get('origin')}/{sample.labels.get('audience')}"
    match sample.name:
        case "yizhan_stream_records":
            figures.streams[stream] = int(sample.value)
        case "yizhan_stream_sealed_records":
            figures.sealed[stream] = int(sample.value)
        case "yizhan_link_up":
            figures.links_up += int(sample.value)
        case "yizhan_link_lag_records":
            figures.lag_records = max(figures.lag_records, int(sample.value))
        case "yizhan_link_lag_seconds":
            figures.lag_s = max(figures.lag_s, sample.value)
        case "yizhan_cases":
            figures.cases = int(sample.value)
        case "yizhan_findings":
            figures.findings = int(sample.value)
        case "yizhan_quarantined":
            figures.quarantined = int(sample.value)
        case _:
            return
