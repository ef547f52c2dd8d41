"""Preparing a long delivery in a process of its own, while this one reads what follows and writes what went before.

Half of taking a record in needs no store (docs/performance.md): the work is the interpreter's and libxml2's, and
threads of one interpreter hardly share it. So behind its first batch, or the first ``HERE_MAX`` records of an adapter's
round, a delivery gets a worker: a process of this program that lives as long as the delivery, or the round, and
prepares from the moment on that it has started. It gets candidates and salts through its standard input and answers
through its standard output, one batch at a time; it opens no home, no key and no store.

Nothing rests on the worker: when it cannot be started or dies (out of memory, killed), the batch it had is prepared
here, as are all that follow. When this process dies, the worker's input ends, and so does the worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node.beside import PROCESSORS_MIN, READY, Beside, line_to_starter, processors
from node.collector import seldom_collected
from node.departments.candidates import Candidate
from node.departments.prepare import Prepared, new_salts, prepare_salted
from node.journal.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from node.beside import Line
    from node.errors import Problem
    from node.randomness import Randomness
    from node.standard.facts import Facts

    _Answer = tuple[tuple[str, bytes, bytes, bytes | None, Facts | None] | None, str, bytes, tuple[Problem, ...]]
    """Of one candidate: type, body, leaf hash, compressed body and facts of its record, its keys, its problems."""

HERE_MAX: Final = 500
"""Records of a round that are prepared here before a worker is started: as many as a batch has, because what comes in
one batch needs none. Our own choice."""
_MODULE: Final = "node.departments.preparing"


def prepared_batches(
    numbered: Iterator[Sequence[Candidate]], *, channel: str, randomness: Randomness
) -> Iterator[list[Prepared]]:
    """Yield each batch of one delivery prepared, as ``Preparer.prepared`` does."""
    with Preparer() as preparer:
        yield from preparer.prepared(numbered, channel=channel, randomness=randomness)


class Preparer:
    """Prepares deliveries, one after the other; the worker that a long one got stays for those behind it."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._here = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_worker()

    def prepared(
        self, numbered: Iterator[Sequence[Candidate]], *, channel: str, randomness: Randomness
    ) -> Iterator[list[Prepared]]:
        """Yield each batch prepared, in order; ``channel`` and what is raised are those of ``prepare``.

        At most one batch further is read than was yielded.
        """
        if self._worker is not None and not self._worker.is_free_for(channel):
            # A delivery broke off: what the worker says next would be taken for what was asked of it after that.
            self._end_worker()
        for number, batch in enumerate(numbered):
            if self._worker is None and (number > 0 or self._here + len(batch) > HERE_MAX):
                self._worker = Worker(channel) if processors() >= PROCESSORS_MIN else None
            salts = new_salts(batch, randomness)
            if self._worker is not None and self._worker.is_ready():
                self._worker.begin(batch, salts)
                yield from _prepared_beside(self._worker, numbered, randomness)
                return
            self._here += len(batch)
            yield prepare_salted(batch, salts, channel=channel)

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.leave()


def _prepared_beside(
    worker: Worker, numbered: Iterator[Sequence[Candidate]], randomness: Randomness
) -> Iterator[list[Prepared]]:
    """Yield the batch that the worker has begun, and all further ones, each while the next one is prepared."""
    for batch in numbered:
        ready = worker.finish()
        worker.begin(batch, new_salts(batch, randomness))
        yield ready
    yield worker.finish()


class Worker(Beside):
    """The worker of one delivery: a batch is begun, then finished, then the next one."""

    def __init__(self, channel: str) -> None:
        super().__init__(_MODULE)
        self._channel = channel
        self._batch: tuple[Sequence[Candidate], list[bytes]] = ((), [])
        self._is_busy = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def is_free_for(self, channel: str) -> bool:
        """Tell whether every batch that was begun is finished, and it prepares for this channel."""
        return not self._is_busy and self._channel == channel

    def begin(self, candidates: Sequence[Candidate], salts: list[bytes]) -> None:
        """Give the worker a batch; the one before it must be finished."""
        self._batch = candidates, salts
        self._is_busy = True
        self.tell((self._channel, salts, [_told(one) for one in candidates]))

    def finish(self) -> list[Prepared]:
        """Return the batch that was begun, prepared; raises what ``prepare`` raises."""
        candidates, salts = self._batch
        answers: list[_Answer] | None = self.hear()
        self._is_busy = False
        if answers is None:
            return prepare_salted(candidates, salts, channel=self._channel)
        return [_prepared(candidate, answer) for candidate, answer in zip(candidates, answers, strict=True)]


def serve(line: Line) -> None:
    """Prepare batch after batch until the line ends: the whole of what a worker does."""
    line.tell(READY)
    while True:
        try:
            channel, salts, told = line.hear()
        except EOFError:
            return
        prepared = prepare_salted([_candidate(*one) for one in told], salts, channel=channel)
        line.tell([_answer(one) for one in prepared])


def _told(candidate: Candidate) -> tuple[Any, ...]:
    """Return what a worker has to know of a candidate."""
    one = candidate
    return one.record_type, one.content, one.markup, one.row, one.line, one.sheet, one.problems


def _candidate(
    record_type: str,
    content: dict[str, Any] | None,
    markup: bytes | None,
    row: int | None,
    line: int | None,
    sheet: str,
    problems: tuple[Problem, ...],
) -> Candidate:
    return Candidate(
        record_type=record_type,
        kept=bytes,  # Kept by the process that read the delivery.
        content=content,
        markup=markup,
        row=row,
        line=line,
        sheet=sheet,
        problems=problems,
    )


def _answer(one: Prepared) -> _Answer:
    entry = one.entry
    made = None if entry is None else (entry.record_type, entry.body, entry.leaf, entry.packed, entry.facts)
    return made, one.source_key, one.content_hash, one.problems


def _prepared(candidate: Candidate, answer: _Answer) -> Prepared:
    made, source_key, content_hash, problems = answer
    entry = None
    if made is not None:
        record_type, body, leaf, packed, facts = made
        entry = Entry(record_type=record_type, body=body, leaf=leaf, facts=facts, packed=packed)
    return Prepared(
        candidate=candidate, entry=entry, source_key=source_key, content_hash=content_hash, problems=problems
    )


if __name__ == "__main__":
    with seldom_collected():
        serve(line_to_starter())
