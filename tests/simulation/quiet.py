"""The end of a history: faults end, links fall quiet, and everything is compared with everything (I1, I3, I4)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from node.errors import PackageRefusedError, PeerUnavailableError
from node.journal import cursors
from node.journal.tables import position_of, stream_id_of
from node.standard.codec import parse_unvalidated
from node.standard.facts import facts_of
from node.standard.families import RECORD_TYPES
from node.standard.seals import ANCESTORS, StreamName
from node.statistics.counters import day_text
from node.statistics.indicators import Figures, add_figures
from node.statistics.recount import figures_from_records
from node.statistics.summaries import newest_summary, stated_by
from node.statistics.tables import summary
from node.statistics.verdict import NONE, statistics_state
from node.trust.holders import travels
from tests.simulation.carrier import DirectCarrier
from tests.simulation.clocks import NodeClock, VirtualTime
from tests.simulation.network import parent_of
from tests.simulation.storage import SimulatedStore
from tests.simulation.template import CODES, ROOT, make_node
from tests.simulation.twins import decide
from tests.simulation.witness import InvariantBrokenError
from tests.simulation.world import CLONES
from tests.support.case_nodes import counters, derived_tables
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import Connection

    from node.bootstrap import Node
    from node.journal.records import StoredRecord
    from tests.simulation.doors import Door
    from tests.simulation.world import World

ROUNDS_MAX = 40
"""After so many rounds a tree without faults must be quiet: three levels, each needing a few."""
PAUSE_S = 61.0
"""Longer than any pause or wait of the exchange that a fault leaves behind."""
_UPWARD = tuple(reversed(CODES))
"""Every node before its parent: what goes up is settled in one round."""
_KEY = re.compile(rb"<RecordKey>(.*?)</RecordKey>")


def settle(world: World, look: Callable[[World], None]) -> None:
    """End all faults and let the nodes work and talk until nothing moves; InvariantBrokenError when they never stop."""
    end_faults(world)
    while (due_s := world.network.next_s()) is not None:
        world.time.jump(max(due_s, world.time.now_s))
        world.deliver(world.network.take())
        look(world)
    rested = _Rested(world)
    for _ in range(ROUNDS_MAX):
        moved = _one_round(rested)
        look(world)
        if not moved:
            missing = world.witness.incomplete() or _unreceipted(world)
            if not missing:
                world.note("quiet")
                return
            if world.comebacks == CLONES and decide(world.nodes):
                world.note("the root decides")
            rested = _Rested(world)
        world.time.jump(world.time.now_s + (1.0 if moved else PAUSE_S))
    raise InvariantBrokenError(
        f"I4: the tree does not fall quiet: {world.witness.incomplete() or 'it goes on writing'}"
    )


def end_faults(world: World) -> None:
    """Let everybody react again, with room on every disk, on perfect links, by the right time, and honestly."""
    for fault in (world.away, world.stalled, world.full):
        fault.clear()
    for wire in world.network.wires.values():
        wire.heal()
    for clock in world.clocks.values():
        clock.offset_s = 0.0
    if world.liar is not None:
        # Another program takes its place: its neighbours hear what it really has.
        world.restart(world.liar)
    world.upgrade()


def _one_round(rested: _Rested) -> bool:
    """Let everything go up, then everything come down; tell whether anything moved."""
    moved = [rested.work(code) | (code != ROOT and rested.talk(code)) for code in _UPWARD]
    moved += [rested.talk(code) for code in CODES if code != ROOT]
    return any(moved)


class _Rested:
    """Lets nodes work and talk, and leaves out what did nothing and of which no store has changed since.

    Where one of two neighbours still wants a tail of the other, they talk all the same: it is asked for again when some
    seconds have passed, which no store shows. A node in doubt opens in every round, so no round without movement would
    ever let them begin anew.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[str, tuple[int, ...]] = {}

    def work(self, code: str) -> bool:
        """Let a node do its jobs; tell whether it had any."""
        node = self._world.nodes[code]
        if self._seen.get(f"work {code}") == (node.store.commits,):
            return False
        self._world.touched.add(code)
        done = node.work()
        self._seen[f"work {code}"] = (node.store.commits,)
        moved = (done.certificates, done.redacted, done.repaired, done.verdicts, done.rejections, done.alarms)
        return any(moved) or bool(done.sealed)

    def talk(self, child: str) -> bool:
        """Let a child say and hear something; tell whether anything moved."""
        world, parent = self._world, parent_of(child)
        exchange = world.nodes[child].exchange
        stores = (world.nodes[child].store, world.nodes[parent].store)
        before = tuple(store.commits for store in stores)
        wants = exchange.conversation(parent).wanted or world.nodes[parent].exchange.conversation(child).wanted
        if not wants and self._seen.get(f"talk {child}") == before:
            return False
        world.touched |= {child, parent}
        carrier = DirectCarrier(world, child, None)
        opened = exchange.must_open(parent)
        try:
            if opened:
                exchange.open_conversation(parent, carrier)
            # The answer to a push brings what a poll would ask for.
            pushed = exchange.push_once(parent, carrier)
            if opened or pushed.asked or exchange.poll_once(parent, carrier, 0.0):
                return True
        except PackageRefusedError:
            # The process that was heard before has to be silent for a while.
            return False
        except PeerUnavailableError:
            if child not in world.witness.loose.origins:
                raise
            # Another process was heard since; now that it says nothing any more, this one opens again.
            return True
        self._seen[f"talk {child}"] = before
        return False


