"""Import: one file from this machine, through the same intake as every other door.

Called by ``yizhan import``, beside or without a running node. Importing the same file again is harmless: its records
are known by their source keys, its refused rows by their content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.departments.dialects import AUTO, DialectOptions, read, recognise
from node.departments.sources import OPERATOR, Source
from node.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from node.departments.accept import Intake
    from node.departments.report import ImportReport

_HEAD_BYTES: Final = 4096


def import_file(
    intake: Intake, path: Path, *, dialect: str = AUTO, source: Source = OPERATOR, record_type: str = ""
) -> ImportReport:
    """Take in the records of a file and report.

    ``dialect`` is one of ``node.departments.dialects.DIALECTS`` or ``auto``; ``record_type`` is for tables whose rows
    do not say it. The channel of the records is IMPORT, whatever channel the source has. Raises NotFoundError when the
    file cannot be read, UsageError for an unknown dialect, and what ``Intake.accept`` raises.
    """
    try:
        with path.open("rb") as stream:
            return _import(intake, stream, path.name, dialect, source.on_channel(OPERATOR.channel), record_type)
    except OSError as error:
        raise NotFoundError(
            f"The file {path} cannot be read",
            why=error.strerror or type(error).__name__,
            action="check its name and who may read it",
        ) from error


def _import(
    intake: Intake, stream: BinaryIO, name: str, dialect: str, source: Source, record_type: str
) -> ImportReport:
    if dialect == AUTO:
        dialect = recognise(name, stream.read(_HEAD_BYTES))
        stream.seek(0)
    candidates = read(dialect, stream, DialectOptions(record_type=record_type))
    return intake.accept(candidates, source=source, dialect=dialect)
