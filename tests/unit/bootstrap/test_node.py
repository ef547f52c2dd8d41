"""A node as an object: what it writes by itself, once for each cause, and that it writes nothing when idle."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from node.bootstrap import ROUNDS_MAX, Node, WorkDone, _until_done, build_node
from node.bootstrap.rejections import Run, runs_of
from node.clock import SetClock
from node.errors import NotInitialisedError, StoreSchemaError, TryLaterError
from node.journal import alarms, checkpoints, cursors
from node.journal.entries import INVALID, NO_AUTHORITY, UNKNOWN_TYPE, read_entry
from node.journal.merkle import root_of
from node.journal.quarantine import Quarantined
from node.randomness import SeededRandomness
from node.standard.codec import TAG_PREFIX, parse_record
from node.standard.seals import ANCESTORS, Checkpoint, StreamName
from tests.support.identities import identities
from tests.support.samples import record
from tests.support.stores import new_file_store, new_memory_store
from tests.support.whole_nodes import START, whole_config, whole_node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.journal.entries import Entry

COUNTY = StreamName("360102", ANCESTORS)
NOON = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)


@pytest.fixture
def city() -> Iterator[Node]:
    made = whole_node("360100")
    yield made
    made.close()


def receive(node: Node, *entries: Entry, stream: StreamName = COUNTY) -> None:
    """Extend a stream of another node under a checkpoint that fits."""

    def work(transaction: object) -> None:
        connection = transaction.connection  # type: ignore[attr-defined]
        held = node.journal.held(connection, stream)
        leaves = [entry.leaf for entry in entries]
        before = [] if held is None else node.journal.leaves(connection, stream, 1, held.size)
        checkpoint = Checkpoint(
            stream=stream,
            size=len(before) + len(leaves),
            root=root_of([*before, *leaves]),
            sealed_at=NOON,
            signer=identities()[stream.origin].fingerprint,
        )
        node.journal.extend(transaction, stream, list(entries), checkpoint)  # type: ignore[arg-type]

    node.store.write(work)


def bodies(node: Node, stream: StreamName) -> list[bytes]:
    with node.store.reading() as connection:
        held = node.journal.held(connection, stream)
        stored = [] if held is None else node.journal.stored(connection, stream, 1, held.size)
    return [one.body or b"" for one in stored]


def quarantined_entry(reason: str, number: int = 1) -> Entry:
    # A division that the origin may not write: looked at again, it stays where it is.
    entry = read_entry(record("Division", RecordKey=f"division/{number}"))
    entry.record_type = "SupervisionNotice"
    entry.quarantine, entry.detail = reason, "why not"
    return entry


def test_work_seals_what_is_committed_and_then_has_nothing_to_do(city: Node) -> None:
    assert city.work() == WorkDone(sealed=1)
    commits = city.store.commits
    assert city.work() == WorkDone()
    assert city.store.commits == commits
    with city.store.reading() as connection:
        newest = checkpoints.newest(connection, StreamName("360100", ANCESTORS))
    assert newest is not None
    assert newest.size == 2


def test_the_same_seed_and_the_same_calls_give_the_same_streams() -> None:
    def built() -> list[bytes]:
        node = whole_node("360100")
        receive(node, quarantined_entry(INVALID))
        node.work()
        found = bodies(node, StreamName("360100", "360102"))
        node.close()
        return found

    first = built()
    assert first == built()
    assert len(first) == 1


def test_a_run_of_quarantined_records_is_told_to_its_origin_once(city: Node) -> None:
    receive(city, quarantined_entry(INVALID, 1), quarantined_entry(INVALID, 2), quarantined_entry(NO_AUTHORITY, 3))
    assert city.work().rejections == 2
    commits = city.store.commits
    assert city.work() == WorkDone()
    assert city.store.commits == commits
    told = [parse_record(body) for body in bodies(city, StreamName("360100", "360102"))]
    assert [
        tuple(one.findtext(TAG_PREFIX + name) for name in ("Stream", "FirstPosition", "LastPosition", "Reason"))
        for one in told
    ] == [("360102/ancestors", "1", "2", "INVALID"), ("360102/ancestors", "3", "3", "NO_AUTHORITY")]


def test_a_run_that_grows_is_still_the_same_cause(city: Node) -> None:
    receive(city, quarantined_entry(INVALID, 1))
    city.work()
    receive(city, quarantined_entry(INVALID, 2))
    assert city.work().rejections == 0


def test_records_that_wait_for_an_upgrade_are_no_fault_of_the_origin(city: Node) -> None:
    receive(city, quarantined_entry(UNKNOWN_TYPE))
    assert city.work().rejections == 0


def test_an_alarm_becomes_a_record_once(city: Node) -> None:
    for kind in ("fork", "nobody knows this kind"):
        city.store.write(lambda transaction, kind=kind: alarms.raise_alarm(transaction, kind, "s", "t", COUNTY))  # type: ignore[misc]
    city.store.write(lambda transaction: alarms.raise_alarm(transaction, "OWN_CODE", "360100", "t"))
    assert city.work().alarms == 3
    assert city.work().alarms == 0
    told = [parse_record(body) for body in bodies(city, StreamName("360100", ANCESTORS))[2:]]
    kinds = {(one.findtext(TAG_PREFIX + "Kind"), one.findtext(TAG_PREFIX + "Stream")) for one in told}
    assert kinds == {("FORK", str(COUNTY)), ("OTHER", str(COUNTY)), ("OWN_CODE", None)}


def test_an_alarm_becomes_a_record_whatever_was_found(city: Node) -> None:
    city.store.write(lambda transaction: alarms.raise_alarm(transaction, "PACKAGE", " a\nb " + "x" * 300, "y" * 9000))
    city.store.write(lambda transaction: alarms.raise_alarm(transaction, "PACKAGE", "", " "))
    assert city.work().alarms == 2
    told = [parse_record(body) for body in bodies(city, StreamName("360100", ANCESTORS))[2:]]
    texts = sorted(
        (one.findtext(TAG_PREFIX + "Subject") or "", one.findtext(TAG_PREFIX + "Text") or "") for one in told
    )
    assert texts == [("PACKAGE", "PACKAGE"), ("a b " + "x" * 196, "y" * 4000)]


def quarantined(
    position: int, reason: str = INVALID, record_type: str = "Item", audience: str = "ancestors"
) -> Quarantined:
    return Quarantined(
        key=position,
        stream=StreamName("360102", audience),
        position=position,
        reason=reason,
        record_type=record_type,
        detail=f"d{position}",
        quarantined_at=NOON,
    )


def test_runs_end_at_a_gap_another_reason_another_stream_and_leave_control_records_out() -> None:
    found = [
        quarantined(1),
        quarantined(2),
        quarantined(4),
        quarantined(5, NO_AUTHORITY),
        quarantined(6, NO_AUTHORITY, audience="360100"),
        quarantined(7, record_type="Handover"),
        quarantined(8, record_type="NeverHeardOf"),
    ]
    assert [(run.first, run.last, run.reason, run.text) for run in runs_of(found)] == [
        (1, 2, INVALID, "d1"),
        (4, 4, INVALID, "d4"),
        (5, 5, NO_AUTHORITY, "d5"),
        (6, 6, NO_AUTHORITY, "d6"),
        (8, 8, INVALID, "d8"),
    ]
    assert runs_of([]) == []
    assert isinstance(runs_of(found)[0], Run)


def test_the_root_repeats_what_others_issued_and_then_every_node_is_in_its_tree() -> None:
    root, city = whole_node("360000"), whole_node("360100")
    stream = StreamName("360100", ANCESTORS)
    receive(root, *(read_entry(body) for body in bodies(city, stream)), stream=stream)
    assert root.work().certificates == 2
    assert root.work().certificates == 0
    with root.store.reading() as connection:
        assert root.tree(connection).codes == {"360000", "360100", "360102", "360103"}
    for node in (root, city):
        node.close()


def test_requeue_applies_what_has_authority_and_leaves_the_rest() -> None:
    root = whole_node("360000")
    stream = StreamName("360100", ANCESTORS)
    good = read_entry(record("Alarm", RecordKey="alarm/1"))
    good.quarantine = NO_AUTHORITY
    bad = read_entry(record("Division"))
    bad.quarantine = NO_AUTHORITY
    unreadable = quarantined_entry(INVALID)
    unreadable.body = b"<x/>"
    receive(root, good, bad, unreadable, stream=stream)
    with root.store.reading() as connection:
        keys = [one.key for one in root.journal.quarantined(connection)]
    assert root.requeue(keys) == keys[:1]
    assert root.requeue([]) == []
    root.close()


def test_start_reads_deferred_records_again(city: Node) -> None:
    deferred = read_entry(record("Alarm", RecordKey="alarm/1"))
    deferred.quarantine = UNKNOWN_TYPE
    receive(city, deferred)
    assert city.start() == 1
    assert city.start() == 0


def test_what_is_known_from_joining_is_learned_once(city: Node) -> None:
    commits = city.store.commits
    city.learn_own_certificates()
    assert city.store.commits == commits
    with city.store.reading() as connection:
        assert city.book.known(connection, [city.identity.fingerprint])


def test_statistics_name_missing_children(city: Node) -> None:
    assert city.publish_statistics() == []
    ((day, position),) = city.publish_statistics(["2026-11-01"])
    assert (day, position) == ("2026-11-01", 3)
    element = parse_record(bodies(city, StreamName("360100", ANCESTORS))[-1])
    assert {one.get("Code") for one in element.iter(TAG_PREFIX + "Missing")} == {"360102", "360103"}
    assert city.publish_statistics(["2026-11-01"]) == []


def test_retention_keeps_the_newest_and_drops_what_nothing_needs() -> None:
    clock = SetClock(START)
    city = whole_node("360100", clock=clock)
    city.work()
    for day in range(3):
        clock.advance(timedelta(minutes=1).total_seconds())
        city.publish_statistics([f"2026-11-0{day + 1}"])
        city.work()
    assert city.retain() >= 0
    with city.store.reading() as connection:
        newest = checkpoints.newest(connection, StreamName("360100", ANCESTORS))
    assert newest is not None
    assert newest.size == 5
    city.close()


def test_retention_drops_checkpoints_where_a_stream_ends() -> None:
    root = whole_node("360000")
    stream = StreamName("360100", ANCESTORS)
    for number in range(4):
        receive(root, read_entry(record("Alarm", RecordKey=f"alarm/{number}")), stream=stream)
    assert root.retain() == 3
    root.close()


def test_retention_keeps_what_a_link_has_still_to_send(city: Node) -> None:
    for number in range(4):
        receive(city, read_entry(record("Alarm", RecordKey=f"alarm/{number}")))
    assert city.retain() == 0
    city.store.write(lambda transaction: cursors.advance(transaction, "360000", {COUNTY: 4}))
    assert city.retain() == 3


def test_a_closed_node_lets_nobody_wait(city: Node) -> None:
    assert city.wakeups.wait(0.0) in {True, False}
    city.wakeups.start()
    city.wakeups.close()
    with pytest.raises(TryLaterError, match="stopping"):
        city.wakeups.wait(10.0)


def test_a_node_that_has_not_joined_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(NotInitialisedError, match="yizhan join"):
        build_node(whole_config("360102", tmp_path), clock=SetClock(START), randomness=SeededRandomness(1))


def test_a_database_of_no_version_is_not_used(tmp_path: Path) -> None:
    config = replace(whole_config("360102", tmp_path), database_url="sqlite:///journal.db")
    with pytest.raises(StoreSchemaError):
        build_node(config, clock=SetClock(START), randomness=SeededRandomness(1), identity=identities()["360102"])


def test_a_node_can_stand_on_a_given_store(tmp_path: Path) -> None:
    store = new_file_store(tmp_path)
    node = whole_node("360102", store=store)
    assert node.joined
    assert node.code == "360102"
    node.close()
    memory = new_memory_store()
    assert whole_node("360103", store=memory).work() == WorkDone()
    memory.close()


def test_a_step_that_never_ends_is_bounded() -> None:
    assert _until_done(lambda: 1) == ROUNDS_MAX
    assert _until_done(lambda: 0) == 0
