"""Documents for a department: found by organisation, handed over once in order, acknowledged to whoever sent them."""

from __future__ import annotations

from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from node.departments.delivering import queue
from node.departments.delivering.acknowledging import Delivering
from node.departments.delivering.queue import counts, deliver_again, forget, look, queued
from node.departments.delivering.routes import DELIVERABLE_TYPES, USUAL_TYPES, Route
from node.departments.delivering.tables import (
    DELIVERED,
    GONE,
    HELD,
    REFUSED,
    WAITING,
    delivery_route,
    downward_delivery,
)
from node.departments.dialects import DialectOptions
from node.departments.notices import NoticeText, publish_notice
from node.departments.sources import add_source, find_source
from node.errors import AuthorityError, NotFoundError, StateConflictError
from node.journal.doubt import Doubt, save_doubt
from node.journal.tables import QUARANTINED, record
from node.standard.codec import parse_record
from node.standard.compose import content_of
from node.standard.seals import StreamName
from tests.support.case_records import bodies, case_no
from tests.support.linked_nodes import CITY, COUNTY, ROOT, append, linked_nodes, settle
from tests.support.samples import CREDIT_CODE

if TYPE_CHECKING:
    from node.bootstrap import Node

OTHER = "113601000000000011"
ROUTE = Route(adapter="hall", source="hall", organisations=frozenset({CREDIT_CODE}))


def delivering(node: Node) -> Delivering:
    return Delivering(node.store, node_code=node.code, tree=node.tree, produce=node.produce, clock=node.clock)


def look_at_all(node: Node, route: Route = ROUTE) -> None:
    while look(node.store, route, node.clock):
        pass


def states(node: Node, adapter: str = "hall") -> dict[str, int]:
    with node.store.reading() as connection:
        return counts(connection, adapter)


def last_record(node: Node, stream: StreamName) -> dict[str, object]:
    with node.store.reading() as connection:
        held = node.journal.held(connection, stream)
        assert held is not None
        (stored,) = node.journal.stored(connection, stream, held.size, held.size)
    return {"type": stored.record_type, **content_of(parse_record(stored.body or b""))}


@pytest.fixture
def nodes() -> dict[str, Node]:
    return linked_nodes(cases=1)


def notice(nodes: dict[str, Node], subject: str = "超期核查", organisation: str = CREDIT_CODE) -> str:
    text = NoticeText(
        subject=subject,
        text="请核查",
        actor="监察员",
        organisation_code=organisation,
        organisation_name="测试局",
        reply_due=date(2026, 11, 24),
    )
    sent = publish_notice(nodes[ROOT].publisher, COUNTY, text)
    nodes[ROOT].work()
    settle(nodes)
    return sent.number


