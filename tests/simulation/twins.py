"""Two live processes of one node (02, R12): its disk was copied while it ran, and both go on with the same keys.

One of the two is in front: it is the one whose turn it is, and the world knows no other. ``change`` lets the other come
to the front. Both may write and seal, so the streams of such a node are loose (``loose``). What must hold at its
parent: once a second process has opened, nothing of the first one is taken, but for its opening, which shows that it
lives; and then an alarm says that the node lives twice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.exchange.head import OPEN
from node.exchange.lives import TWO_LIVES_ALARM
from node.journal.forks import forks
from node.standard.seals import DESCENDANTS, StreamName
from tests.simulation.network import parent_of
from tests.simulation.template import ROOT
from tests.simulation.witness import InvariantBrokenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.bootstrap import Node
    from node.journal.forks import Fork
    from node.journal.high_water import HighWater
    from node.standard.compose import Content
    from tests.simulation.storage import SimulatedStore

_SPEAKER = re.compile(rb"<StartId>(.*?)</StartId>.*?<Purpose>(.*?)</Purpose>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of a node with the disk of its machine; ``life`` tells it from all others of this node."""

    node: Node
    store: SimulatedStore
    high_water: HighWater
    life: int


class Heard:
    """Which processes of its children each parent took packages of, by their start ids."""

    def __init__(self) -> None:
        self._opened: dict[str, list[str]] = defaultdict(list)
        self._parents: dict[str, str] = {}

    def take(self, child: str, package: bytes, parent: Node) -> None:
        """Take in that a parent took a package; InvariantBrokenError when it must not, or not without an alarm."""
        opened, listener = self._opened[child], parent.exchange.context.start_id
        if self._parents.get(child) != listener:
            # Another process of the parent has heard of nobody yet.
            opened.clear()
            self._parents[child] = listener
        found = _SPEAKER.search(package)
        assert found is not None
        start_id, purpose = found[1].decode(), found[2].decode()
        if opened[-2:-1] == [start_id] and opened[-1] != start_id and not _is_told(parent, child):
            raise InvariantBrokenError(f"I9: {parent.code} hears two processes of {child} in turn, and says nothing")
        if purpose == OPEN and opened[-1:] != [start_id]:
            opened.append(start_id)


def decide(nodes: Mapping[str, Node]) -> bool:
    """Let a person at the root decide, for every stream that a fork stops, for what its origin's parent holds.

    A process that was stopped for good has told nobody which of its seals it gave up. Tells whether anything is new.
    """
    found = {fork.stream for node in nodes.values() for fork in _open_forks(node)}
    return sum(_decide(nodes, stream) for stream in sorted(found)) > 0


def _open_forks(node: Node) -> list[Fork]:
    with node.store.reading() as connection:
        return [fork for fork in forks(connection) if fork.resolved_at is None]


def _decide(nodes: Mapping[str, Node], stream: StreamName) -> bool:
    above, root = nodes[parent_of(stream.origin)], nodes[ROOT]
    with above.store.reading() as connection:
        held = above.journal.held(connection, stream)
    if held is None:
        return False
    content: Content = {
        "Stream": str(stream),
        "Size": str(held.size),
        "Root": held.root.hex(),
        "Text": "两个进程同时运行",
        "Actor": {"Name": "监察员"},
    }
    key = f"resolution:{stream}:{held.size}:{held.root.hex()[:16]}"
    into = StreamName(ROOT, DESCENDANTS)
    return root.store.write(lambda one: root.produce(one, into, "ForkResolution", content, key))


def _is_told(parent: Node, child: str) -> bool:
    with parent.store.reading() as connection:
        found = connection.exec_driver_sql(
            "SELECT count(*) FROM alarm WHERE kind = ? AND subject = ?", (TWO_LIVES_ALARM, f"{child} lives twice")
        )
        return bool(found.scalar())
