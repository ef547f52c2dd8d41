"""A root asks the divisions that it has published before it lets a node into the tree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from node.journal import alarms
from node.journal.entries import read_entry
from node.standard.seals import ANCESTORS, DESCENDANTS, StreamName
from tests.support.identities import FOUR, child_of, identities, issued_body
from tests.support.whole_nodes import whole_node
from tests.unit.bootstrap.test_node import receive

if TYPE_CHECKING:
    from node.bootstrap import Node

CITY_STREAM = StreamName("360100", ANCESTORS)


def publish(root: Node, code: str, parent: str) -> None:
    content = {"DivisionCode": code, "DivisionName": code, "ParentCode": parent, "DivisionLevel": "4"}

    def work(transaction: object) -> bool:
        stream = StreamName(root.code, DESCENDANTS)
        return root.produce(transaction, stream, "Division", {**content, "Kind": "STATUTORY"}, f"division/{code}")  # type: ignore[arg-type]

    assert root.store.write(work)


def test_a_city_cannot_take_a_county_of_another_city_before_that_has_joined() -> None:
    root = whole_node("360000")
    publish(root, "360281", "360200")
    publish(root, "360104", "360100")
    for code in ("360281", "360104"):
        _, issued = child_of(identities()["360100"], code, replace(FOUR["360102"], name=code))
        receive(root, read_entry(issued_body(issued, code)), stream=CITY_STREAM)
    assert root.work().certificates == 1
    with root.store.reading() as connection:
        assert root.tree(connection).children("360100") == ("360104",)
        (alarm,) = alarms.alarms(connection)
    assert "division 360281 does not stand below one that 360100 serves" in alarm.text
    root.close()
