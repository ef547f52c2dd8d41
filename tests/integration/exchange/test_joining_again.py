"""A node joins again with a new key: its machine was lost before it worked, or ``yizhan init`` was repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.errors import PackageRefusedError
from node.journal.alarms import alarms
from node.standard.seals import TRUST, StreamName
from node.trust.projection import OWN_CODE
from tests.support.exchanging import ExchangeNode, carrier_to, settle, settled_node, tree_of_nodes
from tests.support.identities import FOUR, Place, child_of

if TYPE_CHECKING:
    from pathlib import Path

PROVINCE, CITY, EAST = "360000", "360100", "360102"


@pytest.fixture
def nodes() -> dict[str, ExchangeNode]:
    """The tree of four, where everybody holds trust and 360102 has written nothing."""
    made = tree_of_nodes()
    settle(made)
    return made


def join_again(nodes: dict[str, ExchangeNode], code: str = EAST) -> ExchangeNode:
    """Put a new node with a new key in the place of ``code``; its parent has issued and sealed its certificate."""
    parent = nodes[FOUR[code].parent or ""]
    identity, issued = child_of(parent.identity, code, FOUR[code], trust_size=parent.trust_size())
    parent.issue(issued)
    parent.seal()
    nodes[code] = ExchangeNode(identity)
    return nodes[code]


def test_it_talks_to_its_parent_at_once_while_the_root_is_away(nodes: dict[str, ExchangeNode]) -> None:
    county = join_again(nodes)
    stream = county.write(3)
    settle(nodes, only=[EAST])
    assert nodes[CITY].size(stream) == 3
    assert county.size(StreamName(PROVINCE, TRUST)) == 4


def test_it_raises_no_alarm_and_later_everybody_knows_its_new_certificate(nodes: dict[str, ExchangeNode]) -> None:
    county = join_again(nodes)
    stream = county.write(3)
    settle(nodes)
    nodes[PROVINCE].repeat()
    settle(nodes)
    assert nodes[PROVINCE].size(stream) == 3
    for node in nodes.values():
        assert node.current_tree().node(EAST).certificate == county.identity.fingerprint
        with node.store.reading() as connection:
            assert alarms(connection) == []


def test_the_node_that_was_replaced_is_refused_and_alarms(tmp_path: Path, nodes: dict[str, ExchangeNode]) -> None:
    """A thief has used an invitation for a county that is at work."""
    city, victim = settled_node(CITY, evidence_folder=tmp_path), nodes[EAST]
    nodes[CITY] = city
    join_again(nodes)
    for _ in range(2):
        with pytest.raises(PackageRefusedError) as refused:
            victim.exchange.open_conversation(CITY, carrier_to(city, victim))
        assert refused.value.reason == "replaced"
    with victim.store.reading() as connection:
        (alarm,) = alarms(connection)
    assert (alarm.kind, alarm.subject) == (OWN_CODE, f"{EAST} {victim.identity.fingerprint}")
    assert "find out at 360100 who asked for it" in alarm.text
    assert city.exchange.counted[EAST, "replaced"] == 2
    assert list(tmp_path.rglob("*.*")) == []


def test_a_key_that_never_was_its_own_is_a_forged_signature(tmp_path: Path, nodes: dict[str, ExchangeNode]) -> None:
    city, forger = settled_node(CITY, evidence_folder=tmp_path), join_again(dict(nodes))
    with pytest.raises(PackageRefusedError) as refused:
        forger.exchange.open_conversation(CITY, carrier_to(city, forger))
    assert refused.value.reason == "signature"
    assert len(list(tmp_path.rglob("*.*"))) == 1
    with forger.store.reading() as connection:
        assert alarms(connection) == []


TOWNSHIP = Place(name="某镇", level="township", parent=EAST, children_depth=0)


def test_a_township_reads_trust_through_a_county_that_joined_again(nodes: dict[str, ExchangeNode]) -> None:
    """Trust, read from the beginning, names the county's old key, and comes in packages signed by the new one."""
    county = join_again(nodes)
    settle(nodes, only=[EAST])
    identity, issued = child_of(county.identity, "360102001", TOWNSHIP, trust_size=county.trust_size())
    county.issue(issued)
    county.seal()
    nodes["360102001"] = ExchangeNode(identity)
    stream = nodes["360102001"].write(2)
    settle(nodes, only=["360102001"])
    assert nodes["360102001"].trust_size() == 4
    assert county.size(stream) == 2
