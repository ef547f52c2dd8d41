"""Whole nodes that come back with an older database: nothing that a door answered ``accepted`` is missing."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from node.bootstrap import build_node
from node.clock import SetClock
from node.demo.catalogue import items_of
from node.demo.generator import generate_month
from node.demo.writers import _item
from node.departments.candidates import Candidate
from node.departments.dialects import DialectOptions
from node.departments.publish import Publisher
from node.departments.returned import count_waiting
from node.departments.sources import OPERATOR
from node.errors import InDoubtError
from node.exchange.carriers.memory import MemoryCarrier
from node.journal.entries import NO_AUTHORITY, read_entry
from node.journal.high_water import HighWaterFile, HighWaterMemory
from node.journal.memory import image_of, memory_store
from node.randomness import SeededRandomness
from node.standard.codec import parse_record
from node.standard.compose import compose
from node.standard.facts import facts_of
from node.standard.seals import ANCESTORS, DESCENDANTS, StreamName
from tests.support.identities import identities
from tests.support.intake import standard_records, wrapped
from tests.support.whole_nodes import START, whole_config, whole_node

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.departments.report import ImportReport
    from node.journal.high_water import HighWater
    from node.journal.records import StoredRecord

CITY, EAST = "360100", "360102"
STREAM = StreamName(EAST, ANCESTORS)


class Pair:
    """A county and its city, linked in memory; the county may be set back."""

    def __init__(self) -> None:
        self.clock = SetClock(START)
        self.lives = 0
        self.city = whole_node(CITY, clock=self.clock)
        self.county = whole_node(EAST, clock=self.clock)
        self.city.work()
        self.county.work()

    def set_back(self, image: bytes, high_water: HighWater | None = None) -> None:
        """Start the county on an older database; ``high_water`` None: the file is as it was."""
        self.lives += 1
        self.county = build_node(
            whole_config(EAST),
            clock=self.clock,
            certificate_clock=self.clock,
            randomness=SeededRandomness(f"life {self.lives}"),
            store=memory_store(image),
            identity=identities()[EAST],
            high_water=high_water or self.county.journal.high_water,
        )
        self.county.start()

    def run(self, rounds: int = 8) -> None:
        """Let both work and talk."""
        for _ in range(rounds):
            carrier = MemoryCarrier(self.city.exchange, EAST)
            if self.county.exchange.must_open(CITY):
                self.county.exchange.open_conversation(CITY, carrier)
            self.county.exchange.push_once(CITY, carrier)
            self.county.exchange.poll_once(CITY, carrier, 0.0)
            self.county.work()
            self.city.work()
            self.clock.advance(6.0)

    def held(self, node: Node, stream: StreamName = STREAM) -> list[StoredRecord]:
        """A stream of the county as a node holds it."""
        with node.store.reading() as connection:
            held = node.journal.held(connection, stream)
            return [] if held is None else node.journal.stored(connection, stream, 1, held.size)


@pytest.fixture
def pair() -> Pair:
    """Two nodes that know each other."""
    made = Pair()
    made.run()
    return made


def records(count: int, seed: str) -> list[bytes]:
    """Records of the county's departments."""
    month = generate_month(items_of(EAST, "测试区"), cases=max(4, count), seed=seed)
    return standard_records([one for one in month.records if one.valid][:count])


def hand_in(node: Node, bodies: list[bytes]) -> ImportReport:
    """Offer records to intake."""
    candidates = node.intake.dialects.read("standard", BytesIO(wrapped(bodies)), DialectOptions())
    return node.intake.accept(candidates, source=OPERATOR, dialect="standard", keep_verdicts=True)


def test_what_was_accepted_comes_back_and_is_known_again(pair: Pair) -> None:
    before, after = records(6, "before"), records(9, "after")
    assert hand_in(pair.county, before).accepted == 6
    pair.run()
    image = image_of(pair.county.store)
    assert hand_in(pair.county, after).accepted == 9
    pair.run()
    stood = [one.leaf for one in pair.held(pair.county)]
    pair.set_back(image)
    pair.run()
    assert pair.county.exchange.settling.doubt() is None
    now = pair.held(pair.county)
    assert [one.leaf for one in now[: len(stood)]] == stood
    assert [one.record_type for one in now[len(stood) :]] == ["StreamReturn"]
    assert [one.leaf for one in pair.held(pair.city)] == [one.leaf for one in now]
    # A source that offers its hour again hears that all of it is known.
    assert hand_in(pair.county, after).repeated == 9


