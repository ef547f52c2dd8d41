"""Changes of a source that is there: what it may do, its limits, new keys, closing and opening it again.

Each is one transaction, and what is asked for twice is done once. A running node reads its sources for every request,
so a change counts from the next one on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, update

from node.departments.credentials import (
    CERTIFICATE,
    HMAC,
    KEY,
    Issuer,
    bind_certificates,
    credentials_of,
    drop_modes,
    end_credentials,
    unbind_certificates,
)
from node.departments.sources import (
    LABEL_LENGTH_MAX,
    NewSource,
    Source,
    checked_channel,
    checked_modes,
    checked_systems,
    columns_of,
    known_source,
)
from node.departments.tables import source as table
from node.departments.tables import source_system
from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from node.clock import Clock
    from node.journal.store import Store, Transaction

KEEP_HOURS_MAX: Final = 24 * 90
"""How long an old key may stay valid beside a new one: a quarter of a year. Our own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of which a source has any number, to be added or taken away."""

    divisions: Sequence[str] = ()
    organisations: Sequence[str] = ()
    systems: Sequence[str] = ()
    certificates: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to change of a source; what is not given stays.

    ``modes`` are the new ones, all of them. Taking away the last division or department would let the source hand in
    everything, so that has to be said: ``every_division``, ``every_organisation``.
    """

    label: str | None = None
    channel: str | None = None
    modes: Sequence[str] = ()
    add: Names = field(default_factory=Names)
    remove: Names = field(default_factory=Names)
    every_division: bool = False
    every_organisation: bool = False


def change_source(store: Store, name: str, change: Change, *, clock: Clock, issuer: Issuer) -> NewSource:
    """Change a source and return it, with the key and the secret that a new mode asked for.

    What belonged to a mode that it has no longer is forgotten. Raises NotFoundError when there is no such source,
    UsageError for a change that cannot be, StateConflictError for a certificate that another source has.
    """
    return store.write(lambda transaction: _change(transaction, name, change, clock.now(), issuer))


def limit_source(store: Store, name: str, limits: Mapping[str, int]) -> Source:
    """Set limits of a source by their names in SourceLimits, and return it; those that are not given stay.

    Raises NotFoundError when there is no such source, UsageError for limits that cannot be.
    """

    def work(transaction: Transaction) -> Source:
        source = known_source(transaction.connection, name)
        return _stored(transaction, replace(source, limits=replace(source.limits, **limits).checked()))

    return store.write(work)


def rotate_source(
    store: Store, name: str, *, modes: Sequence[str] = (), keep: timedelta, clock: Clock, issuer: Issuer
) -> NewSource:
    """Make a new key and a new secret for a source, or only what ``modes`` name; the old ones count for ``keep`` more.

    Raises NotFoundError when there is no such source, UsageError when it has neither key nor secret or lacks a mode
    that is named, and for a time below 0 or beyond KEEP_HOURS_MAX hours.
    """
    if not timedelta(0) <= keep <= timedelta(hours=KEEP_HOURS_MAX):
        raise UsageError(
            "The old key cannot be kept so long", why=f"0 to {KEEP_HOURS_MAX} hours are allowed", action="Give fewer"
        )
    return store.write(lambda transaction: _rotate(transaction, name, modes, keep, clock.now(), issuer))


def disable_source(store: Store, name: str, *, clock: Clock) -> Source:
    """Close a source: nothing of it is taken any more. Doing it again changes nothing.

    Raises NotFoundError when there is no such source.
    """

    def work(transaction: Transaction) -> Source:
        source = known_source(transaction.connection, name)
        return _stored(transaction, replace(source, disabled_at=source.disabled_at or clock.now()))

    return store.write(work)


def enable_source(store: Store, name: str) -> Source:
    """Open a source again that was closed; its keys count as before. NotFoundError when there is no such source."""

    def work(transaction: Transaction) -> Source:
        return _stored(transaction, replace(known_source(transaction.connection, name), disabled_at=None))

    return store.write(work)


def _change(transaction: Transaction, name: str, change: Change, at: datetime, issuer: Issuer) -> NewSource:
    connection = transaction.connection
    before = known_source(connection, name)
    unbind_certificates(transaction, name, change.remove.certificates)
    bind_certificates(transaction, name, change.add.certificates, at=at)
    held = credentials_of(connection, name)
    certificates = [one.certificate or "" for one in held if one.mode == CERTIFICATE]
    # Without the mode its certificates go: they are no contradiction then.
    asked = change.modes or before.modes
    modes = checked_modes(asked, certificates if CERTIFICATE in asked or change.add.certificates else ())
    after = replace(
        before,
        label=before.label if change.label is None else change.label[:LABEL_LENGTH_MAX],
        channel=before.channel if change.channel is None else checked_channel(change.channel),
        divisions=_bounds("division", before.divisions, change),
        organisations=_bounds("organisation", before.organisations, change),
        systems=_systems(before, change),
        modes=modes,
    )
    drop_modes(transaction, name, set(before.modes) - set(modes))
    fresh = {mode for mode in (KEY, HMAC) if mode in modes and all(one.mode != mode for one in held)}
    issued = issuer.issue(transaction, name, fresh, at=at)
    return NewSource(source=_stored(transaction, after), issued=issued)


def _rotate(
    transaction: Transaction, name: str, modes: Sequence[str], keep: timedelta, at: datetime, issuer: Issuer
) -> NewSource:
    source = known_source(transaction.connection, name)
    has = [mode for mode in source.modes if mode != CERTIFICATE]
    wanted = set(modes) or set(has)
    if not wanted or not wanted <= set(has):
        raise UsageError(
            f"The source {name} has no {' and no '.join(sorted(wanted - set(has)) or (KEY,))} to make anew",
            why=f"its modes are: {', '.join(source.modes)}",
            action=f"Name one that it has, or change its modes: yizhan sources change {name} --mode …",
        )
    end_credentials(transaction, name, wanted, at=at, ends_at=at + keep)
    return NewSource(source=source, issued=issuer.issue(transaction, name, wanted, at=at))


def _bounds(kind: str, before: tuple[str, ...], change: Change) -> tuple[str, ...]:
    """Return the divisions or the departments of a source as they are after the change."""
    every = getattr(change, f"every_{kind}")
    added: Sequence[str] = getattr(change.add, f"{kind}s")
    removed: Sequence[str] = getattr(change.remove, f"{kind}s")
    if every and added:
        raise UsageError(
            f"--every-{kind} and --add-{kind} exclude one another", why="the first bounds nothing", action="Give one"
        )
    after = () if every else tuple(one for one in dict.fromkeys((*before, *added)) if one not in removed)
    if before and not after and not every:
        raise UsageError(
            f"The last {kind} cannot be taken away like that",
            why="the source might hand in records of everybody then",
            action=f"Say that it may: --every-{kind}; or add another one",
        )
    return after


def _systems(before: Source, change: Change) -> tuple[str, ...]:
    if before.name in change.remove.systems:
        raise UsageError(
            f"The system {before.name} cannot be taken away",
            why="the name of a source is a system of its own",
            action="Make another source under another name",
        )
    return tuple(sorted({*before.systems, *checked_systems(change.add.systems)} - set(change.remove.systems)))


def _stored(transaction: Transaction, source: Source) -> Source:
    """Write a source that is there, and return it."""
    connection = transaction.connection
    connection.execute(update(table).where(table.c.name == source.name).values(**columns_of(source)))
    connection.execute(delete(source_system).where(source_system.c.source == source.name))
    connection.execute(insert(source_system), [{"system": system, "source": source.name} for system in source.systems])
    return source
