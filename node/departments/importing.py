"""Import: one file from this machine, through the same intake as every other door.

Called by ``yizhan import``, beside or without a running node. Importing the same file again is harmless: its records
are known by their source keys, its refused rows by their content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from node.collector import seldom_collected
from node.departments.dialects import AUTO, DialectOptions, recognise
from node.departments.sources import OPERATOR, Source
from node.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from node.departments.accept import Intake
    from node.departments.report import ImportReport

Progress = Callable[[int, int], None]
"""Told how many bytes of the file are read and how many of its rows are decided."""

_HEAD_BYTES: Final = 4096


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
    """Take in the records of a file and report.

    ``dialect`` is one of the node's dialects, with ``@`` and a variant where it has them, or ``auto``; ``record_type``
    is for tables whose rows do not say it, ``table`` for rows that do not say their source's table; ``progress`` is
    told how far it is after each batch. The channel of the records is IMPORT, whatever channel the source has. Raises
    NotFoundError when the file cannot be read, UsageError for an unknown dialect, and what ``Intake.accept`` raises.
    """
    options = DialectOptions(record_type=record_type, table=table, system=source.name)
    try:
        with path.open("rb") as stream, seldom_collected():
            if dialect == AUTO:
                dialect = recognise(path.name, stream.read(_HEAD_BYTES))
                stream.seek(0)
            return intake.accept(
                intake.dialects.read(dialect, stream, options),
                source=source.on_channel(OPERATOR.channel),
                dialect=dialect,
                # Nobody knows how far a pipe is.
                committed=lambda report: progress(stream.tell() if stream.seekable() else 0, report.offered),
            )
    except OSError as error:
        raise NotFoundError(
            f"The file {path} cannot be read",
            why=error.strerror or type(error).__name__,
            action="check its name and who may read it",
        ) from error
