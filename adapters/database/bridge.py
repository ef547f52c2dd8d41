"""The adapter of the kind ``database``: what the node's worker calls."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING

from adapters.contract import Delivery
from adapters.database.accounts import check_account
from adapters.database.connecting import connected
from adapters.database.handing_over import BATCH_CHARACTERS_MAX, Parcel, parcels
from adapters.database.reading import first_row, pages_from
from adapters.database.settings import plan_of
from adapters.database.values import sortable
from adapters.database.watermarks import Mark, Present, beginning, cursor_of, mark_of, no_later, present_of
from adapters.database.writing import check_tables, write_answer, write_document
from adapters.pulling.ahead import one_ahead
from adapters.pulling.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.contract import Document, Opening, Outcome
    from adapters.database.settings import Plan
    from adapters.database.statements import Place
    from adapters.database.values import SourceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unanswered:
    """What is remembered once a delivery is answered: its rows with their places, and how far the source was read."""

    rows: tuple[tuple[bytes, str], ...]
    mark: Mark
    forgotten: tuple[bytes, ...]


class DatabaseAdapter:
    """Reads one table, or one SELECT, of one database."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._plan = plan_of(opening)
        self._mark = mark_of(opening.cursor, self._plan)
        self._kept: Remembered | None = None
        self._present = Present(at=opening.now())
        self._unanswered: dict[str, _Unanswered] = {}

    def check(self) -> None:
        """Read one row, see that the account cannot write what it reads, and that the tables to write are there."""
        with connected(self._plan) as connection:
            present_of(connection, self._plan, self._opening.now())
            first_row(connection, self._plan, None)
            check_account(connection, self._plan)
            check_tables(connection, self._plan)

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield rows that were not answered, at most ``page_rows`` a delivery, in the order of the watermark."""
        self._unanswered.clear()
        with connected(self._plan) as connection:
            self._present = present_of(connection, self._plan, self._opening.now())
            start = beginning(self._mark, self._plan, self._present)
            kept = self._remembered()
            if start is not None:
                kept.forget_before(sortable(start.at))
            window = _Window(kept, self._mark, int(self._plan["remembered_max"]))
            pages = window.unknown(pages_from(connection, self._plan, start))
            # Until it is closed the connection belongs to the thread that makes the next parcels.
            with closing(one_ahead(self._parcels(pages))) as coming:
                for parcel in islice(chain.from_iterable(coming), limit):
                    yield self._delivery(parcel, window)
                    if self._opening.wait(0):
                        return

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Remember that the rows are answered; tell it in ``answers_table``, where there is one."""
        write_answer(self._plan, delivery.delivery_key, self._opening.now(), outcome)
        self._answered(delivery)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Remember that the rows are answered; tell the reason in ``answers_table``, where there is one."""
        write_answer(self._plan, delivery.delivery_key, self._opening.now(), None, reason)
        self._answered(delivery)

    def deliver(self, document: Document, key: str) -> None:
        """Write a document into ``deliver_table``, once for each key."""
        write_document(self._plan, document, key, self._opening.now())

    def close(self) -> None:
        """Let go of what is remembered."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _remembered(self) -> Remembered:
        if self._kept is None:
            self._kept = Remembered(self._opening.folder, self._mark.serial if self._mark else 0)
        return self._kept

    def _parcels(self, pages: Iterator[list[SourceRow]]) -> Iterator[list[Parcel]]:
        """Yield the parcels of each page, several of one whose rows are long or more than ``page_rows``."""
        for page in pages:
            batch: list[SourceRow] = []
            characters = 0
            for row in page:
                batch.append(row)
                characters += row.characters
                if len(batch) == self._plan["page_rows"] or characters > BATCH_CHARACTERS_MAX:
                    yield list(parcels(batch, self._plan))
                    batch, characters = [], 0
            if batch:
                yield list(parcels(batch, self._plan))

    def _delivery(self, parcel: Parcel, window: _Window) -> Delivery:
        mark = window.advance(no_later(parcel.reached, self._plan, self._present), self._plan)
        # Only what the next round reads again has to be remembered.
        again = beginning(mark, self._plan, self._present)
        least = "" if again is None else sortable(again.at)
        placed = ((row, sortable(row.place.at)) for row in reversed(parcel.rows))
        self._unanswered[parcel.key] = _Unanswered(
            rows=tuple((row.digest(), at) for row, at in takewhile(lambda one: one[1] >= least, placed)),
            mark=mark,
            forgotten=window.passed(),
        )
        return Delivery(
            source_id=self._opening.source_id,
            delivery_key=parcel.key,
            content=parcel.content,
            media_type=parcel.media_type,
            fetched_at=self._opening.now(),
            name=parcel.name,
            cursor=cursor_of(mark, self._plan),
        )

    def _answered(self, delivery: Delivery) -> None:
        answered = self._unanswered.pop(delivery.delivery_key, None)
        if answered is None:
            return
        kept = self._remembered()
        kept.forget(answered.forgotten)
        kept.add(answered.rows, answered.mark.serial)
        self._mark = answered.mark


class _Window:
    """What of a round is known already, and how far the round has come.

    ``unknown`` is asked by the thread that reads ahead. Before it yields its first row it is done with what the other
    methods use, and those are called once a delivery is made of that row.

    More than ``remembered_max`` rows are not remembered: while a round passes known rows, and before it meets the first
    unknown one, the beginning of the window moves over the oldest of them.
    """

    def __init__(self, kept: Remembered, mark: Mark | None, remembered_max: int) -> None:
        self._kept = kept
        self._mark = mark
        self._too_many = len(kept) - remembered_max
        self._passed: list[bytes] = []
        self._known: SourceRow | None = None

    def unknown(self, pages: Iterator[list[SourceRow]]) -> Iterator[list[SourceRow]]:
        """Yield of each page the rows that were not answered yet."""
        for page in pages:
            yield [row for row in page if not self._is_known(row)]

    def _is_known(self, row: SourceRow) -> bool:
        is_known = self._kept.reaches(sortable(row.place.at)) and self._kept.knows(row.digest())
        if is_known:
            self._pass(row)
        else:
            self._too_many = 0
        return is_known

    def advance(self, newest: Place, plan: Plan) -> Mark:
        """Return how far the source is read once rows up to ``newest`` are answered."""
        self._mark = self._mark.after(newest, plan) if self._mark else Mark(place=newest, serial=1)
        return self._mark

    def passed(self) -> tuple[bytes, ...]:
        """Return the rows that need not be remembered any more, once."""
        passed = tuple(self._passed)
        self._passed.clear()
        return passed

    def _pass(self, row: SourceRow) -> None:
        before, self._known = self._known, row
        if self._too_many > 0 and before is not None and self._mark is not None and before.place != row.place:
            self._too_many -= 1
            self._passed.append(before.digest())
            self._mark = replace(self._mark, floor=row.place)
