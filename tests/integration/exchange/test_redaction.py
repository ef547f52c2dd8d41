"""Redactions across a province, a city and a county: ordered, carried out, told to whoever comes later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node.bootstrap.redacting import check_redactable, redact
from node.cases.view import list_records, show_case
from node.departments.notices import NoticeText, publish_notice
from node.errors import AuthorityError, NotFoundError, RecordRefusedError, StateConflictError
from node.evidence.document import read_evidence, write_evidence
from node.evidence.making import make_evidence
from node.evidence.verifying import verify_evidence
from node.exchange.carriers.memory import MemoryCarrier
from node.exchange.evidence import Evidence
from node.exchange.head import Head, Slice, write_head
from node.exchange.limits import Limits
from node.exchange.sender import REDACTED_BYTES
from node.journal import alarms, hash_only
from node.journal.entries import read_entry
from node.journal.tables import record_key
from node.standard.compose import content_of
from node.standard.seals import ANCESTORS, TRUST, Checkpoint, StreamName
from node.statistics.verdict import own_figures, statistics_state, subtree_figures
from tests.support.case_nodes import derived_tables
from tests.support.case_records import bodies
from tests.support.identities import FOUR
from tests.support.samples import CASE_NO
from tests.support.whole_nodes import START, whole_node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.bootstrap import Node
    from node.journal.records import StoredRecord

PROVINCE, CITY, COUNTY, SIBLING = "360000", "360100", "360102", "360103"
STREAM = StreamName(COUNTY, ANCESTORS)
APPROVAL = "赣〔2026〕1号"
DAY = "2026-01-05"


@pytest.fixture
def nodes() -> Iterator[dict[str, Node]]:
    made = {code: whole_node(code) for code in (PROVINCE, CITY, COUNTY)}
    run(made)
    yield made
    for node in made.values():
        node.close()


def run(nodes: dict[str, Node], rounds: int = 40) -> None:
    """Let everybody work and talk until nothing moves any more."""
    for _ in range(rounds):
        moved = [any(vars_of(node)) for node in nodes.values()]
        moved += [step(nodes, code) for code in nodes if FOUR[code].parent in nodes]
        for node in nodes.values():
            node.clock.advance(2.0)  # type: ignore[attr-defined]
        if not any(moved):
            return
    message = "it does not come to rest"
    raise AssertionError(message)


def vars_of(node: Node) -> list[int]:
    done = node.work()
    return [getattr(done, name) for name in type(done).__slots__]


def step(nodes: dict[str, Node], code: str) -> bool:
    child, parent = nodes[code], nodes[FOUR[code].parent or ""]
    carrier = MemoryCarrier(parent.exchange, code)
    if child.exchange.must_open(parent.code):
        child.exchange.open_conversation(parent.code, carrier)
        return True
    pushed = child.exchange.push_once(parent.code, carrier)
    polled = child.exchange.poll_once(parent.code, carrier, 0.0)
    return bool(pushed) or pushed.asked or bool(polled) or child.exchange.must_open(parent.code)


def feed(county: Node, line: str = "apply accept handle review decide grant") -> None:
    entries = [read_entry(one) for one in bodies(line)]
    county.store.write(lambda transaction: county.journal.append(transaction, STREAM, entries))


def position_of_type(node: Node, record_type: str) -> int:
    with node.store.reading() as connection:
        found = node.journal.stored(connection, STREAM, 1, 10_000)
    return next(one.position for one in found if one.record_type == record_type)


def stored(node: Node, position: int) -> StoredRecord:
    with node.store.reading() as connection:
        return node.journal.stored(connection, STREAM, position, position)[0]


def counted(node: Node) -> dict[str, Any]:
    """Return what a holder derives of the county's stream, and the stream itself."""
    tables = derived_tables(node.store)
    with node.store.reading() as connection:
        held = node.journal.held(connection, STREAM)
    assert held is not None
    return {
        "size": held.size,
        "root": held.root,
        **{name: tables[name] for name in ("cases", "findings", "counters")},
        "records": [row for row in tables["records"] if row[0][0] == str(STREAM)],
    }


def test_a_county_redacts_and_every_holder_loses_the_bytes(nodes: dict[str, Node]) -> None:
    county = nodes[COUNTY]
    feed(county)
    run(nodes)
    at = position_of_type(county, "Application")
    body = stored(nodes[PROVINCE], at).body
    assert body is not None
    done = redact(county, STREAM, at, approval=APPROVAL, reason="当事人信息误填")
    assert (done.stream, done.ordered, done.new) == (STREAM, False, True)
    run(nodes)
    assert [stored(node, at).body for node in nodes.values()] == [None, None, None]
    assert counted(nodes[PROVINCE]) == counted(nodes[CITY]) == counted(county)
    with nodes[PROVINCE].store.reading() as connection:
        case = show_case(connection, CASE_NO)
        assert case is not None
        assert [one.standing for one in case.records].count("redacted") == 1
        assert "LOGIC-NO-APPLICATION" in {one.code for one in case.findings}
        assert list_records(connection, STREAM, first=at, limit=1)[0].standing == "redacted"
        assert alarms.alarms(connection) == []


