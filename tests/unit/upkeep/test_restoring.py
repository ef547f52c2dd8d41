"""Restoring: lost bytes and lost records come back from the parent, and nothing that does not fit is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from node.errors import PackageRefusedError, PeerUnavailableError
from node.exchange.carriers.memory import MemoryCarrier
from node.exchange.fetching import FETCHED_MAX, Wanted, read_records
from node.standard.seals import StreamName
from node.upkeep.damages import open_damages
from tests.support.case_nodes import derived_tables
from tests.support.linked_nodes import CITY, COUNTY, ROOT, linked_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.bootstrap import Node

COUNTY_STREAM = StreamName(COUNTY, "ancestors")


def silent(_done: int, _total: int) -> None:
    """Nobody waits."""


@pytest.fixture
def root() -> Node:
    return linked_node(ROOT)


@pytest.fixture
def city() -> Node:
    return linked_node(CITY)


def fetch_from(parent: Node, child: Node) -> Callable[[bytes], bytes]:
    return MemoryCarrier(parent.exchange, child.code).fetch


def run(node: Node, statement: str) -> None:
    node.store.write(lambda transaction: transaction.connection.exec_driver_sql(statement))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE record SET body = zeroblob(9) WHERE key % 5 = 1",
        "DELETE FROM record WHERE key % 1099511627776 = 4",
        "DELETE FROM record WHERE key % 1099511627776 BETWEEN 3 AND 7",
    ],
    ids=["bytes", "a record", "records"],
)
def test_what_is_lost_comes_back_from_the_parent(root: Node, city: Node, damage: str) -> None:
    before = derived_tables(city.store)
    run(city, damage + f" AND key >> 40 = {stream_id(city)}")
    assert {one.kind for one in city.scrub().all(silent).found} == {"record"}
    assert city.restore(fetch_from(root, city)) > 0
    with city.store.reading() as connection:
        assert open_damages(connection) == []
    again = city.scrub().all(silent)
    assert [one.text for one in again.found] == []
    assert derived_tables(city.store) == before


def stream_id(node: Node) -> int:
    with node.store.reading() as connection:
        held = node.journal.held(connection, COUNTY_STREAM)
    assert held is not None
    return held.stream_id


@pytest.mark.parametrize("damage", ["UPDATE record SET body = zeroblob(9)", "DELETE FROM record"])
def test_what_does_not_fit_is_not_believed(root: Node, city: Node, damage: str) -> None:
    run(city, f"{damage} WHERE key = {stream_id(city)} << 40 | 4")
    city.scrub().all(silent)
    honest = fetch_from(root, city)

    def other(question: bytes) -> bytes:
        wanted = Wanted.from_bytes(question)
        return honest(Wanted(stream=wanted.stream, first=5, last=5).to_bytes())

    assert city.restore(other) == 0
    assert city.restore(lambda _: b"") == 0
    with city.store.reading() as connection:
        assert len(open_damages(connection)) == 1


def test_a_child_is_given_only_what_it_may_hold(root: Node, city: Node) -> None:
    fetch = fetch_from(root, city)
    assert len(read_records(fetch(Wanted(stream=COUNTY_STREAM, first=2, last=4).to_bytes()))) == 3
    for stream, first in ((StreamName("360103", "ancestors"), 1), (COUNTY_STREAM, 100_000)):
        with pytest.raises(PackageRefusedError, match="not held so far, or not to be given"):
            fetch(Wanted(stream=stream, first=first, last=first).to_bytes())
    carrier = MemoryCarrier(root.exchange, city.code, is_up=lambda: False)
    with pytest.raises(PeerUnavailableError):
        carrier.fetch(b"")


@pytest.mark.parametrize("question", [b"", b"x", b"360102/ancestors 0 1", b"360102/ancestors 2 1", b"a b c", b"\xff"])
def test_what_asks_for_nothing_is_refused(question: bytes) -> None:
    with pytest.raises(PackageRefusedError, match="ask"):
        Wanted.from_bytes(question)


@pytest.mark.parametrize(
    "answer", [b"\0", b"\0\0\0\5abc", b"\xff\xff\xff\xff", b"\0\0\0\0" * (FETCHED_MAX + 1)], ids=range(4)
)
def test_an_answer_that_is_none_is_refused(answer: Any) -> None:
    with pytest.raises(PackageRefusedError, match="An answer with records"):
        read_records(answer)
