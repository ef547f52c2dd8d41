"""Dialects made of a mapping file: ``exinfo`` and ``up``, and a site's own rows (``<home>/mappings/NAME.toml``)."""

from __future__ import annotations

import io
import re
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, Final

from node.departments.candidates import RULE_EMPTY, RULE_NOT_TEXT, WHOLE_BYTES_MAX, Candidate, unreadable
from node.departments.dialects.csv_source_rows import csv_of, read_csv_rows
from node.departments.dialects.dialect import ROWS, Dialect, DialectOptions, Written
from node.departments.dialects.json_rows import json_of, read_json_rows
from node.departments.dialects.mapping_described import described_tables, losses
from node.departments.dialects.mapping_file import CSV, JSON, XML, MappingFile
from node.departments.dialects.mapping_loading import built_in_mapping, load_mapping
from node.departments.dialects.row_mapping import RowMapper
from node.departments.dialects.row_writing import rows_of
from node.departments.dialects.xlsx import looks_like_spreadsheet
from node.departments.dialects.xlsx_source_rows import read_sheet_rows
from node.departments.dialects.xml_rows import read_xml_rows, xml_of
from node.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from node.departments.dialects.source_rows import SourceRow

BUILT_IN_MAPPINGS: Final = ("exinfo", "up")
ENDINGS: Final = {XML: ".xml", JSON: ".json", CSV: ".csv"}
_TABLE_NAMED: Final = re.compile(rb"""(?:\{\s*"(?:table"\s*:\s*")?|#table )([^"\s,;]{1,64})""")
"""How JSON grouped by table begins, and text that names its table."""
_SNIFF_BYTES: Final = 4096
_BUFFER_BYTES: Final = 65_536
_BLANKS: Final = b"\xef\xbb\xbf \t\r\n"


def site_dialect(name: str, path: Path) -> Dialect:
    """Return the dialect of a site's mapping file; raises ConfigurationError for a file that cannot be used."""
    return dialect_of(load_mapping(name, path))


def built_in_dialect(name: str) -> Dialect:
    """Return a dialect whose mapping ships with the program; the mapping is loaded when it is used first."""
    return dialect_of(_built_in(name))


@cache
def _built_in(name: str) -> MappingFile:
    return built_in_mapping(name)


def mapping_named(name: str, folder: Path | None) -> MappingFile:
    """Return a mapping by the name of its dialect; ``folder`` holds the site's own (None: none are looked for).

    Raises UsageError for a name that no mapping has, ConfigurationError for a file that cannot be used.
    """
    if name in BUILT_IN_MAPPINGS:
        return _built_in(name)
    path = None if folder is None else folder / f"{name}.toml"
    if path is None or not path.is_file():
        raise UsageError(
            f"There is no mapping named {name[:40]!r}",
            why="no built-in dialect of rows has that name, and no file of this node's mappings",
            action=f"Name a file, or one of: {', '.join(BUILT_IN_MAPPINGS)}; give --home for a node's own",
        )
    return load_mapping(name, path)


def dialect_of(mapping: MappingFile) -> Dialect:
    """Return the dialect that a mapping makes."""
    return Dialect(
        name=mapping.name,
        label=mapping.label,
        english=mapping.english,
        kind=ROWS,
        endings=tuple(ENDINGS[form] for form in mapping.reads),
        reads=lambda stream, options: read_mapped(mapping, stream, options),
        writes=lambda records, options: write_mapped(mapping, records, options),
        recognises=lambda _, begin: _looks_like(mapping, begin),
        variants=mapping.variants,
        grouped=True,
        tables=lambda: described_tables(mapping),
        cannot_carry=losses(mapping),
    )


def read_mapped(mapping: MappingFile, stream: BinaryIO, options: DialectOptions) -> Iterator[Candidate]:
    """Yield the candidates of a delivery of rows, in whichever of the mapping's forms of file it is."""
    mapper = RowMapper(mapping, options)
    for row in source_rows(mapping, stream, options):
        if isinstance(row, Candidate):
            yield row
        else:
            yield from mapper.candidates(row)


def source_rows(mapping: MappingFile, stream: BinaryIO, options: DialectOptions) -> Iterator[SourceRow | Candidate]:
    """Yield the rows of a delivery; the first character tells whether it is XML, JSON or a table as text."""
    opened = io.BufferedReader(_Borrowed(stream), _BUFFER_BYTES)
    head = opened.peek(_SNIFF_BYTES)
    begin = head.lstrip(_BLANKS)[:1]
    if not begin:
        yield unreadable(Problem(rule=RULE_EMPTY, text="there is nothing in it", line=1), kept=head[:_SNIFF_BYTES])
    elif looks_like_spreadsheet("", head) and CSV in mapping.reads:
        if stream.seekable():
            stream.seek(0)
        yield from read_sheet_rows(stream, mapping, table=options.table)
    elif begin == b"<" and XML in mapping.reads and mapping.xml is not None:
        yield from read_xml_rows(opened, mapping.xml, table=options.table)
    elif begin in {b"{", b"["} and JSON in mapping.reads:
        yield from read_json_rows(opened, table=options.table)
    elif begin not in {b"<", b"{", b"["} and CSV in mapping.reads:
        yield from read_csv_rows(opened, mapping, table=options.table)
    else:
        kept = opened.read(WHOLE_BYTES_MAX)
        text = f"the dialect {mapping.name} reads {', '.join(mapping.reads)}; this is something else"
        problem = Problem(rule=RULE_NOT_TEXT, text=text, line=1)
        yield unreadable(problem, kept=kept, complete=len(kept) < WHOLE_BYTES_MAX)


def write_mapped(mapping: MappingFile, records: Iterable[Written], options: DialectOptions, *, form: str = "") -> bytes:
    """Return records as one delivery of rows in ``form`` ("": the mapping's first).

    Raises UsageError for what the dialect cannot carry, and for several tables where the form holds one (csv).
    """
    chosen = form or mapping.reads[0]
    rows = [(row.table, row.values) for row in rows_of(mapping, records, options)]
    if chosen == XML and mapping.xml is not None:
        return xml_of(rows, mapping.xml)
    if chosen == JSON:
        return json_of(rows)
    tables = {table for table, _ in rows}
    if chosen != CSV or len(tables) != 1:
        raise UsageError(
            f"The records cannot be written as one {chosen} file",
            why=f"they are rows of {len(tables)} tables" if chosen == CSV else "the mapping does not have that form",
            action="write the records of one table at a time, or in another form",
        )
    return csv_of(tables.pop(), [values for _, values in rows])


def _looks_like(mapping: MappingFile, begin: bytes) -> bool:
    """Tell whether a file begins with the name of one of this mapping's tables, or in XML with what holds its rows."""
    named = _TABLE_NAMED.match(begin)
    if named is not None:
        return mapping.table_named(named[1].decode(errors="replace")) is not None
    if mapping.xml is None or XML not in mapping.reads or not mapping.xml.roots:
        return False
    return bool(re.match(rb"(?:<\?xml[^<>]{0,200}\?>\s*)?<%b[\s/>]" % mapping.xml.roots[0].encode(), begin))


class _Borrowed(io.RawIOBase):
    """A stream of the caller's, to be read through a buffer that can be looked into; it may be a pipe."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill ``buffer`` and return how many bytes came."""
        view = memoryview(buffer)
        data = self._stream.read(len(view))
        view[: len(data)] = data
        return len(data)