def check_when_quiet(world: World, doors: Mapping[str, Door], look: Callable[[World], None]) -> None:
    """Let the day's statistics go up level by level, then compare what every node has derived."""
    end_faults(world)
    if world.witness.came_back or world.is_asked_to_erase:
        # A node in doubt publishes nothing, and one that is still to erase a record will publish something else.
        settle(world, look)
    for depth in (2, 1, 0):
        for code in (one for one in _UPWARD if len(_above(one)) == depth):
            world.touched.add(code)
            world.nodes[code].publish_statistics()
            if code == ROOT:
                # Nobody stands above it, so nothing goes up any more.
                world.nodes[code].work()
        if depth:
            settle(world, look)
    look(world)
    for problem in world.witness.loose.problems(world.nodes):
        raise InvariantBrokenError(problem)
    for door in doors.values():
        _check_door(world.nodes[door.code], door)
    tables = {code: derived_tables(node.store) for code, node in world.nodes.items()}
    for node in world.nodes.values():
        _check_causes(node)
        _check_counted(node)
    for code in sorted({world.chance.pick((ROOT, *CODES)), world.chance.pick(CODES)}):
        _check_rebuilt(code, world.image(code), tables[code])
    _check_alike(tables)
    _check_quarantine(world.nodes)
    _check_roll_ups(world.nodes, settled=not any(door.bad for door in doors.values()))


# --- I1, I3 ------------------------------------------------------------------------------------------------------


def _records(node: Node) -> list[StoredRecord]:
    """Return every record of the node's own streams."""
    with node.store.reading() as connection:
        own = [held for held in node.journal.streams(connection) if held.own]
        return [one for held in own for one in node.journal.stored(connection, held.stream, 1, held.size)]


def _check_door(node: Node, door: Door) -> None:
    found: dict[str, int] = {}
    for record in _records(node):
        known = RECORD_TYPES.get(record.record_type)
        if record.body is None or known is None or not known.case_record:
            continue
        facts = facts_of(parse_unvalidated(record.body))
        key = f"{record.record_type}:{facts.case_no}:{facts.sequence}:{facts.data_version}"
        if key in found:
            raise InvariantBrokenError(f"I3: {door.code} has {key} at {found[key]} and {record.position}")
        found[key] = record.position
    redacted = _redacted(node)
    for key, position in door.accepted.items():
        if position not in redacted and (key not in found or (found[key] != position and not door.moves)):
            raise InvariantBrokenError(f"I1: {door.code} accepted {key} at {position}; it stands at {found.get(key)}")


def _redacted(node: Node) -> set[int]:
    """Return the positions of the node's reports whose bytes were taken away."""
    with node.store.reading() as connection:
        held = node.journal.held(connection, StreamName(node.code, ANCESTORS))
        stored = node.journal.stored(connection, held.stream, 1, held.size) if held and held.size else []
    return {record.position for record in stored if record.body is None}


def _check_causes(node: Node) -> None:
    """No cause produces two records: keys are derived from causes."""
    keys = [
        (record.record_type, record.key >> 40, match.group(1))
        for record in _records(node)
        if record.body is not None and (match := _KEY.search(record.body))
    ]
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise InvariantBrokenError(f"I3: {node.code} wrote the same record twice: {twice}")


def _check_rebuilt(code: str, image: bytes, tables: Mapping[str, Any]) -> None:
    store = SimulatedStore(image)
    try:
        clone = make_node(code, store, NodeClock(VirtualTime()), "clone", lambda _code, _text: None)
        clone.journal.rebuild()
        _compare(f"I3: rebuilt at {code}", tables, derived_tables(store))
    finally:
        store.close()


