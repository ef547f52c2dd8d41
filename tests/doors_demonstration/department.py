"""What the demonstration asks of a department: a system that runs, and that hands its records over by its door."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from node.demo.generator import GeneratedRecord

COUNTS: Final = ("offered", "accepted", "refused", "repeated")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterPlan:
    """What ``yizhan adapters add`` is told: kind, settings, secrets, and in what form deliveries come."""

    kind: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict)
    dialect: str = "auto"
    every_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a department reaches the node by itself: the address of the face, and what its source was given.

    ``key`` is that of the source; ``key_id`` and ``secret`` are "" unless it may sign.
    """

    face: str
    key: str
    key_id: str = ""
    secret: str = ""


class Department(Protocol):
    """A department's system that runs."""

    @property
    def adapter(self) -> AdapterPlan | None:
        """By which adapter the node asks or hears it; None for one that comes to the node by itself."""

    def hand_over(self, records: Sequence[GeneratedRecord], access: Access) -> Mapping[str, int]:
        """Hand records over, oldest first: put them where the adapter finds them, or bring them to the node.

        Returns what the node answered to those that were brought, by ``COUNTS``; what an adapter fetches it counts.
        Raises DemonstrationError, httpx.HTTPError or AssertionError when the node does not take them.
        """

    @property
    def place(self) -> str:
        """Where people find the system on this machine: a folder, an address; "" for one that is nowhere."""

    def documents(self) -> Sequence[bytes]:
        """Return the documents that came down so far, as the department's system holds them."""


class NotHereError(Exception):
    """This machine lacks what a department's system needs; the text says what to install."""


def no_counts() -> dict[str, int]:
    """Return counts of nothing."""
    return dict.fromkeys(COUNTS, 0)


def cases_in_two(
    records: Sequence[GeneratedRecord],
) -> tuple[list[GeneratedRecord], list[GeneratedRecord]]:
    """Return the records of every other case, and those of the others; each in order."""
    numbers = {str(record.content["CaseNo"]): None for record in records}
    first = set(list(numbers)[::2])
    halves: tuple[list[GeneratedRecord], list[GeneratedRecord]] = ([], [])
    for record in records:
        halves[str(record.content["CaseNo"]) not in first].append(record)
    return halves


def batches(records: Sequence[GeneratedRecord], size: int) -> Iterator[Sequence[GeneratedRecord]]:
    """Yield the records in order, at most ``size`` at a time."""
    for begin in range(0, len(records), size):
        yield records[begin : begin + size]
