"""Damages: what a scrub found, kept until it is mended, and told once by an alarm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update

from node.journal.alarms import raise_alarm
from node.journal.settings import save_setting, setting
from node.journal.statements import upsert_sql
from node.journal.tables import moment_number
from node.upkeep.tables import damage as table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

    Mend = Callable[[Transaction], object]

DAMAGE_ALARM: Final = "DAMAGE"
"""Kind of the alarm that something stored is not what it was."""
RECORD: Final = "record"
"""Kind of damage of bytes that nobody but another holder can give back."""
PROJECTION: Final = "projection"
DONE_SETTING: Final = "scrub.done_at"
"""When the last whole pass ended, ISO 8601."""
BEGUN_SETTING: Final = "scrub.begun_at"
"""When the present pass began, ISO 8601."""
LISTED_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Something that is not what it was.

    ``kind`` is one of: record, leaf, row, tile, stream, checkpoint, receipt, cursor, quarantine, arrival, certificate,
    stray, projection, file. ``subject`` names it without personal data; ``mend`` puts it right from what is held here,
    None where that cannot be. ``first`` … ``last`` are positions of the stream ``stream_id`` where records are meant.
    """

    kind: str
    subject: str
    text: str
    stream_id: int | None = None
    first: int = 0
    last: int = 0
    mend: Mend | None = None

    @property
    def key(self) -> str:
        """What makes finding it again the same damage."""
        return f"{self.kind}|{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDamage:
    """A damage as it is kept."""

    kind: str
    subject: str
    text: str
    stream_id: int | None
    first: int
    last: int
    found_at: datetime
    mended: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "text": self.text,
            "found_at": self.found_at.isoformat(timespec="seconds"),
            "mended": self.mended,
        }


def executing(statement: Executable) -> Mend:
    """Return what runs one statement."""
    return lambda transaction: transaction.connection.execute(statement)


def keep(transaction: Transaction, found: Iterable[Damage], at: datetime) -> None:
    """Keep damages as not mended, and raise the alarm of each that is new."""
    columns = tuple(column.name for column in table.c)
    statement = upsert_sql(table, transaction.dialect, put=("text", "found_at", "mended"))
    for one in found:
        row = (
            one.key,
            one.kind,
            one.stream_id,
            one.first,
            one.last,
            one.subject,
            one.text,
            moment_number(at),
            False,
        )
        assert len(row) == len(columns)  # noqa: S101 - both stand in this file.
        transaction.connection.exec_driver_sql(statement, row)
        raise_alarm(transaction, DAMAGE_ALARM, f"{one.kind} {one.subject}", one.text, raised_at=at)


def note_mended(transaction: Transaction, keys: Iterable[str]) -> None:
    """Say that these damages are put right."""
    for key in keys:
        transaction.connection.execute(update(table).where(table.c.key == key).values(mended=True))


def note_begun(transaction: Transaction, at: datetime) -> None:
    """Say that a pass begins."""
    save_setting(transaction, BEGUN_SETTING, at.isoformat())


def note_done(transaction: Transaction, at: datetime) -> None:
    """Say that everything was read once more: what was found before this pass, and not in it, is whole again."""
    begun = setting(transaction.connection, BEGUN_SETTING)
    if begun is not None:
        whole = table.c.found_at < datetime.fromisoformat(begun)
        transaction.connection.execute(update(table).where(whole).values(mended=True))
    save_setting(transaction, DONE_SETTING, at.isoformat(timespec="seconds"))


def open_damages(connection: Connection, *, kind: str | None = None) -> list[KeptDamage]:
    """Return what is not mended yet, by kind and subject, ``LISTED_MAX`` at most."""
    query = select(table).where(table.c.mended.is_(False)).order_by(table.c.key).limit(LISTED_MAX)
    if kind is not None:
        query = query.where(table.c.kind == kind)
    return [
        KeptDamage(
            kind=row.kind,
            subject=row.subject,
            text=row.text,
            stream_id=row.stream_id,
            first=row.first,
            last=row.last,
            found_at=row.found_at,
            mended=bool(row.mended),
        )
        for row in connection.execute(query)
    ]


def scrub_state(connection: Connection) -> dict[str, Any]:
    """Return how the scrub stands, as plain values: when everything was read last, what was found and what is open."""
    total = connection.scalar(select(func.count()).select_from(table)) or 0
    still = connection.scalar(select(func.count()).select_from(table).where(table.c.mended.is_(False))) or 0
    return {"done_at": setting(connection, DONE_SETTING), "found": total, "open": still}
