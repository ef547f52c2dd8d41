"""The receiver over a long time: ``scripts/bench --long``, two million records, then the cost with ten million held.

A province takes packages of ten counties until it holds two million records, in turns with the floor at the beginning.
Then a loader fills its tables up: rows of the streams that it holds are copied to other streams and cases by one
statement a table, so that every table and index is as large as after ten million records (nobody could read the copied
streams; no record of theirs is sent or shown). Then packages are taken in turns with the floor again. What a record
costs is a share of the floor of the same minute; with ten million held it may be 1.3 times what it was with a hundred
thousand. Needs SQLite, a quarter of an hour, and as much disk as ``check_disk`` asks for.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from node.cases.tables import case_fact, case_state, finding
from node.journal.merkle import HASH_BYTES
from node.journal.tables import checkpoint, record, record_key, stream
from node.statistics.tables import counter
from tests.bench.floors import ReceiverFloor
from tests.bench.homes import found, open_node
from tests.bench.origins import PROVINCE, bench_identities, courier
from tests.bench.processes import memory_with_children_mb
from tests.bench.receiving import FILL_RECORDS, Rounds, receive

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Table

    from node.bootstrap import Node
    from node.clock import Clock
    from node.journal.store import Transaction
    from tests.bench.origins import CityCourier

SCHEMA = "yizhan.bench-long/1"
COST_MAX = 1.3
"""What a record may cost with everything held, against the beginning: the first bar (docs/performance.md)."""
RECORD_DISK_BYTES = 1_300
"""Bytes of disk that a held record needs at most while it is measured, the write-ahead log included. Our own choice."""
_SHIFT = 1_000
"""Ids of streams are moved up by this for copies: far beyond those that are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongPlan:
    """``first`` records are held when the cost is measured first, ``received`` come in all, ``held`` are filled up to.

    The cost is that of ``rounds`` of four packages of 500 records each, product and floor in turns.
    """

    first: int = 100_000
    received: int = 2_000_000
    held: int = 10_000_000
    open_cases: int = 15_000
    rounds: int = 9


QUICK_LONG = LongPlan(first=1_000, received=2_000, held=6_000, open_cases=500, rounds=1)


