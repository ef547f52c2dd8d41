"""Rows as deliveries: in a form that a dialect of the node reads; what cannot be is named in one of its own.

A row that is no text or too long is not dropped in silence: a delivery that no dialect reads names it by its place, so
that the node keeps it among what it refused.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapters.database.settings import Plan
    from adapters.database.statements import Place
    from adapters.database.values import SourceRow

WATERMARK_SHOWN_MAX: Final = 40
_NOT_SHOWN: Final = re.compile(r"[^\x20-\x7e]")
BATCH_CHARACTERS_MAX: Final = 16_000_000
"""Characters of one delivery: half of what the node sorts by event time. Our own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What one delivery holds, and the rows that are answered with it.

    Once it is answered everything before ``reached`` was handed over, in this parcel or in one before it.
    """

    content: bytes
    media_type: str
    name: str
    rows: tuple[SourceRow, ...]
    reached: Place
    key: str = field(init=False)
    """The delivery key: from which watermark to which, and a digest of the content."""

    def __post_init__(self) -> None:
        """Make the key with the parcel, which is made while the node is busy with the one before."""
        shown = (_NOT_SHOWN.sub("_", str(row.place.at))[:WATERMARK_SHOWN_MAX] for row in (self.rows[0], self.rows[-1]))
        key = f"{'/'.join(shown)}/{hashlib.sha256(self.content).hexdigest()[:32]}"
        object.__setattr__(self, "key", key)


def parcels(rows: Sequence[SourceRow], plan: Plan) -> Iterator[Parcel]:
    """Yield rows as parcels, in their order; rows that are named only come before those they stood among.

    A round may end between two parcels: the first of two reaches no further than to where both begin.
    """
    fit = tuple(row for row in rows if not row.unfit)
    unfit = tuple(row for row in rows if row.unfit)
    name = plan["named_table"] or plan["table"] or "query"
    if plan["form"] == "documents":
        for row in rows:
            yield _document(row, plan, name) if not row.unfit else _named((row,), name, reached=row.place)
        return
    if unfit:
        yield _named(unfit, name, reached=rows[0].place if fit else rows[-1].place)
    if fit and plan["form"] == "csv":
        content = _csv(fit)
        yield Parcel(content=content, media_type="text/csv", name=name, rows=fit, reached=rows[-1].place)
    elif fit:
        content = _json(fit, name.rpartition(".")[2])
        yield Parcel(content=content, media_type="application/json", name=name, rows=fit, reached=rows[-1].place)


def _json(rows: tuple[SourceRow, ...], table: str) -> bytes:
    listed = [dict(zip(row.names, row.texts, strict=True)) for row in rows]
    return json.dumps({"table": table, "rows": listed}, ensure_ascii=False, check_circular=False).encode()


def _csv(rows: tuple[SourceRow, ...]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0].names)
    writer.writerows([row.texts for row in rows])
    return text.getvalue().encode()


def _document(row: SourceRow, plan: Plan, name: str) -> Parcel:
    text = row.texts[row.names.index(plan["document_column"])]
    if not (text or "").strip():
        return _named((row,), name, f"column {plan['document_column']} is empty", reached=row.place)
    begin = str(text).lstrip("\ufeff \t\r\n")[:1]
    media_type = {"<": "application/xml", "{": "application/json", "[": "application/json"}.get(begin, "text/plain")
    content = str(text).encode()
    return Parcel(content=content, media_type=media_type, name=name, rows=(row,), reached=row.place)


def _named(rows: tuple[SourceRow, ...], name: str, why: str = "", *, reached: Place) -> Parcel:
    """Return a parcel that only names rows: no dialect reads a single text of JSON."""
    lines = [
        f"{name}: the row at {row.place.at} {' '.join(map(str, row.place.ids))} was not handed over: {why or row.unfit}"
        for row in rows
    ]
    content = json.dumps("\n".join(lines), ensure_ascii=False).encode()
    return Parcel(content=content, media_type="text/plain", name=name, rows=rows, reached=reached)
