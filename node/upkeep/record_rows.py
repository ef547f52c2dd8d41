"""The rows of records: whether the bytes of each are what its leaf hash and its columns say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import update

from node.errors import IntegrityError, RecordRefusedError
from node.journal.tables import HELD_BACK, QUARANTINED, REDACTED, position_of, record, record_key
from node.standard.codec import leaf_hash, parse_unvalidated, record_type
from node.standard.compression import expand_record
from node.standard.families import UNKNOWN_NUMBER, record_number
from node.upkeep.damages import RECORD, Damage, executing

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.standard.seals import StreamName

PAGE_RECORDS: Final = 500
_SELECT: Final = (
    'SELECT r."key", r."type_number", r."length", r."body", r."leaf", r."flags", q."key" AS "aside" FROM "record" r '
    'LEFT JOIN "quarantine" q ON q."key" = r."key" WHERE r."key" > {} AND r."key" < {} ORDER BY r."key" LIMIT {}'
)
_KNOWN_FLAGS: Final = QUARANTINED | HELD_BACK | REDACTED


@dataclass(slots=True, kw_only=True)
class ReadRecord:
    """One record as read: the leaf hash that its row states, and that of its bytes where both differ (else None)."""

    position: int
    leaf: bytes
    hashed: bytes | None
    length: int


def read_page(connection: Connection, stream_id: int, after: int) -> list[Any]:
    """Return the rows behind position ``after`` of a stream, a page at most."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    keys = (record_key(stream_id, after), record_key(stream_id + 1, 0))
    return list(connection.exec_driver_sql(_SELECT.format(mark, mark, PAGE_RECORDS), keys))


def check_row(stream: StreamName, stream_id: int, row: Any) -> tuple[ReadRecord, list[Damage]]:
    """Compare a row with its bytes."""
    key, type_number, length, packed, leaf, flags, quarantined = row
    position = position_of(key)
    place = _Place(stream=stream, stream_id=stream_id, position=position, key=key)
    found: list[Damage] = []
    wanted = _wanted_flags(flags, redacted=packed is None, quarantined=quarantined is not None)
    if wanted != flags:
        found.append(place.column("flags", flags, wanted))
    read = ReadRecord(position=position, leaf=bytes(leaf), hashed=None, length=length)
    if packed is None:
        return read, found
    try:
        body = expand_record(bytes(packed))
    except IntegrityError as error:
        return read, [*found, place.bytes_damaged(error.why)]
    hashed = leaf_hash(body)
    if hashed != read.leaf:
        read.hashed = hashed
        return read, found
    read.length = len(body)
    if length != len(body):
        found.append(place.column("length", length, len(body)))
    number = number_of(body)
    if type_number != number and not (quarantined is not None and type_number == UNKNOWN_NUMBER):
        found.append(place.column("type_number", type_number, number))
    return read, found


def bytes_damaged(stream: StreamName, stream_id: int, position: int, why: str) -> Damage:
    """Return the damage of a record whose bytes are lost here."""
    place = _Place(stream=stream, stream_id=stream_id, position=position, key=record_key(stream_id, position))
    return place.bytes_damaged(why)


def leaf_damaged(stream: StreamName, stream_id: int, position: int, hashed: bytes) -> Damage:
    """Return the damage of a leaf hash whose record is whole, as the seals show."""
    key = record_key(stream_id, position)
    statement = update(record).where(record.c.key == key).values(leaf=hashed)
    return Damage(
        kind="leaf",
        subject=f"{stream}/{position}",
        text=f"The leaf hash of record {position} of {stream} is not that of its bytes, which its seal covers.",
        stream_id=stream_id,
        first=position,
        last=position,
        mend=executing(statement),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    stream: StreamName
    stream_id: int
    position: int
    key: int

    def column(self, name: str, stands: int, wanted: int) -> Damage:
        statement = update(record).where(record.c.key == self.key, record.c[name] == stands).values({name: wanted})
        return Damage(
            kind="row",
            subject=f"{self.stream}/{self.position} {name}",
            text=f"Record {self.position} of {self.stream} has {name} {stands}; its bytes say {wanted}.",
            stream_id=self.stream_id,
            first=self.position,
            last=self.position,
            mend=executing(statement),
        )

    def bytes_damaged(self, why: str) -> Damage:
        return Damage(
            kind=RECORD,
            subject=f"{self.stream}/{self.position}",
            text=f"The bytes of record {self.position} of {self.stream} are damaged: {why}",
            stream_id=self.stream_id,
            first=self.position,
            last=self.position,
        )


def _wanted_flags(flags: int, *, redacted: bool, quarantined: bool) -> int:
    """Return the flags that a row must have; what projections set stays for them to judge."""
    wanted = flags & _KNOWN_FLAGS & HELD_BACK
    return wanted | (REDACTED if redacted else 0) | (QUARANTINED if quarantined else 0)


def number_of(body: bytes) -> int:
    """Return the number of a record's type as its bytes say; that of an unknown one where they cannot be read."""
    try:
        return record_number(record_type(parse_unvalidated(body)))
    except RecordRefusedError:
        return UNKNOWN_NUMBER
