"""The doors of the demonstration: which department of which county is behind each, and how its system is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.demo.catalogue import DEPARTMENT_NAMES, items_of
from node.demo.generator import generate_month
from node.demo.plan import COUNTIES
from tests.doors_demonstration.bluetooth_department import bluetooth_department
from tests.doors_demonstration.database_department import database_department
from tests.doors_demonstration.department import no_counts
from tests.doors_demonstration.file_departments import file_drop_department, sftp_department
from tests.doors_demonstration.sending_department import sending_department
from tests.doors_demonstration.serial_department import serial_department
from tests.doors_demonstration.typing_department import typing_department
from tests.doors_demonstration.web_departments import open_api_department, soap_department

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from node.demo.catalogue import Item
    from node.demo.generator import Month
    from node.demo.plan import NodePlan
    from tests.doors_demonstration.department import Department


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One door: its name in the report, the county it is at, and how the system behind it is started.

    ``opened`` starts it in an empty folder and stops it at the end of the block; it raises NotHereError, or skips as
    tests do, when this machine lacks something: the text says what to install. ``modes`` are how its source proves
    itself (``yizhan sources add --mode``).
    """

    name: str
    county: NodePlan
    department: str
    opened: Callable[[Path], AbstractContextManager[Department]]
    modes: tuple[str, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        """The services of the department."""
        plans = items_of(self.county.code, self.county.name)
        return tuple(item for item in plans if item.plan.department == self.department)

    @property
    def organisation(self) -> str:
        """The department's credit code."""
        return self.items[0].department.credit_code

    @property
    def organisation_name(self) -> str:
        """The department's name."""
        return self.items[0].department.name


_EAST, _WEST = COUNTIES
_STARTS: Final[
    tuple[tuple[str, NodePlan, Callable[[Path], AbstractContextManager[Department]], tuple[str, ...]], ...]
] = (
    ("open_api", _EAST, open_api_department, ()),
    ("soap", _WEST, soap_department, ()),
    ("sftp", _EAST, sftp_department, ()),
    ("database", _WEST, database_department, ()),
    ("file_drop", _WEST, file_drop_department, ()),
    ("serial", _EAST, serial_department, ()),
    ("bluetooth", _WEST, bluetooth_department, ()),
    ("push", _EAST, sending_department, ("key", "hmac")),
    ("manual", _WEST, typing_department, ()),
)
DOORS: Final = tuple(
    Door(name=name, county=county, department=department, opened=opened, modes=modes)
    for department, (name, county, opened, modes) in zip(DEPARTMENT_NAMES, _STARTS, strict=True)
)
"""One for each department of the catalogue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What goes through one door: a month of its department's cases."""

    door: Door
    month: Month

    def expected(self) -> dict[str, int]:
        """Return what the door must answer in all."""
        offered, refused = len(self.month.records), self.month.invalid
        return {**no_counts(), "offered": offered, "accepted": offered - refused, "refused": refused}


def shares_of(doors: Sequence[Door], *, cases: int, seed: int) -> tuple[Share, ...]:
    """Return what goes through each door; ``cases`` are shared out evenly, the first doors get what is left."""
    count = len(doors)
    return tuple(
        Share(
            door=door,
            month=generate_month(
                door.items, cases=cases // count + (place < cases % count), seed=f"{seed}/{door.name}"
            ),
        )
        for place, door in enumerate(doors)
    )
