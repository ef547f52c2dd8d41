"""What a receiver takes and refuses: slices good and bad, made by hand and signed by a real neighbour.

The receiver is the city; its neighbour 360102 sends. ``Bench`` makes a package like the sender would, and lets a test
change it before it is signed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from node.errors import PackageRefusedError
from node.exchange.head import Head, Slice
from node.exchange.package import write_package
from node.journal import alarms, checkpoints, quarantine
from node.journal.merkle import leaf_hash, root_of
from node.standard.seals import ANCESTORS, DESCENDANTS, TRUST, Checkpoint, StreamName
from tests.support.exchanging import ExchangeNode, notice_body, settle, settled_node, tree_of_nodes
from tests.support.identities import AT, FOUR, child_of, identities, root_identity
from tests.support.journals import alarm_body

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from node.exchange.accepting import Accepted

PROVINCE, CITY, EAST, WEST = "360000", "360100", "360102", "360103"
STREAM = StreamName(EAST, ANCESTORS)
NOON = AT.replace(microsecond=0)


def bodies_of(first: int, last: int) -> list[bytes]:
    return [alarm_body(number) for number in range(first, last + 1)]


@dataclass
class Bench:
    """The city, and what makes packages for it."""

    city: ExchangeNode
    evidence: Path

    def checkpoint(self, bodies: Sequence[bytes], stream: StreamName = STREAM, signer: str | None = None) -> Checkpoint:
        """Return the origin's checkpoint over ``bodies``, signed by the origin or by ``signer``."""
        identity = identities()[signer or stream.origin]
        unsigned = Checkpoint(
            stream=stream,
            size=len(bodies),
            root=root_of([leaf_hash(body) for body in bodies]),
            sealed_at=NOON,
            signer=identity.fingerprint,
        )
        return replace(unsigned, signature=identity.sign(unsigned.text(identity.tree)))

    def slice(self, bodies: Sequence[bytes], first: int = 1, stream: StreamName = STREAM, **changes: Any) -> Slice:
        """Return the slice of the stream ``bodies`` (from position 1) that begins at ``first``."""
        own = bodies[first - 1 :]
        made = Slice(
            stream=stream,
            first=first,
            last=len(bodies),
            checkpoint=self.checkpoint(bodies, stream),
            leaves_hash=hashlib.sha256(b"".join(leaf_hash(body) for body in own)).digest(),
            lengths=tuple(map(len, own)),
        )
        return replace(made, **changes)

    def package(self, slices: Sequence[Slice], records: Sequence[bytes], sender: str = EAST, **changes: Any) -> bytes:
        identity = identities()[sender]
        signers = {checkpoint.signer for one in slices for checkpoint in (one.checkpoint, *one.announced)}
        chains = [der for node in identities().values() if node.fingerprint in signers for der in chain_of(node)]
        head = Head(
            tree=identity.tree,
            sender=sender,
            receiver=CITY,
            start_id="0" * 32,
            sent_at=NOON,
            purpose="PUSH",
            slices=tuple(slices),
            certificates=tuple(dict.fromkeys(chains)),
        )
        return write_package(replace(head, **changes), records, identity.private_key)

    def offer(self, slices: Sequence[Slice], records: Sequence[bytes], sender: str = EAST) -> Accepted:
        return self.city.exchange.accept_package(self.package(slices, records, sender), sender)

    def words(self, *slices: Slice, records: Sequence[bytes], sender: str = EAST) -> list[tuple[str, str | None]]:
        return [(one.word, one.reason) for one in self.offer(slices, records, sender).verdicts]

    def give(self, last: int) -> None:
        """Let the city hold records 1 … last."""
        bodies = bodies_of(1, last)
        assert self.words(self.slice(bodies), records=bodies) == [("HELD", None)]

    def kept(self) -> list[str]:
        """Return the reasons of the evidence that was kept."""
        return sorted(file.name.split(".")[1] for file in self.evidence.rglob("*.package.xml"))


