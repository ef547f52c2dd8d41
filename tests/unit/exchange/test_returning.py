"""Nodes that come back with an older database: they take again what others hold of them, and nothing forks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from node.errors import InDoubtError
from node.exchange.conversation import Wanted
from node.exchange.head import Standing, Statement
from node.exchange.tails import TIMES_MAX
from node.journal.alarms import alarms
from node.journal.checkpoints import newest
from node.journal.memory import image_of, memory_store
from node.journal.receipts import all_receipts, save_receipts
from node.journal.tables import REDACTED, record, record_key
from node.standard.seals import ANCESTORS, DESCENDANTS, StreamName
from tests.support.exchanging import ExchangeNode, carrier_to, settle, settled_nodes, step
from tests.support.identities import identities
from tests.support.journals import alarm_body

if TYPE_CHECKING:
    from node.journal.alarms import Alarm

PROVINCE, CITY, EAST, WEST = "360000", "360100", "360102", "360103"


def images(nodes: dict[str, ExchangeNode]) -> dict[str, bytes]:
    """What every node's database holds."""
    return {code: image_of(node.store) for code, node in nodes.items()}


def set_back(nodes: dict[str, ExchangeNode], code: str, image: bytes, *, with_file: bool = False) -> ExchangeNode:
    """Put an older database under a node and start it; ``with_file``: its high-water file is as old."""
    before = nodes[code]
    node = ExchangeNode(identities()[code], store=memory_store(image), clock=before.clock)
    if not with_file:
        node.journal.high_water = before.journal.high_water
    # Another process has another start id.
    node.randomness = before.randomness
    node.started()
    node.exchange.settling.examine(starting=True)
    nodes[code] = node
    return node


def told(node: ExchangeNode) -> list[Alarm]:
    """The alarms of a node."""
    with node.store.reading() as connection:
        return alarms(connection)


def types_of(node: ExchangeNode, stream: StreamName) -> list[str]:
    """The record types that a node holds of a stream, in order."""
    with node.store.reading() as connection:
        return [one.record_type for one in node.journal.stored(connection, stream, 1, node.size(stream))]


def roots_of(nodes: dict[str, ExchangeNode], stream: StreamName) -> set[tuple[int, bytes]]:
    """Size and root of a stream at each of its holders."""
    return {(held.size, held.root) for node in nodes.values() if (held := node.held(stream)) is not None}


def test_a_county_set_back_an_hour_holds_everything_again() -> None:
    nodes = settled_nodes()
    stream = nodes[EAST].write(3)
    settle(nodes)
    old = image_of(nodes[EAST].store)
    nodes[EAST].write(5, first=20)
    settle(nodes)
    county = set_back(nodes, EAST, old)
    assert county.size(stream) == 3
    with pytest.raises(InDoubtError, match="in doubt"):
        county.append([alarm_body(99)])
    with pytest.raises(InDoubtError):
        county.seal()
    settle(nodes)
    county.seal()
    settle(nodes)
    assert types_of(nodes[PROVINCE], stream) == ["Alarm"] * 8 + ["StreamReturn"]
    assert len(roots_of(nodes, stream)) == 1
    assert not any(told(node) for node in nodes.values())
    county.write(2, first=40)
    settle(nodes)
    assert nodes[PROVINCE].size(stream) == 11


def test_a_machine_set_back_with_its_file_finds_out_by_its_own_signature() -> None:
    nodes = settled_nodes()
    stream = nodes[EAST].write(3)
    settle(nodes)
    old = image_of(nodes[EAST].store)
    nodes[EAST].write(5, first=20)
    settle(nodes)
    county = set_back(nodes, EAST, old, with_file=True)
    assert county.exchange.settling.doubt() is None
    # It does not know better yet, and seals another tail, which it has shown to nobody.
    county.write(2, first=70)
    settle(nodes)
    county.seal()
    settle(nodes)
    assert types_of(nodes[PROVINCE], stream) == ["Alarm"] * 8 + ["StreamReturn"]
    assert len(roots_of(nodes, stream)) == 1
    assert county.exchange.settling.doubt() is None


