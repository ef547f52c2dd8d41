"""The adapter of folders: takes whole files, hands them over, and answers where they lay. See ``adapters.folders``."""

from __future__ import annotations

import heapq
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from adapters.contract import AdapterError, Delivery, SourceNeedsPersonError, SourceUnavailableError
from adapters.folders import answers, names
from adapters.folders.kept import Kept
from adapters.folders.place import BusyFileError, UnreadableFileError
from adapters.folders.settings import DELETE, NO_RESULTS, OLDEST
from adapters.folders.settling import Settling
from adapters.folders.spool import Spool, UnfinishedCopyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.contract import Document, Opening, Outcome
    from adapters.folders.place import ClaimingPlace, Entry, Place
    from adapters.folders.settings import FolderRules

HERE: Final = ""
CLAIMED: Final = "claimed"
DONE: Final = "done"
REJECTED: Final = "rejected"
RESULTS: Final = "results"
SHELVES: Final = (CLAIMED, DONE, REJECTED, RESULTS)
ENTRIES_MAX: Final = 100_000
"""Names that are looked at in one round; the others wait until these are gone."""
_SPARE: Final = 1000
"""Files beyond those asked for that a round keeps in mind: in place of those that turn out not to be taken, and so that
those of the next rounds have settled when their turn comes."""
_WAIT_MAX_S: Final = 10.0
"""Longest wait within a round for files to settle; where they need longer, a later round takes them."""
_INLINE_BYTES_MAX: Final = 65_536
"""Up to this size a file is handed over as it is, beyond by its copy."""
_NAMED_MAX: Final = 1000
_REASON: Final = ".reason.txt"
"""Ends the name of the file beside a rejected one: no rejected file itself may have such a name."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A file that was handed over and is not answered: where it stands, and as what."""

    shelf: str
    entry: Entry
    name: str


