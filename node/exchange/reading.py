"""Reading the records of a package: parsed, validated, and turned into entries; a large package on two processors.

Half of taking a record in is libxml2's work and the interpreter's around it, which threads of one interpreter hardly
share (docs/performance.md). So a large package is read from its end by a process beside this one (``node.beside``)
while this one reads it from its beginning, piece by piece until they meet: whoever gets less of a processor reads less.
Both run ``read_entry`` on each record's own bytes; who read a record is not to be seen. The process is started by the
first large package, which does not wait for it, and leaves when none came for a minute.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from node.beside import Beside, line_to_starter
from node.collector import seldom_collected
from node.journal.entries import Entry, pack, read_entry
from node.standard.compression import compress_record
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.beside import Line
    from node.standard.facts import Facts

    Fresh = tuple[bytes, bytes]
    """A record as it came: its exact bytes, and their leaf hash."""
    _Answer = tuple[str, bytes, Facts] | None
    """Of one record that belongs to a case: type, compressed body and facts. None: whoever asked reads it himself."""

SHARED_RECORDS_MIN: Final = 100
"""Records of a package from which on it is shared; chosen by us: below, telling costs more than reading."""
PIECE_RECORDS: Final = 20
"""Records that are given away at a time; measured: fewer cost more telling, more cost waiting at the end."""
AHEAD_SHARE: Final = 0.9
"""Share of a package that is given away while it waits for its predecessor, which is applied meanwhile."""
ASKED_MAX: Final = 2
"""Pieces that may be given away and not be answered: with one, the process would wait for us."""
ANSWER_S: Final = 10.0
"""Seconds within which a piece must be answered, which takes a millisecond; chosen by us."""
IDLE_S: Final = 60.0
"""Seconds after which a process that nobody asks leaves; chosen by us."""
_MODULE: Final = "node.exchange.reading"
_READY: Final = "ready"


class RecordReader:
    """Reads the records of packages; ``shares``: large ones with the help of another process."""

    def __init__(self) -> None:
        self.shares = False
        self._lock = threading.Lock()
        self._helper: _Helper | None = None

    def read(self, fresh: Sequence[Fresh], ahead: Sharing | None = None) -> list[Entry]:
        """Return the entries of records, in order; raises for nothing that they hold.

        ``ahead``: what ``read_ahead`` began, used if it is of the same records.

        An entry has its packed body. It has its element only where its record belongs to no case: hundreds of trees
        that live on until the commit cost more to free than all facts to read, and hardly a projection wants them.
        """
        bodies = [body for body, _ in fresh]
        sharing = ahead if ahead is not None and ahead.waits_for(bodies) else self._sharing(bodies, wait_s=0.0)
        return _read_here(fresh) if sharing is None else sharing.read([leaf for _, leaf in fresh])

    def read_ahead(self, bodies: Sequence[bytes], wait_s: float) -> Sharing | None:
        """Let the process read records that will be read soon; None when it is not there within ``wait_s``.

        The caller reads or drops what it gets: nobody else has the process meanwhile.
        """
        sharing = self._sharing(bodies, wait_s=wait_s) if len(bodies) >= SHARED_RECORDS_MIN else None
        if sharing is not None:
            sharing.begin()
        return sharing

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            if self._helper is not None:
                self._helper.leave()
                self._helper = None

    def _sharing(self, bodies: Sequence[bytes], *, wait_s: float) -> Sharing | None:
        """Return these records to be shared with the process; None when they are few, or when it is not there."""
        if not self.shares or not self._lock.acquire(timeout=wait_s):
            return None
        helper = None
        try:
            self._forget_one_that_left()
            helper = self._ready() if len(bodies) >= SHARED_RECORDS_MIN else None
        finally:
            if helper is None:
                self._lock.release()
        return None if helper is None else Sharing(helper, bodies, self._lock.release)

    def _forget_one_that_left(self) -> None:
        """Let the system forget a process that left: it is listed as one that has ended until somebody asks."""
        if self._helper is not None and self._helper.has_left():
            self._helper.leave()
            self._helper = None

    def _ready(self) -> _Helper | None:
        """Return the process if it is there, None while it is starting."""
        self._helper = self._helper or _Helper(_MODULE)
        return self._helper if self._helper.is_ready() else None


class _Helper(Beside):
    """The process that reads."""

    _is_ready = False

    def is_ready(self) -> bool:
        """Tell, without waiting, whether it has started."""
        if not self._is_ready:
            self._is_ready = self.answers() and self.hear() == _READY
        return self._is_ready


class Sharing:
    """The records of a package, read from both ends; ``release`` is called when the process is needed no more."""

    def __init__(self, helper: _Helper, bodies: Sequence[bytes], release: Callable[[], None]) -> None:
        self._helper = helper
        self._bodies = bodies
        self._release: Callable[[], None] | None = release
        self._here: list[Entry] = []
        self._there: list[list[Entry]] = []
        """Pieces read by the other process, the last of the package first."""
        self._end = len(bodies)
        """Where begins what was given away."""
        self._asked: deque[tuple[int, int]] = deque()

    def begin(self) -> None:
        """Give most of it away: there is time."""
        self._give(int(len(self._bodies) * AHEAD_SHARE) // PIECE_RECORDS)

    def waits_for(self, bodies: Sequence[bytes]) -> bool:
        """Tell whether it is of these records and was neither read nor dropped."""
        return self._release is not None and self._bodies == bodies

    def read(self, leaves: Sequence[bytes]) -> list[Entry]:
        """Return the entries of all records, in order; ``leaves`` are their leaf hashes."""
        fresh = list(zip(self._bodies, leaves, strict=True))
        try:
            self._give_away()
            while (begin := len(self._here)) < self._end:
                self._here += _read_here(fresh[begin : min(begin + PIECE_RECORDS, self._end)])
                while self._asked and self._helper.answers():
                    self._hear(fresh)
                self._give_away()
            while self._asked:
                self._hear(fresh)
        finally:
            self.drop()
        return [*self._here, *(entry for piece in reversed(self._there) for entry in piece)]

    def drop(self) -> None:
        """Let go of the process, once what it was asked is heard: its next answer must be to the next question."""
        while self._asked:
            self._asked.popleft()
            self._helper.hear(ANSWER_S)
        release, self._release = self._release, None
        if release is not None:
            release()

    def _give_away(self) -> None:
        """Give pieces away while more is left for us than the other process has, so that nobody waits at the end."""
        while len(self._asked) < ASKED_MAX:
            left = self._end - PIECE_RECORDS - len(self._here)
            if left < len(self._asked) * PIECE_RECORDS or not self._give(1):
                return

    def _give(self, count: int) -> bool:
        """Give pieces away with one message; whether it was taken."""
        ends = range(self._end, self._end - count * PIECE_RECORDS, -PIECE_RECORDS)
        pieces = [(end - PIECE_RECORDS, end) for end in ends]
        told = self._helper.tell([self._bodies[begin:end] for begin, end in pieces])
        if told:
            self._asked.extend(pieces)
            self._end -= count * PIECE_RECORDS
        return told

    def _hear(self, fresh: Sequence[Fresh]) -> None:
        begin, end = self._asked.popleft()
        piece = fresh[begin:end]
        answers: list[_Answer] | None = self._helper.hear(ANSWER_S)
        if answers is None:
            self._there.append(_read_here(piece))
        else:
            self._there.append([_heard(*each, answer) for each, answer in zip(piece, answers, strict=True)])


def serve(line: Line, idle_s: float = IDLE_S) -> None:
    """Read records until the line ends or nothing came for ``idle_s`` seconds: all that the process does."""
    line.tell(_READY)
    while line.has_news(idle_s):
        try:
            pieces = line.hear()
        except EOFError:
            return
        for bodies in pieces:
            line.tell([_told(body) for body in bodies])


def _read_here(fresh: Sequence[Fresh]) -> list[Entry]:
    entries = [_without_tree(read_entry(body, leaf=leaf)) for body, leaf in fresh]
    pack(entries)
    return entries


def _without_tree(entry: Entry) -> Entry:
    if _is_of_case(entry):
        entry.element = None
    return entry


def _is_of_case(entry: Entry) -> bool:
    """Tell whether a record is part of a case, and does not only name one, as a Redaction may."""
    known = RECORD_TYPES.get(entry.record_type)
    return known is not None and known.case_record and entry.facts is not None and entry.facts.case_no is not None


def _told(body: bytes) -> _Answer:
    entry = read_entry(body, leaf=b"")
    if entry.facts is None or not _is_of_case(entry):
        return None
    return entry.record_type, compress_record(body), entry.facts


def _heard(body: bytes, leaf: bytes, answer: _Answer) -> Entry:
    if answer is None:
        return _read_here([(body, leaf)])[0]
    record_type, packed, facts = answer
    return Entry(record_type=record_type, body=body, leaf=leaf, facts=facts, packed=packed)


if __name__ == "__main__":
    with seldom_collected():
        serve(line_to_starter())
