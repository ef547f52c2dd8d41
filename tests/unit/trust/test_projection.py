from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.journal.alarms import alarms
from node.journal.entries import NO_AUTHORITY, read_entry
from node.standard.seals import StreamName
from node.trust.issued import IssuedNode, read_issued
from node.trust.projection import OWN_CODE
from tests.support.identities import (
    FOUR,
    TrustNode,
    child_of,
    identities,
    issued_body,
    issued_by_code,
    receive,
    root_identity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


MADE = identities()
ISSUED = issued_by_code(MADE)
TRUST = StreamName("360000", "trust")


@pytest.fixture
def county() -> Iterator[TrustNode]:
    node = TrustNode(MADE["360102"])
    yield node
    node.store.close()


def receive_trust(node: TrustNode, *issued: IssuedNode) -> None:
    receive(node, TRUST, *(read_entry(issued_body(one, f"k{number}")) for number, one in enumerate(issued)))


def test_what_is_issued_is_read_back() -> None:
    assert read_issued(read_entry(issued_body(ISSUED["360102"])).element) == ISSUED["360102"]
    assert read_issued(read_entry(issued_body(ISSUED["360000"])).element).parent is None
    bare = replace(ISSUED["360102"], issuing_certificate=None)
    assert read_issued(read_entry(issued_body(bare)).element) == bare
    assert bare.certificates == (bare.certificate,)


def test_trust_makes_the_tree_and_fills_the_book(county: TrustNode) -> None:
    receive_trust(county, *ISSUED.values())
    tree = county.current_tree()
    assert tree.codes == set(FOUR)
    assert tree.node("360103").divisions == ("360103",)
    with county.store.reading() as connection:
        assert county.book.certificate(connection, ISSUED["360103"].fingerprint) is not None


def test_a_child_counts_from_issue_on() -> None:
    city = TrustNode(MADE["360100"])
    assert not city.current_tree().knows("360102")
    assert city.issue(ISSUED["360102"])
    assert city.current_tree().parent("360102") == "360100"
    assert not city.issue(ISSUED["360102"])
    with city.store.reading() as connection:
        held = city.journal.held(connection, StreamName("360100", "ancestors"))
    assert held is not None
    assert held.size == 1


def test_the_root_writes_into_trust_and_itself_first() -> None:
    root = TrustNode(MADE["360000"])
    assert root.found()
    assert not root.found()
    assert root.issue(ISSUED["360100"])
    with root.store.reading() as connection:
        stored = root.journal.stored(connection, TRUST, 1, 9)
    assert [read_issued(read_entry(one.body or b"").element).code for one in stored] == ["360000", "360100"]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
def test_the_newest_record_counts_in_whatever_order_streams_arrive(order: tuple[int, ...]) -> None:
    """The own stream (0), then trust in two slices (1, 2): trust stands above, its later record above its earlier."""
    city = TrustNode(MADE["360100"])
    for step in order:
        if step == 0:
            city.issue(replace(ISSUED["360102"], name="own"))
        else:
            receive(city, TRUST, read_entry(issued_body(replace(ISSUED["360102"], name=f"trust {step}"), f"k{step}")))
    assert city.current_tree().name("360102") == "trust 2"


def test_a_rebuild_gives_the_same_tree(county: TrustNode) -> None:
    receive_trust(county, *ISSUED.values(), replace(ISSUED["360103"], name="renamed"))
    before = list(county.current_tree())
    county.journal.rebuild()
    assert list(county.current_tree()) == before
    assert county.current_tree().name("360103") == "renamed"


def test_a_quarantined_record_changes_nothing_until_it_is_requeued(county: TrustNode) -> None:
    receive_trust(county, ISSUED["360000"], ISSUED["360100"])
    entry = read_entry(issued_body(ISSUED["360103"], "late"))
    entry.quarantine = NO_AUTHORITY
    receive(county, TRUST, entry)
    assert not county.current_tree().knows("360103")
    county.store.write(lambda transaction: county.journal.requeue(transaction, [entry.key]))
    assert county.current_tree().knows("360103")


@pytest.mark.parametrize("stream", [StreamName("360100", "trust"), StreamName("360100", "descendants")])
def test_no_other_stream_makes_the_tree(county: TrustNode, stream: StreamName) -> None:
    receive(county, stream, read_entry(issued_body(ISSUED["360103"])))
    assert not county.current_tree().knows("360103")


def test_only_the_root_notes_what_others_issue(county: TrustNode) -> None:
    entry = read_entry(issued_body(ISSUED["360103"]))
    for node, noted in ((county, 0), (TrustNode(MADE["360000"]), 1)):
        receive(node, StreamName("360100", "ancestors"), entry)
        assert not node.current_tree().knows("360103")
        with node.store.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM certificate_notice").scalar() == noted


@pytest.mark.parametrize(
    "issued",
    [
        replace(ISSUED["360103"], certificate=b"no certificate"),
        replace(ISSUED["360103"], certificate=ISSUED["360102"].certificate),
        replace(ISSUED["360103"], certificate=ISSUED["360103"].issuing_certificate or b""),
        replace(ISSUED["360103"], issuing_certificate=ISSUED["360103"].certificate),
        replace(ISSUED["360103"], certificate=root_identity().certificate.der),
    ],
)
def test_a_record_whose_certificates_are_not_its_nodes_changes_nothing(county: TrustNode, issued: IssuedNode) -> None:
    receive_trust(county, ISSUED["360000"], ISSUED["360100"], issued)
    assert not county.current_tree().knows("360103")


def test_a_certificate_that_does_not_chain_is_kept_out_of_the_book(county: TrustNode) -> None:
    _, lonely = child_of(child_of(MADE["360000"], "360200", FOUR["360100"])[0], "360204", FOUR["360102"])
    receive_trust(county, ISSUED["360000"], lonely)
    with county.store.reading() as connection:
        assert county.book.certificate(connection, lonely.fingerprint) is None


def test_a_certificate_for_the_own_code_with_a_foreign_key_alarms_once(county: TrustNode) -> None:
    receive_trust(county, ISSUED["360000"], ISSUED["360100"], ISSUED["360102"])
    with county.store.reading() as connection:
        assert alarms(connection) == []
    _, foreign = child_of(MADE["360100"], "360102", FOUR["360102"])
    receive(county, TRUST, read_entry(issued_body(foreign, "a")))
    receive(county, TRUST, read_entry(issued_body(foreign, "b")))
    with county.store.reading() as connection:
        raised = alarms(connection)
    assert [one.kind for one in raised] == [OWN_CODE, OWN_CODE]
    assert {one.subject for one in raised} == {
        f"360102 {foreign.fingerprint}",
        f"360102 {child_fingerprint(foreign)}",
    }
    assert "Find out at 360100" in raised[0].text


def child_fingerprint(issued: IssuedNode) -> str:
    return replace(issued, certificate=issued.issuing_certificate or b"").fingerprint


def test_a_certificate_for_another_code_does_not_alarm(county: TrustNode) -> None:
    _, foreign = child_of(MADE["360100"], "360103", FOUR["360103"])
    receive_trust(county, ISSUED["360000"], ISSUED["360100"], foreign)
    with county.store.reading() as connection:
        assert alarms(connection) == []