def test_a_tail_with_a_redacted_record_comes_back() -> None:
    nodes = settled_nodes()
    stream = nodes[EAST].write(3)
    settle(nodes)
    old = image_of(nodes[EAST].store)
    nodes[EAST].write(5, first=20)
    settle(nodes)
    held = nodes[CITY].held(stream)
    assert held is not None
    gone = update(record).where(record.c.key == record_key(held.stream_id, 5)).values(body=None, flags=REDACTED)
    nodes[CITY].store.write(lambda transaction: transaction.connection.execute(gone))
    county = set_back(nodes, EAST, old)
    settle(nodes)
    assert county.exchange.settling.doubt() is None
    county.seal()
    settle(nodes)
    assert len(roots_of(nodes, stream)) == 1
    assert types_of(county, stream) == [*["Alarm"] * 4, "", *["Alarm"] * 3, "StreamReturn"]


def test_a_seal_that_only_others_hold_comes_back_with_its_records() -> None:
    nodes = settled_nodes()
    settle(nodes)
    stream = nodes[EAST].append([alarm_body(number) for number in range(3)])
    # The backup is made between writing and sealing.
    old = image_of(nodes[EAST].store)
    nodes[EAST].seal()
    nodes[CITY].write(1, DESCENDANTS, first=50)
    settle(nodes)
    county = set_back(nodes, EAST, old)
    assert county.exchange.settling.doubt() is not None
    settle(nodes)
    assert county.exchange.settling.doubt() is None
    with county.store.reading() as connection:
        assert county.journal.held(connection, stream).sealed >= 3  # type: ignore[union-attr]
    assert not told(county)


def test_a_tail_that_was_set_aside_is_not_called_lost() -> None:
    nodes = settled_nodes()
    stream = nodes[EAST].write(3)
    settle(nodes)
    old = image_of(nodes[EAST].store)
    nodes[EAST].write(2, first=20)
    settle(nodes)
    county = set_back(nodes, EAST, old, with_file=True)
    # It goes on further than what the others hold, and seals it.
    county.write(6, first=70)
    settle(nodes)
    assert types_of(county, stream) == ["Alarm"] * 5 + ["StreamReturn"]
    assert not [one for one in told(county) if one.subject.startswith("lost")]


def test_a_city_that_begins_to_doubt_while_it_runs_is_told_at_once_by_its_counties() -> None:
    nodes = settled_nodes()
    stream = nodes[CITY].write(3)
    settle(nodes)
    old = image_of(nodes[CITY].store)
    nodes[CITY].write(5, first=20)
    settle(nodes)
    city = set_back(nodes, CITY, old, with_file=True)
    # Both counties have stated what they hold before the city finds out from its parent.
    settle(nodes, only=(EAST, WEST))
    assert city.exchange.settling.doubt() is None
    settle(nodes)
    assert city.exchange.settling.doubt() is None
    city.seal()
    settle(nodes)
    assert types_of(nodes[PROVINCE], stream) == ["CertificateIssued"] * 2 + ["Alarm"] * 8 + ["StreamReturn"]


def test_a_city_set_back_fetches_what_its_parent_holds_of_those_below() -> None:
    nodes = settled_nodes()
    up, down, own = nodes[EAST].write(3), nodes[CITY].write(2, DESCENDANTS, first=50), nodes[CITY].write(1, first=60)
    settle(nodes)
    old = images(nodes)
    nodes[EAST].write(5, first=20)
    nodes[CITY].write(3, DESCENDANTS, first=80)
    nodes[CITY].write(3, first=90)
    settle(nodes)
    set_back(nodes, CITY, old[CITY])
    set_back(nodes, EAST, old[EAST])
    settle(nodes)
    for code in (CITY, EAST):
        assert nodes[code].exchange.settling.doubt() is None
        nodes[code].seal()
    settle(nodes)
    for stream in (up, down, own):
        assert len(roots_of(nodes, stream)) == 1
    assert nodes[PROVINCE].size(up) == 9
    assert nodes[PROVINCE].size(own) == 7
    assert nodes[WEST].size(down) == 6