def chain_of(identity: Any) -> list[bytes]:
    return [certificate.der for certificate in identity.chain[:-1]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(city=settled_node(CITY, evidence_folder=tmp_path), evidence=tmp_path)


def test_a_good_slice_is_held_and_receipted(bench: Bench) -> None:
    bodies = bodies_of(1, 5)
    accepted = bench.offer([bench.slice(bodies)], bodies)
    assert [(one.word, one.held) for one in accepted.verdicts] == [("HELD", 5)]
    (receipt,) = bench.city.exchange._accepting.replies(accepted).receipts
    assert (receipt.holder, receipt.size, receipt.root) == (CITY, 5, root_of([leaf_hash(body) for body in bodies]))
    assert bench.city.exchange.counted == {}


def test_a_repeated_package_gets_the_same_receipt_without_its_body_being_read(bench: Bench) -> None:
    bodies = bodies_of(1, 5)
    first = bench.city.exchange._accepting.replies(bench.offer([bench.slice(bodies)], bodies))
    garbage = [b"x" * len(body) for body in bodies]
    again = bench.city.exchange._accepting.replies(bench.offer([bench.slice(bodies)], garbage))
    assert (again.receipts, again.verdicts) == (first.receipts, first.verdicts)


def test_a_slice_that_is_held_in_part_brings_the_rest(bench: Bench) -> None:
    bench.give(4)
    bodies = bodies_of(1, 7)
    assert bench.words(bench.slice(bodies, 3), records=bodies[2:]) == [("HELD", None)]
    assert bench.city.size(STREAM) == 7


def test_a_slice_beyond_what_is_held_is_early_and_answered_as_a_gap(bench: Bench) -> None:
    bench.give(2)
    bodies = bodies_of(1, 7)
    accepted = bench.offer([bench.slice(bodies, 5)], bodies[4:])
    assert [(one.word, one.held) for one in accepted.verdicts] == [("EARLY", 2)]
    assert accepted.early
    assert [(one.word, one.held) for one in bench.city.exchange._accepting.replies(accepted).verdicts] == [("GAP", 2)]


def test_an_early_slice_is_held_once_its_predecessor_has_come(bench: Bench) -> None:
    bodies = bodies_of(1, 7)
    accepted = bench.offer([bench.slice(bodies, 5)], bodies[4:])
    bench.give(4)
    assert [one.word for one in bench.city.exchange.offer_again(accepted).verdicts] == ["HELD"]


def test_one_bad_slice_never_holds_back_another(bench: Bench) -> None:
    bodies = bodies_of(1, 3)
    bad = bench.slice(bodies, stream=StreamName(WEST, ANCESTORS))
    good = bench.slice(bodies)
    assert bench.words(bad, good, records=[*bodies, *bodies]) == [("REFUSED", "stream"), ("HELD", None)]
    assert bench.city.size(STREAM) == 3


@pytest.mark.parametrize(
    "stream",
    [
        StreamName(WEST, ANCESTORS),
        StreamName(EAST, WEST),
        StreamName(PROVINCE, DESCENDANTS),
        StreamName(PROVINCE, TRUST),
        StreamName(CITY, ANCESTORS),
        StreamName(CITY, TRUST),
    ],
)
def test_a_stream_that_its_sender_may_not_carry_is_refused(bench: Bench, stream: StreamName) -> None:
    bodies = bodies_of(1, 2)
    size = bench.city.size(stream)
    words = bench.words(bench.slice(bodies, stream=stream), records=bodies)
    if stream == StreamName(EAST, WEST):
        # The city stands above both, so it holds what one directs to the other.
        assert words == [("HELD", None)]
    else:
        assert words == [("REFUSED", "stream")]
        assert bench.city.size(stream) == size
        assert bench.kept() == ["stream"]


@pytest.mark.parametrize("stream", [StreamName("360200", ANCESTORS), StreamName(EAST, "360200")])
def test_a_stream_of_or_to_a_node_that_is_not_in_the_tree_yet_is_busy(bench: Bench, stream: StreamName) -> None:
    bodies = bodies_of(1, 1)
    one = replace(bench.slice(bodies), stream=stream, checkpoint=replace(bench.checkpoint(bodies), stream=stream))
    assert bench.words(one, records=bodies) == [("BUSY", "unknown node")]
    assert bench.kept() == []


def test_nothing_but_trust_is_taken_before_as_much_of_it_is_held_as_the_parent_named() -> None:
    nodes = tree_of_nodes()
    nodes[CITY].identity = replace(nodes[CITY].identity, trust_size=3)
    nodes[CITY].started()
    down = nodes[PROVINCE].write(2, DESCENDANTS)
    city = nodes[CITY].exchange
    bench = Bench(city=nodes[CITY], evidence=None)  # type: ignore[arg-type]
    bodies = bodies_of(1, 2)
    one = bench.slice(bodies, stream=down)
    data = bench.package([one], bodies, PROVINCE)
    assert [(v.word, v.reason) for v in city.accept_package(data, PROVINCE).verdicts] == [("BUSY", "trust first")]
    settle(nodes)
    assert nodes[CITY].size(down) == 2


def test_a_slice_that_does_not_end_at_its_checkpoint_is_refused(bench: Bench) -> None:
    bodies = bodies_of(1, 5)
    short = bench.slice(bodies[:4], checkpoint=bench.checkpoint(bodies))
    assert bench.words(short, records=bodies[:4]) == [("REFUSED", "checkpoint")]
    other = replace(bench.slice(bodies), checkpoint=bench.checkpoint(bodies, StreamName(EAST, CITY)))
    assert bench.words(other, records=bodies) == [("REFUSED", "checkpoint")]
    ahead = replace(bench.slice(bodies), announced=(bench.checkpoint(bodies, StreamName(EAST, CITY)),))
    assert bench.words(ahead, records=bodies) == [("REFUSED", "checkpoint")]
    assert bench.city.size(STREAM) == 0


@pytest.mark.parametrize("signer", [WEST, CITY, PROVINCE])
def test_a_checkpoint_that_another_signed_is_refused(bench: Bench, signer: str) -> None:
    bodies = bodies_of(1, 5)
    forged = bench.slice(bodies, checkpoint=bench.checkpoint(bodies, signer=signer))
    assert bench.words(forged, records=bodies) == [("REFUSED", "seal")]
    assert bench.city.size(STREAM) == 0
    assert bench.kept() == ["seal"]


@pytest.mark.parametrize("change", [{"root": b"x" * 32}, {"sealed_at": NOON.replace(hour=5)}, {"signature": b"bad"}])
def test_a_forged_checkpoint_is_refused(bench: Bench, change: dict[str, Any]) -> None:
    bodies = bodies_of(1, 5)
    forged = replace(bench.checkpoint(bodies), **change)
    assert bench.words(bench.slice(bodies, checkpoint=forged), records=bodies) == [("REFUSED", "seal")]
    announced = bench.slice(bodies, announced=(replace(bench.checkpoint(bodies_of(1, 9)), **change),))
    assert bench.words(announced, records=bodies) == [("REFUSED", "seal")]
    assert bench.city.size(STREAM) == 0


def test_a_checkpoint_whose_signer_nobody_knows_is_refused_and_comes_again_with_its_chain(bench: Bench) -> None:
    bodies = bodies_of(1, 5)
    unknown = replace(bench.checkpoint(bodies), signer="f" * 64)
    assert bench.words(bench.slice(bodies, checkpoint=unknown), records=bodies) == [("REFUSED", "signer")]
    assert bench.kept() == []


def test_certificates_of_another_tree_cost_nothing_but_themselves(bench: Bench) -> None:
    stranger, _ = child_of(root_identity(), EAST, FOUR[EAST])
    bodies = bodies_of(1, 2)
    data = bench.package([bench.slice(bodies)], bodies, certificates=(stranger.certificate.der,))
    assert [one.word for one in bench.city.exchange.accept_package(data, EAST).verdicts] == ["HELD"]
    assert bench.city.exchange.counted[EAST, "certificates"] == 1


def test_every_flipped_byte_of_a_record_is_noticed(bench: Bench) -> None:
    bodies = bodies_of(1, 2)
    whole = b"".join(bodies)
    for at in range(0, len(whole), 29):
        flipped = bytearray(whole)
        flipped[at] ^= 1
        assert bench.words(bench.slice(bodies), records=[bytes(flipped)]) == [("REFUSED", "leaves")]
    assert bench.city.size(STREAM) == 0
    assert bench.kept()


def test_other_records_than_the_origin_signed_are_refused(bench: Bench) -> None:
    # The relay vouches for them itself, so only the origin's root can tell.
    bodies, others = bodies_of(1, 3), bodies_of(2, 4)
    forged = bench.slice(others, checkpoint=bench.checkpoint(bodies))
    assert bench.words(forged, records=others) == [("REFUSED", "root")]
    assert bench.kept() == ["root"]


def test_lengths_that_cut_the_records_elsewhere_are_refused(bench: Bench) -> None:
    bodies = bodies_of(1, 2)
    shifted = (len(bodies[0]) + 1, len(bodies[1]) - 1)
    assert bench.words(bench.slice(bodies, lengths=shifted), records=bodies) == [("REFUSED", "leaves")]


def test_a_held_slice_with_another_content_is_refused(bench: Bench) -> None:
    bench.give(3)
    bodies = bodies_of(1, 3)
    one = bench.slice(bodies, leaves_hash=b"x" * 32)
    assert bench.words(one, records=bodies) == [("REFUSED", "leaves")]


def test_an_overlap_with_another_content_is_refused(bench: Bench) -> None:
    bench.give(2)
    others = [*bodies_of(8, 9), *bodies_of(3, 4)]
    assert bench.words(bench.slice(others), records=others) == [("REFUSED", "overlap")]
    assert bench.city.size(STREAM) == 2


def test_two_checkpoints_of_the_origin_that_contradict_raise_an_alarm(bench: Bench) -> None:
    bench.give(3)
    others = bodies_of(4, 6)
    assert bench.words(bench.slice(others), records=others) == [("REFUSED", "fork")]
    with bench.city.store.reading() as connection:
        assert [one.kind for one in alarms.alarms(connection)] == ["fork"]
    assert bench.kept() == []


def test_a_newer_signature_of_a_checkpoint_that_is_held_is_kept(bench: Bench) -> None:
    bench.give(3)
    bodies = bodies_of(1, 3)
    identity = identities()[EAST]
    later = replace(bench.checkpoint(bodies), sealed_at=NOON.replace(hour=9), signature=b"")
    later = replace(later, signature=identity.sign(later.text(identity.tree)))
    one = bench.slice(bodies, 3, checkpoint=later)
    assert bench.words(one, records=bodies[2:]) == [("HELD", None)]
    with bench.city.store.reading() as connection:
        assert checkpoints.newest(connection, STREAM) == later


def test_a_checkpoint_ahead_is_kept_as_announced(bench: Bench) -> None:
    bodies = bodies_of(1, 3)
    ahead = bench.checkpoint(bodies_of(1, 9))
    assert bench.words(bench.slice(bodies, announced=(ahead,)), records=bodies) == [("HELD", None)]
    with bench.city.store.reading() as connection:
        assert checkpoints.announced(connection, STREAM) == [ahead]


# --- records that cannot be applied --------------------------------------------------------------------------------


def quarantined(bench: Bench) -> list[tuple[int, str]]:
    with bench.city.store.reading() as connection:
        return [(one.position, one.reason) for one in quarantine.listed(connection)]


def test_a_record_that_is_not_valid_is_quarantined_and_its_neighbours_are_applied(bench: Bench) -> None:
    bodies = [alarm_body(1), b"<Alarm", alarm_body(3).replace(b"<Kind>OTHER", b"<Kind>NOTHING"), alarm_body(4)]
    assert bench.words(bench.slice(bodies), records=bodies) == [("HELD", None)]
    assert quarantined(bench) == [(2, "invalid"), (3, "invalid")]


def test_a_comment_across_two_records_makes_two_quarantined_records(bench: Bench) -> None:
    whole = alarm_body(1)
    bodies = [whole[:100] + b"<!--", b"-->" + whole[100:]]
    assert bench.words(bench.slice(bodies), records=bodies) == [("HELD", None)]
    assert quarantined(bench) == [(1, "invalid"), (2, "invalid")]


def test_records_that_wait_for_an_upgrade_are_reported_as_deferred(bench: Bench) -> None:
    newer = alarm_body(2).replace(b'Version="1.0"', b'Version="1.7"')
    unknown = alarm_body(3).replace(b"<Alarm", b"<Siren").replace(b"</Alarm>", b"</Siren>")
    bodies = [alarm_body(1), newer, unknown]
    (verdict,) = bench.offer([bench.slice(bodies)], bodies).verdicts
    assert (verdict.word, verdict.deferred) == ("HELD", (2, 2))
    assert quarantined(bench) == [(2, "newer version"), (3, "unknown type")]


def test_a_record_type_that_its_origin_may_not_write_is_quarantined(bench: Bench) -> None:
    bodies = [notice_body(1, CITY), alarm_body(2)]
    assert bench.words(bench.slice(bodies), records=bodies) == [("HELD", None)]
    assert quarantined(bench) == [(1, "no authority")]


def test_a_notice_from_below_is_without_authority(bench: Bench) -> None:
    stream = StreamName(EAST, WEST)
    bodies = [notice_body(1, WEST)]
    assert bench.words(bench.slice(bodies, stream=stream), records=bodies) == [("HELD", None)]
    assert quarantined(bench) == [(1, "no authority")]


def test_a_record_that_is_not_in_canonical_form_alarms_and_is_applied(bench: Bench) -> None:
    bodies = [alarm_body(1).replace(b"</Alarm>", b"</Alarm >"), alarm_body(2)]
    assert bench.words(bench.slice(bodies), records=bodies) == [("HELD", None)]
    assert quarantined(bench) == []
    with bench.city.store.reading() as connection:
        assert [one.kind for one in alarms.alarms(connection)] == ["CANONICAL"]


# --- packages that do not stand as a whole -------------------------------------------------------------------------


def refusal(bench: Bench, data: bytes, peer: str = EAST) -> str:
    with pytest.raises(PackageRefusedError) as caught:
        bench.city.exchange.accept_package(data, peer)
    assert bench.city.exchange.counted[peer, caught.value.reason] == 1
    return caught.value.reason


def test_a_package_for_another_node_tree_or_from_another_sender_is_refused(bench: Bench) -> None:
    bodies = bodies_of(1, 1)
    one = bench.slice(bodies)
    assert refusal(bench, bench.package([one], bodies, receiver=PROVINCE)) == "receiver"
    assert refusal(bench, bench.package([one], bodies, tree="e" * 64)) == "tree"
    # 360102 has signed it, and names its sibling as the sender.
    head = Head(
        tree=identities()[EAST].tree,
        sender=WEST,
        receiver=CITY,
        start_id="0" * 32,
        sent_at=NOON,
        purpose="PUSH",
        slices=(one,),
    )
    assert refusal(bench, write_package(head, bodies, identities()[EAST].private_key)) == "sender"


def test_a_package_signed_by_a_sibling_or_a_stranger_is_refused_and_kept(bench: Bench) -> None:
    bodies = bodies_of(1, 1)
    data = bench.package([bench.slice(bodies)], bodies, sender=WEST)
    assert refusal(bench, data, EAST) == "signature"
    assert bench.kept() == ["signature"]
    assert refusal(bench, data, "360999") == "sender"


def test_evidence_is_bounded_and_the_same_package_is_kept_once(bench: Bench) -> None:
    bodies = bodies_of(1, 1)
    data = bench.package([bench.slice(bodies)], bodies, sender=WEST)
    for number in range(40):
        with pytest.raises(PackageRefusedError):
            bench.city.exchange.accept_package(data + b" " * (number // 2), EAST)
    assert len(bench.kept()) == bench.city.exchange.context.limits.evidence_files_max
