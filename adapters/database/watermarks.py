"""Watermarks: how far a source was read, where the next round begins, and what of it stands in the cursor.

A round begins before the end of the last one, because a row may become visible late: its watermark was set when its
transaction wrote it, and others that committed earlier are newer. The beginning is counted back from the newest row or
from the present, whichever is earlier: a row dated into the future does not hide the rows that come after it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from adapters.contract import CURSOR_LENGTH_MAX, SourceNeedsPersonError
from adapters.database.statements import MYSQL, POSTGRESQL, SQLITE, Place

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from adapters.database.settings import Plan

_NOW: Final = {MYSQL: "SELECT UTC_TIMESTAMP(6)", POSTGRESQL: "SELECT clock_timestamp() AT TIME ZONE 'UTC'"}
_SECONDS: Final = 19
"""Characters of a time up to its seconds."""
_DAY: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a source was answered: the newest place, and the number of answers.

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


def beginning(mark: Mark | None, plan: Plan, now: datetime) -> Place | None:
    """Return the place from which a round reads, itself included; None for everything there is."""
    if mark is None:
        text = plan["begin_at"]
        return None if not text else Place(at=text if plan.timed else int(text))
    start = _counted_back(mark.place, plan, now)
    if mark.floor is not None and order(mark.floor.at, plan) >= order(start.at, plan):
        return mark.floor
    return start


def present(connection: Connection, plan: Plan, now: datetime) -> datetime:
    """Return the earlier of the server's time and ours, aware UTC: either clock may be ahead, or be set back."""
    if plan.system == SQLITE or not plan.timed:
        return now
    with connection.begin():
        there: datetime = connection.execute(text(_NOW[plan.system])).scalar_one()
    return min(now, there.replace(tzinfo=UTC))


def order(at: str | int, plan: Plan) -> Any:
    """Return what a watermark is compared by."""
    if isinstance(at, int):
        return at
    if plan.system == SQLITE:
        return at
    moment = _moment(at)
    return datetime.min.replace(tzinfo=UTC) if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)


def _counted_back(place: Place, plan: Plan, now: datetime) -> Place:
    if isinstance(place.at, int):
        steps = int(plan["overlap_steps"])
        return Place(at=place.at - steps) if steps else place
    newest = _moment(place.at)
    if newest is None:
        return place
    local = now.astimezone(newest.tzinfo or plan.zone)
    limit = local if newest.tzinfo is not None else local.replace(tzinfo=None)
    if not plan["overlap_s"] and newest <= limit:
        return place
    try:
        return Place(at=_written(min(newest, limit) - timedelta(seconds=plan["overlap_s"]), place.at, plan))
    except OverflowError:
        return place


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
