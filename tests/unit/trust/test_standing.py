"""Which certificate of a node counts, and when one for the own code alarms: whoever joins again, and whoever intrudes.

A county's certificates are called by the order in which its city issued them: first, second, third.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from node.journal.alarms import alarms
from node.journal.entries import read_entry
from node.journal.memory import memory_store
from node.journal.schema import upgrade_schema
from node.standard.seals import StreamName
from node.trust.projection import OWN_CODE
from tests.support.identities import AT, FOUR, TrustNode, child_of, identities, issued_body, issued_by_code, receive
from tests.support.stores import make_older

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.trust.identity import Identity
    from node.trust.issued import IssuedNode

MADE = identities()
ISSUED = issued_by_code(MADE)
TRUST = StreamName("360000", "trust")
COUNTY = "360102"


def joined_again(parent: Identity = MADE["360100"], code: str = COUNTY, hours: int = 0) -> tuple[Identity, IssuedNode]:
    return child_of(parent, code, FOUR[code], at=AT + timedelta(hours=hours))


_, FIRST = joined_again()
OWN, SECOND = joined_again(hours=1)
_, THIRD = joined_again(hours=2)


def take(node: TrustNode, *issued: IssuedNode) -> None:
    receive(node, TRUST, *(read_entry(issued_body(one, one.fingerprint)) for one in issued))


def write(city: TrustNode, issued: IssuedNode) -> None:
    """Write into the own stream what stands there, whatever the tree allows by now."""
    entry = read_entry(issued_body(issued, issued.fingerprint))
    stream = StreamName(city.code, "ancestors")
    city.store.write(lambda transaction: city.journal.append(transaction, stream, [entry]))


def counting(node: TrustNode, code: str = COUNTY) -> str:
    return node.current_tree().node(code).certificate


# --- the issuer --------------------------------------------------------------------------------------------------


def test_a_childs_newest_certificate_counts_from_issue_on_while_trust_names_an_older_one() -> None:
    city = TrustNode(MADE["360100"])
    city.issue(FIRST)
    take(city, ISSUED["360000"], ISSUED["360100"], FIRST)
    city.issue(replace(SECOND, name="东湖新区", divisions=("360102", "360111")))
    assert counting(city) == SECOND.fingerprint
    assert city.current_tree().name(COUNTY) == "东湖新区"
    assert city.current_tree().serves("360100", "360111")


@pytest.mark.parametrize(
    ("own", "trust", "expected"),
    [
        ((FIRST,), (), FIRST),
        ((), (FIRST,), FIRST),
        ((FIRST, SECOND), (FIRST,), SECOND),
        ((FIRST, SECOND), (FIRST, SECOND), SECOND),
        # The third was not repeated: its issuer stands by it.
        ((FIRST, SECOND, THIRD), (FIRST, SECOND), THIRD),
        # The second was not repeated, the third was: trust knows as much as the issuer.
        ((FIRST, SECOND, THIRD), (FIRST, THIRD), THIRD),
        # The issuer fell back to an older state.
        ((FIRST,), (FIRST, SECOND), SECOND),
        # Trust knows one that the issuer never wrote, behind its newest, and before it.
        ((FIRST, SECOND), (FIRST, SECOND, THIRD), THIRD),
        ((FIRST, SECOND), (FIRST, THIRD), SECOND),
        # Trust has placed the node below another.
        ((FIRST, SECOND), (replace(FIRST, parent="360000"),), replace(FIRST, parent="360000")),
    ],
)
def test_what_counts_does_not_depend_on_the_order_of_arrival(
    own: Sequence[IssuedNode], trust: Sequence[IssuedNode], expected: IssuedNode
) -> None:
    found = set()
    for order in sorted(set(permutations("o" * len(own) + "t" * len(trust)))):
        city = TrustNode(MADE["360100"])
        waiting = {"o": list(own), "t": list(trust)}
        for stream in order:
            issued = waiting[stream].pop(0)
            if stream == "o":
                write(city, issued)
            else:
                take(city, issued)
        found.add((counting(city), city.current_tree().parent(COUNTY)))
        city.journal.rebuild()
        found.add((counting(city), city.current_tree().parent(COUNTY)))
        city.store.close()
    assert found == {(expected.fingerprint, expected.parent)}


def test_the_roots_own_child_counts_at_once_everywhere() -> None:
    root = TrustNode(MADE["360000"])
    root.found()
    root.issue(ISSUED["360100"])
    _, again = joined_again(MADE["360000"], "360100")
    root.issue(again)
    assert counting(root, "360100") == again.fingerprint


# --- the node that has joined ------------------------------------------------------------------------------------


def test_a_node_that_joined_again_knows_itself_while_trust_names_its_old_certificate() -> None:
    county = TrustNode(OWN)
    take(county, ISSUED["360000"], ISSUED["360100"], FIRST)
    assert counting(county) == SECOND.fingerprint
    take(county, SECOND)
    assert counting(county) == SECOND.fingerprint
    take(county, THIRD)
    assert counting(county) == THIRD.fingerprint


def test_a_node_below_one_that_joined_again_expects_its_parents_present_key() -> None:
    """Else it could never read the record of trust that names it: that comes from this parent only."""
    city, issued = joined_again(MADE["360000"], "360100")
    county, _ = child_of(city, COUNTY, FOUR[COUNTY])
    node = TrustNode(county)
    take(node, ISSUED["360000"], ISSUED["360100"])
    assert counting(node, "360100") == issued.fingerprint
    take(node, issued)
    assert counting(node, "360100") == issued.fingerprint


# --- the own code ------------------------------------------------------------------------------------------------


def alarmed(node: TrustNode) -> set[str]:
    with node.store.reading() as connection:
        raised = alarms(connection)
    assert {one.kind for one in raised} <= {OWN_CODE}
    return {one.subject.removeprefix(f"{COUNTY} ") for one in raised}


def subjects(issued: IssuedNode) -> set[str]:
    return {replace(issued, certificate=der).fingerprint for der in issued.certificates}


def test_the_certificate_that_the_own_one_replaced_does_not_alarm() -> None:
    county = TrustNode(OWN)
    take(county, ISSUED["360000"], ISSUED["360100"], FIRST)
    take(county, SECOND)
    county.journal.rebuild()
    assert alarmed(county) == set()


def test_a_later_certificate_alarms_at_the_node_that_it_replaces() -> None:
    county = TrustNode(OWN)
    take(county, ISSUED["360000"], ISSUED["360100"], FIRST, SECOND)
    take(county, THIRD)
    assert alarmed(county) == subjects(THIRD)


def test_a_later_certificate_that_claims_to_be_older_alarms_by_its_place_in_trust() -> None:
    county = TrustNode(OWN)
    take(county, ISSUED["360000"], ISSUED["360100"], SECOND, FIRST)
    assert alarmed(county) == subjects(FIRST)


def test_a_later_certificate_alarms_though_the_own_one_never_came() -> None:
    """The parent fell back to a state before it had issued the own one."""
    county = TrustNode(OWN)
    take(county, ISSUED["360000"], ISSUED["360100"], THIRD)
    assert alarmed(county) == subjects(THIRD)


def test_an_earlier_certificate_that_another_parent_issued_alarms() -> None:
    county = TrustNode(OWN)
    take(county, ISSUED["360000"], replace(FIRST, parent="360000"))
    assert alarmed(county) == subjects(FIRST)


def test_the_own_certificate_with_an_issuing_one_of_somebody_else_alarms() -> None:
    county = TrustNode(OWN)
    forged = replace(SECOND, issuing_certificate=FIRST.issuing_certificate)
    take(county, ISSUED["360000"], ISSUED["360100"], forged)
    assert alarmed(county) == subjects(FIRST) - {FIRST.fingerprint}


# --- the store ---------------------------------------------------------------------------------------------------


def test_a_tree_of_the_version_before_is_kept_by_the_upgrade() -> None:
    store = memory_store()
    make_older(store, "0005_statistics")
    columns = "code, from_trust, position, name, level, parent, divisions, certificate"
    rows = [
        ("360100", True, 2, "南昌市", "city", "360000", "360100", "c" * 64),
        ("360102", False, 7, "东湖区", "county", "360100", "360102", "d" * 64),
    ]
    store.write(
        lambda transaction: transaction.connection.exec_driver_sql(
            f"INSERT INTO node_tree ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
        )
    )
    upgrade_schema(store)
    with store.reading() as connection:
        noted = connection.exec_driver_sql(
            "SELECT code, certificate, own_position, trust_position, name FROM issued_certificate ORDER BY code"
        ).all()
        kept = connection.exec_driver_sql("SELECT code, parent, certificate FROM node_tree ORDER BY code").all()
    assert [tuple(row) for row in noted] == [
        ("360100", "c" * 64, None, 2, "南昌市"),
        ("360102", "d" * 64, 7, None, "东湖区"),
    ]
    assert [tuple(row) for row in kept] == [("360100", "360000", "c" * 64), ("360102", "360100", "d" * 64)]
    store.close()
