"""The dialects that ship with the program, in the order in which they are listed."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from node.departments.dialects.csv_table import read_csv
from node.departments.dialects.dialect import RECORDS, Dialect
from node.departments.dialects.json_batch import read_json
from node.departments.dialects.standard import read_standard

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIALECTS: Final = (
    Dialect(
        name="standard",
        label="标准记录",
        english="records of the standard",
        kind=RECORDS,
        endings=(".xml",),
        media_types=("application/xml", "text/xml"),
        reads=lambda stream, _: read_standard(stream),
    ),
    Dialect(
        name="csv",
        label="表格文本",
        english="tables as text",
        kind=RECORDS,
        endings=(".csv", ".txt", ".tsv"),
        media_types=("text/csv",),
        reads=lambda stream, options: read_csv(stream, record_type=options.record_type, zone=options.zone),
        typed=True,
    ),
    Dialect(
        name="json",
        label="JSON 批次",
        english="batches in JSON",
        kind=RECORDS,
        endings=(".json",),
        media_types=("application/json",),
        reads=lambda stream, _: read_json(stream),
    ),
)
BUILT_IN: Final[Mapping[str, Dialect]] = MappingProxyType({dialect.name: dialect for dialect in _DIALECTS})