def measure_long(folder: Path, clock: Clock, plan: LongPlan) -> dict[str, Any]:
    """Return the document; raises RuntimeError when the disk is too small or a package was not taken."""
    check_disk(shutil.disk_usage(folder).free, plan.held)
    identities = bench_identities(clock)
    city = courier(identities, clock, open_cases=plan.open_cases // 10)
    with open_node(folder, identities[PROVINCE], clock) as node:
        found(node, identities)
        floor = ReceiverFloor(folder)
        received, _ = _fill(node, city, plan.first)
        before = _turns(node, city, floor, plan.rounds)
        memory_mb = memory_with_children_mb(os.getpid())
        more, taken_s = _fill(node, city, plan.received - received)
        grown_mb = memory_with_children_mb(os.getpid()) - memory_mb
        received += more
        _say(f"filling up to {plan.held:,} records")
        held = received
        for number in range(1, plan.held // received):
            node.store.write(partial(copy_held, number=number))
            held += received
        after = _turns(node, city, floor, plan.rounds)
        floor.close()
        disk = sum(path.stat().st_size for path in folder.glob("node.db*"))
    cost = before.ratio / after.ratio
    return {
        "schema": SCHEMA,
        "received": received,
        "rate": round(more / taken_s, 1) if taken_s else None,
        "grown_mb": round(grown_mb, 1),
        "held": held,
        "disk_bytes": round(disk / held, 1),
        "share_before": round(before.ratio, 3),
        "share_after": round(after.ratio, 3),
        "cost": round(cost, 2),
        "faults": [f"a record costs {cost:.2f} times as much; {COST_MAX} is the bar"] if cost > COST_MAX else [],
    }


def check_disk(free_bytes: int, records: int) -> None:
    """Raise RuntimeError when ``free_bytes`` are too few for ``records`` held."""
    needed = records * RECORD_DISK_BYTES
    if free_bytes < needed:
        message = f"{records:,} records need {needed / 1e9:.1f} GB, {free_bytes / 1e9:.1f} GB are free"
        raise RuntimeError(f"{message}; name another folder with TMPDIR")


def copy_held(transaction: Transaction, number: int) -> None:
    """Copy everything held of streams with cases to other streams and cases; ``number`` counts the copies from 1."""
    connection = transaction.connection
    rows = connection.exec_driver_sql(
        "SELECT id, size FROM stream WHERE id < ? AND audience = 'ancestors' AND size > 0 AND NOT own", (_SHIFT,)
    ).all()
    size = max(row.size for row in rows)
    lowest, highest = min(row.id for row in rows), max(row.id for row in rows)
    cases = connection.exec_driver_sql("SELECT max(id) FROM case_fact WHERE stream_id < ?", (_SHIFT,)).scalar() or 0
    key = record_key(_SHIFT, 0) + (number - 1) * size
    moved = {"key": key, "previous": key, "last_key": key, "record_key": key, "case_id": number * cases}
    mine = f"key BETWEEN {record_key(lowest, 1)} AND {record_key(highest + 1, 0)}"
    _copy(transaction, record, moved, mine)
    _copy(transaction, case_state, moved | {"id": number * cases}, f"id <= {cases}")
    _copy(
        transaction,
        case_fact,
        {"id": number * cases, "stream_id": _SHIFT},
        f"id <= {cases}",
        texts={"case_no": f"case_no || ' {number}'"},
    )
    _copy(transaction, finding, moved, f"case_id <= {cases}")
    of_streams = f"stream_id BETWEEN {lowest} AND {highest}"
    _copy(transaction, checkpoint, {"stream_id": _SHIFT, "size": (number - 1) * size}, of_streams)
    if number == 1:
        _copy(transaction, counter, {"stream_id": _SHIFT}, of_streams)
        origins = {"origin": "'9' || substr(origin, 2)", "frontier": "x''", "size": "0", "sealed": "0"}
        _copy(transaction, stream, {"id": _SHIFT}, f"id BETWEEN {lowest} AND {highest}", texts=origins)
    ends = [
        (size * number, size * number, bytes(HASH_BYTES * (size * number).bit_count()), row.id + _SHIFT) for row in rows
    ]
    connection.exec_driver_sql("UPDATE stream SET size = ?, sealed = ?, frontier = ? WHERE id = ?", ends)


def _copy(
    transaction: Transaction, table: Table, moved: dict[str, int], where: str, *, texts: dict[str, str] | None = None
) -> None:
    """Copy the rows of a table where ``where`` holds, numbers raised by ``moved``, others as ``texts`` say."""
    said = {name: f"{name} + {by}" for name, by in moved.items()} | (texts or {})
    names = [column.name for column in table.columns]
    values = ", ".join(said.get(name, name) for name in names)
    transaction.connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {values} FROM {table.name} WHERE {where}"
    )


def _fill(node: Node, city: CityCourier, records: int) -> tuple[int, float]:
    """Take packages of new records, at least ``records``; return how many came and the seconds of taking them."""
    taken, taken_s = 0, 0.0
    while taken < records:
        parcel = city.parcel(min(FILL_RECORDS, records))
        taken_s += receive(node, parcel)
        taken += len(parcel.bodies)
    return taken, taken_s


def _turns(node: Node, city: CityCourier, floor: ReceiverFloor, rounds: int) -> Rounds:
    measured = Rounds()
    for _ in range(rounds):
        parcels = [city.parcel(500) for _ in range(4)]
        records = sum(len(one.bodies) for one in parcels)
        measured.product_s.append(sum(receive(node, one) for one in parcels) / records)
        measured.floor_s.append(sum(floor.receive(one.bodies) for one in parcels) / records)
    return measured


def lines(answer: dict[str, Any]) -> str:
    """Return the document for people."""
    said = [
        f"received            {answer['received']:>12,} records, {answer['rate']:,.0f} a second",
        f"memory grew by      {answer['grown_mb']:>12,.1f} MB between the first measurement and the last of them",
        f"held                {answer['held']:>12,} records, {answer['disk_bytes']:,.0f} bytes of disk each",
        f"share of the floor  {answer['share_before']:>12.2f} at first, {answer['share_after']:.2f} with all held",
        f"cost of a record    {answer['cost']:>12.2f} times that at first; {COST_MAX} is the bar",
        *(f"MISSED: {fault}" for fault in answer["faults"]),
    ]
    return "\n".join(said) + "\n"


def _say(what: str) -> None:
    sys.stderr.write(f"bench: {what}\n")
