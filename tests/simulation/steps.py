"""What may happen next in a history, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.demo.catalogue import items_of
from node.demo.writers import _item, _organisation
from node.departments.candidates import Candidate
from node.departments.notices import NoticeText, publish_notice, publish_reply
from node.departments.publish import Publisher
from node.departments.reference_data import CALENDARS, DIVISIONS, read_reference, shipped_files
from node.errors import AuthorityError, NotFoundError, PeerUnavailableError
from node.journal.replay import read_entry
from node.standard.compose import compose
from node.standard.seals import ANCESTORS, StreamName
from tests.simulation.template import CODES, ROOT
from tests.simulation.world import UNDER_WAY_MAX, DirectCarrier, Message, parent_of
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.bootstrap import Node
    from node.standard.compose import Content
    from tests.simulation.doors import Door
    from tests.simulation.world import World

CHILDREN = tuple(code for code in CODES if code != ROOT)
DIVISIONS_MAX = 12
POWER_LOSS_SHARE = 0.2
MOMENTS_MAX = 4
"""Among how many moments of a step the power may go; a step that has fewer goes on."""


class Steps:
    """The steps of one history: ``take`` draws one, does it, and returns what it was."""

    def __init__(self, world: World, doors: Mapping[str, Door]) -> None:
        self._world = world
        self._chance = world.chance
        self._doors = doors
        self._notices: list[tuple[str, str]] = []
        self._weights: dict[Callable[[], str], int] = {
            self._deliver: 60,
            self._ask: 40,
            self._hand_in: 22,
            self._work: 22,
            self._lose: 5,
            self._double: 5,
            self._advance: 6,
            self._statistics: 6,
            self._stop: 4,
            self._leave: 4,
            self._publish: 3,
            self._notice: 3,
            self._reply: 3,
            self._retain: 2,
            self._requeue: 2,
            self._write_badly: 1,
        }

    def take(self) -> str:
        """Let one thing happen; in a share of steps, the power goes within it."""
        step = self._chance.weighted(self._weights)
        moments = self._chance.number(0, MOMENTS_MAX) if self._chance.happens(POWER_LOSS_SHARE) else None
        return f"{step.__name__.strip('_')}: {self._world.within(moments, step)}"

    # --- messages ------------------------------------------------------------------------------------------------

    def _message(self) -> Message | None:
        return self._chance.pick(self._world.messages) if self._world.messages else None

    def _deliver(self) -> str:
        message = self._message()
        if message is None:
            return self._ask()
        self._world.deliver(message)
        return str(message)

    def _lose(self) -> str:
        message = self._message()
        if message is None:
            return self._ask()
        self._world.lose(message)
        return str(message)

    def _double(self) -> str:
        message = self._message()
        if message is None:
            return self._ask()
        self._world.double(message)
        return str(message)

    def _ask(self) -> str:
        """A child makes a request: it opens the conversation when it must, else it pushes or polls."""
        world = self._world
        free = [code for code in CHILDREN if code not in world.away and world.under_way(code) < UNDER_WAY_MAX]
        if not free:
            return "every child waits"
        child = self._chance.pick(free)
        node, parent = self._touch(child), parent_of(child)
        if node.exchange.must_open(parent) or self._chance.happens(0.03):
            return self._open(node, parent)
        outgoing = node.exchange.next_package(parent) if self._chance.happens(0.6) else None
        if outgoing is None:
            outgoing = node.exchange._composer.compose_poll(node.exchange.conversation(parent))
        return f"{world.send(child, outgoing)} with {outgoing.record_count} records"

    def _open(self, node: Node, parent: str) -> str:
        try:
            node.exchange.open_conversation(parent, DirectCarrier(self._world, node.code, self._chance))
        except PeerUnavailableError as error:
            return f"{node.code} could not open: {error}"
        return f"{node.code} opened"

    # --- nodes ---------------------------------------------------------------------------------------------------

    def _touch(self, code: str) -> Node:
        self._world.touched.add(code)
        return self._world.nodes[code]

    def _hand_in(self) -> str:
        door = self._doors[self._chance.pick(CHILDREN)]
        if not door.waiting:
            return f"{door.code} has nothing left"
        return f"{door.code} {door.hand_in(self._touch(door.code), self._chance)}"

    def _work(self) -> str:
        node = self._touch(self._chance.pick(CODES))
        return f"{node.code} {node.work()}"

    def _statistics(self) -> str:
        node = self._touch(self._chance.pick(CODES))
        return f"{node.code} {node.publish_statistics()}"

    def _retain(self) -> str:
        node = self._touch(self._chance.pick(CODES))
        return f"{node.code} dropped {node.retain()}"

    def _requeue(self) -> str:
        node = self._touch(self._chance.pick([code for code in CODES if code != self._world.old_program]))
        with node.store.reading() as connection:
            keys = [one.key for one in node.journal.quarantined(connection)]
        return f"{node.code} applied {len(node.requeue(keys))} of {len(keys)}"

    def _stop(self) -> str:
        code = self._chance.pick(CODES)
        self._world.restart(code)
        return code

    def _leave(self) -> str:
        """A node is away for a while, or is back."""
        away = self._world.away
        code = self._chance.pick(CODES)
        if away and self._chance.happens(0.7):
            code = self._chance.pick(sorted(away))
        away ^= {code}
        return f"{code} {'away' if code in away else 'back'}"

    def _advance(self) -> str:
        seconds = self._chance.pick((1.0, 5.0, 70.0, 3_700.0, 90_000.0))
        self._world.clock.advance(seconds)
        return f"{seconds:.0f} s"

    def _write_badly(self) -> str:
        """A faulty program writes a record that does not follow the standard into a case, past intake."""
        door = self._doors[self._chance.pick(CHILDREN)]
        if not door.given:
            return f"{door.code} has no case"
        given = self._chance.pick(door.given)
        content = {**given.content, "Channel": "IMPORT", "Sequence": str(90 + len(door.bad)), "OrgCode": "no code"}
        node = self._touch(door.code)
        entry = read_entry(compose(given.record_type, content, salt=node.randomness.token(16)))
        assert entry.quarantine is not None
        door.bad.append(given)
        stream = StreamName(door.code, ANCESTORS)
        node.store.write(lambda transaction: node.journal.append(transaction, stream, [entry]))
        return f"{door.code} {given.record_type}"

    # --- downward ------------------------------------------------------------------------------------------------

    def _publisher(self, code: str) -> Publisher:
        node = self._touch(code)
        return Publisher(
            node.store,
            node.journal,
            lambda connection: node.tree(connection),  # noqa: PLW0108 - the parameter's name counts.
            clock=node.clock,
            randomness=node.randomness,
            node_code=code,
        )

    def _publish(self) -> str:
        """The province publishes something that cases may have waited for."""
        kind = self._chance.pick(("items", "items", "organisations", "divisions", "calendar"))
        publisher = self._publisher(ROOT)
        if kind == "calendar":
            report = publisher.publish(read_reference(CALENDARS, shipped_files(CALENDARS)[:1]), "Calendar")
        elif kind == "divisions":
            candidates = list(read_reference(DIVISIONS, shipped_files(DIVISIONS)))[:DIVISIONS_MAX]
            report = publisher.publish(candidates, "Division")
        else:
            code = self._chance.pick(CHILDREN)
            try:
                report = publisher.publish(*_reference(kind, code))
            except AuthorityError:
                return f"{kind} of {code}, which is not in the tree yet"
        return f"{kind} {report.published} new, {report.refused} refused"

    def _notice(self) -> str:
        origin, to = self._chance.pick([(above, below) for below in CHILDREN for above in _above(below)])
        text = NoticeText(subject="核查", text="请核查并反馈。", actor="监察员")
        try:
            sent = publish_notice(self._publisher(origin), to, text)
        except NotFoundError:
            return f"{origin} to {to}, which is not in the tree yet"
        self._notices.append((to, sent.number))
        return f"{origin} to {to}"

    def _reply(self) -> str:
        """The addressee of a notice that has arrived answers it."""
        arrived = [
            (to, number)
            for to, number in self._notices
            if any(
                held and stream.audience == to
                for (code, stream), held in self._world.witness.held.items()
                if code == to
            )
        ]
        if not arrived:
            return "no notice has arrived"
        to, number = self._chance.pick(arrived)
        try:
            sent = publish_reply(self._publisher(to), number, text="已核查。", actor="办件员", organisation_name="局")
        except NotFoundError:
            return f"{to} has another notice, not this one"
        return f"{to} {'new' if sent.new else 'again'}"


def _above(code: str) -> list[str]:
    parent = SEVEN[code].parent
    return [] if parent is None else [parent, *_above(parent)]


def _reference(kind: str, code: str) -> tuple[list[Candidate], str]:
    """Return what the province publishes for a division: its items, or the departments that offer them."""
    items = items_of(code, SEVEN[code].name)
    contents: list[Content]
    if kind == "items":
        record_type, contents = "Item", [_item(item) for item in items]
    else:
        departments = {item.department.credit_code: item.department for item in items}
        record_type, contents = "Organisation", [_organisation(one) for one in departments.values()]
    return [Candidate(record_type=record_type, content=one, kept=lambda: b"<kept/>") for one in contents], record_type