def test_who_comes_later_gets_it_by_its_leaf_hash_and_derives_the_same(nodes: dict[str, Node]) -> None:
    county, near = nodes[COUNTY], {code: nodes[code] for code in (CITY, COUNTY)}
    feed(county)
    run(near)
    county.publish_statistics()
    run(near)
    at = position_of_type(county, "Conclusion")
    redact(county, STREAM, at, approval=APPROVAL, reason="误报")
    run(near)
    county.publish_statistics()
    run(near)
    nodes[CITY].publish_statistics()
    run(nodes)
    assert stored(nodes[PROVINCE], at).body is None
    assert counted(nodes[PROVINCE]) == counted(nodes[CITY]) == counted(county)
    with nodes[PROVINCE].store.reading() as connection:
        assert hash_only.counts(connection) == (1, 0)
        assert statistics_state(connection).origins == {COUNTY: "agreed", CITY: "agreed"}
        below = subtree_figures(connection, CITY, DAY, DAY)[DAY]
    with county.store.reading() as connection:
        assert below == own_figures(connection, COUNTY, DAY, DAY)[DAY]


def test_a_node_above_orders_it_and_the_origin_carries_it_out(nodes: dict[str, Node]) -> None:
    feed(nodes[COUNTY])
    run(nodes)
    at = position_of_type(nodes[COUNTY], "Application")
    done = redact(nodes[PROVINCE], STREAM, at, approval=APPROVAL, reason="误填")
    assert (done.stream, done.ordered) == (StreamName(PROVINCE, COUNTY), True)
    assert stored(nodes[PROVINCE], at).body is not None
    run(nodes)
    assert [stored(node, at).body for node in nodes.values()] == [None, None, None]
    with nodes[COUNTY].store.reading() as connection:
        gone = hash_only.among(connection, 1 << 0, 0, 0)
        assert gone == {}
        redaction = nodes[COUNTY].journal.stored(connection, STREAM, position_of_type(nodes[COUNTY], "Redaction"), 99)[
            0
        ]
    said = content_of(read_entry(redaction.body or b"").element)
    assert (said["ApprovalNo"], said["CaseNo"], said["Reason"]) == (APPROVAL, CASE_NO, "误填")
    again = redact_again(nodes[PROVINCE], at)
    assert again == "YZ-STATE-001"


def redact_again(node: Node, position: int) -> str:
    with pytest.raises(StateConflictError) as caught:
        redact(node, STREAM, position, approval=APPROVAL, reason="x")
    return caught.value.code


def test_an_order_that_cannot_be_carried_out_raises_an_alarm_at_the_origin(nodes: dict[str, Node]) -> None:
    feed(nodes[COUNTY])
    run(nodes)
    city = nodes[CITY]
    into = StreamName(CITY, COUNTY)
    content = {"Stream": str(STREAM), "ApprovalNo": APPROVAL, "LeafHash": "ab" * 32}
    at = position_of_type(nodes[COUNTY], "Application")
    for number, position in enumerate((at, 400)):
        said = {**content, "Position": str(position)}
        city.store.write(
            lambda transaction, said=said, number=number: city.produce(  # type: ignore[misc]
                transaction, into, "Redaction", said, f"order-{number}"
            )
        )
    run(nodes)
    assert stored(nodes[COUNTY], at).body is not None
    with nodes[COUNTY].store.reading() as connection:
        (alarm,) = alarms.alarms(connection)
    assert "has the leaf hash" in alarm.text
    # The other one names a record that may still come back from above: it waits, and writes nothing.
    commits = nodes[COUNTY].store.commits
    nodes[COUNTY].work()
    assert nodes[COUNTY].store.commits == commits


def test_what_may_not_be_redacted_is_said_before_anything_is_written(nodes: dict[str, Node]) -> None:
    feed(nodes[COUNTY])
    run(nodes)
    county, city = nodes[COUNTY], nodes[CITY]
    at = position_of_type(county, "Application")
    with pytest.raises(NotFoundError):
        check_redactable(county, STREAM, 999)
    with pytest.raises(NotFoundError):
        check_redactable(county, StreamName(SIBLING, ANCESTORS), 1)
    with pytest.raises(StateConflictError, match="never redacted"):
        check_redactable(nodes[PROVINCE], StreamName(PROVINCE, TRUST), 1)
    with pytest.raises(AuthorityError, match="may not redact"):
        check_redactable(county, StreamName(PROVINCE, COUNTY), own_notice(nodes[PROVINCE], nodes))
    with pytest.raises(RecordRefusedError):
        redact(city, STREAM, at, approval="\x01", reason="x")
    check_redactable(city, STREAM, at)
    assert stored(city, at).body is not None


