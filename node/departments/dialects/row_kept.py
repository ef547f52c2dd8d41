"""A row as JSON of its own: how rows are kept whose own bytes cannot be offered again as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def kept_row(table: str, values: Mapping[str, str]) -> bytes:
    """Return one row as a delivery in JSON, its table named ("" as well: the reader then says that it is missing)."""
    document = {"table": table, "rows": [dict(values)]} if table else [dict(values)]
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
