"""What is for a department goes down through its adapter's process, and its sender hears of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.delivering.queue import counts
from node.departments.doors.adapters_file import read_adapter
from node.departments.doors.folders import make_folder
from node.departments.doors.keeper import Keeper
from node.departments.notices import NoticeText, publish_notice
from node.departments.sources import add_source
from node.standard.seals import StreamName
from tests.support.linked_nodes import COUNTY, ROOT, linked_nodes, settle
from tests.support.samples import CREDIT_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.bootstrap import Node
    from node.departments.doors.adapters_file import ListedAdapter


def table(folder: Path, **keys: Any) -> dict[str, Any]:
    return {"kind": "scripted", "source": "hall", "settings": {"folder": str(folder)}, **keys}


def listed(home: Path, **keys: Any) -> ListedAdapter:
    return read_adapter(home, "door", table(home / "deliveries", **keys), {}, secrets={})


class Department:
    """A county with a scripted adapter that serves one organisation, and the province above."""

    def __init__(self, home: Path) -> None:
        self.nodes = linked_nodes(cases=1)
        self.folder = home / "deliveries"
        self.folder.mkdir()
        add_source(self.county.store, "hall", clock=self.county.clock, randomness=self.county.randomness)
        config = listed(home, deliver_organisations=[CREDIT_CODE]).config
        assert config is not None
        make_folder(home, "door")
        self.keeper = Keeper(
            self.county.intake,
            config,
            home,
            zone="Asia/Shanghai",
            environment=dict(os.environ),
            delivering=self.county.delivering,
        )

    @property
    def county(self) -> Node:
        return self.nodes[COUNTY]

    def notice(self, subject: str) -> None:
        text = NoticeText(
            subject=subject, text="请核查", actor="监察员", organisation_code=CREDIT_CODE, organisation_name="测试局"
        )
        publish_notice(self.nodes[ROOT].publisher, COUNTY, text)
        self.nodes[ROOT].work()
        settle(self.nodes)

    def delivered(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("delivered/*"))

    def states(self) -> dict[str, int]:
        with self.county.store.reading() as connection:
            return counts(connection, "door")

    def acknowledgements(self) -> int:
        self.county.work()
        settle(self.nodes)
        with self.nodes[ROOT].store.reading() as connection:
            held = self.nodes[ROOT].journal.held(connection, StreamName(COUNTY, ROOT))
        return 0 if held is None else held.size


@pytest.fixture
def department(scripted: Path, tmp_path: Path) -> Iterator[Department]:  # noqa: ARG001 - it must be on the path.
    made = Department(tmp_path)
    yield made
    made.keeper.let_go()


def test_a_notice_reaches_the_department_in_the_next_round(department: Department) -> None:
    department.keeper.turn()
    assert department.delivered() == []
    department.notice("第一次")
    department.notice("第二次")
    department.keeper.turn()
    first, second = department.delivered()
    assert (first.partition("-")[0], second.partition("-")[0]) == (ROOT, ROOT)
    assert department.states() == {"delivered": 2}
    assert department.acknowledgements() == 2
    department.keeper.turn()
    assert department.acknowledgements() == 2


def test_a_document_that_the_system_refuses_does_not_stop_the_next(department: Department) -> None:
    (department.folder / "script").write_text("deliver:never", encoding="utf-8")
    department.notice("第一次")
    department.notice("第二次")
    department.keeper.turn()
    assert department.states() == {"refused": 1, "delivered": 1}
    assert department.acknowledgements() == 1


def test_a_system_that_is_away_gets_its_document_later(department: Department) -> None:
    (department.folder / "script").write_text("deliver:away", encoding="utf-8")
    department.notice("第一次")
    department.keeper.turn()
    assert (department.keeper.state, department.states()) == ("away", {"waiting": 1})
    department.keeper.turn()
    assert department.states() == {"delivered": 1}


def test_a_process_that_dies_while_it_hands_over_hands_it_over_again(department: Department) -> None:
    (department.folder / "script").write_text("deliver:crash", encoding="utf-8")
    department.notice("第一次")
    department.keeper.turn()
    assert (department.keeper.state, department.states()) == ("broken", {"waiting": 1})
    department.keeper.turn()
    assert (department.states(), len(department.delivered())) == ({"delivered": 1}, 1)
    assert department.acknowledgements() == 1


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"deliver_record_types": ["Application"]}, "needs door.deliver_organisations"),
        ({"deliver_organisations": ["1"], "deliver_record_types": ["Alarm"]}, "names 'Alarm'"),
        ({"deliver_organisations": "1"}, "deliver_organisations is not allowed"),
        ({"deliver_organisations": [CREDIT_CODE, f"{CREDIT_CODE[:-1]}0"]}, "no unified social credit code"),
        ({"deliver_organisations": ["913"]}, "no unified social credit code"),
        ({"deliver_organisations": ["1"], "deliver_since": "2026-11-01"}, "deliver_since is not allowed"),
    ],
)
def test_a_mistake_in_a_route_is_named(keys: dict[str, Any], text: str, scripted: Path, tmp_path: Path) -> None:  # noqa: ARG001 - it must be on the path.
    found = listed(tmp_path, **keys)
    assert found.config is None
    assert text in str(found.mistake)
