"""Dialects: from what systems really send to candidates of the standard. Mappings are data, not code.

``read(name, stream, options)`` yields candidates; every dialect reads its stream in pieces, so that a file of any size
needs little memory, and yields what it cannot read as a candidate with problems. ``Dialects`` knows those of one node,
its site's own included. docs/reference/dialects.md tells what each reads.
"""

from __future__ import annotations

from typing import Final

from node.departments.dialects.built_in import BUILT_IN
from node.departments.dialects.dialect import Dialect, DialectOptions
from node.departments.dialects.registry import AUTO, FOLDER, Dialects, read, recognise

__all__ = ["AUTO", "BUILT_IN", "DIALECTS", "FOLDER", "Dialect", "DialectOptions", "Dialects", "read", "recognise"]

DIALECTS: Final = tuple(BUILT_IN)
"""Names of the built-in dialects."""
