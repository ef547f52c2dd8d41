"""One history: a seed, some steps, and what came of it."""

from __future__ import annotations

import gc
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from node.exchange import receiver
from node.journal.entries import UNKNOWN_TYPE
from tests.simulation.doors import make_doors
from tests.simulation.light import light_comparisons
from tests.simulation.quiet import check_when_quiet, settle
from tests.simulation.signing import repeatable_signatures
from tests.simulation.steps import Steps
from tests.simulation.witness import InvariantBrokenError
from tests.simulation.world import Beginning, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.journal.entries import Entry
    from node.standard.seals import StreamName
    from node.trust.tree import Tree

STEPS_MIN, STEPS_MAX = 100, 260
UNKNOWN_YET = "ReviewStep"
"""The record type that a node with an older program does not know: it stands amid most cases."""


FORKED = frozenset({"root", "overlap", "fork"})
"""Why slices are refused of which two versions are about."""
GENERATIONS = (50_000, 20, 100)
"""Objects made before memory is searched for cycles: a history leaves few of them."""


class HistoryFailedError(AssertionError):
    """A history broke an invariant: the message says which, and how to replay it; ``trace`` is all of it."""

    def __init__(self, message: str, trace: tuple[str, ...]) -> None:
        super().__init__(message)
        self.trace = trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What one history did: its trace, and figures that show that it was not an empty one."""

    trace: tuple[str, ...]
    records: int
    power_losses: int
    trace_digest: str
    contents_digest: str
    """SHA-256 over every leaf of every stream."""


def play(seed: int, *, steps: int | None = None) -> Played:
    """Play the history of ``seed`` (of its own length unless ``steps`` is given), then end the faults and compare.

    Raises HistoryFailedError, with the end of the trace and the command that replays it, when an invariant breaks or
    anything is raised that no honest node should raise.
    """
    collect_rarely()
    world = World(seed, beginning=settled_tree() if seed % 2 else None)
    try:
        with old_program(world), repeatable_signatures(), light_comparisons():
            _play(world, steps)
        records = sum(len(memory.leaves) for memory in world.witness.streams.values())
        return Played(
            trace=tuple(world.trace),
            records=records,
            power_losses=world.power_losses,
            trace_digest=hashlib.sha256("\n".join(world.trace).encode()).hexdigest(),
            contents_digest=_contents_digest(world),
        )
    except Exception as error:
        tail = "\n".join(world.trace[-12:])
        message = (
            f"seed {seed}, after {len(world.trace)} lines: {type(error).__name__}: {error}\n{tail}\n"
            f"replay: scripts/simulate --seed {seed} --trace"
        )
        raise HistoryFailedError(message, tuple(world.trace)) from error
    finally:
        world.close()


def _contents_digest(world: World) -> str:
    made = hashlib.sha256()
    for stream, memory in sorted(world.witness.streams.items()):
        made.update(str(stream).encode() + b"".join(memory.leaves))
    return made.hexdigest()


@lru_cache(maxsize=1)
def settled_tree() -> Beginning:
    """Return a tree in which everybody knows everybody: every second history begins with it, the others with none."""
    world = World(0)
    try:
        with repeatable_signatures():
            settle(world, look)
        return world.now()
    finally:
        world.close()


@lru_cache(maxsize=1)
def collect_rarely() -> None:
    """Search memory for cycles seldom, and never what this process has loaded: that took a tenth of a history."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GENERATIONS)


def _play(world: World, steps: int | None) -> None:
    doors = make_doors(world.seed)
    drawn = Steps(world, doors)
    look(world)
    for number in range(1, (steps or world.chance.number(STEPS_MIN, STEPS_MAX)) + 1):
        done = drawn.take()
        touched = sorted(world.touched)
        look(world)
        world.note(f"{number} {done}" + "".join(f" | {code} {world.witness.sizes(code)}" for code in touched))
    world.note(drawn.last())
    look(world)
    check_when_quiet(world, doors, look)


@contextmanager
def old_program(world: World) -> Iterator[None]:
    """Let the node of ``world.old_program`` not know one record type that others write, as before an upgrade."""
    honest = receiver.Receiver._authorised

    def authorised(self: receiver.Receiver, tree: Tree, stream: StreamName, entry: Entry) -> Entry:
        made = honest(self, tree, stream, entry)
        if self._context.code == world.old_program and made.record_type == UNKNOWN_YET and made.quarantine is None:
            made.quarantine, made.detail, made.facts, made.element = UNKNOWN_TYPE, "a newer type", None, None
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receiver.Receiver, "_authorised", authorised)
        yield


def look(world: World) -> None:
    """Check what must hold after every step, for the nodes that it touched."""
    world.witness.look(world.nodes, world.touched)
    for code in world.touched:
        _check_refusals(world, code)
    world.touched.clear()


def _check_refusals(world: World, code: str) -> None:
    expected = FORKED if world.witness.loose.origins else frozenset()
    refused = {
        (peer, reason): count
        for (peer, reason), count in world.nodes[code].exchange.counted.items()
        if peer != world.liar and reason not in expected
    }
    if refused:
        raise InvariantBrokenError(f"{code} refused what honest nodes sent: {refused}")
