"""What a value of a database becomes as text, and what stands for a row: its texts, its digest, its place.

Meaning is the dialect's: a number stays the number that it is, a time the time, and what is no text is not made one.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from adapters.contract import SourceNeedsPersonError
from adapters.database.statements import Place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from adapters.database.settings import Plan

ID_LENGTH_MAX: Final = 400
"""Characters of one id: four of them have to fit into a cursor. Our own choice."""
NUMBER_CHARACTERS: Final = 20
"""What a value that is neither text nor bytes counts as. Our own choice."""
_ZERO_DATES: Final = frozenset({"0000-00-00", "0000-00-00 00:00:00"})
_LONG_YEAR: Final = re.compile(r"\d{5,}-")
_json: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


class SourceRow(NamedTuple):
    """One row: the texts to hand over, in the order of their ``names`` (None: no value), and where it stands.

    ``unfit`` says why the row cannot be handed over, "" when it can; of one that cannot, only a digest of its texts is
    kept.
    """

    names: tuple[str, ...]
    texts: Sequence[str | None]
    place: Place
    characters: int
    unfit: str

    def digest(self) -> bytes:
        """Return what tells this row from another at its place; few rows need it."""
        told = _json([*self.texts, self.unfit, self.place.at, *self.place.ids])
        return hashlib.sha256(told.encode()).digest()[:16]


class _NoTextError(ValueError):
    """A value is no text; the message says what it is."""


class RowReader:
    """Makes rows of the values of columns; ``names`` are all those of the statement, in its order."""

    def __init__(self, names: Sequence[str], plan: Plan) -> None:
        self._names = tuple(names[: plan.handed_over])
        self._plan = plan
        self._at = names.index(plan["watermark"])
        self._ids = [names.index(name) for name in plan.ids]
        self._no_values = _ZERO_DATES if plan.zero_is_none else frozenset()

    def row_of(self, values: Sequence[Any]) -> SourceRow:
        """Return a row as its texts; raises SourceNeedsPersonError when its watermark or id gives it no place."""
        place, plan, no_values = self._place(values), self._plan, self._no_values
        values, unfit = values[: plan.handed_over], ""
        try:
            # Most values are short texts, or none: only the others are asked what they are.
            texts = [
                one if one is None or (type(one) is str and one not in no_values) else text_of(one, plan)
                for one in values
            ]
            characters = sum(map(len, filter(None, texts)))
        except _NoTextError:
            texts, characters, unfit = self._fitting(values)
        if not unfit and characters > plan.row_characters_max:
            unfit = f"it has {characters} characters; at most {plan.row_characters_max} are taken"
        if unfit:
            texts = [hashlib.sha256(_json(texts).encode()).hexdigest()]
        return SourceRow(self._names, texts, place, characters, unfit)

    def _fitting(self, values: Sequence[Any]) -> tuple[list[str | None], int, str]:
        """Return the values that are texts, how much all are in characters, and what is wrong with the first other."""
        texts: list[str | None] = []
        characters, unfit = 0, ""
        for name, value in zip(self._names, values, strict=True):
            try:
                texts.append(text_of(value, self._plan))
                characters += len(texts[-1] or "")
            except _NoTextError as error:
                unfit = unfit or f"column {name} holds {error}"
                characters += len(value) if isinstance(value, bytes) else NUMBER_CHARACTERS
        return texts, characters, unfit

    def _place(self, values: Sequence[Any]) -> Place:
        ids = [values[number] for number in self._ids]
        if None in ids:
            raise SourceNeedsPersonError("an id column is empty in a row: name id_columns that are filled in every row")
        at = _watermark(values[self._at], self._plan)
        return Place(at=at, ids=tuple([one if type(one) is int else _id(one, self._plan) for one in ids]))


def text_of(value: Any, plan: Plan) -> str | None:
    """Return a value as text, None for no value; raises _NoTextError for what is no text."""
    if value is None or isinstance(value, str):
        return None if value in _ZERO_DATES and plan.zero_is_none else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | UUID):
        return str(value)
    if isinstance(value, datetime):
        return _moment(value, plan.zone, offset=plan["offsets"])
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _clock(value)
    if isinstance(value, float | Decimal):
        return format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    if isinstance(value, bytes | bytearray | memoryview):
        return _decoded(bytes(value), plan["text_encoding"])
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    raise _NoTextError(f"a value of the type {type(value).__name__}")


def sortable(at: str | int) -> str:
    """Return a watermark as a text that sorts as the watermark does."""
    if isinstance(at, str):
        # A year after 9999 sorts behind the others, as it does in the database.
        return f"~{at}" if _LONG_YEAR.match(at) else at
    # An offset that makes every number that databases count with positive and of equal length.
    return f"{at + 10**39:040d}"


def _watermark(value: Any, plan: Plan) -> str | int:
    if plan.timed:
        return _time_watermark(value)
    value = _whole(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SourceNeedsPersonError("the watermark is no whole number: set watermark_form to time, or name another")
    return value


def _time_watermark(value: Any) -> str:
    """Return a time as a text that sorts; one with a zone is in UTC and says so."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str):
        raise SourceNeedsPersonError("the watermark is no time: set watermark_form to number, or name another column")
    return value


def _whole(value: Any) -> Any:
    """Return a decimal number without a fraction as a whole one: compared as a text it would lose its last digits."""
    whole = isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()
    return int(value) if whole else value


def _id(value: Any, plan: Plan) -> str | int:
    value = _whole(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        text = text_of(value, plan) or ""
    except _NoTextError as error:
        raise SourceNeedsPersonError(f"an id holds {error}: name id_columns with numbers or texts") from None
    if len(text) > ID_LENGTH_MAX:
        raise SourceNeedsPersonError(f"an id has {len(text)} characters: name id_columns with shorter ones")
    return text


def _moment(value: datetime, zone: ZoneInfo, *, offset: bool) -> str:
    if value.tzinfo is None and not offset:
        return value.isoformat(" ", "microseconds" if value.microsecond else "seconds")
    local = value.replace(tzinfo=zone) if value.tzinfo is None else value.astimezone(zone)
    fraction = "microseconds" if local.microsecond else "seconds"
    return local.isoformat("T", fraction) if offset else local.replace(tzinfo=None).isoformat(" ", fraction)


def _clock(value: timedelta) -> str:
    """Return a time of day, or a span, as MySQL writes it: hours may be negative, or beyond 24."""
    whole = abs(value)
    seconds = whole.days * 86_400 + whole.seconds
    sign = "-" if value < timedelta() else ""
    fraction = f".{whole.microseconds:06d}" if whole.microseconds else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _decoded(data: bytes, encoding: str) -> str:
    if not encoding:
        raise _NoTextError("bytes, which are no text: leave the column out, or set text_encoding")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise _NoTextError(f"bytes that are not {encoding}") from None
