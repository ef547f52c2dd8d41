"""A notice from the province to a department: down through its adapter, and acknowledged up to the province."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from node.demo.comparing import NOTICE_STREAM, REPLY_STREAM
from node.demo.figures import read_figures
from node.demo.plan import PROVINCE
from node.demo.program import call
from node.demo.raising import wait_until
from node.standard.codec import TAG_PREFIX, parse_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.clock import Clock
    from node.demo.raising import DemoNode
    from tests.doors_demonstration.department import Department
    from tests.doors_demonstration.doors import Door

NOTIFIED: Final = ("sftp", "serial")
"""Doors whose departments get a notice: both are at the county that the usual demonstration directs one to."""
ARRIVAL_TIMEOUT_S: Final = 120.0
"""Longest wait for a notice to be held by its department, and for the acknowledgement to be held by the province."""


@dataclass(slots=True, kw_only=True)
class Notice:
    """One notice on its way; ``number`` is its own."""

    door: str
    number: str
    received: bool = False
    acknowledged: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it for the report."""
        return {
            "door": self.door,
            "notice": self.number,
            "received": self.received,
            "acknowledged": self.acknowledged,
        }

    def problems(self) -> list[str]:
        """Return what is wrong with it."""
        wrong = [] if self.received else [f"door {self.door}: the notice {self.number} did not come down"]
        return wrong if self.acknowledged else [*wrong, f"door {self.door}: {self.number} was not acknowledged"]


def send_notices(doors: Sequence[Door], nodes: Mapping[str, DemoNode]) -> list[Notice]:
    """Have the province send a notice to the department behind each of these doors."""
    sent = []
    for door in doors:
        about = ("--organisation-code", door.organisation, "--organisation-name", door.organisation_name)
        words = ("--subject", "办件超期核查", "--text", "请核查十月超期办件并反馈。", "--as", "演示监察员")
        made = call(nodes[PROVINCE.code].home, "publish", "notice", "--to", door.county.code, *about, *words)
        sent.append(Notice(door=door.name, number=str(made["notice"])))
    return sent


def follow_notices(
    notices: Sequence[Notice],
    departments: Mapping[str, Department],
    nodes: Mapping[str, DemoNode],
    clock: Clock,
) -> None:
    """Wait until each notice is held by its department's system, and the province holds that it is."""

    def all_received() -> bool:
        for one in notices:
            one.received = any(one.number.encode() in held for held in departments[one.door].documents())
        return all(one.received for one in notices)

    if not notices:
        return
    wait_until(all_received, ARRIVAL_TIMEOUT_S, clock, pause_s=0.2)
    # The reply of the usual notice stands in the same stream.
    _wait_for_records(nodes[PROVINCE.code], REPLY_STREAM, len(notices) + 1, clock)
    known = acknowledged_numbers(nodes[PROVINCE.code])
    for one in notices:
        one.acknowledged = one.number in known


def _wait_for_records(province: DemoNode, stream: str, count: int, clock: Clock) -> None:
    with httpx.Client() as client:

        def arrived() -> bool:
            figures = read_figures(client, province.face)
            return figures is not None and figures.streams.get(stream, 0) >= count

        wait_until(arrived, ARRIVAL_TIMEOUT_S, clock, pause_s=0.2)


def acknowledged_numbers(province: DemoNode) -> set[str]:
    """Return the numbers of the notices for which the province holds an Acknowledgement of the county."""
    numbers = set()
    for row in call(province.home, "records", "list", REPLY_STREAM)["records"]:
        if row["type"] == "Acknowledgement":
            told = _record(province, REPLY_STREAM, row["position"])
            assert told.findtext(f"{TAG_PREFIX}Stream") == NOTICE_STREAM
            notice = _record(province, NOTICE_STREAM, int(told.findtext(f"{TAG_PREFIX}Position")))
            numbers.add(notice.findtext(f"{TAG_PREFIX}NoticeNo"))
    return numbers


def _record(node: DemoNode, stream: str, position: int) -> Any:
    shown = call(node.home, "records", "show", stream, str(position))
    return parse_record(shown["body"].encode())
