"""Uploads: a table handed in through a browser, looked at first, then taken in; the failed rows come back as a file.

Called by the pages for second entry. What was uploaded lies in temporary files as long as its clerk is signed in; it
goes through the preview and the intake of ``yizhan import``, and a larger file is for that command.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast

from node.departments.dialects import DialectOptions, recognise
from node.departments.failed_rows import check_writable, write_failed_rows
from node.departments.failures import Failures
from node.departments.importing import DeliveredFile
from node.departments.report import REFUSED, ImportReport, Verdict
from node.departments.results import ResultsTable
from node.departments.sources import IMPORT_CHANNEL
from node.errors import StateConflictError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.departments.accept import Intake
    from node.departments.candidates import Candidate
    from node.departments.sources import Source

RECORDS_MAX: Final = 20_000
"""Records of one upload: some ten seconds of work while a browser waits. Our own choice."""
REFUSED_SHOWN_MAX: Final = 200
OTHERS_SHOWN_MAX: Final = 50
"""Records that the page shows, refused ones and others; the files have all of them. Our own choice."""
NAME_LENGTH_MAX: Final = 100
_HEAD_BYTES: Final = 4096


@dataclass(slots=True)
class UploadOutcome:
    """What became, or would become, of the records of an upload; ``taken``: they were taken in."""

    report: ImportReport
    taken: bool
    shown: list[Verdict] = field(default_factory=list)
    results: IO[bytes] = field(default_factory=TemporaryFile)
    failed: IO[bytes] | None = None

    def add(self, verdict: Verdict) -> None:
        """Take note of the next verdict, to be shown while there is room."""
        refused = verdict.outcome == REFUSED
        count = sum((one.outcome == REFUSED) == refused for one in self.shown)
        if count < (REFUSED_SHOWN_MAX if refused else OTHERS_SHOWN_MAX):
            self.shown.append(verdict)

    def close(self) -> None:
        """Let the files go."""
        self.results.close()
        if self.failed is not None:
            self.failed.close()


class Upload:
    """One uploaded file: ``stream`` holds it; ``outcome`` is that of the last look or import."""

    def __init__(self, name: str, stream: BinaryIO, *, record_type: str = "", system: str = "") -> None:
        self.name = name[-NAME_LENGTH_MAX:]
        self.stream = stream
        self.dialect = recognise(name, stream.read(_HEAD_BYTES))
        self.options = DialectOptions(record_type=record_type, system=system)
        self.outcome: UploadOutcome | None = None
        stream.seek(0)

    def look(self, intake: Intake, source: Source) -> UploadOutcome:
        """See what would become of the records; raises UsageError for more than RECORDS_MAX, and as ``preview``."""
        return self._done(intake, source, taken=False)

    def take_in(self, intake: Intake, source: Source) -> UploadOutcome:
        """Take the records in; raises StateConflictError before they were looked at, and as ``Intake.accept``."""
        if self.outcome is None:
            raise StateConflictError(
                "The upload was not looked at",
                why="records are taken in after a look at what would become of them",
                action="upload the file again",
            )
        return self._done(intake, source, taken=True)

    def close(self) -> None:
        """Let the files go."""
        self.stream.close()
        if self.outcome is not None:
            self.outcome.close()

    def _done(self, intake: Intake, source: Source, *, taken: bool) -> UploadOutcome:
        self.stream.seek(0)
        delivered = _Bounded(
            stream=self.stream, dialect=self.dialect, options=self.options, source=source.on_channel(IMPORT_CHANNEL)
        )
        outcome = UploadOutcome(report=ImportReport(), taken=taken)
        table = ResultsTable(cast("BinaryIO", outcome.results))
        with ExitStack() as unless_done, Failures() as failures:
            unless_done.callback(outcome.close)

            def told(verdict: Verdict) -> None:
                outcome.add(verdict)
                table.add(verdict)
                failures.add(verdict)

            run = delivered.take_in if taken else delivered.preview
            outcome.report = run(intake, told=told)
            table.end()
            self._write_failed(intake, failures, outcome)
            unless_done.pop_all()
        if self.outcome is not None:
            self.outcome.close()
        self.outcome = outcome
        return outcome

    def _write_failed(self, intake: Intake, failures: Failures, outcome: UploadOutcome) -> None:
        """Make the file of failed rows, where there are any and the dialect has one."""
        if not failures.count:
            return
        try:
            check_writable(intake.dialects, self.dialect)
        except UsageError:
            return
        self.stream.seek(0)
        made = TemporaryFile()  # noqa: SIM115 - closed with the outcome.
        written = write_failed_rows(self.dialect, self.stream, failures, cast("BinaryIO", made), options=self.options)
        if written.rows:
            outcome.failed = made
        else:
            made.close()


class _Bounded(DeliveredFile):
    """A delivery of which no more than RECORDS_MAX records are read."""

    def candidates(self, intake: Intake) -> Iterator[Candidate]:
        """Return the records; raises UsageError at the first one too many."""
        read = intake.dialects.read(self.dialect, self.stream, self.options, records_max=RECORDS_MAX + 1)
        return chain((candidate for _, candidate in zip(range(RECORDS_MAX), read, strict=False)), _too_many(read))


def _too_many(rest: Iterator[Candidate]) -> Iterator[Candidate]:
    """Raise when anything is left; it yields nothing."""
    for _ in rest:
        raise UsageError(
            f"The file has more than {RECORDS_MAX} records",
            why="that is as many as a browser waits for",
            action="let the administrator import it: yizhan import FILE; or hand it in in parts",
        )
    yield from ()
