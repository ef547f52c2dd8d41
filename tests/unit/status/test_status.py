"""The status document: what a node holds, how far its links are behind, and whether a person should look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from node.clock import SetClock
from node.departments.notices import NoticeText, publish_notice
from node.journal import alarms, cursors
from node.journal.links import Link, save_link
from node.journal.receipts import save_receipts
from node.standard.seals import ANCESTORS, Receipt, StreamName
from node.status import LAGGING_S, is_degraded, moment_text, node_status
from tests.support.whole_nodes import START, whole_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.bootstrap import Node

OWN = StreamName("360100", ANCESTORS)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(START)


@pytest.fixture
def city(clock: SetClock) -> Iterator[Node]:
    made = whole_node("360100", clock=clock)
    yield made
    made.close()


def link(node: Node, peer: str, role: str, state: str = "up") -> None:
    node.store.write(lambda transaction: save_link(transaction, Link(peer=peer, role=role, state=state)))


def found(document: dict[str, Any], peer: str) -> dict[str, Any]:
    return next(one for one in document["links"] if one["peer"] == peer)


def test_the_names_of_the_contract_are_there(city: Node) -> None:
    link(city, "360000", "parent")
    document = node_status(city)
    assert document["schema"] == "yizhan.status/1"
    names = {"running", "node", "links", "streams", "sources", "quarantined", "refused", "cases", "findings"}
    assert set(document) >= names | {"penalties", "penalty_findings"}
    assert set(document["node"]) >= {"code", "name", "level", "version"}
    assert set(document["links"][0]) >= {"peer", "role", "state", "since", "lag_records", "lag_s"}
    assert set(document["streams"][0]) >= {"origin", "audience", "size", "sealed", "root", "held_by"}


def test_a_link_lags_by_what_is_not_receipted_since_it_was_sealed(city: Node, clock: SetClock) -> None:
    link(city, "360000", "parent")
    link(city, "360102", "child")
    assert (found(node_status(city), "360000")["lag_records"], found(node_status(city), "360000")["lag_s"]) == (2, 0.0)
    city.work()
    clock.advance(90)
    behind = found(node_status(city), "360000")
    assert (behind["lag_records"], behind["lag_s"]) == (2, 90.0)
    # What goes up does not travel to a child, so its link is not behind.
    assert found(node_status(city), "360102")["lag_records"] == 0
    city.store.write(lambda transaction: cursors.advance(transaction, "360000", {OWN: 2}))
    assert (found(node_status(city), "360000")["lag_records"], found(node_status(city), "360000")["lag_s"]) == (0, 0.0)


def test_a_link_with_much_to_go_is_catching_up(city: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    link(city, "360000", "parent")
    monkeypatch.setattr("node.status.CATCHING_UP_RECORDS", 1)
    assert found(node_status(city), "360000")["state"] == "catching up"
    assert not is_degraded(node_status(city))


def receipted(node: Node, peer: str, size: int) -> None:
    """Let a neighbour sign that it holds ``size`` records of this node's own stream."""
    with node.store.reading() as connection:
        root = node.journal.extended_root(connection, OWN, [])
    receipt = Receipt(holder=peer, stream=OWN, size=size, root=root, received_at=node.clock.now(), signer="0" * 64)
    node.store.write(lambda transaction: save_receipts(transaction, [receipt]))


def test_a_link_that_receipts_nothing_for_a_minute_lags(city: Node, clock: SetClock) -> None:
    city.work()
    clock.advance(LAGGING_S + 1)
    up = Link(peer="360000", role="parent", state="up", since=clock.now())
    city.store.write(lambda transaction: save_link(transaction, up))
    # It has just come up: what waits for long is not its fault yet.
    assert found(node_status(city), "360000")["state"] == "up"
    clock.advance(LAGGING_S + 1)
    behind = found(node_status(city), "360000")
    assert (behind["state"], behind["lag_records"], behind["receipted_at"]) == ("lagging", 2, None)
    assert is_degraded(node_status(city))
    # A receipt for a part of it: it goes on.
    receipted(city, "360000", 1)
    behind = found(node_status(city), "360000")
    assert (behind["state"], behind["receipted_at"]) == ("up", moment_text(clock.now()))
    clock.advance(LAGGING_S + 1)
    assert found(node_status(city), "360000")["state"] == "lagging"
    city.store.write(lambda transaction: cursors.advance(transaction, "360000", {OWN: 2}))
    assert found(node_status(city), "360000")["state"] == "up"


