from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.journal.alarms import alarms
from node.journal.entries import INVALID, NO_AUTHORITY, read_entry
from node.standard.compose import compose
from node.standard.seals import StreamName
from node.trust import notices
from node.trust.divisions import Above, nothing_published
from node.trust.issued import IssuedNode, read_issued
from node.trust.repeating import repeat_certificates
from tests.support.identities import (
    AT,
    FOUR,
    SEVEN,
    Place,
    TrustNode,
    child_of,
    identities,
    issued_body,
    issued_by_code,
    make_identities,
    receive,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE = identities(7)
ISSUED = issued_by_code(MADE)
TRUST = StreamName("360000", "trust")
CITY_STREAM = StreamName("360100", "ancestors")


@pytest.fixture
def root() -> Iterator[TrustNode]:
    """A province that knows its two cities."""
    node = TrustNode(MADE["360000"])
    node.found()
    node.issue(ISSUED["360100"])
    node.issue(ISSUED["360200"])
    yield node
    node.store.close()


def repeat(node: TrustNode, above: Above = nothing_published) -> int:
    return node.store.write(
        lambda transaction: repeat_certificates(
            node.journal,
            transaction,
            identity=node.identity,
            book=node.book,
            tree_of=node.tree,
            at=AT,
            token=node.randomness.token,
            divisions_on=lambda _, day: above if day == "2026-01-05" else nothing_published,
        )
    )


def in_trust(node: TrustNode) -> list[str]:
    with node.store.reading() as connection:
        stored = node.journal.stored(connection, TRUST, 1, 99)
    return [read_issued(read_entry(one.body or b"").element).code for one in stored]


def test_what_a_city_issued_is_repeated_once(root: TrustNode) -> None:
    receive(
        root,
        CITY_STREAM,
        read_entry(issued_body(ISSUED["360102"], "a")),
        read_entry(issued_body(ISSUED["360103"], "b")),
    )
    assert repeat(root) == 2
    assert repeat(root) == 0
    assert in_trust(root) == ["360000", "360100", "360200", "360102", "360103"]
    assert root.current_tree().parent("360102") == "360100"


def test_the_same_certificate_named_twice_is_repeated_once(root: TrustNode) -> None:
    receive(
        root,
        CITY_STREAM,
        read_entry(issued_body(ISSUED["360102"], "a")),
        read_entry(issued_body(ISSUED["360102"], "b")),
    )
    assert repeat(root) == 1


def test_a_rebuild_repeats_nothing_again(root: TrustNode) -> None:
    receive(root, CITY_STREAM, read_entry(issued_body(ISSUED["360102"])))
    repeat(root)
    root.journal.rebuild()
    assert repeat(root) == 0
    assert root.current_tree().knows("360102")


def test_another_node_than_the_root_repeats_nothing() -> None:
    city = TrustNode(MADE["360100"])
    receive(city, StreamName("360102", "ancestors"), read_entry(issued_body(ISSUED["360102"])))
    assert repeat(city) == 0


STRANGE_TREE = make_identities(SEVEN)
STRANGER = issued_by_code(STRANGE_TREE)
_, FROM_NEIGHBOUR = child_of(MADE["360200"], "360104", FOUR["360102"])


@pytest.mark.parametrize(
    ("issued", "why"),
    [
        (ISSUED["360202"], "is not the parent named"),
        (replace(ISSUED["360202"], parent="360100"), "360202 stands below 360200"),
        (replace(ISSUED["360000"], parent="360100"), "nobody issues certificates to the root"),
        (STRANGER["360102"], "does not lead to the root"),
        (replace(ISSUED["360102"], certificate=b"nothing"), "cannot be read"),
        (replace(ISSUED["360102"], code="360104"), "of the kind issuing, of 360102"),
        (replace(ISSUED["360102"], certificate=ISSUED["360102"].issuing_certificate or b""), "of the kind issuing"),
        (replace(FROM_NEIGHBOUR, parent="360100"), "was not issued by 360100"),
        (replace(ISSUED["360102"], divisions=("360102", "360202")), "360202 is served by 360202"),
    ],
)
def test_what_must_not_enter_the_tree_is_not_repeated_and_alarms(root: TrustNode, issued: IssuedNode, why: str) -> None:
    receive(root, StreamName("360200", "ancestors"), read_entry(issued_body(ISSUED["360202"])))
    repeat(root)
    before = in_trust(root)
    receive(root, CITY_STREAM, read_entry(issued_body(issued)))
    assert repeat(root) == 0
    assert in_trust(root) == before
    with root.store.reading() as connection:
        raised = alarms(connection)
    assert [one.stream for one in raised] == [CITY_STREAM]
    assert why in raised[0].text
    assert repeat(root) == 0


def test_divisions_that_stand_elsewhere_in_the_published_tree_are_not_repeated(root: TrustNode) -> None:
    hijack = replace(ISSUED["360102"], divisions=("360102", "360281"))
    above = {"360102": ("360100", "360000"), "360281": ("360200", "360000")}.get
    receive(root, CITY_STREAM, read_entry(issued_body(hijack, "a")), read_entry(issued_body(ISSUED["360103"], "b")))
    assert repeat(root, above) == 1
    assert not root.current_tree().knows("360102")
    with root.store.reading() as connection:
        (alarm,) = alarms(connection)
    assert "division 360281 does not stand below one that 360100 serves" in alarm.text


def test_the_day_on_which_divisions_are_judged_is_not_the_issuers_to_choose(root: TrustNode) -> None:
    hijack = replace(ISSUED["360102"], divisions=("360102", "360281"))
    header = {"RecordKey": "a", "EventTime": "1999-01-01T00:00:00+08:00"}
    backdated = compose("CertificateIssued", {**header, **hijack.content()}, salt=bytes(16))
    receive(root, CITY_STREAM, read_entry(backdated))
    assert repeat(root, {"360102": ("360100", "360000"), "360281": ("360200", "360000")}.get) == 0
    assert not root.current_tree().serves("360100", "360281")


def test_what_waits_is_looked_at_again_when_the_root_itself_says_something_new(root: TrustNode) -> None:
    _, broad = child_of(MADE["360000"], "360200", SEVEN["360200"])
    root.issue(replace(broad, divisions=("360200", "360104")))
    receive(root, CITY_STREAM, read_entry(issued_body(replace(ISSUED["360102"], divisions=("360102", "360104")))))
    assert [repeat(root), repeat(root)] == [0, 0]
    # The other city gives the division up: a record that the root writes into trust without being asked to repeat it.
    _, again = child_of(MADE["360000"], "360200", SEVEN["360200"])
    root.issue(again)
    assert [repeat(root), repeat(root)] == [1, 0]
    assert root.current_tree().serves("360100", "360104")


def test_what_was_repeated_before_the_divisions_were_published_stands_after_a_rebuild(root: TrustNode) -> None:
    receive(root, CITY_STREAM, read_entry(issued_body(replace(ISSUED["360102"], divisions=("360281",)))))
    assert repeat(root) == 1
    root.journal.rebuild()
    assert repeat(root, {"360281": ("360200", "360000")}.get) == 0
    assert root.current_tree().serves("360100", "360281")
    with root.store.reading() as connection:
        assert alarms(connection) == []


def test_a_record_without_authority_is_told_too_and_repeated_once_it_has_it(root: TrustNode) -> None:
    """Set aside at its arrival, as a receiver does; nobody is sent a rejection of a control record."""
    invalid = read_entry(issued_body(ISSUED["360103"], "invalid"))
    invalid.quarantine = INVALID
    early = read_entry(issued_body(replace(ISSUED["360102"], divisions=("360102", "360202")), "early"))
    early.quarantine = NO_AUTHORITY
    _, broad = child_of(MADE["360000"], "360200", SEVEN["360200"])
    root.issue(replace(broad, divisions=("360200", "360202")))
    receive(root, CITY_STREAM, invalid, early)
    assert repeat(root) == 0
    with root.store.reading() as connection:
        (alarm,) = alarms(connection)
    assert "360202 is served by 360200, which does not stand below 360100" in alarm.text
    _, again = child_of(MADE["360000"], "360200", SEVEN["360200"])
    root.issue(again)
    root.store.write(lambda transaction: root.journal.requeue(transaction, [early.key]))
    assert repeat(root) == 1
    assert root.current_tree().serves("360100", "360202")


def test_what_comes_before_the_certificate_of_its_issuer_waits_for_it(root: TrustNode) -> None:
    """A county that joined again has admitted a township; its own new certificate comes later, by its city's stream."""
    receive(root, CITY_STREAM, read_entry(issued_body(ISSUED["360102"], "first")))
    assert repeat(root) == 1
    county, again = child_of(MADE["360100"], "360102", FOUR["360102"])
    township = Place(name="某镇", level="township", parent="360102", children_depth=0)
    _, issued = child_of(county, "360102001", township)
    receive(root, StreamName("360102", "ancestors"), read_entry(issued_body(issued)))
    assert [repeat(root), repeat(root)] == [0, 0]
    assert not root.current_tree().knows("360102001")
    receive(root, CITY_STREAM, read_entry(issued_body(again, "again")))
    assert [repeat(root), repeat(root), repeat(root)] == [1, 1, 0]
    assert root.current_tree().parent("360102001") == "360102"
    assert in_trust(root)[-2:] == ["360102", "360102001"]


def test_what_waits_does_not_keep_others_waiting(root: TrustNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "LOOKED_AT_MAX", 1)
    receive(
        root,
        CITY_STREAM,
        read_entry(issued_body(STRANGER["360102"], "a")),
        read_entry(issued_body(ISSUED["360103"], "b")),
    )
    assert [repeat(root), repeat(root)] == [0, 1]
