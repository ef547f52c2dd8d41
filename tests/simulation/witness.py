"""The witness: remembers what every stream, checkpoint and receipt said, and finds contradictions after every step.

Checked for the nodes that a step touched, reading only what is new to them:

- I2: no stream shrinks; what a holder has is, leaf by leaf, the beginning of what the origin has; it ends under a
  checkpoint of the origin; the origin is the longest.
- I5: nobody holds a stream that the tree does not give it.
- I8: whatever a receipt ever signed claims, its holder durably has. No cursor stands beyond what the neighbour has.
  No cursor goes back, for nobody has returned with less (a liar may say so).
- I9: no checkpoint ever signed contradicts another one or its stream; nobody in doubt signs any, or a receipt.

Streams of a node that was set back by an image of its machine are ``loose``: two versions of them may be about.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from node.journal import checkpoints
from node.journal.merkle import CompactRange
from node.standard.seals import CHECKPOINT_DOMAIN, RECEIPT_DOMAIN, StreamName
from node.trust.holders import holders
from tests.simulation.loose import LooseStreams
from tests.simulation.signing import tree_identities
from tests.simulation.template import CODES
from tests.support.identities import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from node.bootstrap import Node
    from node.journal.holdings import Held


LIED_ALARMS = frozenset({"RECEIPT", "PACKAGE", "OWN_CODE"})
"""The kinds of alarms that lies may raise at those who hear them: never that of a fork, which none of them is."""
_CURSORS = "SELECT peer, origin, audience, cursor.size FROM cursor JOIN stream ON stream.id = cursor.stream_id"


class InvariantBrokenError(AssertionError):
    """The tree has done what it must never do."""


@dataclass(slots=True, kw_only=True)
class StreamMemory:
    """A stream as its origin committed it: every leaf, and the root at every size (index 0: the empty stream)."""

    leaves: list[bytes] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=lambda: [CompactRange().root()])
    frontier: CompactRange = field(default_factory=CompactRange)

    def extend(self, leaves: Iterable[bytes]) -> None:
        for leaf in leaves:
            self.leaves.append(leaf)
            self.frontier.extend([leaf])
            self.roots.append(self.frontier.root())

    def shorten(self, size: int) -> None:
        """Forget what lies beyond ``size``."""
        leaves = self.leaves[:size]
        self.leaves, self.roots, self.frontier = [], [CompactRange().root()], CompactRange()
        self.extend(leaves)

    def root_with(self, size: int, leaves: list[bytes]) -> bytes:
        """Return the root of the first ``size`` leaves and others behind them."""
        frontier = CompactRange()
        frontier.extend([*self.leaves[:size], *leaves])
        return frontier.root()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a signature says: ``who`` has (receipt) or made (checkpoint) ``size`` records under ``root``."""

    who: str
    stream: StreamName
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What was lost of a stream when its origin was set back: leaves from ``first`` on, and roots of seals on them."""

    first: int
    leaves: list[bytes]
    signed: dict[tuple[StreamName, int], bytes]


class Witness:
    """What must stay true of one history; ``signed`` holds the roots of seals that were there before it."""

    def __init__(self, signed: Mapping[tuple[StreamName, int], bytes]) -> None:
        self.streams: dict[StreamName, StreamMemory] = defaultdict(StreamMemory)
        self.held: dict[tuple[str, StreamName], int] = defaultdict(int)
        self.signed = dict(signed)
        self.liar: str | None = None
        self.cursors: dict[tuple[str, str, StreamName], int] = {}
        self.came_back: set[str] = set()
        self.loose = LooseStreams()
        for (stream, size), root in signed.items():
            self.loose.sealed(stream, size, root)
        self.tree = tree_of(tree_identities())
        self._lost: dict[StreamName, Lost] = {}
        self._new_receipts: list[Claim] = []
        self._new_checkpoints: list[Claim] = []

    # --- hearing -------------------------------------------------------------------------------------------------

    def hear(self, code: str, text: bytes) -> bool:
        """Take in what a node has just signed; tell whether it answers for records with that."""
        domain, *lines = text.decode().splitlines()
        said = dict(line.split(" ", 1) for line in lines)
        if domain not in {CHECKPOINT_DOMAIN, RECEIPT_DOMAIN}:
            return False
        stream = StreamName.parse(said["stream"])
        claim = Claim(who=code, stream=stream, size=int(said["size"]), root=bytes.fromhex(said["root"]))
        if domain == RECEIPT_DOMAIN:
            self._new_receipts.append(claim)
            return True
        self.loose.sealed(stream, claim.size, claim.root)
        before = self.signed.setdefault((stream, claim.size), claim.root)
        if before != claim.root and stream not in self.loose:
            raise InvariantBrokenError(f"I9: {code} signed two roots of {stream} at {claim.size}")
        self._new_checkpoints.append(claim)
        return True

    def set_back(self, code: str, node: Node, *, knows: bool) -> dict[StreamName, int]:
        """Take in that a node has come back with an older database; return how much stays of each of its own streams.

        What nobody else holds of these is lost; what others hold has to come back. ``knows``: the node has a high-water
        file that tells it so; else its streams are loose from now on.
        """
        with node.store.reading() as connection:
            sizes = {held.stream: held.size for held in node.journal.streams(connection)}
        self.came_back.add(code)
        for holder, stream in [key for key in self.held if key[0] == code]:
            self.held[holder, stream] = sizes.get(stream, 0)
        self.loose.forgot(code, sizes)
        kept = {name: max([0, *(size for (_, one), size in self.held.items() if one == name)]) for name in self.streams}
        # What another node has lost, and was still to fetch from this one, is gone as well.
        own = [
            one
            for one, size in kept.items()
            if one.origin == code or (size < len(self.streams[one].leaves) and one not in self.loose)
        ]
        leaves = {name: list(self.streams[name].leaves) for name in own}
        again = code in self.loose.origins
        if not knows:
            self.loose.begin(code, leaves, self.held)
        for stream in own:
            is_loose = stream in self.loose
            self.streams[stream].shorten(sizes.get(stream, 0) if is_loose else kept[stream])
            gone = [key for key in self.signed if key[0] == stream and key[1] > kept[stream] and not is_loose]
            before = self._lost.get(stream)
            joins = before is not None and before.first == len(leaves[stream]) + 1
            self._lost[stream] = Lost(
                first=kept[stream] + 1,
                leaves=leaves[stream][kept[stream] :] + (before.leaves if before is not None and joins else []),
                signed={key: self.signed.pop(key) for key in gone}
                | (before.signed if before is not None and joins else {}),
            )
        # Of two versions nobody knows beforehand which one will stay.
        return {stream: kept[stream] for stream in own if stream.origin != code or not again}

    # --- looking -------------------------------------------------------------------------------------------------

    def look(self, nodes: Mapping[str, Node], touched: Iterable[str]) -> None:
        """Look at what ``touched`` nodes have durably; the roots of streams first, so origins before holders."""
        codes = sorted(code for code in set(touched) if code in nodes)
        held = {code: self._streams(nodes[code]) for code in codes}
        for own in (True, False):
            for code in codes:
                changed = [one for one in held[code] if one.own is own and self._has_changed(code, one)]
                if changed:
                    with nodes[code].store.reading() as connection:
                        for one in changed:
                            if one.stream in self.loose:
                                self._look_at_loose(connection, nodes[code], code, one)
                                continue
                            self._find_again(one)
                            self._look_at(connection, nodes, code, one)
        for code in codes:
            with nodes[code].store.reading() as connection:
                self._look_at_cursors(connection, code)
                self._look_at_alarms(connection, code)
        self._settle_claims()

    def _has_changed(self, code: str, held: Held) -> bool:
        return held.size != self.held[code, held.stream] or (
            held.stream in self.loose and held.root != self.streams[held.stream].roots[-1]
        )

    @staticmethod
    def _streams(node: Node) -> list[Held]:
        with node.store.reading() as connection:
            return node.journal.streams(connection)

    def _look_at(self, connection: Connection, nodes: Mapping[str, Node], code: str, held: Held) -> None:
        known = self.held[code, held.stream]
        memory = self.streams[held.stream]
        if held.size < known:
            raise InvariantBrokenError(f"I2: {held.stream} shrank at {code} from {known} to {held.size}")
        if code not in holders(self.tree, held.stream):
            raise InvariantBrokenError(f"I5: {code} holds {held.stream}")
        leaves = nodes[code].journal.leaves(connection, held.stream, known + 1, held.size)
        if len(leaves) != held.size - known:
            raise InvariantBrokenError(f"I2: {held.stream} at {code} has gaps among {known + 1} to {held.size}")
        if held.own:
            # What comes back to its origin was known before.
            known_before = memory.leaves[known : held.size]
            if leaves[: len(known_before)] != known_before:
                raise InvariantBrokenError(f"I2: {held.stream} came back to {code} as another one")
            memory.extend(leaves[len(known_before) :])
        elif memory.leaves[known : held.size] != leaves:
            raise InvariantBrokenError(
                f"I2: {held.stream} at {code} differs among {known + 1} to {held.size}; "
                f"its origin has {len(memory.leaves)}"
            )
        if memory.roots[held.size] != held.root:
            raise InvariantBrokenError(f"I2: the frontier of {held.stream} at {code} is not that of its leaves")
        if not held.own:
            self._look_at_seal(connection, code, held)
        self.held[code, held.stream] = held.size

    def _find_again(self, held: Held) -> None:
        """Take in that what a node has lost was under way, and has reached somebody who holds it now."""
        memory, lost = self.streams[held.stream], self._lost.get(held.stream)
        if lost is not None and not held.own and held.size > len(memory.leaves) == lost.first - 1:
            memory.extend(lost.leaves[: held.size - lost.first + 1])
            self.signed.update(lost.signed)

    def _look_at_loose(self, connection: Connection, node: Node, code: str, held: Held) -> None:
        if code not in holders(self.tree, held.stream):
            raise InvariantBrokenError(f"I5: {code} holds {held.stream}")
        leaves = node.journal.leaves(connection, held.stream, 1, held.size) if held.size else []
        if held.own:
            self.streams[held.stream].shorten(0)
            self.streams[held.stream].extend(leaves)
            self.loose.wrote(held.stream, leaves)
        elif (problem := self.loose.held(code, connection, held, leaves)) is not None:
            raise InvariantBrokenError(f"I2: {held.stream} at {code}: {problem}")
        self.held[code, held.stream] = held.size

    def _look_at_seal(self, connection: Connection, code: str, held: Held) -> None:
        found = checkpoints.at(connection, held.stream, held.size)
        if found is None or found.root != held.root or self.signed.get((held.stream, held.size)) != held.root:
            raise InvariantBrokenError(f"I2: {held.stream} at {code} ends at {held.size} without its origin's seal")

    def _look_at_cursors(self, connection: Connection, code: str) -> None:
        for peer, origin, audience, size in connection.exec_driver_sql(_CURSORS):
            stream = StreamName(origin, audience)
            before = self.cursors.get((code, peer, stream), 0)
            if stream in self.loose:
                continue
            if size < before and self.liar not in {code, peer} and not self.came_back & {code, peer}:
                raise InvariantBrokenError(
                    f"I8: {code} lowered its cursor of {peer} on {stream} from {before} to {size}"
                )
            self.cursors[code, peer, stream] = size
            # What a liar states that it has is its own loss; it must be right again when all is quiet.
            if size > self.held[peer, stream] and peer != self.liar and peer not in self.came_back:
                raise InvariantBrokenError(
                    f"I8: {code} believes that {peer} has {size} of {stream}; it has {self.held[peer, stream]}"
                )

    def _look_at_alarms(self, connection: Connection, code: str) -> None:
        for kind, subject, text in connection.exec_driver_sql("SELECT kind, subject, text FROM alarm"):
            if self.liar is not None and kind in LIED_ALARMS and code != self.liar:
                continue
            if code in self.came_back and subject.startswith("lost "):
                continue
            if self.loose.origins and (code in self.loose.origins or names_one_of(self.loose.origins, subject, text)):
                # Whoever meets with two versions says so; what is left of it when all is quiet is looked at then.
                continue
            if kind.upper() == "FORK":
                raise InvariantBrokenError(
                    f"I2: {code} raised the alarm of a fork, and there was none: {subject}: {text}"
                )
            raise InvariantBrokenError(f"{code} raised an alarm among honest nodes: {kind}: {text}")

    def _settle_claims(self) -> None:
        for claim in self._new_receipts:
            if claim.size > self.held[claim.who, claim.stream]:
                raise InvariantBrokenError(
                    f"I8: {claim.who} signed for {claim.size} of {claim.stream} and has "
                    f"{self.held[claim.who, claim.stream]}"
                )
            if claim.stream in self.loose:
                if not self.loose.is_sealed(claim.stream, claim.size, claim.root):
                    raise InvariantBrokenError(f"I8: {claim.who} signed for {claim.stream} as it was never sealed")
                continue
            if self.streams[claim.stream].roots[claim.size] != claim.root:
                raise InvariantBrokenError(f"I8: {claim.who} signed for another {claim.stream} at {claim.size}")
            if (claim.stream, claim.size) not in self.signed:
                raise InvariantBrokenError(f"I8: {claim.who} signed for {claim.size} of {claim.stream}, never sealed")
        for claim in self._new_checkpoints:
            roots = self.streams[claim.stream].roots
            if claim.stream in self.loose:
                continue
            if claim.size >= len(roots) or roots[claim.size] != claim.root:
                raise InvariantBrokenError(f"I9: the seal of {claim.stream} at {claim.size} is not of what it has")
        self._new_receipts.clear()
        self._new_checkpoints.clear()

    # --- telling -------------------------------------------------------------------------------------------------

    def sizes(self, code: str) -> str:
        """Return what a node holds, for the trace: free of bytes that differ from run to run."""
        return " ".join(
            f"{stream}={size}" for (holder, stream), size in sorted(self.held.items()) if holder == code and size
        )

    def incomplete(self) -> list[str]:
        """Return what some holder has not got yet: nothing when the tree is quiet."""
        return [
            f"{code} has {self.held[code, stream]} of {len(memory.leaves)} of {stream}"
            for stream, memory in sorted(self.streams.items())
            for code in sorted(holders(self.tree, stream) & set(CODES))
            if self.held[code, stream] != len(memory.leaves)
        ]


def names_one_of(codes: Iterable[str], *texts: str) -> bool:
    """Tell whether an alarm is about a node of ``codes``."""
    return any(code in text for code in codes for text in texts)