def test_deliveries_wait_while_in_doubt_and_are_taken_in_after_it(pair: Pair) -> None:
    hand_in(pair.county, records(3, "before"))
    pair.run()
    image = image_of(pair.county.store)
    hand_in(pair.county, records(2, "lost"))
    pair.run()
    pair.set_back(image)
    given = records(5, "meanwhile")
    report = hand_in(pair.county, given)
    assert (report.received, report.accepted, report.exit_code) == (5, 0, 0)
    assert {verdict.outcome for verdict in report.verdicts} == {"received"}
    assert hand_in(pair.county, given).received == 5
    with pair.county.store.reading() as connection:
        assert count_waiting(connection) == 5
    assert pair.county.work().sealed == 0
    with pytest.raises(InDoubtError):
        pair.county.seal()
    pair.run()
    with pair.county.store.reading() as connection:
        assert count_waiting(connection) == 0
    assert hand_in(pair.county, given).repeated == 5
    assert Counter(one.record_type for one in pair.held(pair.city))["StreamReturn"] == 1
    assert [one.leaf for one in pair.held(pair.city)] == [one.leaf for one in pair.held(pair.county)]


def test_what_a_clone_had_taken_in_is_set_aside_and_offered_again(pair: Pair) -> None:
    hand_in(pair.county, records(3, "before"))
    pair.run()
    image = image_of(pair.county.store)
    with pair.county.store.reading() as connection:
        sizes = {one.stream: one.sealed for one in pair.county.journal.own_streams(connection)}
    lost, fresh = records(4, "lost"), records(6, "fresh")
    hand_in(pair.county, lost)
    pair.run()
    # The machine comes back from an image, its high-water file with it: it does not know better yet.
    old = HighWaterMemory()
    old.raise_to(sizes)
    pair.set_back(image, old)
    assert pair.county.exchange.settling.doubt() is None
    assert hand_in(pair.county, fresh).accepted == 6
    pair.county.work()
    pair.run(12)
    assert pair.county.exchange.settling.doubt() is None
    assert hand_in(pair.county, [*lost, *fresh]).repeated == 10
    here, above = pair.held(pair.county), pair.held(pair.city)
    assert [one.leaf for one in here] == [one.leaf for one in above]
    returns = [one for one in here if one.record_type == "StreamReturn"]
    assert len(returns) == 1
    assert b"<Abandoned>" in (returns[0].body or b"")


def publish_items(node: Node) -> int:
    """Let the county publish what its departments offer."""
    publisher = Publisher(
        node.store,
        node.journal,
        lambda connection: node.tree(connection),  # noqa: PLW0108 - the parameter's name counts.
        clock=node.clock,
        randomness=node.randomness,
        node_code=EAST,
    )
    items = [_item(item) for item in items_of(EAST, "测试区")]
    candidates = [Candidate(record_type="Item", content=one, kept=bytes) for one in items]
    return publisher.publish(candidates, "Item").published


def test_what_was_published_again_on_an_older_machine_stands_once(pair: Pair) -> None:
    image = image_of(pair.county.store)
    old = HighWaterMemory()
    with pair.county.store.reading() as connection:
        old.raise_to({one.stream: one.sealed for one in pair.county.journal.own_streams(connection)})
    count = publish_items(pair.county)
    assert count
    pair.run()
    pair.set_back(image, old)
    # The machine does not know that it has published them.
    assert publish_items(pair.county) == count
    pair.county.work()
    pair.run(12)
    assert pair.county.exchange.settling.doubt() is None
    assert publish_items(pair.county) == 0
    down = StreamName(EAST, DESCENDANTS)
    held = [one for one in pair.held(pair.county, down) if one.record_type == "Item"]
    assert len(held) == count
    assert [one.leaf for one in pair.held(pair.city, down)] == [one.leaf for one in pair.held(pair.county, down)]


