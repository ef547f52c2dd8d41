"""Which nodes the demonstration starts, and what each is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One node to start: its division code and name, the name of its level file, and its parent's code."""

    code: str
    name: str
    level: str
    parent: str | None


PROVINCE: Final = NodePlan(code="360000", name="江西省", level="province", parent=None)
CITY: Final = NodePlan(code="360100", name="南昌市", level="city", parent="360000")
COUNTIES: Final = (
    NodePlan(code="360102", name="东湖区", level="county", parent="360100"),
    NodePlan(code="360103", name="西湖区", level="county", parent="360100"),
)
NODES: Final = (PROVINCE, CITY, *COUNTIES)
"""Parents before children: the order of starting."""

NOTICE_TO: Final = COUNTIES[0]
"""The county that gets a directed notice; its sibling must never hold it."""
