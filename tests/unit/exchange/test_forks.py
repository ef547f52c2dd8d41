"""Forks: an origin that signed two histories is found out, its stream stops, and the root's word ends it."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.exchange.head import REFUSED
from node.journal.alarms import alarms
from node.journal.entries import read_entry
from node.journal.forks import FORK_ALARM, checkpoints_in, forks, is_stopped
from node.journal.memory import image_of, memory_store
from node.journal.receipts import all_receipts, save_receipts
from node.standard.compose import compose
from node.standard.seals import ANCESTORS, DESCENDANTS, StreamName
from tests.support.exchanging import ExchangeNode, settle, settled_nodes, step
from tests.support.identities import identities
from tests.support.journals import alarm_body
from tests.support.samples import sample

if TYPE_CHECKING:
    from node.journal.forks import Fork
    from node.standard.seals import Checkpoint

PROVINCE, CITY, EAST, WEST = "360000", "360100", "360102", "360103"
STREAM = StreamName(EAST, ANCESTORS)


def found(node: ExchangeNode) -> list[Fork]:
    """The forks that a node keeps."""
    with node.store.reading() as connection:
        return forks(connection)


def stopped(node: ExchangeNode) -> bool:
    """Whether the county's stream is stopped at a node."""
    with node.store.reading() as connection:
        return is_stopped(connection, STREAM)


def fork_alarms(node: ExchangeNode) -> list[str]:
    """The texts of a node's fork alarms."""
    with node.store.reading() as connection:
        return [one.text for one in alarms(connection) if one.kind == FORK_ALARM]


def with_rewritten_county(count: int = 3, *, more: int = 0) -> dict[str, ExchangeNode]:
    """A tree whose county changed its second record by hand and sealed anew; ``more`` records follow."""
    image = image_of(settled_nodes()[EAST].store)
    nodes = settled_nodes()
    nodes[EAST].write(count)
    settle(nodes)
    with nodes[EAST].store.reading() as connection:
        receipts = all_receipts(connection, STREAM)
    county = ExchangeNode(identities()[EAST], store=memory_store(image), clock=nodes[EAST].clock)
    county.randomness = nodes[EAST].randomness
    county.started()
    numbers = [1, 777, *range(3, count + 1), *range(50, 50 + more)]
    county.append([alarm_body(number) for number in numbers])
    county.seal()
    county.store.write(lambda transaction: save_receipts(transaction, receipts))
    nodes[EAST] = county
    return nodes


@pytest.mark.parametrize("more", [0, 2])
def test_a_rewritten_past_is_exposed_at_the_next_contact_with_both_versions(more: int) -> None:
    nodes = with_rewritten_county(more=more)
    settle(nodes)
    (fork,) = found(nodes[CITY])
    assert fork.position == 2
    assert fork.body == alarm_body(777)
    assert fork.other.size == 3 + more
    with nodes[CITY].store.reading() as connection:
        (held,) = nodes[CITY].journal.stored(connection, STREAM, 2, 2)
    assert held.body == alarm_body(2)
    assert stopped(nodes[CITY])
    assert fork_alarms(nodes[CITY])
    assert fork_alarms(nodes[EAST])
    assert nodes[CITY].size(STREAM) == nodes[PROVINCE].size(STREAM) == 3


def told_of(nodes: dict[str, ExchangeNode], text: str) -> None:
    """Let the city write an alarm of a fork with this text, and carry it up."""
    content = sample("Alarm", RecordKey="told", Kind="FORK", Stream=str(STREAM), Subject="fork", Text=text)
    nodes[CITY].append([compose("Alarm", content, salt=bytes(16))])
    nodes[CITY].seal()
    settle(nodes)


def signed_text(one: Checkpoint) -> str:
    """A checkpoint as an alarm has it."""
    tree = identities()[PROVINCE].tree
    return f"{one.text(tree).decode()}signature {base64.b64encode(one.signature).decode()}\n"


def test_the_level_above_believes_two_signatures_and_stops_too() -> None:
    nodes = with_rewritten_county()
    settle(nodes)
    (text,) = fork_alarms(nodes[CITY])
    assert len(checkpoints_in(text, identities()[PROVINCE].tree)) == 2
    told_of(nodes, text)
    assert [fork.other.root for fork in found(nodes[PROVINCE])] == [found(nodes[CITY])[0].other.root]
    assert stopped(nodes[PROVINCE])


def test_a_relay_alone_makes_no_fork() -> None:
    nodes = with_rewritten_county()
    settle(nodes)
    one, other = checkpoints_in(fork_alarms(nodes[CITY])[0], identities()[PROVINCE].tree)
    for text in (
        "360102 has signed two histories, believe me.",
        signed_text(one),
        signed_text(one) + signed_text(one),
        signed_text(one) + signed_text(other).replace(f"root {other.root.hex()}", f"root {'ab' * 32}"),
        signed_text(one) + signed_text(replace(other, signature=one.signature)),
    ):
        fresh = settled_nodes()
        fresh[EAST].write(3)
        settle(fresh)
        told_of(fresh, text)
        assert found(fresh[PROVINCE]) == []
        assert not stopped(fresh[PROVINCE])


