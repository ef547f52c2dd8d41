"""Reading the records of a package: parsed, validated, and turned into entries; a large package on two processors.

Half of taking a record in is libxml2's work and the interpreter's around it, which threads of one interpreter hardly
share (docs/performance.md). So the second half of a large package is read by a process beside this one
(``node.beside``) while this one reads the first. Both run ``read_entry`` on each record's own bytes; who read a record
is not to be seen. The process is started by the first large package, which does not wait for it, and leaves when none
came for a minute.
"""

from __future__ import annotations

import pickle
import select
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, Final

from node.beside import Beside
from node.journal.entries import Entry
from node.journal.replay import read_entry
from node.standard.compression import compress_record
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.standard.facts import Facts

    Fresh = tuple[bytes, bytes]
    """A record as it came: its exact bytes, and their leaf hash."""
    _Answer = tuple[str, bytes, Facts] | None
    """Of one record that belongs to a case: type, compressed body and facts. None: whoever asked reads it himself."""

SHARED_RECORDS_MIN: Final = 100
"""Records of a package from which on it is shared; chosen by us: below, telling costs more than reading."""
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

        An entry has its element only where its record belongs to no case: hundreds of trees that live on until the
        commit cost more to free than all facts to read, and hardly a projection wants them.
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
        half = len(fresh) // 2
        helper = self._ready()
        if helper is None or not helper.tell([body for body, _ in fresh[half:]]):
            return _read_here(fresh)
        entries = _read_here(fresh[:half])
        answers: list[_Answer] | None = helper.hear()
        if answers is None:
            return entries + _read_here(fresh[half:])
        entries += [_heard(body, leaf, answer) for (body, leaf), answer in zip(fresh[half:], answers, strict=True)]
        return entries

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


def serve(requests: BinaryIO, answers: BinaryIO, idle_s: float = IDLE_S) -> None:
    """Read records until ``requests`` ends or nothing came for ``idle_s`` seconds: all that the process does."""
    _answer(answers, _READY)
    while select.select([requests], [], [], idle_s)[0]:
        try:
            bodies = pickle.load(requests)  # noqa: S301 - from the process that started this one.
        except EOFError:
            return
        _answer(answers, [_told(body) for body in bodies])


def _answer(answers: BinaryIO, answer: object) -> None:
    pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
    answers.flush()


def _read_here(fresh: Sequence[Fresh]) -> list[Entry]:
    return [_without_tree(read_entry(body, leaf=leaf)) for body, leaf in fresh]


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
        return _without_tree(read_entry(body, leaf=leaf))
    record_type, packed, facts = answer
    return Entry(record_type=record_type, body=body, leaf=leaf, facts=facts, packed=packed)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
