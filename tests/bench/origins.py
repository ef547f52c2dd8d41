"""Where the benchmark's records come from: origins that seal their streams, and a city that brings packages of them.

Origins keep no journal: a bench of the receiver must not pay for the work of ten senders. What they sign is what a
node signs, so the product accepts it like anything else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import zstandard

from node.exchange.carriers.https import COMPRESSION_LEVEL
from node.exchange.head import PUSH, Head, Slice
from node.exchange.package import write_package
from node.journal.merkle import CompactRange
from node.standard.codec import leaf_hash
from node.standard.seals import ANCESTORS, Checkpoint, StreamName
from tests.bench.mix import CaseMix
from tests.support.identities import Place, make_identities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.clock import Clock
    from node.trust.identity import Identity

PROVINCE = "360000"
CITY = "360100"
COUNTIES = tuple(f"3601{number:02d}" for number in range(2, 12))
"""Ten counties below one city: the origins of one full package."""


def bench_identities(clock: Clock) -> dict[str, Identity]:
    """Return the identities of one province, one city and ten counties, valid from now."""
    places = {
        PROVINCE: Place(name="省", level="province", parent=None, children_depth=3),
        CITY: Place(name="市", level="city", parent=PROVINCE, children_depth=2),
    }
    places |= {code: Place(name=f"县{code}", level="county", parent=CITY, children_depth=1) for code in COUNTIES}
    return make_identities(places, at=clock.now())


@dataclass(slots=True, kw_only=True)
class Origin:
    """One county: its mix of cases and the frontier of its stream."""

    identity: Identity
    clock: Clock
    mix: CaseMix
    frontier: CompactRange = field(default_factory=CompactRange)

    @property
    def stream(self) -> StreamName:
        """The county's stream of reports."""
        return StreamName(self.identity.code, ANCESTORS)

    def next_slice(self, count: int) -> tuple[Slice, list[bytes]]:
        """Return the next ``count`` records under a fresh checkpoint."""
        bodies = self.mix.records(count)
        leaves = [leaf_hash(body) for body in bodies]
        first = self.frontier.size + 1
        self.frontier.extend(leaves)
        checkpoint = self._signed(self.frontier.size, self.frontier.root())
        made = Slice(
            stream=checkpoint.stream,
            first=first,
            last=checkpoint.size,
            checkpoint=checkpoint,
            leaves_hash=hashlib.sha256(b"".join(leaves)).digest(),
            lengths=tuple(map(len, bodies)),
        )
        return made, bodies

    def _signed(self, size: int, root: bytes) -> Checkpoint:
        stream = self.stream
        signer = self.identity.fingerprint
        at = self.clock.now().replace(microsecond=0)
        plain = Checkpoint(stream=stream, size=size, root=root, sealed_at=at, signer=signer)
        signature = self.identity.sign(plain.text(self.identity.tree))
        return Checkpoint(stream=stream, size=size, root=root, sealed_at=at, signer=signer, signature=signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One package as it travels (compressed), how many slices it has, and the bodies of its records for the floor."""

    data: bytes
    slices: int
    bodies: tuple[bytes, ...]


@dataclass(slots=True, kw_only=True)
class CityCourier:
    """A city that brings packages of all its counties to the province."""

    identity: Identity
    origins: Sequence[Origin]
    clock: Clock

    def parcel(self, records: int) -> Parcel:
        """Return a package of ``records`` new records, taken evenly from every county."""
        slices, bodies = [], []
        for origin in self.origins:
            one, taken = origin.next_slice(records // len(self.origins))
            slices.append(one)
            bodies += taken
        head = Head(
            tree=self.identity.tree,
            sender=self.identity.code,
            receiver=PROVINCE,
            start_id="0" * 32,
            sent_at=self.clock.now().replace(microsecond=0),
            purpose=PUSH,
            slices=tuple(slices),
        )
        data = write_package(head, bodies, self.identity.private_key)
        return Parcel(
            data=zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(data),
            slices=len(slices),
            bodies=tuple(bodies),
        )


def courier(identities: dict[str, Identity], clock: Clock, *, open_cases: int, seed: int = 1) -> CityCourier:
    """Return a city with ten counties that have ``open_cases`` open cases each."""
    origins = [
        Origin(identity=identities[code], clock=clock, mix=CaseMix(division=code, seed=seed, open_cases=open_cases))
        for code in COUNTIES
    ]
    return CityCourier(identity=identities[CITY], origins=origins, clock=clock)