def test_what_stood_without_authority_does_so_again_when_it_is_written_again(pair: Pair) -> None:
    image = image_of(pair.county.store)
    old = HighWaterMemory()
    with pair.county.store.reading() as connection:
        old.raise_to({one.stream: one.sealed for one in pair.county.journal.own_streams(connection)})
    hand_in(pair.county, records(3, "lost"))
    pair.run()
    pair.set_back(image, old)
    write_without_authority(pair.county)
    pair.county.work()
    pair.run(12)
    assert pair.county.exchange.settling.doubt() is None
    assert quarantined_at_both(pair) == [[NO_AUTHORITY]] * 2
    assert "Item" in [one.record_type for one in pair.held(pair.city)]


def test_what_stood_without_authority_does_so_again_when_it_comes_back(pair: Pair) -> None:
    image = image_of(pair.county.store)
    write_without_authority(pair.county)
    pair.county.work()
    pair.run()
    pair.set_back(image)
    pair.run()
    assert pair.county.exchange.settling.doubt() is None
    assert quarantined_at_both(pair) == [[NO_AUTHORITY]] * 2


def write_without_authority(node: Node) -> None:
    """Let a faulty program write an item of a division that is served elsewhere."""
    other = {
        **_item(items_of("360202", "测试区")[0]),
        "RecordKey": "item:other:1",
        "EventTime": "2026-10-08T09:00:00+08:00",
    }
    entry = read_entry(compose("Item", other, salt=bytes(16)))
    entry.quarantine = NO_AUTHORITY
    node.store.write(lambda transaction: node.journal.append(transaction, STREAM, [entry]))


def quarantined_at_both(pair: Pair) -> list[list[str]]:
    """Why records of the county's stream are quarantined, at the county and at its city."""
    found = []
    for node in (pair.county, pair.city):
        with node.store.reading() as connection:
            found.append([one.reason for one in node.journal.quarantined(connection, stream=STREAM)])
    return found


def test_a_foreign_number_given_twice_is_given_anew(pair: Pair) -> None:
    def foreign(number: str, seed: str) -> bytes:
        body = next(one for one in records(40, seed) if b"<Application " in one)
        begin, end = body.index(b"<CaseNo>"), body.index(b"</CaseNo>") + len(b"</CaseNo>")
        orig = b"<OrigSystem>land</OrigSystem><OrigCaseNo>%b</OrigCaseNo>" % number.encode()
        return body[:begin] + orig + body[end:]

    pair.run()
    image = image_of(pair.county.store)
    with pair.county.store.reading() as connection:
        sizes = {one.stream: one.sealed for one in pair.county.journal.own_streams(connection)}
    assert hand_in(pair.county, [foreign("A-1", "same")]).accepted == 1
    pair.run()
    old = HighWaterMemory()
    old.raise_to(sizes)
    pair.set_back(image, old)
    # Another case of the same item and day: it gets the serial that the first one had got.
    assert hand_in(pair.county, [foreign("B-2", "same")]).accepted == 1
    pair.county.work()
    pair.run(12)
    facts = [
        facts_of(parse_record(one.body or b"")) for one in pair.held(pair.city) if one.record_type == "Application"
    ]
    assert {one.orig_case_no for one in facts} == {"A-1", "B-2"}
    assert len({one.case_no for one in facts}) == 2


def test_the_file_stands_beside_the_database(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("home") / "high-water"
    file = HighWaterFile(path)
    assert file.sizes() is None
    file.raise_to({STREAM: 5})
    file.raise_to({STREAM: 3, StreamName(EAST, CITY): 2})
    assert HighWaterFile(path).sizes() == {STREAM: 5, StreamName(EAST, CITY): 2}
    assert path.stat().st_mode & 0o777 == 0o600
    file.settle({STREAM: 4}, "7 00000001")
    assert (HighWaterFile(path).sizes(), HighWaterFile(path).place()) == ({STREAM: 4}, "7 00000001")
    path.write_bytes(path.read_bytes().replace(b"4", b"9", 1))
    assert HighWaterFile(path).sizes() is None