def test_a_root_set_back_takes_its_streams_from_its_children() -> None:
    nodes = settled_nodes()
    down = nodes[PROVINCE].write(2, DESCENDANTS)
    settle(nodes)
    old = images(nodes)
    nodes[PROVINCE].write(4, DESCENDANTS, first=20)
    nodes[EAST].write(2, first=30)
    settle(nodes)
    root = set_back(nodes, PROVINCE, old[PROVINCE])
    settle(nodes)
    assert root.exchange.settling.doubt() is None
    root.seal()
    settle(nodes)
    assert root.size(down) == 7
    assert len(roots_of(nodes, down)) == 1
    assert root.size(StreamName(EAST, ANCESTORS)) == 2


def test_root_and_city_set_back_together_do_not_wait_for_each_other() -> None:
    nodes = settled_nodes()
    down = nodes[PROVINCE].write(2, DESCENDANTS)
    settle(nodes)
    old = images(nodes)
    nodes[PROVINCE].write(4, DESCENDANTS, first=20)
    settle(nodes)
    for code in (PROVINCE, CITY):
        set_back(nodes, code, old[code])
    settle(nodes)
    for code in (PROVINCE, CITY):
        assert nodes[code].exchange.settling.doubt() is None
        nodes[code].seal()
    settle(nodes)
    # Only the counties held the last four.
    assert len(roots_of(nodes, down)) == 1
    assert nodes[PROVINCE].size(down) == 7
    assert not any(told(node) for node in nodes.values())


def test_a_claim_that_nobody_proves_changes_nothing_and_is_told() -> None:
    nodes = settled_nodes()
    county = nodes[EAST]
    stream = county.write(2)
    settle(nodes)
    conversation = county.exchange.conversation(CITY)
    conversation.wanted[stream] = Wanted()
    for _ in range(TIMES_MAX + 2):
        county.exchange.push_once(CITY, carrier_to(nodes[CITY], county))
        county.clock.advance(6.0)
    assert conversation.wanted == {}
    assert county.exchange.settling.doubt() is None
    assert [one.kind for one in told(county)] == ["PACKAGE"]


def test_what_a_neighbour_holds_of_a_node_unknown_here_is_not_waited_for() -> None:
    # Its certificate went down with the trust records that nobody had seen: it comes again, and then its records do.
    nodes = settled_nodes()
    settle(nodes)
    old = image_of(nodes[PROVINCE].store)
    nodes[PROVINCE].write(2, DESCENDANTS)
    settle(nodes)
    root = set_back(nodes, PROVINCE, old)
    settling, conversation = root.exchange.settling, root.exchange.conversation(CITY)
    unknown, known = StreamName("369999", ANCESTORS), StreamName(PROVINCE, DESCENDANTS)
    for_unknown = StreamName(CITY, "369999")
    said = [Standing(one, 5, bytes(32)) for one in (known, for_unknown, unknown)]
    digests = [(one.stream.origin, "0" * 64) for one in said]
    assert settling.hear(conversation, [], Statement(digests=tuple(sorted(digests)), lines=tuple(sorted(said))))
    # What was lost of trust may be among our own streams.
    assert set(conversation.claims or ()) == {known, for_unknown, unknown}
    assert settling.hear(conversation, [], Statement(digests=tuple(digests[1:]), lines=tuple(said[1:])))
    assert conversation.claims is None
    doubt = settling.doubt()
    assert doubt is None or CITY in doubt.heard


def test_deliveries_of_a_node_in_doubt_are_answered_busy() -> None:
    nodes = settled_nodes()
    stream = nodes[EAST].write(3)
    settle(nodes)
    old = image_of(nodes[CITY].store)
    nodes[CITY].write(2, first=40)
    settle(nodes)
    city = set_back(nodes, CITY, old)
    nodes[EAST].write(2, first=20)
    outgoing = nodes[EAST].exchange.next_package(CITY)
    assert outgoing is not None
    accepted = city.exchange.accept_package(outgoing.data, EAST)
    assert [(one.word, one.reason) for one in accepted.verdicts] == [("BUSY", "in doubt")]
    assert city.size(stream) == 3