def _check_alike(tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Every holder derives the same from a stream, in whatever order its own streams came."""
    for code, mine in tables.items():
        stream = f"{code}/{ANCESTORS}"
        for holder, theirs in tables.items():
            if any(one[0][0] == stream for one in theirs["records"]):
                _compare(f"I3: {stream} at {holder}", _of_stream(mine, stream), _of_stream(theirs, stream))


def _check_quarantine(nodes: Mapping[str, Node]) -> None:
    """What its origin must not apply, nobody applies, whoever holds it (I5)."""
    found = {code: _quarantined(node) for code, node in nodes.items()}
    for code, mine in found.items():
        for stream, positions in mine.items():
            if positions != found[stream.origin].get(stream, set()):
                raise InvariantBrokenError(
                    f"I5: {code} has set {sorted(positions)} of {stream} aside, its origin "
                    f"{sorted(found[stream.origin].get(stream, set()))}"
                )


def _quarantined(node: Node) -> dict[StreamName, set[int]]:
    """Return the positions of quarantined records in every stream that is held for its origin's ancestors."""
    with node.store.reading() as connection:
        held = {one.stream_id: one.stream for one in node.journal.streams(connection)}
        found: dict[StreamName, set[int]] = {one: set() for one in held.values() if one.audience == ANCESTORS}
        for one in node.journal.quarantined(connection):
            if held[stream_id_of(one.key)] in found:
                found[held[stream_id_of(one.key)]].add(position_of(one.key))
    return found


def _of_stream(tables: Mapping[str, Any], stream: str) -> dict[str, Any]:
    origin = stream.partition("/")[0]
    return {
        "cases": [one for one in tables["cases"] if one[0] == stream],
        "findings": [one for one in tables["findings"] if one[2] and one[2][0] == stream],
        "counters": {key: amount for key, amount in tables["counters"].items() if key[0] == origin},
        "records": [one for one in tables["records"] if one[0][0] == stream],
    }


def _compare(what: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    for name, expected in one.items():
        if expected != other[name]:
            different = [pair for pair in zip(list(expected), list(other[name]), strict=False) if pair[0] != pair[1]]
            raise InvariantBrokenError(f"{what}: {name} differ ({len(expected)}, {len(other[name])}): {different[:1]}")


# --- I4 ----------------------------------------------------------------------------------------------------------


def _unreceipted(world: World) -> list[str]:
    """Return which neighbours' receipts have not come home: nothing when the tree is quiet."""
    tree = world.witness.tree
    found = []
    for code, node in world.nodes.items():
        with node.store.reading() as connection:
            for held in node.journal.streams(connection):
                receipted = [
                    (peer, cursors.cursor(connection, peer, held.stream))
                    for peer in (tree.parent(code), *tree.children(code))
                    if peer is not None and travels(tree, held.stream, code, peer)
                ]
                found += [
                    f"{code} has receipts of {peer} for {size} of {held.size} of {held.stream}"
                    for peer, size in receipted
                    if size != held.size
                ]
    return found


def _check_counted(node: Node) -> None:
    """The counters of every stream are those of its records, counted again."""
    with node.store.reading() as connection:
        expected = {
            (origin, day, *key): amount
            for origin, days in _recounted(node, connection).items()
            for day, figures in days.items()
            for key, amount in figures.items()
            if amount
        }
        _compare(f"I4: counters at {node.code}", {"counters": expected}, {"counters": counters(connection)})


def _recounted(node: Node, connection: Connection) -> dict[str, dict[str, Figures]]:
    """Return the figures of every origin by day, from records alone."""
    return {
        held.stream.origin: figures_from_records(connection, held.stream_id, held.size + 1)
        for held in node.journal.streams(connection)
        if held.stream.audience == ANCESTORS
    }


def _check_roll_ups(nodes: Mapping[str, Node], *, settled: bool) -> None:
    """What each node states of its subtree is the sum of what every node below has in its records.

    ``settled``: no record is quarantined for ever, so every verdict must have been given.
    """
    recounted: dict[str, dict[str, Figures]] = {}
    for code, node in nodes.items():
        with node.store.reading() as connection:
            recounted[code] = _recounted(node, connection).get(code, {})
    for code, node in nodes.items():
        with node.store.reading() as connection:
            _check_roll_up(node, connection, [recounted[one] for one in CODES if one == code or code in _above(one)])
            state = statistics_state(connection)
            if state.overall not in ({"agreed", NONE} if settled else {"agreed", "pending", NONE}):
                raise InvariantBrokenError(f"I4: statistics at {code} are {state}")


def _check_roll_up(node: Node, connection: Connection, parts: list[dict[str, Figures]]) -> None:
    own = {
        held.stream.origin: held.stream_id
        for held in node.journal.streams(connection)
        if held.stream.audience == ANCESTORS
    }
    if node.code not in own:
        return
    stated_days = set(connection.execute(select(summary.c.day).where(summary.c.stream_id == own[node.code])).scalars())
    expected_days = {day for part in parts for day, figures in part.items() if any(figures.values())}
    if missing := expected_days - {day_text(day) for day in stated_days}:
        raise InvariantBrokenError(f"I4: {node.code} has published nothing of {sorted(missing)}")
    for day in sorted(stated_days):
        held = newest_summary(connection, own[node.code], day)
        assert held is not None
        expected: Figures = {}
        for part in parts:
            add_figures(expected, part.get(day_text(day), {}))
        stated = {key: amount for key, amount in stated_by(connection, held).subtree.items() if amount}
        if stated != {key: amount for key, amount in expected.items() if amount}:
            raise InvariantBrokenError(f"I4: {node.code} states other figures of {day_text(day)} than its subtree has")


def _above(code: str) -> list[str]:
    parent = SEVEN[code].parent
    return [] if parent is None else [parent, *_above(parent)]
