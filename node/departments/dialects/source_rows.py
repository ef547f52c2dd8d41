"""Rows of tables that are not ours, whatever file they stand in: what readers of rows give to the mapping engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.errors import Problem

RULE_TABLE: Final = "table"
"""The row is of a table that the mapping does not have."""
RULE_KEY: Final = "key"
"""A column without which a row cannot be told from another is empty."""
RULE_CODE: Final = "code"
"""A code that the mapping does not know, or that provinces use for different things."""
RULE_CONDITION: Final = "condition"
"""No record can be made of the row, or a column holds what the mapping does not accept there."""
RULE_DOUBLED: Final = "doubled"
"""A column stands twice in one row."""

ROW_BYTES_MAX: Final = 524_288
"""Bytes of one row as delivered: as much as of one record. Our own choice."""
ROW_COLUMNS_MAX: Final = 400
"""Columns of one row: as many as of a table. Our own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One row as its source gave it.

    ``table`` is the name of the source's table or message, "" where the delivery does not say it. ``values`` are the
    texts by column; what was null is left out. ``row`` and ``line`` count from 1. ``kept`` gives the bytes of this row
    alone, which can be offered again in the same dialect. ``problems`` say why it could not be read at all.
    """

    table: str
    values: Mapping[str, str]
    row: int
    line: int
    kept: Callable[[], bytes]
    weight: int = 0
    problems: tuple[Problem, ...] = ()
