"""Streams of nodes that were set back by an image of their machine: for a while there may be two versions of them.

Database and high-water file are old together, so the node cannot know that it had gone on. It may write and sign
positions that others hold already, until one of them proves it. Meanwhile every holder's copy must be one of the
versions that the origin wrote and sealed; when all is quiet there must be one version again, and a StreamReturn in it
must name every seal that somebody else had held and that does not fit it (I9).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from node.journal import checkpoints
from node.journal.forks import forks
from node.standard.codec import parse_unvalidated
from node.trust.forks import abandoned_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from node.bootstrap import Node
    from node.journal.holdings import Held
    from node.standard.seals import StreamName

RETURN_TYPE = "StreamReturn"


class LooseStreams:
    """What is known of the streams of ``origins``: every leaf and seal that these ever had, and what others held."""

    def __init__(self) -> None:
        self.origins: set[str] = set()
        self._leaves: dict[tuple[StreamName, int], set[bytes]] = defaultdict(set)
        self._roots: dict[tuple[StreamName, int], set[bytes]] = defaultdict(set)
        self._shown: dict[tuple[StreamName, int, bytes], set[str]] = defaultdict(set)

    def __contains__(self, stream: StreamName) -> bool:
        return stream.origin in self.origins

    def begin(
        self, code: str, leaves: Mapping[StreamName, Sequence[bytes]], held: Mapping[tuple[str, StreamName], int]
    ) -> None:
        """Let the streams of ``code`` be loose; ``leaves`` is what they were, ``held`` how much of it who holds."""
        is_first = code not in self.origins
        self.origins.add(code)
        for stream, known in leaves.items():
            self.wrote(stream, known)
            for size, root in self._sealed(stream) if is_first else ():
                those = {holder for (holder, one), many in held.items() if one == stream and size <= many}
                self._shown[stream, size, root] |= those - {code}

    def forgot(self, code: str, sizes: Mapping[StreamName, int]) -> None:
        """Take in that a holder has come back with less than it had held."""
        for (stream, size, _), those in self._shown.items():
            if size > sizes.get(stream, 0):
                those.discard(code)

    def sealed(self, stream: StreamName, size: int, root: bytes) -> None:
        """Take in a seal of any origin: which ones will be loose is not known yet."""
        self._roots[stream, size].add(root)

    def wrote(self, stream: StreamName, leaves: Sequence[bytes]) -> None:
        """Take in a stream as its origin has it now."""
        for position, leaf in enumerate(leaves, start=1):
            self._leaves[stream, position].add(leaf)

    def held(self, code: str, connection: Connection, held: Held, leaves: Sequence[bytes]) -> str | None:
        """Take in what somebody else, ``code``, has of a stream; return what is wrong with it, None when nothing is."""
        for position, leaf in enumerate(leaves, start=1):
            if leaf not in self._leaves[held.stream, position]:
                return f"record {position} was never its origin's"
        seal = checkpoints.at(connection, held.stream, held.size)
        if seal is None or seal.root != held.root or held.root not in self._roots[held.stream, held.size]:
            return f"it ends at {held.size} without its origin's seal"
        self._shown[held.stream, held.size, held.root].add(code)
        return None

    def is_sealed(self, stream: StreamName, size: int, root: bytes) -> bool:
        """Tell whether the origin has ever signed for this."""
        return root in self._roots[stream, size]

    # --- when all is quiet ---------------------------------------------------------------------------------------

    def problems(self, nodes: Mapping[str, Node]) -> Iterator[str]:
        """Return what is wrong with loose streams once all is quiet."""
        for code in sorted(self.origins):
            with nodes[code].store.reading() as connection:
                for held in nodes[code].journal.own_streams(connection):
                    yield from self._unnamed(connection, nodes[code], held)
                    yield from _differing(connection, nodes, held)
        for code, node in nodes.items() if self.origins else ():
            with node.store.reading() as connection:
                for fork in forks(connection):
                    if fork.resolved_at is None:
                        yield f"I7: a fork still stops {fork.stream} at {code}, at {fork.other.size}"

    def _unnamed(self, connection: Connection, node: Node, held: Held) -> Iterator[str]:
        named = _abandoned(connection, node, held)
        for size, root in self._sealed(held.stream):
            stands = size <= held.size and node.journal.root_at(connection, held.stream, size) == root
            if not stands and self._shown[held.stream, size, root] and (size, root) not in named:
                yield f"I9: {held.stream} was sealed at {size}, held, and abandoned; no StreamReturn says so"

    def _sealed(self, stream: StreamName) -> list[tuple[int, bytes]]:
        return sorted((size, root) for (one, size), roots in self._roots.items() if one == stream for root in roots)


def _abandoned(connection: Connection, node: Node, held: Held) -> set[tuple[int, bytes]]:
    """Return size and root of every seal that the records of a stream name as abandoned."""
    stored = node.journal.stored(connection, held.stream, 1, held.size) if held.size else []
    returns = [one.body for one in stored if one.record_type == RETURN_TYPE and one.body]
    return {each for body in returns for each in abandoned_in(parse_unvalidated(body))}


def _differing(connection: Connection, nodes: Mapping[str, Node], held: Held) -> Iterator[str]:
    """Return which holders have a stream otherwise than its origin."""
    ours = nodes[held.stream.origin].journal.leaves(connection, held.stream, 1, held.size)
    for code, node in nodes.items():
        if code == held.stream.origin:
            continue
        with node.store.reading() as reading:
            there = node.journal.held(reading, held.stream)
            theirs = node.journal.leaves(reading, held.stream, 1, there.size) if there and there.size else []
        if there is not None and theirs != ours:
            yield f"I2: {held.stream} at {code} is another version than its origin's"
