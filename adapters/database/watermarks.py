"""Watermarks: how far a source was read, where the next round begins, and what of it stands in the cursor.

A round begins before the end of the last one, because a row may become visible late: its watermark was set when its
transaction wrote it, and others that committed earlier are newer. The beginning is counted back from the newest row or
from the present of the round that read it, whichever is earlier: a row dated into the future hides no row that comes
after it, however long nobody reads.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pymysql.constants import FIELD_TYPE
from sqlalchemy import text

from adapters.contract import CURSOR_LENGTH_MAX, SourceNeedsPersonError
from adapters.database.connecting import transaction
from adapters.database.statements import MYSQL, POSTGRESQL, SQLITE, Place, watermark_alone

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from adapters.database.settings import Plan

_TIME_TYPES: Final = {
    MYSQL: {FIELD_TYPE.TIMESTAMP: True, FIELD_TYPE.DATETIME: False, FIELD_TYPE.DATE: False},
    POSTGRESQL: {1184: True, 1114: False, 1082: False},
}
"""Types of columns by their numbers in the drivers (PostgreSQL: in pg_type), and whether their times have a zone."""
_BEYOND: Final = re.compile(r"(infinity|\d{5,}-.*[^C])\Z")
"""A time of PostgreSQL later than Python's last year; those before Christ end with BC."""
_NOW: Final = {MYSQL: "SELECT UTC_TIMESTAMP(6)", POSTGRESQL: "SELECT clock_timestamp() AT TIME ZONE 'UTC'"}
_SECONDS: Final = 19
"""Characters of a time up to its seconds."""
_DAY: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The present of a round, aware UTC, and whether the times of the watermark have a zone (None: not known)."""

    at: datetime
    is_zoned: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a source was answered: the newest place that was not in the future, and the number of answers.

    ``floor`` is the place before which rows are not read again, because they are more than can be remembered.
    """

    place: Place
    serial: int
    floor: Place | None = None

    def after(self, newest: Place, plan: Plan) -> Mark:
        """Return the mark once rows up to ``newest`` are answered; a row that came late does not set it back."""
        ahead = order(newest.at, plan) >= order(self.place.at, plan)
        return replace(self, place=newest if ahead else self.place, serial=self.serial + 1)


def cursor_of(mark: Mark, plan: Plan) -> str:
    """Return a mark as a cursor; raises SourceNeedsPersonError when it does not fit into one."""
    floor = mark.floor and [mark.floor.at, *mark.floor.ids]
    document = {"of": _named(plan), "at": [mark.place.at, *mark.place.ids], "serial": mark.serial, "floor": floor}
    cursor = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if len(cursor) > CURSOR_LENGTH_MAX:
        raise SourceNeedsPersonError("the ids of a row are too long for a cursor: name id_columns with shorter ones")
    return cursor


def mark_of(cursor: str | None, plan: Plan) -> Mark | None:
    """Return the mark that a cursor holds; None without one, and when the settings now ask for other rows."""
    if cursor is None:
        return None
    document = json.loads(cursor)
    if document["of"] != _named(plan):
        return None
    floor = document["floor"] and Place(at=document["floor"][0], ids=tuple(document["floor"][1:]))
    at, *ids = document["at"]
    return Mark(place=Place(at=at, ids=tuple(ids)), serial=document["serial"], floor=floor)


def beginning(mark: Mark | None, plan: Plan, present: Present) -> Place | None:
    """Return the place from which a round reads, itself included; None for everything there is."""
    if mark is None:
        text = plan["begin_at"]
        return None if not text else _as_column(Place(at=text if plan.timed else int(text)), plan, present)
    start = _counted_back(mark.place, plan, present)
    if mark.floor is not None and order(mark.floor.at, plan) >= order(start.at, plan):
        start = mark.floor
    return _as_column(start, plan, present)


def present_of(connection: Connection, plan: Plan, now: datetime) -> Present:
    """Return the earlier of the server's time and ours: either clock may be ahead, or be set back."""
    if plan.system == SQLITE or not plan.timed:
        return Present(at=now)
    with transaction(connection, plan):
        there: datetime = connection.execute(text(_NOW[plan.system])).scalar_one()
        described = connection.execute(watermark_alone(plan)).cursor.description
    return Present(at=min(now, there.replace(tzinfo=UTC)), is_zoned=_TIME_TYPES[plan.system].get(described[0][1]))


def no_later(place: Place, plan: Plan, present: Present) -> Place:
    """Return a place, or the present where that is earlier."""
    if isinstance(place.at, int):
        return place
    newest = _moment(place.at)
    if newest is None and not (plan.system == POSTGRESQL and _BEYOND.match(place.at)):
        return place
    zone = newest.tzinfo if newest is not None else UTC if present.is_zoned else None
    limit = present.at.astimezone(zone or plan.zone)
    limit = limit if zone is not None else limit.replace(tzinfo=None)
    return place if newest is not None and newest <= limit else Place(at=_written(limit, place.at, plan))


def order(at: str | int, plan: Plan) -> Any:
    """Return what a watermark is compared by."""
    if isinstance(at, int):
        return at
    if plan.system == SQLITE:
        return at
    moment = _moment(at)
    return datetime.min.replace(tzinfo=UTC) if moment is None else moment.replace(tzinfo=moment.tzinfo or plan.zone)


def _counted_back(place: Place, plan: Plan, present: Present) -> Place:
    if isinstance(place.at, int):
        steps = int(plan["overlap_steps"])
        return Place(at=place.at - steps) if steps else place
    place = no_later(place, plan, present)
    newest = _moment(str(place.at))
    if newest is None:
        return place
    try:
        back = timedelta(seconds=plan["overlap_s"]) + _put_back(newest, plan, present)
        return Place(at=_written(newest - back, str(place.at), plan)) if back else place
    except OverflowError:
        return place


def _put_back(newest: datetime, plan: Plan, present: Present) -> timedelta:
    """Return by how much the clocks of the zone were put back since a time that does not tell its own.

    At the end of summer time an hour comes twice, and what is written the second time looks older than it is.
    """
    if newest.tzinfo is not None:
        return timedelta()
    before, now = newest.replace(tzinfo=plan.zone).utcoffset(), present.at.astimezone(plan.zone).utcoffset()
    return max(timedelta(), before - now) if before is not None and now is not None else timedelta()


def _as_column(place: Place, plan: Plan, present: Present) -> Place:
    """Return a place as the column has it now: its type may have changed, and ``begin_at`` is what a person wrote."""
    moment = _moment(place.at) if isinstance(place.at, str) and present.is_zoned is not None else None
    if moment is None or (moment.tzinfo is UTC if present.is_zoned else moment.tzinfo is None):
        return place
    local = moment if moment.tzinfo is not None else moment.replace(tzinfo=plan.zone)
    moment = local.astimezone(UTC) if present.is_zoned else local.astimezone(plan.zone).replace(tzinfo=None)
    return Place(at=moment.isoformat(" ", "microseconds"))


def _written(moment: datetime, like: str, plan: Plan) -> str:
    """Return a time in the form of another watermark of the same column, or in a form that sorts before its second."""
    if len(like) == _DAY:
        return moment.date().isoformat()
    if plan.system == SQLITE:
        # Texts there: what is shorter sorts first, whatever fraction or offset the column's texts end with.
        return moment.isoformat(like[_DAY], "seconds")[:_SECONDS]
    return moment.isoformat(" ", "microseconds")


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _named(plan: Plan) -> str:
    """Return what tells this order of rows from that of other settings."""
    told = [str(plan.url), *(plan[name] for name in ("table", "query", "watermark", "watermark_form")), *plan.ids]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:12]
