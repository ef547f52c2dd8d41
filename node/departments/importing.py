"""Import: one file from this machine, through the same intake as every other door.

Called by ``yizhan import``, beside or without a running node. Importing the same file again is harmless: its records
are known by their source keys, its refused rows by their content.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from node.collector import seldom_collected
from node.departments.dialects import AUTO, DialectOptions, recognise
from node.departments.preview import preview
from node.departments.sources import OPERATOR, Source
from node.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.departments.accept import Intake
    from node.departments.candidates import Candidate
    from node.departments.report import ImportReport, Verdict

Progress = Callable[[int, int], None]
"""Told how many bytes of the file are read and how many of its rows are decided."""
Told = Callable[["Verdict"], None]
"""Told each verdict, in the order in which the records are taken in."""

_HEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredFile:
    """A file that is open to be taken in: its bytes, its dialect (never ``auto``), and what was said of its rows."""

    stream: BinaryIO
    dialect: str
    options: DialectOptions
    source: Source

    def candidates(self, intake: Intake) -> Iterator[Candidate]:
        """Return the records that stand in the file, from where it is read; raises UsageError for a dialect."""
        return intake.dialects.read(self.dialect, self.stream, self.options)

    def take_in(
        self, intake: Intake, *, progress: Progress = lambda _bytes, _rows: None, told: Told = lambda _: None
    ) -> ImportReport:
        """Take in the records and report; raises what ``Intake.accept`` raises."""
        with seldom_collected():
            return intake.accept(
                self.candidates(intake),
                source=self.source,
                dialect=self.dialect,
                told=told,
                committed=lambda report: progress(self._place(), report.offered),
            )

    def preview(self, intake: Intake, *, told: Told = lambda _: None) -> ImportReport:
        """Return what taking the records in would report, and leave the file at its start; UsageError for a pipe."""
        if not self.stream.seekable():
            raise UsageError(
                "What comes through a pipe cannot be looked at first",
                why="it has to be read a second time to be taken in",
                action="save the delivery as a file first, or import it without a look",
            )
        with seldom_collected():
            report = preview(intake, self.candidates(intake), source=self.source, dialect=self.dialect, told=told)
        self.stream.seek(0)
        return report

    def _place(self) -> int:
        # Nobody knows how far a pipe is.
        return self.stream.tell() if self.stream.seekable() else 0


@contextmanager
def opened_file(
    path: Path, *, dialect: str = AUTO, source: Source = OPERATOR, record_type: str = "", table: str = ""
) -> Iterator[DeliveredFile]:
    """Open a file to be taken in.

    ``dialect`` is one of the node's dialects, with ``@`` and a variant where it has them, or ``auto``; ``record_type``
    is for tables whose rows do not say it, ``table`` for rows that do not say their source's table. The channel of the
    records is IMPORT, whatever channel the source has. Raises NotFoundError when the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            if dialect == AUTO:
                dialect = recognise(path.name, stream.read(_HEAD_BYTES))
                stream.seek(0)
            yield DeliveredFile(
                stream=stream,
                dialect=dialect,
                options=DialectOptions(record_type=record_type, table=table, system=source.name),
                source=source.on_channel(OPERATOR.channel),
            )
    except OSError as error:
        raise NotFoundError(
            f"The file {path} cannot be read",
            why=error.strerror or type(error).__name__,
            action="check its name and who may read it",
        ) from error


def import_file(
    intake: Intake,
    path: Path,
    *,
    dialect: str = AUTO,
    source: Source = OPERATOR,
    record_type: str = "",
    table: str = "",
    progress: Progress = lambda _bytes, _rows: None,
) -> ImportReport:
    """Take in the records of a file and report; arguments and errors as for ``opened_file`` and ``Intake.accept``.

    ``progress`` is told how far it is after each batch.
    """
    with opened_file(path, dialect=dialect, source=source, record_type=record_type, table=table) as delivered:
        return delivered.take_in(intake, progress=progress)
