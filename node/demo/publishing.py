"""What the province publishes before the first case, the counties' sources, and one notice with its reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

from node.demo.catalogue import items_of
from node.demo.comparing import NOTICE_STREAM
from node.demo.figures import read_figures
from node.demo.plan import COUNTIES, NODES, NOTICE_TO, PROVINCE
from node.demo.program import call
from node.demo.raising import wait_until
from node.demo.writers import item_file, organisation_file
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.clock import Clock
    from node.demo.raising import DemoNode

SOURCE: Final = "hall"
"""The name under which the made-up departments deliver, through whichever door."""
ARRIVAL_TIMEOUT_S: Final = 60.0
"""Longest wait for something published to arrive below; our own bound, a second is usual."""


def publish_reference(nodes: Mapping[str, DemoNode]) -> None:
    """Have the province publish divisions and calendars (shipped) and the counties' departments and items (files)."""
    province = nodes[PROVINCE.code].home
    folder = province.parent / "deliveries" / PROVINCE.code
    folder.mkdir(parents=True, exist_ok=True)
    items = [item for county in COUNTIES for item in items_of(county.code, county.name)]
    call(province, "publish", "divisions")
    call(province, "publish", "calendar")
    call(province, "publish", "organisations", str(organisation_file(folder, items)))
    call(province, "publish", "items", str(item_file(folder, items)))


def wait_for_tree(nodes: Mapping[str, DemoNode], clock: Clock) -> None:
    """Wait until every node knows all certificates: before, the province may not publish for counties.

    A county's certificate is issued by the city, reported to the province and repeated by it in ``trust``. Raises
    DemonstrationError when that does not happen.
    """
    _wait_for_size(nodes, f"{PROVINCE.code}/trust", len(NODES), clock)


def wait_for_reference(nodes: Mapping[str, DemoNode], clock: Clock) -> None:
    """Wait until every node holds what the province has published; raises DemonstrationError when one does not."""
    stream = f"{PROVINCE.code}/descendants"
    with httpx.Client() as client:
        published = _held(client, nodes[PROVINCE.code], stream)
    _wait_for_size(nodes, stream, max(1, published), clock)


def add_source(node: DemoNode) -> str:
    """Make an API key for one department's system at a county and return it."""
    return str(call(node.home, "sources", "add", SOURCE)["key"])


def exchange_notice(nodes: Mapping[str, DemoNode], clock: Clock) -> None:
    """Send a notice from the province to one county, wait for it there, and send the county's reply.

    Raises DemonstrationError when the notice does not arrive.
    """
    province, county = nodes[PROVINCE.code], nodes[NOTICE_TO.code]
    sent = call(
        province.home,
        *("publish", "notice", "--to", county.plan.code, "--as", "演示监察员"),
        *("--subject", "办件超期核查", "--text", "请核查十月超期办件并反馈。"),
    )
    with httpx.Client() as client:
        if not wait_until(lambda: _held(client, county, NOTICE_STREAM) > 0, ARRIVAL_TIMEOUT_S, clock):
            raise DemonstrationError(f"the notice did not arrive at {county.plan.code}")
    call(
        county.home,
        *("publish", "reply", "--notice", str(sent["notice"]), "--as", "演示办件员"),
        *("--text", "已核查，超期办件已办结。"),
    )


def _wait_for_size(nodes: Mapping[str, DemoNode], stream: str, size: int, clock: Clock) -> None:
    with httpx.Client() as client:

        def arrived() -> bool:
            return all(_held(client, node, stream) >= size for node in nodes.values())

        if not wait_until(arrived, ARRIVAL_TIMEOUT_S, clock):
            held = {code: _held(client, node, stream) for code, node in nodes.items()}
            raise DemonstrationError(f"{stream} did not arrive everywhere", why=f"held: {held}, expected {size}")


def _held(client: httpx.Client, node: DemoNode, stream: str) -> int:
    figures = read_figures(client, node.face)
    return figures.streams.get(stream, 0) if figures else 0
