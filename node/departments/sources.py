"""Sources: the systems of departments that may hand in records, what they may hand in, and how much.

Nothing is open without proof of where it comes from (``node.departments.credentials``). What a source may do is read
anew for every request, so a change counts at once, in every process of the home.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypedDict

from sqlalchemy import insert, select

from node.departments.case_headers import SYSTEM_LENGTH_MAX
from node.departments.credentials import CERTIFICATE, KEY, MODES, Issued, Issuer, bind_certificates
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
    from node.trust.kept_secrets import KeptSecrets

IMPORT_SOURCE: Final = "import"
"""The source of an import that names none: a person at this node's command line."""
IMPORT_CHANNEL: Final = "IMPORT"
API_CHANNEL: Final = "API"
LIMIT_MAX: Final = 10**15
"""The largest limit that can be set: beyond, a number is more likely a slip of the hand."""
SOURCES_MAX: Final = 10_000
LABEL_LENGTH_MAX: Final = 100
RESERVED: Final = frozenset({IMPORT_SOURCE, "node", "publish"})

_NAME = re.compile(r"[a-z0-9][a-z0-9._\-]{0,39}\Z")
_CHANNEL_SHAPE = SHAPES["Application"].child("Channel")
CHANNELS: Final = tuple(
    code for code, _ in (_CHANNEL_SHAPE.simple.codes if _CHANNEL_SHAPE and _CHANNEL_SHAPE.simple else ())
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLimits:
    """How much one source may hand in at the face; 0 is no limit.

    Records count through every door of it, requests and bytes those of the open API. ``bytes_per_day`` counts bodies
    as they are sent; a minute has 60 seconds, a day 86,400, whatever the clock says.
    """

    requests_per_minute: int = 0
    records_per_minute: int = 0
    records_per_day: int = 0
    bytes_per_day: int = 0

    def checked(self) -> SourceLimits:
        """Return the limits; UsageError when one is below 0 or beyond LIMIT_MAX."""
        for name, value in asdict(self).items():
            if not 0 <= value <= LIMIT_MAX:
                raise UsageError(
                    f"{value} cannot be the limit {name}", why=f"0 (none) to {LIMIT_MAX}", action="Give another number"
                )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source. ``divisions`` and ``organisations`` bound what it may hand in (empty: everything the node may).

    A division stands for those within it too. ``systems`` are those whose numbers it brings (``OrigSystem``): its own
    name, and others that no other source may speak for then. ``modes`` are the ways in which its requests may prove
    where they come from: any one of them is enough.
    """

    name: str
    label: str
    channel: str
    divisions: tuple[str, ...]
    organisations: tuple[str, ...]
    created_at: datetime | None
    disabled_at: datetime | None = None
    systems: tuple[str, ...] = ()
    modes: tuple[str, ...] = (KEY,)
    limits: SourceLimits = SourceLimits()

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
        """Return what may be shown of it: never a key or a secret."""
        return {
            "name": self.name,
            "label": self.label,
            "channel": self.channel,
            "divisions": list(self.divisions),
            "organisations": list(self.organisations),
            "systems": list(self.systems),
            "modes": list(self.modes),
            "limits": asdict(self.limits),
            "created_at": self.created_at.isoformat() if self.created_at else None,
            "disabled_at": self.disabled_at.isoformat() if self.disabled_at else None,
        }


class Settings(TypedDict, total=False):
    """What a source may hand in, how much, and how it proves itself; what is not given is not bounded.

    ``certificates`` are named as ``node.departments.certificates`` names them; without ``modes`` it has a key.
    """

    divisions: Sequence[str]
    organisations: Sequence[str]
    systems: Sequence[str]
    modes: Sequence[str]
    certificates: Sequence[str]
    limits: SourceLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource:
    """A source just made, and its key and secret: the only time that they are seen."""

    source: Source
    issued: Issued

    @property
    def key(self) -> str:
        """Its API key; empty when it has none."""
        return self.issued.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """How many records a source handed in, by what became of them."""

    accepted: int = 0
    repeated: int = 0
    refused: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the figures by name."""
        return asdict(self)


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
    secrets: KeptSecrets | None = None,
    label: str = "",
    channel: str = API_CHANNEL,
    **settings: Unpack[Settings],
) -> NewSource:
    """Make a source and what it proves itself by.

    ``name`` is 1 to 40 of a-z, 0-9, dot, underscore, hyphen; ``channel`` one of CHANNELS; ``secrets`` wraps the secret
    of a source that signs; ``settings`` bound it, and name the systems for which it speaks beside its own name. Raises
    UsageError for a name that is reserved or malformed, for an unknown channel or mode and for what cannot be a
    system's name, StateConflictError for a name or a certificate that is taken and when there are too many sources.
    """
    certificates = tuple(settings.get("certificates", ()))
    made = Source(
        name=checked_name(name),
        label=label[:LABEL_LENGTH_MAX],
        channel=checked_channel(channel),
        divisions=tuple(settings.get("divisions", ())),
        organisations=tuple(settings.get("organisations", ())),
        created_at=clock.now(),
        systems=tuple(sorted({name, *checked_systems(settings.get("systems", ()))})),
        modes=checked_modes(settings.get("modes") or (KEY,), certificates),
        limits=settings.get("limits", SourceLimits()).checked(),
    )
    issuer = Issuer(randomness=randomness, secrets=secrets)

    def work(transaction: Transaction) -> Issued:
        _insert(transaction, made)
        bind_certificates(transaction, name, certificates, at=clock.now())
        return issuer.issue(transaction, name, made.modes, at=clock.now())

    return NewSource(source=made, issued=store.write(work))


