"""What people at nodes do in the simulation: hand records in, publish downward, notify, reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.bootstrap.redacting import redact
from node.demo.catalogue import items_of
from node.demo.writers import _item, _organisation
from node.departments.candidates import Candidate
from node.departments.notices import NoticeText, publish_notice, publish_reply
from node.departments.publish import Publisher
from node.departments.reference_data import CALENDARS, DIVISIONS, read_reference, shipped_files
from node.errors import AuthorityError, NotFoundError, StateConflictError
from node.journal.entries import NO_AUTHORITY, read_entry
from node.standard.compose import compose
from node.standard.seals import ANCESTORS, StreamName
from tests.simulation.template import CODES, ROOT
from tests.simulation.world import CLONES, IMAGES
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.demo.generator import GeneratedRecord
    from node.journal.entries import Entry
    from node.standard.compose import Content
    from tests.simulation.doors import Door
    from tests.simulation.world import World

CHILDREN = tuple(code for code in CODES if code != ROOT)
DIVISIONS_MAX = 12

REDACT_SHARE = 0.35
"""Share of histories in which records are redacted."""

INVALID, COMMENT, FOREIGN = "with a wrong value", "with a comment", "of another division"
BAD = (INVALID, COMMENT, FOREIGN)
"""What a record has that must not stand: it is quarantined wherever it is held."""


class Operators:
    """The steps of people; ``weights`` says how often each is drawn."""

    def __init__(self, world: World, doors: Mapping[str, Door]) -> None:
        self._world = world
        self._chance = world.chance
        self._doors = doors
        self._notices: list[tuple[str, str]] = []
        self.weights: dict[Callable[[], str], int] = {
            self._hand_in: 22,
            self._publish: 3,
            self._notice: 3,
            self._reply: 3,
            self._requeue: 2,
            self._write_badly: 3,
        }
        if self._chance.happens(REDACT_SHARE) and world.comebacks not in {IMAGES, CLONES}:
            # Where a door's record stands must be known, to tell one that was redacted from one that was lost.
            self.weights[self._redact] = 4

    def _hand_in(self) -> str:
        door = self._doors[self._chance.pick(CHILDREN)]
        if not door.waiting:
            return f"{door.code} has nothing left"
        return f"{door.code} {door.hand_in(self._world.touch(door.code), self._chance)}"

    def _requeue(self) -> str:
        node = self._world.touch(self._chance.pick([code for code in CODES if code != self._world.old_program]))
        with node.store.reading() as connection:
            keys = [one.key for one in node.journal.quarantined(connection)]
        return f"{node.code} applied {len(node.requeue(keys))} of {len(keys)}"

    def _write_badly(self) -> str:
        """A faulty program writes, past intake, what may not stand there; every holder must find the same."""
        door = self._doors[self._chance.pick(CHILDREN)]
        if not door.given:
            return f"{door.code} has no case"
        given = self._chance.pick(door.given)
        node = self._world.touch(door.code)
        what = self._chance.pick(BAD)
        entry = _bad_entry(what, given, 90 + len(door.bad), node.randomness.token(16), door.code)
        assert entry.quarantine is not None
        door.bad.append(given)
        stream = StreamName(door.code, ANCESTORS)
        node.store.write(lambda transaction: node.journal.append(transaction, stream, [entry]))
        return f"{door.code} {given.record_type} {what}"

    def _redact(self) -> str:
        """The province approves that a record's bytes go, and asks for it; or its origin erases it by itself."""
        node = self._world.touch(self._chance.pick((ROOT, self._chance.pick(CHILDREN))))
        held = self._world.witness.held
        known = sorted(
            (stream, size)
            for (code, stream), size in held.items()
            if code == node.code and stream.audience == ANCESTORS and size and code in {ROOT, stream.origin}
        )
        if not known:
            return f"{node.code} holds nothing of that kind"
        stream, size = self._chance.pick(known)
        position = self._chance.number(1, size)
        try:
            done = redact(node, stream, position, approval="赣审〔2026〕1号", reason="误录个人信息")
        except (AuthorityError, NotFoundError, StateConflictError) as error:
            return f"{node.code} {stream}/{position}: {type(error).__name__}"
        self._world.is_asked_to_erase |= done.ordered
        return f"{node.code} {'asks for' if done.ordered else 'erases'} {stream}/{position}"

    # --- downward ------------------------------------------------------------------------------------------------

    def _publisher(self, code: str) -> Publisher:
        node = self._world.touch(code)
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

    def publish_late(self) -> str:
        """The province publishes what the cases of two divisions have waited for, when most of them are over."""
        said = []
        for code in (self._chance.pick(CHILDREN), self._chance.pick(CHILDREN)):
            try:
                said.append(f"{code} {self._publisher(ROOT).publish(*_reference('items', code)).published}")
            except AuthorityError:
                said.append(f"{code} is not in the tree yet")
        return f"published late: {' '.join(said)}"

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
        held = self._world.witness.held
        addressees = {code for (code, stream), size in held.items() if size and stream.audience == code}
        arrived = [(to, number) for to, number in self._notices if to in addressees]
        if not arrived:
            return "no notice has arrived"
        to, number = self._chance.pick(arrived)
        try:
            sent = publish_reply(self._publisher(to), number, text="已核查。", actor="办件员", organisation_name="局")
        except NotFoundError:
            return f"{to} has another notice, not this one"
        return f"{to} {'new' if sent.new else 'again'}"


def _bad_entry(what: str, given: GeneratedRecord, sequence: int, salt: bytes, code: str) -> Entry:
    """Return a record of a case that does not follow the standard, or one of a division that is not served here."""
    if what == FOREIGN:
        other = next(one for one, place in SEVEN.items() if place.level == "county" and one[:4] != code[:4])
        item = {**_item(items_of(other, SEVEN[other].name)[0]), "RecordKey": f"item:bad:{sequence}"}
        entry = read_entry(compose("Item", item, salt=salt))
        entry.quarantine, entry.detail = NO_AUTHORITY, f"an item of {other}"
        return entry
    content = {**given.content, "Channel": "IMPORT", "Sequence": str(sequence)}
    if what == INVALID:
        content["OrgCode"] = "no code"
    body = compose(given.record_type, content, salt=salt)
    return read_entry(body.replace(b"<Salt>", b"<!-- --><Salt>") if what == COMMENT else body)


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
