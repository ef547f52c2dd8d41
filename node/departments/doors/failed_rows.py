"""A file of only the refused records of a delivery, in the form in which they came, to be corrected and sent again.

Each refused record is kept by its dialect as a delivery of its own (``Candidate.kept``); here they are put together.
Where that cannot be done in one file (tables with different headings, a dialect of whole messages) there is none.
"""

from __future__ import annotations

import csv
import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from node.departments.dialects.csv_source_rows import TABLE_MARK
from node.departments.refused import show_refused
from node.errors import NotFoundError
from node.standard.codec import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.departments.accept import Intake

BYTES_MAX: Final = 4 * 1024 * 1024
"""The largest file that is handed back. Our own choice."""
_RECORDS: Final = "records"
_ROWS: Final = "rows"
_XML_DIALECT: Final = "standard"


def failed_rows(intake: Intake, dialect: str, refused_ids: Sequence[int]) -> bytes | None:
    """Return the file of the refused deliveries of these numbers, None where they make none."""
    kept: list[bytes] = []
    with intake.store.reading() as connection:
        for number in refused_ids:
            try:
                content = show_refused(connection, number).content
            except NotFoundError:
                content = None
            if content is not None:
                kept.append(content)
            if sum(map(len, kept)) > BYTES_MAX:
                return None
    return joined(dialect, kept)


def joined(dialect: str, kept: Sequence[bytes]) -> bytes | None:
    """Return deliveries of one record each as one delivery of all, None where they make none."""
    begins = {one.lstrip()[:1] for one in kept}
    if not begins:
        return None
    if begins == {b"<"}:
        return _elements(kept) if dialect == _XML_DIALECT else None
    try:
        if begins <= {b"{", b"["}:
            return _documents([json.loads(one) for one in kept])
        return _tables([one.decode("utf-8") for one in kept])
    except (ValueError, csv.Error):
        return None


def _elements(kept: Sequence[bytes]) -> bytes:
    return b'<Records xmlns="%b">\n%b\n</Records>\n' % (NAMESPACE.encode(), b"\n".join(kept))


def _documents(documents: Sequence[Any]) -> bytes | None:
    """Return documents that differ in their one list alone as one document."""
    first = documents[0]
    if all(isinstance(one, list) for one in documents):
        return _written([row for one in documents for row in one])
    name = next((name for name in (_RECORDS, _ROWS) if isinstance(first, dict) and name in first), None)
    if name is None or any(not isinstance(one, dict) or {**one, name: 0} != {**first, name: 0} for one in documents):
        return None
    return _written({**first, name: [row for one in documents for row in one[name]]})


def _tables(texts: Sequence[str]) -> bytes | None:
    """Return tables of one row with the same headings as one table."""
    parts = [_split(text) for text in texts]
    if len({head for head, _ in parts}) > 1:
        return None
    return (parts[0][0] + "".join(row for _, row in parts)).encode()


def _split(text: str) -> tuple[str, str]:
    """Return the head of a table (the line that names it, and its headings) and the rest."""
    lines = text.splitlines(keepends=True)
    named = bool(lines) and lines[0].startswith(TABLE_MARK)
    reader = csv.reader(islice(lines, int(named), None))
    next(reader, None)
    end = named + reader.line_num
    return "".join(lines[:end]), "".join(lines[end:])


def _written(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
