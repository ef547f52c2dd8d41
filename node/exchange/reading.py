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
from node.journal.entries import Entry, pack
from node.journal.replay import read_entry
from node.standard.compression import compress_record
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

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
AHEAD_MAX: Final = 2
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

    def read(self, fresh: Sequence[Fresh]) -> list[Entry]:
        """Return the entries of records, in order; raises for nothing that they hold.

        An entry has its packed body. It has its element only where its record belongs to no case: hundreds of trees
        that live on until the commit cost more to free than all facts to read, and hardly a projection wants them.
        """
        if not self.shares or not self._lock.acquire(blocking=False):
            return _read_here(fresh)
        try:
            self._forget_one_that_left()
            return _read_here(fresh) if len(fresh) < SHARED_RECORDS_MIN else self._read_shared(fresh)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            if self._helper is not None:
                self._helper.leave()
                self._helper = None

    def _read_shared(self, fresh: Sequence[Fresh]) -> list[Entry]:
        helper = self._ready()
        return _read_here(fresh) if helper is None else _Sharing(helper, fresh).read()

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


class _Sharing:
    """One package, read from both ends."""

    def __init__(self, helper: _Helper, fresh: Sequence[Fresh]) -> None:
        self._helper = helper
        self._fresh = fresh
        self._here: list[Entry] = []
        self._there: list[list[Entry]] = []
        """Pieces read by the other process, the last of the package first."""
        self._end = len(fresh)
        """Where begins what was given away."""
        self._asked: deque[tuple[int, int]] = deque()

    def read(self) -> list[Entry]:
        """Return the entries of the whole package, in order."""
        self._give_away()
        while (begin := len(self._here)) < self._end:
            self._here += _read_here(self._fresh[begin : min(begin + PIECE_RECORDS, self._end)])
            while self._asked and self._helper.answers():
                self._hear()
            self._give_away()
        while self._asked:
            self._hear()
        return [*self._here, *(entry for piece in reversed(self._there) for entry in piece)]

    def _give_away(self) -> None:
        """Give pieces away while more is left for us than the other process has, so that nobody waits at the end."""
        while len(self._asked) < AHEAD_MAX:
            begin = self._end - PIECE_RECORDS
            if begin - len(self._here) < len(self._asked) * PIECE_RECORDS:
                return
            if not self._helper.tell([body for body, _ in self._fresh[begin : self._end]]):
                return
            self._asked.append((begin, self._end))
            self._end = begin

    def _hear(self) -> None:
        begin, end = self._asked.popleft()
        piece = self._fresh[begin:end]
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
            bodies = line.hear()
        except EOFError:
            return
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
