"""The dialects that ship with the program, in the order in which they are listed."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from node.departments.dialects.csv_table import read_csv
from node.departments.dialects.described import heading_tables, template_csv
from node.departments.dialects.dialect import RECORDS, Dialect, DialectOptions, Loss, Written
from node.departments.dialects.json_batch import read_json, write_json
from node.departments.dialects.mapped import built_in_dialect
from node.departments.dialects.standard import read_standard, write_standard
from node.departments.dialects.table_writing import write_csv
from node.departments.dialects.xlsx import looks_like_spreadsheet, read_xlsx
from node.departments.dialects.xslt_dialects import cooperation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOT_IN_CELLS: Final = (
    Loss(
        chinese="以 = 或空格开头、或以空格结尾的文本",
        english="texts that begin with = or a blank, or end with a blank",
    ),
    Loss(chinese="列表各项中含 | 或 ^ 的文本", english="texts with | or ^ within a list of items"),
    Loss(chinese="不同类型记录之间的先后次序（xlsx）", english="the order of records of different types (xlsx)"),
)


def _write_xlsx(records: Iterable[Written], options: DialectOptions) -> bytes:
    """Write a spreadsheet; what writes it is loaded only then."""
    from node.departments.dialects.xlsx_writing import write_xlsx  # noqa: PLC0415 - import costs more than it is used.

    return write_xlsx(records, options)


def _template_xlsx(record_type: str) -> bytes:
    from node.departments.dialects.xlsx_writing import template_xlsx  # noqa: PLC0415 - as above.

    return template_xlsx(record_type)


_DIALECTS: Final = (
    Dialect(
        name="standard",
        label="标准记录",
        english="records of the standard",
        kind=RECORDS,
        endings=(".xml",),
        media_types=("application/xml", "text/xml"),
        reads=lambda stream, _: read_standard(stream),
        writes=write_standard,
    ),
    Dialect(
        name="csv",
        label="表格文本",
        english="tables as text",
        kind=RECORDS,
        endings=(".csv", ".txt", ".tsv"),
        media_types=("text/csv",),
        reads=lambda stream, options: read_csv(stream, record_type=options.record_type, zone=options.zone),
        writes=write_csv,
        tables=heading_tables,
        template=template_csv,
        typed=True,
        cannot_carry=_NOT_IN_CELLS,
    ),
    Dialect(
        name="xlsx",
        label="电子表格",
        english="spreadsheets",
        kind=RECORDS,
        endings=(".xlsx",),
        media_types=("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",),
        reads=lambda stream, options: read_xlsx(stream, record_type=options.record_type, zone=options.zone),
        writes=_write_xlsx,
        tables=heading_tables,
        template=_template_xlsx,
        recognises=looks_like_spreadsheet,
        typed=True,
        grouped=True,
        cannot_carry=_NOT_IN_CELLS,
    ),
    Dialect(
        name="json",
        label="JSON 批次",
        english="batches in JSON",
        kind=RECORDS,
        endings=(".json",),
        media_types=("application/json",),
        reads=lambda stream, _: read_json(stream),
        writes=write_json,
    ),
    cooperation(),
    built_in_dialect("exinfo"),
    built_in_dialect("up"),
)
BUILT_IN: Final[Mapping[str, Dialect]] = MappingProxyType({dialect.name: dialect for dialect in _DIALECTS})