def test_only_the_forked_stream_stops() -> None:
    nodes = with_rewritten_county()
    settle(nodes)
    down, west = nodes[CITY].write(2, DESCENDANTS, first=60), nodes[WEST].write(2, first=70)
    settle(nodes)
    assert nodes[WEST].size(down) == 2
    assert nodes[PROVINCE].size(west) == 2
    nodes[EAST].write(1, first=90)
    outgoing = nodes[EAST].exchange.next_package(CITY)
    if outgoing is not None:
        verdicts = nodes[CITY].exchange.accept_package(outgoing.data, EAST).verdicts
        assert {one.word for one in verdicts} <= {REFUSED}
    assert nodes[CITY].size(STREAM) == 3


def resolution(size: int, root: bytes) -> bytes:
    """The root's decision."""
    content = sample("ForkResolution", RecordKey=f"resolve-{size}", Stream=str(STREAM), Size=str(size), Root=root.hex())
    return compose("ForkResolution", content, salt=size.to_bytes(16, "big"))


def decide(nodes: dict[str, ExchangeNode], size: int, root: bytes) -> None:
    """Let the root decide, and everybody hear it."""
    nodes[PROVINCE].append([resolution(size, root)], DESCENDANTS)
    nodes[PROVINCE].seal()
    for _ in range(8):
        _talk(nodes)
        for node in nodes.values():
            if node.exchange.settling.examine() is None:
                node.seal()


def _talk(nodes: dict[str, ExchangeNode]) -> None:
    for _ in range(8):
        for code, parent in ((CITY, PROVINCE), (EAST, CITY), (WEST, CITY)):
            step(nodes[code], nodes[parent])
        for node in nodes.values():
            node.clock.advance(2.0)


def roots_of(nodes: dict[str, ExchangeNode]) -> set[tuple[int, bytes]]:
    """Size and root of the county's stream at each holder."""
    return {(held.size, held.root) for node in nodes.values() if (held := node.held(STREAM)) is not None}


def test_the_decision_for_what_was_held_brings_the_county_back() -> None:
    nodes = with_rewritten_county()
    settle(nodes)
    with nodes[CITY].store.reading() as connection:
        stands = nodes[CITY].journal.root_at(connection, STREAM, 3)
    decide(nodes, 3, stands)
    settle(nodes)
    assert len(roots_of(nodes)) == 1
    assert not any(stopped(node) for node in nodes.values())
    with nodes[PROVINCE].store.reading() as connection:
        bodies = [one.body for one in nodes[PROVINCE].journal.stored(connection, STREAM, 1, 3)]
    assert bodies == [alarm_body(number) for number in (1, 2, 3)]
    nodes[EAST].write(2, first=300)
    settle(nodes)
    assert len(roots_of(nodes)) == 1


def test_the_decision_for_the_other_version_replaces_what_was_held() -> None:
    nodes = with_rewritten_county()
    settle(nodes)
    other = found(nodes[CITY])[0].other
    decide(nodes, 3, other.root)
    settle(nodes)
    assert len(roots_of(nodes)) == 1
    with nodes[PROVINCE].store.reading() as connection:
        bodies = [one.body for one in nodes[PROVINCE].journal.stored(connection, STREAM, 1, 3)]
    assert bodies == [alarm_body(number) for number in (1, 777, 3)]
    nodes[EAST].write(2, first=300)
    settle(nodes)
    assert nodes[PROVINCE].size(STREAM) == 5


def test_what_the_origin_abandons_is_no_fork() -> None:
    nodes = with_rewritten_county()
    settle(nodes)
    other = found(nodes[CITY])[0].other
    abandoned = {
        "Size": str(other.size),
        "Root": other.root.hex(),
        "SealedAt": other.text("").decode().split("time ")[1].split()[0],
        "Signer": other.signer,
        "Signature": base64.b64encode(other.signature).decode(),
    }
    content = sample("StreamReturn", RecordKey="return", Stream=str(STREAM), CommonSize="1", Abandoned=[abandoned])
    honest = settled_nodes()[EAST]
    honest.write(3)
    entry = read_entry(compose("StreamReturn", content, salt=bytes(16)))
    honest.store.write(lambda transaction: honest.journal.append(transaction, STREAM, [entry]))
    honest.seal()
    honest.clock.advance(200.0)
    nodes[CITY].clock.advance(200.0)
    honest.randomness = nodes[EAST].randomness
    honest.started()
    nodes[EAST] = honest
    settle(nodes)
    assert not stopped(nodes[CITY])
    assert nodes[PROVINCE].size(STREAM) == 4
