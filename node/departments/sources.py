"""Sources: the systems of departments that may hand in records, and the API keys by which they are known.

Nothing is open without a key. A key is 256 random bits, shown once when it is made; only its SHA-256 is stored. (A slow
password hash would add nothing: there is nothing to guess in 256 random bits.)
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypedDict

from sqlalchemy import insert, select, update

from node.departments.case_headers import SYSTEM_LENGTH_MAX
from node.departments.tables import source as table
from node.departments.tables import source_activity as activity
from node.departments.tables import source_system
from node.errors import NotFoundError, StateConflictError, UsageError
from node.journal.statements import in_parameter, insert_sql, select_in_sql, upsert_sql
from node.standard.codec import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from typing import Unpack

    from sqlalchemy import Row
    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.departments.divisions import Divisions
    from node.journal.store import Store, Transaction
    from node.randomness import Randomness
    from node.standard.facts import Facts

IMPORT_SOURCE: Final = "import"
"""The source of an import that names none: a person at this node's command line."""
IMPORT_CHANNEL: Final = "IMPORT"
API_CHANNEL: Final = "API"
KEY_BYTES: Final = 32
KEY_PREFIX: Final = "yz_"
"""Begins every API key, so that one that leaks is recognised by whoever finds it."""
SOURCES_MAX: Final = 10_000
RESERVED: Final = frozenset({IMPORT_SOURCE, "node", "publish"})

