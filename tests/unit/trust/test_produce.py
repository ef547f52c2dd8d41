from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.errors import AuthorityError, RecordRefusedError
from node.journal.source_keys import lookup_many
from node.standard.codec import check_canonical, parse_record
from node.standard.compose import content_of
from node.standard.seals import StreamName
from node.trust.produce import SOURCE, produce
from tests.support.identities import AT, TrustNode, identities, issued_by_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.standard.compose import Content

REJECTION: Content = {
    "Stream": "360102/ancestors",
    "FirstPosition": "1",
    "LastPosition": "2",
    "Reason": "INVALID",
    "Text": "t",
}
TO_COUNTY = StreamName("360100", "360102")


@pytest.fixture
def city() -> Iterator[TrustNode]:
    node = TrustNode(identities()["360100"])
    node.issue(issued_by_code(identities())["360102"])
    yield node
    node.store.close()


def make(
    node: TrustNode,
    *,
    key: str = "Rejection:1",
    stream: StreamName = TO_COUNTY,
    record_type: str = "Rejection",
    content: Content = REJECTION,
) -> bool:
    return node.store.write(
        lambda transaction: produce(
            node.journal,
            transaction,
            node.tree(transaction.connection),
            stream,
            record_type,
            content,
            key=key,
            event_at=AT,
            salt=bytes(16),
        )
    )


def size(node: TrustNode, stream: StreamName = TO_COUNTY) -> int:
    with node.store.reading() as connection:
        held = node.journal.held(connection, stream)
    return 0 if held is None else held.size


def test_a_record_is_made_once_for_its_cause(city: TrustNode) -> None:
    assert make(city)
    assert not make(city)
    assert make(city, key="Rejection:2")
    assert size(city) == 2


def test_the_record_is_canonical_and_carries_key_and_time_of_its_cause(city: TrustNode) -> None:
    make(city)
    with city.store.reading() as connection:
        stored = city.journal.stored(connection, TO_COUNTY, 1, 1)[0]
        known = lookup_many(connection, SOURCE, ["Rejection:1"])["Rejection:1"]
    assert stored.body is not None
    element = parse_record(stored.body)
    check_canonical(stored.body, element)
    content = content_of(element)
    assert (content["RecordKey"], content["EventTime"]) == ("Rejection:1", "2026-01-05T12:00:00+08:00")
    assert (known.record_key, known.content_hash) == (stored.key, stored.leaf)


@pytest.mark.parametrize(
    ("stream", "record_type"),
    [
        (StreamName("360100", "360103"), "Rejection"),
        (StreamName("360100", "ancestors"), "Rejection"),
        (StreamName("360100", "descendants"), "Calendar"),
    ],
)
def test_what_this_node_may_not_write_is_refused_and_leaves_no_trace(
    city: TrustNode, stream: StreamName, record_type: str
) -> None:
    content = REJECTION if record_type == "Rejection" else CALENDAR
    with pytest.raises(AuthorityError, match=f"may not write {record_type}"):
        make(city, stream=stream, record_type=record_type, content=content)
    with city.store.reading() as connection:
        assert lookup_many(connection, SOURCE, ["Rejection:1"]) == {}


CALENDAR: Content = {
    "Year": "2026",
    "CalendarVersion": "1",
    "Status": "OFFICIAL",
    "SourceDocument": "国办发明电",
    "OffDay": ["2026-01-01"],
}


@pytest.mark.parametrize("key", ["", "with blank", "k" * 121])
def test_content_that_the_standard_does_not_allow_is_refused(city: TrustNode, key: str) -> None:
    with pytest.raises(RecordRefusedError):
        make(city, key=key)
    assert size(city) == 0


def test_a_type_that_the_standard_does_not_have_is_refused(city: TrustNode) -> None:
    with pytest.raises(RecordRefusedError):
        make(city, record_type="Gossip")


@pytest.mark.parametrize("name", ["Fee", "PenaltyClue"])
def test_a_record_of_a_case_or_penalty_has_no_record_key(city: TrustNode, name: str) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        make(city, record_type=name, content={}, stream=StreamName("360100", "ancestors"))
    assert all("RecordKey" not in problem.text for problem in refused.value.problems)


def test_an_empty_key_is_never_remembered(city: TrustNode) -> None:
    with pytest.raises(RecordRefusedError):
        make(city, key="")
    with city.store.reading() as connection:
        assert lookup_many(connection, SOURCE, [""]) == {}
