"""Failed rows: a file of only the refused records of a delivery, in the form in which they came.

Somebody corrects that file and delivers it, instead of looking for the rows in a long one. Called by ``yizhan import``,
by the pages for second entry and by the doors, for any delivery whose bytes are still there. Memory is bounded whatever
its size: it is read again from its start, and what was refused is copied as it passes by.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from tempfile import SpooledTemporaryFile
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from node.departments.dialects.built_in import BUILT_IN
from node.departments.dialects.csv_failed import write_failed_csv
from node.departments.dialects.dialect import ROWS, VARIANT_MARK, DialectOptions
from node.departments.dialects.failed_rows import Delivered, FailedWriter, Refusals
from node.departments.dialects.json_failed import write_failed_json
from node.departments.dialects.standard_failed import write_failed_standard
from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from node.departments.dialects import Dialects
    from node.departments.failures import Failures

BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of failed rows that are handed to a door at once. Our own choice: what a person will correct by hand."""
_IN_MEMORY_BYTES: Final = 1024 * 1024


def _write_failed_xlsx(delivered: Delivered, failures: Refusals, output: BinaryIO) -> int:
    from node.departments.dialects.xlsx_failed import write_failed_xlsx  # noqa: PLC0415 - seldom needed, long to load.

    return write_failed_xlsx(delivered, failures, output)


WRITERS: Final[Mapping[str, FailedWriter]] = MappingProxyType({
    "standard": write_failed_standard,
    "csv": write_failed_csv,
    "xlsx": _write_failed_xlsx,
    "json": write_failed_json,
})  # fmt: skip
"""What writes the failed rows of a delivery, by dialect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How many refused records were written, and how many have no place of their own in the delivery.

    Left out is what is wrong with a file or a sheet as a whole, and a row that was longer than is read.
    """

    rows: int
    left_out: int


def check_writable(dialects: Dialects, name: str) -> None:
    """Raise UsageError when the failed rows of this dialect cannot be written, with the reason.

    Raises what ``Dialects.find`` raises for a dialect that does not exist.
    """
    found = dialects.find(name)
    if found.name in WRITERS and found.name in BUILT_IN:
        return
    why = (
        "a row may take what it lacks from an earlier row of its case, and would mean less by itself"
        if found.kind == ROWS
        else "a case becomes several records, and is corrected and delivered again as a whole"
    )
    raise UsageError(
        f"The failed rows of a delivery in the dialect {found.name} cannot be written",
        why=why,
        action="See `yizhan refused list`: each refused record is kept there, to be corrected and offered again",
    )


def write_failed_rows(
    dialect: str,
    delivered: BinaryIO,
    failures: Failures,
    output: BinaryIO,
    *,
    options: DialectOptions | None = None,
) -> Written:
    """Write the refused records of a delivery to ``output``; with none written it is not worth keeping.

    ``dialect`` is one for which ``check_writable`` passed, ``delivered`` the same bytes as were taken in, at their
    start; ``options`` are those with which they were read.
    """
    writer = WRITERS[dialect.partition(VARIANT_MARK)[0]]
    rows = writer(Delivered(stream=delivered, options=options or DialectOptions()), failures, output)
    return Written(rows=rows, left_out=failures.count - rows)


def failed_rows(
    dialects: Dialects,
    dialect: str,
    delivered: bytes | Path,
    failures: Failures,
    *,
    options: DialectOptions | None = None,
    bytes_max: int = BYTES_MAX,
) -> bytes | None:
    """Return the failed rows of a delivery as a file, for a door that hands them back to its source.

    None when nothing was refused, when the dialect has no such file, and when it would be larger than ``bytes_max``.
    """
    if not failures.count:
        return None
    try:
        check_writable(dialects, dialect)
    except UsageError:
        return None
    with (
        BytesIO(delivered) if isinstance(delivered, bytes) else delivered.open("rb") as stream,
        SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as output,
    ):
        written = write_failed_rows(dialect, stream, failures, cast("BinaryIO", output), options=options)
        if not written.rows or output.tell() > bytes_max:
            return None
        output.seek(0)
        return output.read()