def test_a_notice_from_above_goes_down_and_its_sender_hears_that_it_arrived(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    number = notice(nodes)
    look_at_all(county)
    (due,) = delivering(county).due("hall")
    assert (due.key, due.record_type) == (f"{ROOT}-{COUNTY}-{due.queued.position}", "SupervisionNotice")
    assert due.text == f"监察通知 {number} 超期核查 限 2026-11-24 前答复"
    assert content_of(parse_record(due.body))["NoticeNo"] == number
    delivering(county).delivered("hall", due)
    county.work()
    settle(nodes)
    told = last_record(nodes[ROOT], StreamName(COUNTY, ROOT))
    assert (told["type"], told["Stream"], told["Position"]) == (
        "Acknowledgement",
        f"{ROOT}/{COUNTY}",
        str(due.queued.position),
    )
    assert told["Text"] == f"已送达部门 {CREDIT_CODE}（hall）"
    assert states(county) == {DELIVERED: 1}
    assert delivering(county).due("hall") == []


def test_what_is_delivered_twice_is_acknowledged_once(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    look_at_all(county)
    (due,) = delivering(county).due("hall")
    delivering(county).delivered("hall", due)
    delivering(county).delivered("hall", due)
    deliver_again(county.store, "hall", due.queued.number, county.clock)
    (again,) = delivering(county).due("hall")
    assert again.key == due.key
    delivering(county).delivered("hall", again)
    with county.store.reading() as connection:
        held = county.journal.held(connection, StreamName(COUNTY, ROOT))
    assert held is not None
    assert held.size == 1


def test_a_notice_for_another_department_or_for_the_node_itself_stays(nodes: dict[str, Node]) -> None:
    notice(nodes, organisation="")
    county = nodes[COUNTY]
    elsewhere = Route(adapter="tax", source="tax", organisations=frozenset({OTHER}))
    notice(nodes)
    look_at_all(county, elsewhere)
    assert states(county, "tax") == {}
    look_at_all(county)
    assert states(county) == {WAITING: 1}


def test_what_closes_a_notice_finds_the_department_of_the_notice(nodes: dict[str, Node]) -> None:
    county, root = nodes[COUNTY], nodes[ROOT]
    number = notice(nodes)
    look_at_all(county)
    content: dict[str, Any] = {
        "NoticeNo": number,
        "Addressee": COUNTY,
        "ClosingResult": "SETTLED",
        "Text": "已整改",
        "Actor": {"Name": "监察员"},
    }
    stream = StreamName(ROOT, COUNTY)
    root.store.write(lambda transaction: root.produce(transaction, stream, "NoticeClosing", content, "closing:1"))
    root.work()
    settle(nodes)
    look_at_all(county)
    assert [one.record_type for one in delivering(county).due("hall")] == ["SupervisionNotice", "NoticeClosing"]


def test_a_case_that_another_door_took_in_goes_to_its_department_at_any_level(nodes: dict[str, Node]) -> None:
    # 条管: the department's system stands at the city, the application was handed in at the county.
    city, county = nodes[CITY], nodes[COUNTY]
    organisation = str(content_of(parse_record(bodies("apply", case_no=case_no(77))[0]))["OrgCode"])
    route = Route(
        adapter="line",
        source="line",
        organisations=frozenset({organisation}),
        record_types=frozenset({"Application"}),
        since=date(2026, 1, 5),
    )
    look_at_all(city, route)
    before = states(city, "line").get(WAITING, 0)
    append(county, bodies("apply accept", case_no=case_no(77)))
    settle(nodes)
    look_at_all(city, route)
    due = delivering(city).due("line")
    assert len(due) == before + 1
    assert (due[-1].queued.stream.origin, due[-1].record_type) == (COUNTY, "Application")
    assert case_no(77) in due[-1].text
    delivering(city).delivered("line", due[-1])
    assert last_record(city, StreamName(CITY, "ancestors"))["type"] == "Acknowledgement"


def test_older_records_than_the_route_asks_for_stay(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    look_at_all(county, Route(adapter="hall", source="hall", organisations=ROUTE.organisations, since=date(2027, 1, 1)))
    assert states(county) == {}


def test_what_came_from_the_department_itself_does_not_go_back_to_it(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    add_source(county.store, "hall", clock=county.clock, randomness=county.randomness)
    with county.store.reading() as connection:
        source = find_source(connection, "hall")
    body = bodies("apply", case_no=case_no(78))[0]
    candidates = county.intake.dialects.read("standard", BytesIO(body), DialectOptions())
    assert county.intake.accept(candidates, source=source, dialect="standard").accepted == 1
    organisation = str(content_of(parse_record(body))["OrgCode"])
    types = frozenset({"Application"})

    def waiting(source_name: str) -> int:
        route = Route(
            adapter=source_name, source=source_name, organisations=frozenset({organisation}), record_types=types
        )
        look_at_all(county, route)
        return states(county, source_name).get(WAITING, 0)

    assert waiting("other") == waiting("hall") + 1


def test_a_record_that_is_set_aside_is_judged_once_it_can_be_applied(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    flagged = update(record).where(record.c.type_number == 51)
    county.store.write(lambda transaction: transaction.connection.execute(flagged.values(flags=QUARANTINED)))
    look_at_all(county)
    assert states(county) == {HELD: 1}
    look_at_all(county)
    assert states(county) == {HELD: 1}
    assert delivering(county).due("hall") == []
    county.store.write(lambda transaction: transaction.connection.execute(flagged.values(flags=0)))
    look_at_all(county, Route(adapter="hall", source="hall", organisations=frozenset({OTHER})))
    assert states(county) == {}


def test_a_held_record_that_is_for_the_department_waits_then(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    flagged = update(record).where(record.c.type_number == 51)
    county.store.write(lambda transaction: transaction.connection.execute(flagged.values(flags=QUARANTINED)))
    look_at_all(county)
    county.store.write(lambda transaction: transaction.connection.execute(flagged.values(flags=0)))
    look_at_all(county)
    assert states(county) == {WAITING: 1}
    # Set aside again: it waits, and is not handed over.
    county.store.write(lambda transaction: transaction.connection.execute(flagged.values(flags=QUARANTINED)))
    assert delivering(county).due("hall") == []
    assert states(county) == {WAITING: 1}


def set_flags(node: Node, flags: int, *queued_numbers: int) -> None:
    """Set a record aside, or take it back: of all documents, or of those with these numbers in the queue."""
    keys = select(downward_delivery.c.record_key).where(downward_delivery.c.number.in_(queued_numbers))
    chosen = record.c.key.in_(keys) if queued_numbers else record.c.type_number == 51
    statement = update(record).where(chosen).values(flags=flags)
    node.store.write(lambda transaction: transaction.connection.execute(statement))


def test_records_that_stay_set_aside_hold_up_none_behind_them(
    nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    county = nodes[COUNTY]
    for number in range(3):
        notice(nodes, f"第{number}次")
    set_flags(county, QUARANTINED)
    look_at_all(county)
    assert states(county) == {HELD: 3}
    monkeypatch.setattr(queue, "HELD_MAX", 1)
    with county.store.reading() as connection:
        held = queued(connection, "hall", limit=9)
    set_flags(county, 0, held[2].number)
    look_at_all(county)
    assert states(county) == {HELD: 2, WAITING: 1}
    set_flags(county, 0, held[0].number)
    look_at_all(county)
    # The first one is set aside again: the last one goes down before it.
    set_flags(county, QUARANTINED, held[0].number)
    assert [one.queued.number for one in delivering(county).due("hall", limit=1)] == [held[2].number]


def test_erased_records_hold_up_none_behind_them(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    for number in range(3):
        notice(nodes, f"第{number}次")
    look_at_all(county)
    with county.store.reading() as connection:
        keys = [one.record_key for one in queued(connection, "hall", limit=2)]
    erased = update(record).where(record.c.key.in_(keys)).values(body=None)
    county.store.write(lambda transaction: transaction.connection.execute(erased))
    assert len(delivering(county).due("hall", limit=1)) == 1
    assert states(county) == {GONE: 2, WAITING: 1}


def test_a_document_that_cannot_be_acknowledged_is_delivered_once_all_the_same(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)

    def refuses(*_: object, **__: object) -> bool:
        raise AuthorityError("It may not write.", why="the tree has no place for it")

    look_at_all(county)
    handing_over = Delivering(
        county.store, node_code=county.code, tree=county.tree, produce=refuses, clock=county.clock
    )
    (due,) = handing_over.due("hall")
    handing_over.delivered("hall", due)
    with county.store.reading() as connection:
        (kept,) = queued(connection, "hall", limit=9)
    assert (kept.state, kept.reason) == (DELIVERED, "not acknowledged: the tree has no place for it")


def test_a_record_that_was_erased_meanwhile_is_gone(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    look_at_all(county)
    erased = update(record).where(record.c.type_number == 51).values(body=None)
    county.store.write(lambda transaction: transaction.connection.execute(erased))
    assert delivering(county).due("hall") == []
    assert states(county) == {GONE: 1}


def test_a_refused_document_keeps_its_reason_and_can_be_delivered_again(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    notice(nodes, "再次核查")
    look_at_all(county)
    first, second = delivering(county).due("hall")
    delivering(county).refused(first, "no such form" + "x" * 1000)
    assert [one.key for one in delivering(county).due("hall")] == [second.key]
    with county.store.reading() as connection:
        (refused,) = queued(connection, "hall", states=(REFUSED,), limit=9)
    assert (refused.attempts, refused.reason[:12], len(refused.reason)) == (1, "no such form", 500)
    deliver_again(county.store, "hall", refused.number, county.clock)
    assert [one.key for one in delivering(county).due("hall")] == [first.key, second.key]


def test_only_what_was_delivered_or_refused_can_be_delivered_again(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    look_at_all(county)
    (due,) = delivering(county).due("hall")
    with pytest.raises(StateConflictError, match="cannot be delivered again"):
        deliver_again(county.store, "hall", due.queued.number, county.clock)
    with pytest.raises(NotFoundError, match="no document 99"):
        deliver_again(county.store, "hall", 99, county.clock)


def test_nothing_goes_down_while_the_node_is_in_doubt(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    look_at_all(county)
    doubt = Doubt(reason="a test", since=county.clock.now())
    county.store.write(lambda transaction: save_doubt(transaction, doubt))
    assert delivering(county).due("hall") == []


def test_a_look_is_bounded_and_goes_on_where_it_ended(nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    county = nodes[COUNTY]
    for number in range(4):
        notice(nodes, f"第{number}次")
    monkeypatch.setattr(queue, "ARRIVALS_MAX", 2)
    looks = 1
    while look(county.store, ROUTE, county.clock):
        looks += 1
    assert looks > 2
    assert states(county) == {WAITING: 4}
    assert look(county.store, ROUTE, county.clock) == 0


def test_a_route_whose_place_is_lost_looks_again_and_queues_nothing_twice(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    notice(nodes)
    look_at_all(county)
    lost = delivery_route.delete()
    county.store.write(lambda transaction: transaction.connection.execute(lost))
    look_at_all(county)
    assert states(county) == {WAITING: 1}
    county.store.write(lambda transaction: forget(transaction, "hall"))
    assert states(county) == {}


def test_what_nodes_tell_each_other_about_themselves_is_not_delivered() -> None:
    assert {"SupervisionNotice", "CardDecision", "NoticeClosing", "Score"} <= USUAL_TYPES
    assert not {"Acknowledgement", "Rejection", "Alarm", "CertificateIssued"} & DELIVERABLE_TYPES
    assert {"Application", "PenaltyDecision"} <= DELIVERABLE_TYPES - USUAL_TYPES
