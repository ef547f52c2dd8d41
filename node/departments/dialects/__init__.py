"""Dialects: from what systems really send to candidates of the standard. Mappings are data (``*.toml``), not code.

``read(name, stream, options)`` yields candidates; every dialect reads its stream in pieces, so that a file of any size
needs little memory, and yields what it cannot read as a candidate with problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from node.departments.dialects.csv_table import read_csv
from node.departments.dialects.json_batch import read_json
from node.departments.dialects.standard import read_standard
from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.departments.candidates import Candidate

AUTO: Final = "auto"
_SNIFF_BYTES: Final = 4096
_BLANKS: Final = b" \t\r\n"
_UTF8_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectOptions:
    """What the caller knows about a delivery: ``record_type`` of rows that do not say theirs ("": all do)."""

    record_type: str = ""


_READERS: dict[str, Callable[[BinaryIO, DialectOptions], Iterator[Candidate]]] = {
    "standard": lambda stream, _: read_standard(stream),
    "csv": lambda stream, options: read_csv(stream, record_type=options.record_type),
    "json": lambda stream, _: read_json(stream),
}
DIALECTS: Final = tuple(_READERS)


def read(dialect: str, stream: BinaryIO, options: DialectOptions | None = None) -> Iterator[Candidate]:
    """Return the candidates of a delivery; raises UsageError for a dialect that does not exist."""
    reader = _READERS.get(dialect)
    if reader is None:
        raise UsageError(
            f"There is no dialect named {dialect[:40]!r}",
            why="no reader has that name",
            action=f"Use one of: {', '.join((AUTO, *DIALECTS))}",
        )
    return reader(stream, options or DialectOptions())


def recognise(name: str, head: bytes) -> str:
    """Return the dialect of a file by its first bytes, and by the end of its name where they do not tell.

    Anything that is neither XML nor JSON is taken for a table: its reader says what is wrong with it.
    """
    begin = head[:_SNIFF_BYTES].removeprefix(_UTF8_MARK).lstrip(_BLANKS)[:1]
    if begin == b"<" or (not begin and name.lower().endswith(".xml")):
        return "standard"
    if begin == b"{":
        return "json"
    return "standard" if name.lower().endswith(".xml") else "csv"
