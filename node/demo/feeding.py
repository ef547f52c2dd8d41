"""Feeding: each county's month goes in through four doors at once, as four kinds of departments would do it.

Whole cases go to one door each (a case whose records came through several doors would depend on their timing): CSV
tables, spreadsheets and rows of the national exchange tables through ``yizhan import`` beside the running node,
messages in the form of Guangdong through the open API. A case goes to a door whose dialect can carry all its records.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx

from node.demo.attachments import attach, material_rows
from node.demo.catalogue import items_of
from node.demo.generator import Month, generate_month
from node.demo.penalties import generate_penalties
from node.demo.plan import COUNTIES
from node.demo.program import call
from node.demo.publishing import SOURCE
from node.demo.writers import csv_files, delivery
from node.errors import DemonstrationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from node.demo.generator import GeneratedRecord
    from node.demo.raising import DemoNode

CSV, API, UP, XLSX = "csv", "api", "up", "xlsx"
DOORS: Final = (CSV, API, UP, XLSX)
DIALECTS: Final = {CSV: "csv", API: "exinfo@guangdong", UP: "up@guangdong", XLSX: "xlsx"}
"""What each door is fed in; where provinces use codes differently, the way of one is named."""
COUNTS: Final = ("offered", "accepted", "refused", "repeated")
API_BATCH: Final = 50
"""Records in one request: what a department's system might send every few minutes."""
ACCEPTED, PARTLY, NOTHING = 0, 9, 1
"""Exit codes of ``yizhan import``: all accepted, some refused, nothing usable."""
CASES_PER_PENALTY: Final = 12
"""One penalty for so many cases: with the usual 120 of a county each way that one can go. Our own choice."""
OFFERS_MAX: Final = 8
LATER: Final = frozenset({429, 503})
"""HTTP answers that mean: the same again, later."""
_LATER_S_MAX: Final = 5.0
_API_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What one county will be fed: its month, and which records go to which door."""

    county: str
    month: Month
    by_door: Mapping[str, Sequence[GeneratedRecord]]

    def expected(self, door: str) -> dict[str, int]:
        """Return what the door must answer in all."""
        records = self.by_door[door]
        refused = sum(not record.valid for record in records)
        return {"offered": len(records), "accepted": len(records) - refused, "refused": refused, "repeated": 0}


@dataclass(slots=True)
class Tally:
    """What the doors answered, in all counties; threads add to it through ``add`` only, one future at a time."""

    doors: dict[str, dict[str, int]] = field(default_factory=lambda: {door: dict.fromkeys(COUNTS, 0) for door in DOORS})

    def add(self, door: str, answer: Mapping[str, Any]) -> None:
        """Add one answer's figures."""
        for name in COUNTS:
            self.doors[door][name] += int(answer[name])


