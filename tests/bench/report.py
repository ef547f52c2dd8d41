"""The benchmark's answer: one JSON document (``yizhan.bench/1``), and the same as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.hopping import Hopping
    from tests.bench.idle_tree import IdleTree
    from tests.bench.receiving import Receiving, Rounds

SCHEMA = "yizhan.bench/1"
BARS = {"receiver": 0.5, "hop": 0.5, "intake": 0.3, "replay": 10.0, "rebuild": 1.0}
"""The first bar of each ratio (docs/performance.md)."""
POSTGRESQL_BARS = {"receiver": 0.35}
"""A package offered again is measured there too, without a bar: it costs round trips; the way to the server decides."""
MOST: tuple[tuple[str, str, float], ...] = (
    ("bytes_per_record", "wire", 250),
    ("bytes_per_record", "disk", 800),
    ("memory_mb", "idle", 120),
    ("memory_mb", "receiving", 300),
)
"""Figures that may be at most so large."""
START_S_MAX = 3.0
LATENCY_S_MAX = 2.0
EVIDENCE_MS_MAX = 50.0


def rounds_document(rounds: Rounds) -> dict[str, Any]:
    """Return rate and floor (records a second) and the product's share of the floor."""
    return {"rate": round(rounds.rate, 1), "floor": round(rounds.floor, 1), "ratio": round(rounds.ratio, 3)}


def receiving_documents(receiving: Receiving) -> dict[str, Any]:
    """Return ``receiver``, ``replay`` and ``rebuild``."""
    fresh = receiving.rounds.rate
    return {
        "receiver": {
            **rounds_document(receiving.rounds),
            "held": receiving.held,
            "fill_rate": round(receiving.fill_rate, 1),
            "record_bytes": round(receiving.record_bytes, 1),
        },
        "replay": {
            "rate": round(receiving.again.rate, 1),
            "fresh": round(receiving.again.floor, 1),
            "ratio": round(receiving.again.ratio, 2),
        },
        "rebuild": {
            "rate": round(receiving.rebuild_rate, 1),
            "fresh": round(fresh, 1),
            "ratio": round(receiving.rebuild_rate / fresh, 2),
        },
    }


def document(
    *,
    receiving: Receiving,
    hopping: Hopping,
    intake: Rounds,
    idle: IdleTree,
    proving_s: float,
    postgresql: dict[str, Any],
    seconds: float,
    quick: bool,
) -> dict[str, Any]:
    """Return the whole answer."""
    store = receiving_documents(receiving)
    answer = {
        "schema": SCHEMA,
        "quick": quick,
        "seconds": round(seconds, 1),
        "sqlite": {
            "receiver": store["receiver"],
            "hop": rounds_document(hopping.rounds),
            "intake": rounds_document(intake),
            "replay": store["replay"],
            "rebuild": store["rebuild"],
        },
        **postgresql,
        "bytes_per_record": {
            "wire": round(receiving.wire_bytes, 1),
            "disk": round(receiving.disk_bytes / receiving.held, 1),
            "wire_single": round(hopping.singles.wire_bytes, 1),
            "disk_single": round(hopping.singles.disk_bytes, 1),
            "singles": hopping.singles.count,
            "wire_idle_bytes_s": round(idle.idle_bytes_s, 1),
        },
        "memory_mb": hopping.memory_mb,
        "start_s": round(hopping.start_s, 2),
        "latency_s": idle.latency(),
        "evidence_ms": round(proving_s * 1_000, 1),
    }
    # A quick run proves that everything works; its figures say nothing.
    return {**answer, "faults": [] if quick else list(missed(answer))}


def missed(answer: dict[str, Any]) -> Iterator[str]:
    """Yield every first bar that was missed."""
    for store, bars in (("sqlite", BARS), ("postgresql", POSTGRESQL_BARS)):
        for name, bar in bars.items():
            figures = (answer[store] or {}).get(name)
            if figures is not None and figures["ratio"] < bar:
                yield f"{store} {name}: {figures['ratio']:g}, the bar is {bar:g}"
    most = [(f"{group} {name}", answer[group][name], bar) for group, name, bar in MOST]
    most += [(f"latency by {door}, p99", answer["latency_s"][door]["p99"], LATENCY_S_MAX) for door in ("api", "import")]
    most += [
        ("start, seconds", answer["start_s"], START_S_MAX),
        ("evidence, ms", answer["evidence_ms"], EVIDENCE_MS_MAX),
    ]
    for name, figure, bar in most:
        if figure > bar:
            yield f"{name}: {figure:g}, at most {bar:g}"


def table(answer: dict[str, Any]) -> str:
    """Return the answer for people."""
    return "\n".join(_lines(answer)) + "\n"


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    yield f"{'SQLite':<10} {'records/s':>10} {'against':>10} {'ratio':>7}  first bar"
    for name, figures in answer["sqlite"].items():
        against = figures.get("floor", figures.get("fresh"))
        yield f"{name:<10} {figures['rate']:>10,.0f} {against:>10,.0f} {figures['ratio']:>7.2f}  {BARS[name]:g}"
    if answer["postgresql"] is None:
        yield f"PostgreSQL: not measured ({answer['postgresql_reason']})"
    else:
        for name, figures in answer["postgresql"].items():
            yield f"PostgreSQL {name}: {figures['rate']:,.0f} records/s, ratio {figures['ratio']:.2f}"
    held = answer["sqlite"]["receiver"]["held"]
    size, latency = answer["bytes_per_record"], answer["latency_s"]
    memory = answer["memory_mb"]
    yield f"{held:,} records held, {answer['sqlite']['receiver']['record_bytes']:,.0f} bytes each before compression"
    yield f"bytes a record: {size['wire']:,.0f} on the wire, {size['disk']:,.0f} on disk"
    single = f"{size['wire_single']:,.0f} on the wire, {size['disk_single']:,.0f} on disk"
    yield f"one by one: {single} ({size['singles']:,} records); {size['wire_idle_bytes_s']:,.0f} bytes/s at rest"
    yield f"memory: {memory['idle']:.0f} MB idle, {memory['receiving']:.0f} MB receiving; start {answer['start_s']} s"
    for door in ("api", "import"):
        yield f"county to province by {door}: p50 {latency[door]['p50']} s, p99 {latency[door]['p99']} s"
    yield f"evidence of one record in a long stream: {answer['evidence_ms']} ms"
    yield f"{answer['seconds']:.0f} s in all"
    for fault in answer["faults"]:
        yield f"MISSED: {fault}"