def test_what_is_not_sealed_yet_makes_no_link_lag(city: Node, clock: SetClock) -> None:
    link(city, "360000", "parent")
    clock.advance(LAGGING_S + 1)
    behind = found(node_status(city), "360000")
    assert (behind["state"], behind["lag_records"], behind["lag_s"]) == ("up", 2, 0.0)


def test_a_child_is_behind_by_what_it_has_not_receipted(city: Node, clock: SetClock) -> None:
    link(city, "360102", "child")
    link(city, "360103", "child")
    text = NoticeText(subject="核查", text="请核查。", actor="监察员")
    sent = publish_notice(city.publisher, "360102", text)
    city.work()
    clock.advance(30)
    document = node_status(city)
    assert (found(document, "360102")["lag_records"], found(document, "360102")["lag_s"]) == (1, 30.0)
    # What is directed to one county is no business of the other.
    assert found(document, "360103")["lag_records"] == 0
    clock.advance(LAGGING_S)
    assert found(node_status(city), "360102")["state"] == "lagging"
    city.store.write(lambda transaction: cursors.advance(transaction, "360102", {sent.stream: 1}))
    behind = found(node_status(city), "360102")
    assert (behind["state"], behind["lag_records"], behind["lag_s"]) == ("up", 0, 0.0)


def test_where_nothing_runs_the_node_no_link_is_up(city: Node, clock: SetClock) -> None:
    contact_at = clock.now()
    for peer, state in (("360000", "up"), ("360102", "down")):
        one = Link(peer=peer, role="parent", state=state, contact_at=contact_at)
        city.store.write(lambda transaction, one=one: save_link(transaction, one))  # type: ignore[misc]
    assert node_status(city)["running"] is True
    document = node_status(city, running=False)
    assert document["running"] is False
    assert (found(document, "360000")["state"], found(document, "360102")["state"]) == ("stopped", "down")
    assert found(document, "360000")["since"] == moment_text(contact_at)
    assert is_degraded({**document, "links": []})


def test_receipts_say_who_holds_how_much(city: Node, clock: SetClock) -> None:
    city.work()
    document = node_status(city)
    (stream,) = document["streams"]
    assert (stream["size"], stream["sealed"], stream["held_by"]) == (2, 2, {"360100": 2})
    receipt = Receipt(
        holder="360000",
        stream=OWN,
        size=2,
        root=bytes.fromhex(stream["root"]),
        received_at=clock.now(),
        signer="0" * 64,
    )
    city.store.write(lambda transaction: save_receipts(transaction, [receipt]))
    assert node_status(city)["streams"][0]["held_by"] == {"360000": 2, "360100": 2}


@pytest.mark.parametrize("state", ["down", "new", "stopped"])
def test_a_link_that_is_not_up_needs_a_look(city: Node, state: str) -> None:
    assert not is_degraded(node_status(city))
    link(city, "360000", "parent", state)
    assert is_degraded(node_status(city))


def test_an_alarm_needs_a_look(city: Node) -> None:
    city.store.write(lambda transaction: alarms.raise_alarm(transaction, "OWN_CODE", "360100", "t"))
    assert is_degraded(node_status(city))


def test_a_disputed_summary_needs_a_look(city: Node) -> None:
    document = node_status(city)
    assert document["statistics"] == {"state": "none", "origins": {}}
    document["statistics"] = {"state": "disputed", "origins": {"360102": "disputed"}}
    assert is_degraded(document)


def test_a_disk_that_is_nearly_full_needs_a_look(city: Node) -> None:
    link(city, "360000", "parent")
    document = node_status(city)
    assert document["disk"] is None, "a memory store has no disk"
    assert not is_degraded(document)
    room = {"database_bytes": 1, "free_bytes": 1, "bytes_per_day": None, "days_left": None, "low": False}
    assert not is_degraded({**document, "disk": room})
    assert is_degraded({**document, "disk": {**room, "low": True}})