def test_who_is_given_up_is_not_waited_for() -> None:
    nodes = settled_nodes()
    nodes[CITY].write(2, DESCENDANTS)
    settle(nodes)
    old = image_of(nodes[CITY].store)
    nodes[CITY].write(2, DESCENDANTS, first=20)
    settle(nodes)
    city = set_back(nodes, CITY, old)
    for _ in range(6):
        # In doubt it opens its conversation again and again, so nothing comes to rest.
        for code, parent in ((CITY, PROVINCE), (EAST, CITY)):
            step(nodes[code], nodes[parent])
    doubt = city.exchange.settling.doubt()
    assert doubt is not None
    assert doubt.unheard == (WEST,)
    left = city.exchange.settling.give_up(WEST)
    assert left is not None
    assert (left.unheard, left.without) == ((), (WEST,))
    assert city.exchange.settling.examine() is None
    city.seal()
    settle(nodes)
    assert len(roots_of(nodes, StreamName(CITY, DESCENDANTS))) == 1


def test_what_nobody_holds_any_more_is_named() -> None:
    nodes = settled_nodes()
    stream = nodes[EAST].write(2)
    settle(nodes)
    old = image_of(nodes[EAST].store)
    nodes[EAST].write(3, first=20)
    # It was sealed, but the link was down.
    county = set_back(nodes, EAST, old)
    settle(nodes)
    assert types_of(county, stream) == ["Alarm", "Alarm", "StreamReturn"]
    assert ["Records 3 to 5 of 360102/ancestors" in one.text for one in told(county)] == [True]
    county.write(1, first=60)
    settle(nodes)
    assert nodes[PROVINCE].size(stream) == 4


def test_a_checkpoint_of_what_is_lost_makes_no_fork() -> None:
    nodes = settled_nodes()
    stream = nodes[EAST].write(2)
    settle(nodes)
    old = image_of(nodes[EAST].store)
    nodes[EAST].write(3, first=20)
    with nodes[EAST].store.reading() as connection:
        lost = newest(connection, stream)
    assert lost is not None
    # The city has heard of the seal, not of the records.
    city = nodes[CITY]
    city.store.write(lambda transaction: city.journal.learn_announced(transaction, stream, [lost]))
    county = set_back(nodes, EAST, old)
    settle(nodes)
    county.write(4, first=60)
    settle(nodes)
    assert types_of(county, stream) == ["Alarm", "Alarm", "StreamReturn", *["Alarm"] * 4]
    assert len(roots_of(nodes, stream)) == 1
    assert not told(city)


def test_a_rewritten_past_is_no_return() -> None:
    nodes = settled_nodes()
    stream = nodes[EAST].write(3)
    settle(nodes)
    other = settled_nodes()
    other[EAST].write(3, first=700)
    # The receipts in the database say what its streams were before somebody changed them.
    with nodes[EAST].store.reading() as connection:
        receipts = all_receipts(connection, stream)
    other[EAST].store.write(lambda transaction: save_receipts(transaction, receipts))
    nodes[EAST] = other[EAST]
    settle(nodes)
    assert nodes[EAST].exchange.settling.doubt() is None
    assert "fork" in [one.kind for one in told(nodes[EAST])]
    assert nodes[CITY].size(stream) == 3


def test_a_receipt_for_what_was_sealed_before_a_setback_is_believed() -> None:
    nodes = settled_nodes()
    county, city = nodes[EAST], nodes[CITY]
    stream = county.write(2)
    settle(nodes)
    county.append([alarm_body(number) for number in range(3, 6)])
    old = image_of(county.store)
    county.seal()
    late = county.exchange.next_package(CITY)
    assert late is not None
    # The database comes back with the same records, three of them not sealed yet; the file beside it knows better.
    county = set_back(nodes, EAST, old)
    assert county.exchange.settling.doubt() is None
    county.seal()
    city.started()
    county.exchange.open_conversation(CITY, carrier_to(city, county))
    answer = city.exchange.answer(late.data, EAST)
    county.exchange.accept_package(answer, CITY)
    settle(nodes)
    assert not told(county)
    assert city.size(stream) == 5