def own_notice(province: Node, nodes: dict[str, Node]) -> int:
    """Let the province direct a notice to the county; return its position there."""
    publish_notice(province.publisher, COUNTY, NoticeText(actor="王", subject="超期", text="请说明"))
    run(nodes)
    with nodes[COUNTY].store.reading() as connection:
        held = nodes[COUNTY].journal.held(connection, StreamName(PROVINCE, COUNTY))
    assert held is not None
    return held.size


def test_evidence_of_a_redacted_record_stands_by_its_leaf_hash(nodes: dict[str, Node]) -> None:
    feed(nodes[COUNTY])
    run(nodes)
    at = position_of_type(nodes[COUNTY], "Application")
    redact(nodes[COUNTY], STREAM, at, approval=APPROVAL, reason="误填")
    run(nodes)
    city = nodes[CITY]
    with city.store.reading() as connection:
        made = make_evidence(connection, city.journal, city.book, city.identity, stream=STREAM, position=at)
    shown = verify_evidence(read_evidence(write_evidence(made)))
    assert (made.record, shown.record_type, shown.position) == (None, "", at)


def test_bytes_that_stay_away_for_seven_days_raise_one_alarm(nodes: dict[str, Node]) -> None:
    feed(nodes[COUNTY])
    nodes[COUNTY].work()
    city, county = nodes[CITY], nodes[COUNTY]
    at = position_of_type(county, "Application")
    # A relay that lies: it forwards what nobody has redacted by its leaf hash alone.
    hide(county, at)
    run(nodes)
    assert [stored(node, at).body for node in (city, nodes[PROVINCE])] == [None, None]
    city.clock.advance(timedelta(days=6).total_seconds())  # type: ignore[attr-defined]
    assert city.work().awaited == 0
    city.clock.advance(timedelta(days=1, minutes=1).total_seconds())  # type: ignore[attr-defined]
    assert city.work().awaited == 1
    commits = city.store.commits
    assert city.work().awaited == 0
    assert city.store.commits == commits
    with city.store.reading() as connection:
        (alarm,) = [one for one in alarms.alarms(connection) if one.kind == "ERASED"]
        assert alarm.stream == STREAM
        assert f"the first at {at}" in alarm.text
        assert hash_only.counts(connection) == (0, 1)


def hide(node: Node, position: int) -> None:
    """Take the bytes out of the store of a node as a dishonest one would."""

    def work(transaction: Any) -> None:
        held = node.journal.held(transaction.connection, STREAM)
        assert held is not None
        sql = "UPDATE record SET body = NULL, flags = 4 WHERE key = ?"
        transaction.connection.exec_driver_sql(sql, (record_key(held.stream_id, position),))

    node.store.write(work)


def test_kept_packages_that_may_hold_the_bytes_are_dropped(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, Limits())
    for number, (first, last) in enumerate(((1, 5), (6, 9))):
        slice_text = (
            f"<Slice><Origin>{COUNTY}</Origin><Audience>ancestors</Audience><First>{first}</First><Last>{last}</Last>"
        )
        evidence.keep(CITY, slice_text.encode(), "leaves", subject=str(number))
    evidence.keep(CITY, b"receipt", "root", suffix=".receipt.txt")
    assert evidence.drop({}) == 0
    assert evidence.drop({STREAM: [7], StreamName(SIBLING, ANCESTORS): [1]}) == 1
    assert [path.name for path in tmp_path.rglob("*.package.xml")] == ["0.leaves.package.xml"]
    assert len(list(tmp_path.rglob("*.receipt.txt"))) == 1


def test_a_redaction_leaves_nothing_to_do_twice(nodes: dict[str, Node]) -> None:
    feed(nodes[COUNTY])
    redact(nodes[COUNTY], STREAM, position_of_type(nodes[COUNTY], "Application"), approval=APPROVAL, reason="误填")
    assert nodes[COUNTY].work().cleared == 1
    assert nodes[COUNTY].work().cleared == 0
    assert START.year == nodes[COUNTY].clock.now().year


def test_many_redacted_records_are_counted_as_what_they_cost_in_the_head() -> None:
    stream = StreamName(COUNTY, ANCESTORS)
    leaf = b"\xff" * 32
    position = 10**12 - 1
    sealed = Checkpoint(stream=stream, size=position, root=leaf, sealed_at=START, signer="f" * 64, signature=b"s" * 72)
    bare = Slice(stream=stream, first=position, last=position, checkpoint=sealed, leaves_hash=leaf, lengths=(0,))
    costs = [len(write_head(head_with(one))) for one in (bare, replace(bare, redacted=((position, leaf),)))]
    assert costs[1] - costs[0] <= REDACTED_BYTES


def head_with(one: Slice) -> Head:
    return Head(
        tree="f" * 64, sender=COUNTY, receiver=CITY, start_id="0" * 32, sent_at=START, purpose="PUSH", slices=(one,)
    )