_NAME = re.compile(r"[a-z0-9][a-z0-9._\-]{0,39}\Z")
_CHANNEL_SHAPE = SHAPES["Application"].child("Channel")
CHANNELS: Final = tuple(
    code for code, _ in (_CHANNEL_SHAPE.simple.codes if _CHANNEL_SHAPE and _CHANNEL_SHAPE.simple else ())
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source. ``divisions`` and ``organisations`` bound what it may hand in (empty: everything the node may).

    A division stands for those within it too. ``systems`` are those whose numbers it brings (``OrigSystem``): its own
    name, and others that no other source may speak for then.
    """

    name: str
    label: str
    channel: str
    divisions: tuple[str, ...]
    organisations: tuple[str, ...]
    created_at: datetime | None
    disabled_at: datetime | None = None
    systems: tuple[str, ...] = ()

    def objection(self, facts: Facts, divisions: Divisions) -> str | None:
        """Return why this source may not hand in the record, None when it may."""
        if self.divisions and not self._covers(facts, divisions):
            named, other = ", ".join(self.divisions), facts.division or "a record of no division"
            return f"source {self.name} hands in records of {named} only; {other} is not known to lie within"
        if self.organisations and facts.organisation not in self.organisations:
            return f"source {self.name} may not hand in records of department {facts.organisation}"
        return None

    def _covers(self, facts: Facts, divisions: Divisions) -> bool:
        return facts.division is not None and divisions.within(facts.division, self.divisions, facts.event_day or "")

    def on_channel(self, channel: str) -> Source:
        """Return this source as it comes through another channel."""
        return replace(self, channel=channel)

    def as_json(self) -> dict[str, Any]:
        """Return what may be shown of it: never the key."""
        return {
            "name": self.name,
            "label": self.label,
            "channel": self.channel,
            "divisions": list(self.divisions),
            "organisations": list(self.organisations),
            "systems": list(self.systems),
            "created_at": self.created_at.isoformat() if self.created_at else None,
            "disabled_at": self.disabled_at.isoformat() if self.disabled_at else None,
        }


class Bounds(TypedDict, total=False):
    """What a source may hand in; what is not given is not bounded."""

    divisions: Sequence[str]
    organisations: Sequence[str]
    systems: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource:
    """A source just made, with its key: the only time that the key is seen."""

    source: Source
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """How many records a source handed in, by what became of them."""

    accepted: int = 0
    repeated: int = 0
    refused: int = 0


OPERATOR: Final = Source(
    name=IMPORT_SOURCE,
    label="命令行导入",
    channel=IMPORT_CHANNEL,
    divisions=(),
    organisations=(),
    created_at=None,
)
"""The person at the command line: needs no key, because whoever runs it holds the home anyway."""


def add_source(
    store: Store,
    name: str,
    *,
    clock: Clock,
    randomness: Randomness,
    label: str = "",
    channel: str = API_CHANNEL,
    **bounds: Unpack[Bounds],
) -> NewSource:
    """Make a source and its key.

    ``name`` is 1 to 40 of a-z, 0-9, dot, underscore, hyphen; ``channel`` one of CHANNELS; ``bounds`` are divisions,
    organisations, and the systems for which it speaks beside its own name. Raises UsageError for a name that is
    reserved or malformed, for an unknown channel and for what cannot be a system's name, StateConflictError for a name
    that is taken and when there are too many sources.
    """
    systems = bounds.get("systems", ())
    _check(name, channel, systems)
    made = Source(
        name=name,
        label=label[:100],
        channel=channel,
        divisions=tuple(bounds.get("divisions", ())),
        organisations=tuple(bounds.get("organisations", ())),
        created_at=clock.now(),
        systems=tuple(sorted({name, *systems})),
    )
    key = KEY_PREFIX + urlsafe_b64encode(randomness.token(KEY_BYTES)).decode().rstrip("=")
    store.write(lambda transaction: _insert(transaction, made, key))
    return NewSource(source=made, key=key)


def list_sources(connection: Connection) -> list[Source]:
    """Return every source by name, disabled ones included."""
    return [_read(connection, row) for row in connection.execute(select(table).order_by(table.c.name)).all()]


def find_source(connection: Connection, name: str) -> Source:
    """Return the source for an import: one that was added and is not disabled, or the operator's own.

    Raises NotFoundError: a mistyped name would make everything new that was delivered before.
    """
    if name == IMPORT_SOURCE:
        return OPERATOR
    row = connection.execute(select(table).where(table.c.name == name)).first()
    if row is None or row.disabled_at is not None:
        raise NotFoundError(
            f"There is no source named {name[:40]!r}" if row is None else f"The source {name} is disabled",
            why="every delivery names a source that was added here and is open",
            action="see `yizhan sources list`; make one with `yizhan sources add NAME`",
        )
    return _read(connection, row)


def owners_of(connection: Connection, systems: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the sources that speak for each of these systems (any number); those of nobody are absent."""
    dialect = connection.dialect.name
    sql = select_in_sql(source_system, dialect, ("system", "source"), key="system")
    found: dict[str, set[str]] = {}
    for system, name in connection.exec_driver_sql(sql, in_parameter(dialect, systems)):
        found.setdefault(system, set()).add(name)
    return {system: frozenset(names) for system, names in found.items()}


def source_of_key(connection: Connection, key: str) -> Source | None:
    """Return the enabled source that ``key`` belongs to, or None."""
    hashed = _hash(key)
    row = connection.execute(select(table).where(table.c.key_hash == hashed)).first()
    if row is None or not hmac.compare_digest(bytes(row.key_hash), hashed) or row.disabled_at is not None:
        return None
    return _read(connection, row)


def disable_source(store: Store, name: str, *, clock: Clock) -> Source:
    """Close a source for good: its key and its name take nothing any more. Doing it again changes nothing.

    Raises NotFoundError when there is no such source.
    """
    return store.write(lambda transaction: _disable(transaction, name, clock.now()))


def activity_by_source(connection: Connection) -> dict[str, Activity]:
    """Return what became of the records of each source since the home began, by its name in order.

    Sources that sent nothing yet have zeros; the operator's own stands there once it was used.
    """
    found = dict.fromkeys(connection.scalars(select(table.c.name)), Activity())
    for row in connection.execute(select(activity)):
        found[row.source] = Activity(accepted=row.accepted, repeated=row.repeated, refused=row.refused)
    return dict(sorted(found.items()))


def count_activity(transaction: Transaction, source: str, *, accepted: int, repeated: int, refused: int) -> None:
    """Add to a source's figures, in the transaction that decided about its records."""
    statement = upsert_sql(activity, transaction.dialect, add=("accepted", "repeated", "refused"))
    transaction.connection.exec_driver_sql(statement, (source, accepted, repeated, refused))


def _disable(transaction: Transaction, name: str, at: datetime) -> Source:
    connection = transaction.connection
    connection.execute(update(table).where(table.c.name == name, table.c.disabled_at.is_(None)).values(disabled_at=at))
    row = connection.execute(select(table).where(table.c.name == name)).first()
    if row is None:
        raise NotFoundError(
            f"There is no source named {name[:40]!r}",
            why="none of that name was added to this node",
            action="see `yizhan sources list`",
        )
    return _read(connection, row)


def _check(name: str, channel: str, systems: Sequence[str]) -> None:
    if not _NAME.match(name) or name in RESERVED:
        raise UsageError(
            f"{name[:40]!r} cannot be the name of a source",
            why=f"1 to 40 of a-z, 0-9, dot, underscore, hyphen; not {', '.join(sorted(RESERVED))}",
            action="choose another name",
        )
    if channel not in CHANNELS:
        raise UsageError(
            f"There is no channel {channel[:20]!r}",
            why="the standard has no such code",
            action=f"Use one of: {', '.join(CHANNELS)}",
        )
    unfit = next(
        (one for one in systems if not (one.strip() and one.isprintable() and len(one) <= SYSTEM_LENGTH_MAX)), None
    )
    if unfit is not None:
        raise UsageError(
            f"{unfit[:50]!r} cannot be the name of a system",
            why=f"OrigSystem has 1 to {SYSTEM_LENGTH_MAX} characters, all of them printable",
            action="give the system's name as its records have it",
        )


def _insert(transaction: Transaction, made: Source, key: str) -> None:
    names = set(transaction.connection.scalars(select(table.c.name)))
    if made.name in names:
        raise StateConflictError(
            f"There is a source named {made.name} already",
            why="its key cannot be shown again",
            action="choose another name, or disable it and add one under a new name",
        )
    if len(names) >= SOURCES_MAX:
        raise StateConflictError(
            f"There are {SOURCES_MAX} sources already",
            why="no more are kept, disabled ones included",
            action="let several systems share one source, or use a name that exists",
        )
    transaction.connection.execute(
        insert(table).values(
            name=made.name,
            label=made.label,
            channel=made.channel,
            key_hash=_hash(key),
            divisions=" ".join(made.divisions),
            organisations=" ".join(made.organisations),
            created_at=made.created_at,
        )
    )
    rows = [(system, made.name) for system in made.systems]
    transaction.connection.exec_driver_sql(insert_sql(source_system, transaction.dialect), rows)


def _read(connection: Connection, row: Row[Any]) -> Source:
    query = select(source_system.c.system).where(source_system.c.source == row.name)
    return Source(
        name=row.name,
        label=row.label,
        channel=row.channel,
        divisions=tuple(row.divisions.split()),
        organisations=tuple(row.organisations.split()),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        systems=tuple(connection.scalars(query.order_by(source_system.c.system))),
    )


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