def list_sources(connection: Connection) -> list[Source]:
    """Return every source by name, disabled ones included."""
    return [read_source(connection, row) for row in connection.execute(select(table).order_by(table.c.name)).all()]


def known_source(connection: Connection, name: str) -> Source:
    """Return a source that was added, disabled or not; NotFoundError when there is none."""
    row = connection.execute(select(table).where(table.c.name == name)).first()
    if row is None:
        raise NotFoundError(
            f"There is no source named {name[:40]!r}",
            why="none of that name was added to this node",
            action="see `yizhan sources list`",
        )
    return read_source(connection, row)


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
    return read_source(connection, row)


def owners_of(connection: Connection, systems: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the sources that speak for each of these systems (any number); those of nobody are absent."""
    dialect = connection.dialect.name
    sql = select_in_sql(source_system, dialect, ("system", "source"), key="system")
    found: dict[str, set[str]] = {}
    for system, name in connection.exec_driver_sql(sql, in_parameter(dialect, systems)):
        found.setdefault(system, set()).add(name)
    return {system: frozenset(names) for system, names in found.items()}


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


def checked_name(name: str) -> str:
    """Return the name of a source; UsageError for one that cannot be."""
    if not _NAME.match(name) or name in RESERVED:
        raise UsageError(
            f"{name[:40]!r} cannot be the name of a source",
            why=f"1 to 40 of a-z, 0-9, dot, underscore, hyphen; not {', '.join(sorted(RESERVED))}",
            action="choose another name",
        )
    return name


def checked_channel(channel: str) -> str:
    """Return the code of a channel; UsageError for one that the standard does not have."""
    if channel not in CHANNELS:
        raise UsageError(
            f"There is no channel {channel[:20]!r}",
            why="the standard has no such code",
            action=f"Use one of: {', '.join(CHANNELS)}",
        )
    return channel


def checked_systems(systems: Sequence[str]) -> Sequence[str]:
    """Return names of systems; UsageError when no record can name one of them."""
    unfit = next(
        (one for one in systems if not (one.strip() and one.isprintable() and len(one) <= SYSTEM_LENGTH_MAX)), None
    )
    if unfit is not None:
        raise UsageError(
            f"{unfit[:50]!r} cannot be the name of a system",
            why=f"OrigSystem has 1 to {SYSTEM_LENGTH_MAX} characters, all of them printable",
            action="give the system's name as its records have it",
        )
    return systems


def checked_modes(modes: Iterable[str], certificates: Sequence[str]) -> tuple[str, ...]:
    """Return modes in their order; UsageError for an unknown one, and for certificates that do not fit them."""
    wanted = set(modes)
    if unknown := wanted - set(MODES):
        raise UsageError(
            f"There is no mode {min(unknown)[:20]!r}",
            why="it is none of the ways in which a source can prove itself",
            action=f"Use one or several of: {', '.join(MODES)}",
        )
    if (CERTIFICATE in wanted) != bool(certificates):
        raise UsageError(
            "The mode certificate and the certificates of a source belong together",
            why="only one of them is given",
            action="Give --mode certificate and at least one --certificate, or neither",
        )
    return tuple(mode for mode in MODES if mode in wanted)


def read_source(connection: Connection, row: Row[Any]) -> Source:
    """Return the source that a row of the table holds."""
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
        modes=tuple(row.modes.split()),
        limits=SourceLimits(**{one.name: getattr(row, one.name) for one in fields(SourceLimits)}),
    )


def columns_of(source: Source) -> dict[str, Any]:
    """Return what the table holds of a source beside its name and its systems."""
    return {
        "label": source.label,
        "channel": source.channel,
        "divisions": " ".join(source.divisions),
        "organisations": " ".join(source.organisations),
        "created_at": source.created_at,
        "disabled_at": source.disabled_at,
        "modes": " ".join(source.modes),
        **asdict(source.limits),
    }


def _insert(transaction: Transaction, made: Source) -> None:
    names = set(transaction.connection.scalars(select(table.c.name)))
    if made.name in names:
        raise StateConflictError(
            f"There is a source named {made.name} already",
            why="its key cannot be shown again",
            action=f"choose another name, or make a new key: yizhan sources rotate {made.name}",
        )
    if len(names) >= SOURCES_MAX:
        raise StateConflictError(
            f"There are {SOURCES_MAX} sources already",
            why="no more are kept, disabled ones included",
            action="let several systems share one source, or use a name that exists",
        )
    transaction.connection.execute(insert(table).values(name=made.name, **columns_of(made)))
    rows = [(system, made.name) for system in made.systems]
    transaction.connection.exec_driver_sql(insert_sql(source_system, transaction.dialect), rows)