class FolderAdapter:
    """A door to a folder at ``place``; at a place that ``claims`` files are moved to a shelf of this adapter first."""

    def __init__(
        self, opening: Opening, place: Place, rules: FolderRules, *, claims: ClaimingPlace | None = None
    ) -> None:
        self._opening = opening
        self._place = place
        self._rules = rules
        self._claims = claims
        self._kept = Kept(opening.folder, opening.token)
        self._spool = Spool(opening.folder / "spool")
        self._settling = Settling(rules.settle_s)
        self._held: dict[str, _Held] = {}
        self._claimed: set[bytes] = set()
        self._only_tried = False
        """Whether the mark in the folder was made by this opening, and nothing else was done there."""
        self._passed_over: set[bytes] = set()

    def check(self) -> None:
        """Try that the folder answers and that everything needed is allowed there."""
        self._begin()
        self._place.check()

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield at most ``limit`` whole files: those claimed before, then the others in the order of the rules."""
        self._begin()
        taken, busy = 0, None
        for shelf, entry in self._waiting(limit):
            if taken == limit:
                return
            try:
                delivery = self._take(shelf, entry)
            except UnfinishedCopyError:
                return
            except BusyFileError as error:
                # One that cannot be had now holds up no other one.
                busy = busy or error
                self._tell_once(entry.raw, "file cannot be had now, passed over")
                continue
            if delivery is not None:
                taken += 1
                yield delivery
        if busy is not None and not taken:
            raise busy

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Write what became of the records, and put the file away."""
        self._begin()
        held = self._unchanged(delivery)
        if held is None:
            return
        if not self._spool.is_answered(held.entry):
            self._write_results(held.name, delivery.delivery_key, outcome)
            self._spool.set_answered(held.entry)
        self._put_away(held)
        self._forget(delivery.delivery_key, held)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Put the file on the shelf of the rejected ones, with the reason beside it."""
        self._begin()
        held = self._unchanged(delivery)
        if held is not None:
            self._refuse(held.shelf, held.entry, held.name, reason)
            self._forget(delivery.delivery_key, held)

    def deliver(self, document: Document, key: str) -> None:
        """Put a document into the folder for the department: one file, whose name holds the key."""
        self._begin()
        if self._kept.was_delivered(key):
            return
        shelf = self._rules.deliver_folder
        name = names.document_name(document.record_type, key)
        self._mark()
        if self._place.find(shelf, name.encode()) is None:
            self._write(shelf, name, document.content)
        self._kept.set_delivered(key)
        self._only_tried = False

    def close(self) -> None:
        """Let go of the folder; a file that was handed over and not answered comes again.

        What this opening claimed goes back: who opens an adapter to try it leaves nothing behind.
        """
        if self._claims is not None:
            with suppress(AdapterError):
                self._let_go(self._claims)
        self._place.close()

    def _begin(self) -> None:
        """Get the place ready, and see that it is the folder of the last time.

        Where a disk is mounted, its mount point stays when the disk goes, and looks like an empty folder: whoever
        worked in it would put documents where nobody looks.
        """
        self._place.begin()
        before = self._kept.note("folder")
        if before is None or before == self._place.identity():
            return
        if self._place.find(CLAIMED, self._kept.claimer().encode()) is None:
            raise SourceUnavailableError(
                f"the folder is not the one of the last time: {self._own_shelf()} is missing in it; "
                "mount the disk that belongs there, or, if the folder was replaced on purpose, make that folder in it"
            )

    def _let_go(self, place: ClaimingPlace) -> None:
        while self._claimed:
            place.put_back(self._own_shelf(), self._claimed.pop())
        if self._only_tried:
            self._only_tried = False
            self._kept.forget("folder")
            place.unmake(self._own_shelf())
            place.unmake(CLAIMED)

    def _mark(self) -> None:
        """Leave in the folder what it is known by the next time."""
        if not self._place.identity():
            return
        if self._place.find(CLAIMED, self._kept.claimer().encode()) is None:
            self._only_tried = True
            self._place.make(CLAIMED)
            self._place.make(self._own_shelf())
        if self._kept.note("folder") != self._place.identity():
            self._kept.set_note("folder", self._place.identity())

    def _own_shelf(self) -> str:
        return f"{CLAIMED}/{self._kept.claimer()}"

    def _waiting(self, limit: int) -> Iterator[tuple[str, Entry]]:
        """Yield what may be taken, with the shelf on which it stands; after a wait what has settled meanwhile."""
        found = self._look(limit)
        self._spool.keep_only([*(entry for _, entry in found), *(held.entry for held in self._held.values())])
        passed = set()
        for shelf, entry in found:
            if self._left_s(entry) == 0:
                passed.add(entry)
                yield shelf, entry
        left_s = max((self._left_s(entry) for _, entry in found if entry not in passed), default=_WAIT_MAX_S + 1)
        if left_s > _WAIT_MAX_S or self._opening.wait(left_s):
            return
        for shelf, entry in self._look(limit):
            if self._left_s(entry) == 0 and entry not in passed:
                yield shelf, entry

    def _look(self, limit: int) -> list[tuple[str, Entry]]:
        """Return the files that come next as they are now, with their shelves: the claimed ones, then the others."""
        claimed = self._chosen(self._own_shelf(), limit) if self._claims is not None else []
        offered = self._chosen(HERE, limit)
        self._settling.look([*claimed, *offered], self._opening.monotonic_s())
        return [*((self._own_shelf(), entry) for entry in claimed), *((HERE, entry) for entry in offered)]

    def _left_s(self, entry: Entry) -> float:
        return 0.0 if self._rules.marker else self._settling.left_s(entry, self._opening.monotonic_s())

    def _chosen(self, shelf: str, limit: int) -> list[Entry]:
        """Return the files of a shelf that come next, in order."""
        every = list(islice(self._place.entries(shelf), ENTRIES_MAX))
        entries = [entry for entry in every if not entry.folder]
        if shelf == HERE:
            entries = self._wanted(entries)
            if not entries and len(every) == ENTRIES_MAX:
                raise SourceNeedsPersonError(
                    f"the folder holds {ENTRIES_MAX} names or more, and none of those that were looked at is to be "
                    "taken: take away what does not belong there, or correct patterns and marker"
                )
        return heapq.nsmallest(limit + _SPARE, entries, key=self._order)

    def _wanted(self, entries: list[Entry]) -> list[Entry]:
        encoding, marker = self._rules.name_encoding, self._rules.marker
        wanted = [entry for entry in entries if self._rules.wants(entry.raw.decode(encoding, "replace"))]
        for entry in wanted:
            if not entry.regular:
                self._tell_once(entry.raw, "not a file, passed over")
        there = {entry.raw for entry in entries} if marker else set()
        return [
            entry for entry in wanted if entry.regular and (not marker or entry.raw + marker.encode(encoding) in there)
        ]

    def _tell_once(self, raw: bytes, what: str) -> None:
        """Say once of each name why it is not taken."""
        if raw not in self._passed_over and len(self._passed_over) < _NAMED_MAX:
            self._passed_over.add(raw)
            _LOG.warning(what, extra={"file": names.shown_name(raw)})

    def _order(self, entry: Entry) -> tuple[int, bytes]:
        return (entry.modified_ns if self._rules.order == OLDEST else 0, entry.raw)

    def _take(self, shelf: str, entry: Entry) -> Delivery | None:
        """Make a delivery of a file; None when it cannot be one, or was one (it is put away), or not now."""
        name = names.readable_name(entry.raw, self._rules.name_encoding)
        if name is None:
            self._refuse_here(
                shelf, entry, "its name cannot be read: control characters, another encoding, or too long"
            )
            return None
        if self._spool.is_answered(entry):
            # The node holds it, and the source was told; only putting it away did not succeed then.
            self._put_away(_Held(shelf=shelf, entry=entry, name=name))
            self._spool.drop(entry)
            return None
        if entry.size > self._rules.bytes_max:
            self._refuse_here(shelf, entry, f"it has {entry.size} bytes, more than bytes_max = {self._rules.bytes_max}")
            return None
        if self._claims is not None and shelf == HERE:
            if not self._claim(entry):
                return None
            shelf = self._own_shelf()
        try:
            filled = self._spool.fill(self._place, shelf, entry)
        except UnreadableFileError:
            self._refuse_here(shelf, entry, "the account of the node may not read it: give it permission to read")
            return None
        return None if filled is None else self._delivery(_Held(shelf=shelf, entry=entry, name=name), *filled)

    def _claim(self, entry: Entry) -> bool:
        """Move a file to this adapter's own shelf; False when another one took it, or its name is still there."""
        self._mark()
        own = self._own_shelf()
        if self._place.find(own, entry.raw) is not None:
            return False
        if not self._place.move(HERE, entry.raw, own, entry.raw):
            return False
        self._claimed.add(entry.raw)
        return True

    def _delivery(self, held: _Held, path: Path, digest: str) -> Delivery:
        key = names.delivery_key(held.name, digest)
        self._held[key] = held
        inline = 0 < held.entry.size <= _INLINE_BYTES_MAX
        return Delivery(
            source_id=self._opening.source_id,
            delivery_key=key,
            content=path.read_bytes() if inline else b"",
            file=None if inline else path,
            media_type=names.media_type(held.name),
            fetched_at=self._opening.now(),
            name=held.name,
        )

    def _unchanged(self, delivery: Delivery) -> _Held | None:
        """Return what is held of a delivery; None when it was answered, or is another file by now and comes anew."""
        held = self._held.get(delivery.delivery_key)
        if held is None:
            return None
        if self._place.find(held.shelf, held.entry.raw) == held.entry:
            return held
        _LOG.warning("file changed before it was answered", extra={"file": held.name})
        self._spool.drop(held.entry)
        del self._held[delivery.delivery_key]
        return None

    def _forget(self, key: str, held: _Held) -> None:
        self._only_tried = False
        self._passed_over.discard(held.entry.raw)
        self._spool.drop(held.entry)
        del self._held[key]

    def _write_results(self, name: str, key: str, outcome: Outcome) -> None:
        failed = None
        if outcome.failed_rows is not None:
            failed = names.with_mark(name, "failed")
            self._write(RESULTS, failed, outcome.failed_rows)
        if self._rules.results == NO_RESULTS:
            return
        if self._rules.results == "json":
            content = answers.result_json(name, key, self._opening.now(), outcome, failed)
        else:
            content = answers.result_csv(outcome)
        self._write(RESULTS, f"{name}.result.{self._rules.results}", content)

    def _refuse_here(self, shelf: str, entry: Entry, reason: str) -> None:
        """Refuse what never becomes a delivery; the node learns of it by its log."""
        name = names.readable_name(entry.raw, self._rules.name_encoding) or names.shown_name(entry.raw)
        self._refuse(shelf, entry, name, reason)
        self._only_tried = False
        self._spool.drop(entry)
        _LOG.warning("file refused", extra={"file": name, "reason": reason})

    def _refuse(self, shelf: str, entry: Entry, name: str, reason: str) -> None:
        self._mark()
        name = self._free_name(REJECTED, name)
        beside = f"{name}{_REASON}"
        self._write(REJECTED, beside, answers.reason_text(name, reason))
        try:
            self._move(shelf, entry, REJECTED, name)
        except AdapterError:
            with suppress(AdapterError):
                self._place.remove(REJECTED, self._raw(beside))
            raise
        self._remove_marker(entry)

    def _put_away(self, held: _Held) -> None:
        """Move a file that was taken in to its shelf, and look what was moved: it may be another one by now.

        That one was never handed over, so it goes back. What is to be deleted goes the same way, to be looked at.
        """
        name = self._free_name(DONE, held.name)
        self._move(held.shelf, held.entry, DONE, name)
        moved = self._place.find(DONE, self._raw(name))
        if moved is not None and replace(moved, raw=held.entry.raw) != held.entry:
            _LOG.warning("file changed while it was answered", extra={"file": held.name})
            self._place.move(DONE, moved.raw, HERE, self._raw(self._free_name(HERE, held.name)))
            return
        if self._rules.after == DELETE:
            self._place.remove(DONE, self._raw(name))
        self._remove_marker(held.entry)

    def _move(self, shelf: str, entry: Entry, to_shelf: str, name: str) -> None:
        self._place.make(to_shelf)
        self._place.move(shelf, entry.raw, to_shelf, self._raw(name))
        self._claimed.discard(entry.raw)

    def _remove_marker(self, entry: Entry) -> None:
        if self._rules.marker:
            self._place.remove(HERE, entry.raw + self._raw(self._rules.marker))

    def _free_name(self, shelf: str, name: str) -> str:
        """Return the name, or one made of it when a file has it already: nothing is ever overwritten there."""
        is_ours = shelf == REJECTED and name.endswith(_REASON)
        if not is_ours and self._place.find(shelf, self._raw(name)) is None:
            return name
        return names.with_mark(name, f"{self._opening.now():%Y%m%dT%H%M%S}-{self._opening.token(3).hex()}")

    def _write(self, shelf: str, name: str, content: bytes) -> None:
        self._place.make(shelf)
        self._place.write(shelf, self._raw(name), content)

    def _raw(self, name: str) -> bytes:
        return name.encode(self._rules.name_encoding)