def plan_feed(*, cases: int, seed: int) -> tuple[Feed, ...]:
    """Return what each county will be fed; ``cases`` are shared out evenly, the first counties get what is left."""
    feeds = []
    for index, county in enumerate(COUNTIES):
        share = cases // len(COUNTIES) + (index < cases % len(COUNTIES))
        items = items_of(county.code, county.name)
        month = generate_month(items, cases=share, seed=seed)
        by_door = _split(month.records)
        # What only new systems send goes with the cases of their door.
        further = [
            *attach(by_door[XLSX], items, seed=seed),
            *generate_penalties(items, count=max(1, share // CASES_PER_PENALTY), seed=seed),
        ]
        by_door[XLSX] = sorted([*by_door[XLSX], *further], key=lambda record: record.sent_at)
        by_door[UP] += material_rows(by_door[UP])
        feeds.append(Feed(county=county.code, month=month, by_door=by_door))
    return tuple(feeds)


def expected_doors(feeds: Iterable[Feed]) -> dict[str, dict[str, int]]:
    """Return what all counties' doors together must answer."""
    tally = Tally()
    for feed in feeds:
        for door in DOORS:
            tally.add(door, feed.expected(door))
    return tally.doors


def feed_all(feeds: Sequence[Feed], nodes: Mapping[str, DemoNode], keys: Mapping[str, str]) -> Tally:
    """Feed every county through every door at the same time and return what the doors answered.

    ``keys`` holds the API key of each county's source. Raises DemonstrationError when a door does not work at all.
    """
    tally = Tally()
    with ThreadPoolExecutor(len(feeds) * len(DOORS)) as pool:
        work = []
        for feed in feeds:
            node = nodes[feed.county]
            work += [(door, pool.submit(_feed_files, node, door, feed.by_door[door])) for door in DOORS if door != API]
            work.append((API, pool.submit(_feed_api, node, keys[feed.county], feed.by_door[API])))
        for door, answers in work:
            for answer in answers.result():
                tally.add(door, answer)
    return tally


def _split(records: Sequence[GeneratedRecord]) -> dict[str, list[GeneratedRecord]]:
    """Give each case to one door: of those that can carry all of its records the one with the fewest cases so far."""
    by_case: dict[str, list[GeneratedRecord]] = {}
    for record in records:
        by_case.setdefault(str(record.content["CaseNo"]), []).append(record)
    taken = dict.fromkeys(DOORS, 0)
    door_of: dict[str, str] = {}
    for number, case in by_case.items():
        fitting = [door for door in DOORS if _carries(door, case)]
        door_of[number] = min(fitting, key=taken.__getitem__)
        taken[door_of[number]] += 1
    by_door: dict[str, list[GeneratedRecord]] = {door: [] for door in DOORS}
    for record in records:
        by_door[door_of[str(record.content["CaseNo"])]].append(record)
    return by_door


def _carries(door: str, records: Sequence[GeneratedRecord]) -> bool:
    """Tell whether a door's dialect has a way to write all of these records."""
    if door not in {API, UP}:
        return True
    try:
        delivery(DIALECTS[door], records)
    except UsageError:
        return False
    return True


def _feed_files(node: DemoNode, door: str, records: Sequence[GeneratedRecord]) -> list[dict[str, Any]]:
    folder = node.home.parent / "deliveries" / node.plan.code
    folder.mkdir(parents=True, exist_ok=True)
    return [_import(node, path, door) for path in _files(folder, door, records)]


def _files(folder: Path, door: str, records: Sequence[GeneratedRecord]) -> list[Path]:
    if door == CSV:
        return csv_files(folder, records)
    path = folder / {UP: "rows.json", XLSX: "cases.xlsx"}[door]
    path.write_bytes(delivery(DIALECTS[door], records))
    return [path]


def _import(node: DemoNode, path: Path, door: str) -> dict[str, Any]:
    return call(
        node.home,
        "import",
        str(path),
        "--dialect",
        DIALECTS[door],
        "--source",
        SOURCE,
        accepted=(ACCEPTED, PARTLY, NOTHING),
    )


def _feed_api(node: DemoNode, key: str, records: Sequence[GeneratedRecord]) -> list[dict[str, Any]]:
    answers = []
    with httpx.Client(base_url=node.face, timeout=_API_TIMEOUT_S) as client:
        for begin in range(0, len(records), API_BATCH):
            batch = records[begin : begin + API_BATCH]
            answers.append(offer(client, key, batch, idempotency_key=f"demo-{node.plan.code}-{begin}"))
    return answers


def offer(
    client: httpx.Client,
    key: str,
    records: Sequence[GeneratedRecord],
    *,
    idempotency_key: str,
    dialect: str = DIALECTS[API],
) -> dict[str, Any]:
    """Offer records to the open API in one request in ``dialect`` and return its answer.

    An answer 429 or 503 is obeyed: the same request goes again after ``Retry-After`` seconds, as often as
    ``OFFERS_MAX`` says; the key makes that harmless. Raises DemonstrationError when the API answers with anything else
    than a report, UsageError when the dialect cannot carry one of the records.
    """
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": idempotency_key}
    body = delivery(dialect, records)
    for attempt in range(1, OFFERS_MAX + 1):
        answer = client.post("/api/v1/records", params={"dialect": dialect}, content=body, headers=headers)
        if answer.status_code not in LATER or attempt == OFFERS_MAX:
            break
        threading.Event().wait(min(float(answer.headers.get("Retry-After", 1)), _LATER_S_MAX))
    document = answer.json()
    if "accepted" not in document:
        raise DemonstrationError(f"the open API answered {answer.status_code}", why=answer.text[:500])
    return dict(document)
