"""Reading the records of a package: parsed, validated, and turned into entries; a large package on two processors.

Half of taking a record in is libxml2's work and the interpreter's around it, which threads of one interpreter hardly
share (docs/performance.md). So a large package is read from its end by a process beside this one (``node.beside``)
while this one reads it from its beginning, piece by piece until they meet: whoever gets less of a processor reads less.
Both run ``read_entry`` on each record's own bytes; who read a record is not to be seen. The process is started by the
first large package, which does not wait for it, and leaves when none came for a minute.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from node.beside import READY, Beside, line_to_starter
from node.collector import seldom_collected
from node.journal.entries import Entry, pack, read_entry
from node.standard.compression import compress_record
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from node.beside import Line
    from node.standard.facts import Facts

    Fresh = tuple[bytes, bytes]
    """A record as it came: its exact bytes, and their leaf hash."""
    _Answer = tuple[str, bytes, Facts] | None
    """Of one record that belongs to a case: type, compressed body and facts. None: whoever asked reads it himself."""

SHARED_RECORDS_MIN: Final = 100
"""Records of a package from which on it is shared; chosen by us: below, telling costs more than reading."""
PIECE_RECORDS: Final = 20
"""Records that are read between two looks at what the other one has read; measured: more cost waiting at the end."""
ANSWER_S: Final = 10.0
"""Seconds within which the process must take or answer something, which takes milliseconds; chosen by us."""
IDLE_S: Final = 60.0
"""Seconds after which a process that nobody asks leaves; chosen by us."""
_MODULE: Final = "node.exchange.reading"
_ENOUGH: Final = "enough"
_DONE: Final = "done"


class RecordReader:
    """Reads the records of packages; ``shares``: large ones with the help of another process."""

    def __init__(self) -> None:
        self.shares = False
        self._lock = threading.Lock()
        self._helper: Beside | None = None

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
            try:
                sharing.begin()
            except BaseException:
                sharing.drop()
                raise
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

    def _ready(self) -> Beside | None:
        """Return the process if it is there, None while it is starting."""
        self._helper = self._helper or Beside(_MODULE)
        return self._helper if self._helper.is_ready() else None


class Sharing:
    """The records of a package, read from both ends; ``release`` is called when the process is needed no more."""

    def __init__(self, helper: Beside, bodies: Sequence[bytes], release: Callable[[], None]) -> None:
        self._helper = helper
        self._bodies = bodies
        self._release: Callable[[], None] | None = release
        self._begun = False
        self._reading = False
        """Whether the process reads and has not said that it is done."""
        self._here: list[Entry] = []
        self._there: list[list[Entry]] = []
        """Pieces read by the other process, the last of the package first."""
        self._end = len(bodies)
        """Where begins what the other process has read."""

    def begin(self) -> None:
        """Let the other process begin: it has all records, from the last one on."""
        if not self._begun:
            self._begun = True
            pieces = [self._bodies[max(0, end - PIECE_RECORDS) : end] for end in range(self._end, 0, -PIECE_RECORDS)]
            self._reading = self._helper.tell(pieces, ANSWER_S)

    def waits_for(self, bodies: Sequence[bytes]) -> bool:
        """Tell whether it is of these records and was neither read nor dropped."""
        return self._release is not None and self._bodies == bodies

    def read(self, leaves: Sequence[bytes]) -> list[Entry]:
        """Return the entries of all records, in order; ``leaves`` are their leaf hashes."""
        fresh = list(zip(self._bodies, leaves, strict=True))
        try:
            self.begin()
            while len(self._here) < self._end:
                self._read_piece(fresh)
        finally:
            self.drop()
        return [*self._here[: self._end], *(entry for piece in reversed(self._there) for entry in piece)]

    def drop(self) -> None:
        """Let go of the process, once it is done: its next answer must be to the next question."""
        try:
            if self._reading:
                self._helper.tell(_ENOUGH, ANSWER_S)
            while self._reading:
                self._reading = self._helper.hear(ANSWER_S) not in (None, _DONE)
        finally:
            release, self._release = self._release, None
            if release is not None:
                release()

    def _read_piece(self, fresh: Sequence[Fresh]) -> None:
        """Read a piece here; where the other process is at the piece that comes next, wait for that one."""
        while self._reading and self._helper.answers():
            self._hear(fresh)
        begin = len(self._here)
        end = min(begin + PIECE_RECORDS, self._end)
        if begin >= end:
            return
        if self._reading:
            meeting = max(0, self._end - PIECE_RECORDS)
            if begin >= meeting:
                self._hear(fresh)
                return
            if end >= meeting:
                # Told before the last piece is read, so that nothing is read twice.
                self._helper.tell(_ENOUGH, ANSWER_S)
                end = meeting
        self._here += _read_here(fresh[begin:end])

    def _hear(self, fresh: Sequence[Fresh]) -> None:
        answers: list[_Answer] | str | None = self._helper.hear(ANSWER_S)
        if answers is None or isinstance(answers, str):
            self._reading = False
            return
        begin = self._end - len(answers)
        piece = fresh[begin : self._end]
        self._there.append([_heard(*each, answer) for each, answer in zip(piece, answers, strict=True)])
        self._end = begin


def serve(line: Line, idle_s: float = IDLE_S) -> None:
    """Read records until the line ends or nothing came for ``idle_s`` seconds: all that the process does."""
    line.tell(READY)
    while line.has_news(idle_s):
        try:
            message = line.hear()
        except EOFError:
            return
        if message != _ENOUGH:
            _serve_pieces(line, message)


def _serve_pieces(line: Line, pieces: Iterable[list[bytes]]) -> None:
    """Answer one piece after the other, until there is no more or somebody says that it is enough."""
    for bodies in pieces:
        if line.has_news():
            break
        line.tell([_told(body) for body in bodies])
    line.tell(_DONE)


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
