"""The dialect ``json``: ``{"records": [{"type": "Acceptance", "content": {"CaseNo": "…", …}}, …]}``.

Content has the names of the schema; an element that may be repeated is a list, one with children an object. Numbers and
truth values are taken as the standard writes them. A request is small, so it is read as a whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from node.departments.candidates import RULE_NOT_TEXT, WHOLE_BYTES_MAX, Candidate, unreadable
from node.errors import Problem
from node.standard.codec import RULE_SCHEMA, RULE_TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from node.departments.dialects.dialect import DialectOptions, Written

BYTES_MAX: Final = 16 * 1024 * 1024
DEPTH_MAX: Final = 8
RULE_NOT_JSON: Final = "not-json"
RECORDS_KEY: Final = "records"


class _StandsTwiceError(ValueError):
    """A name stands twice in one object."""


def read_json(stream: BinaryIO) -> Iterator[Candidate]:
    """Yield the records of a JSON document as candidates; ``row`` is the place in the list, from 1."""
    data = stream.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        yield _whole(data, RULE_TOO_LARGE, f"more than {BYTES_MAX} bytes")
        return
    try:
        document = json.loads(
            data.decode("utf-8-sig"),
            parse_float=str,
            parse_int=str,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        yield _whole(data, RULE_NOT_TEXT, "JSON is UTF-8")
        return
    except _StandsTwiceError:
        yield _whole(data, RULE_NOT_JSON, "a name stands twice in one object: which value is meant?")
        return
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        yield _whole(data, RULE_NOT_JSON, f"this is not JSON, from line {line}", line=line)
        return
    records = document.get(RECORDS_KEY) if isinstance(document, dict) else None
    if not isinstance(records, list):
        yield _whole(data, RULE_NOT_JSON, 'expected {"records": [{"type": …, "content": {…}}, …]}')
        return
    for row, record in enumerate(records, start=1):
        yield _candidate(row, record)


def write_json(records: Iterable[Written], _: DialectOptions) -> bytes:
    """Return records as one document."""
    listed = [{"type": one.record_type, "content": one.content} for one in records]
    return json.dumps({RECORDS_KEY: listed}, ensure_ascii=False).encode() + b"\n"


def _candidate(row: int, record: Any) -> Candidate:
    def kept() -> bytes:
        return json.dumps({RECORDS_KEY: [record]}, ensure_ascii=False).encode("utf-8", "surrogatepass")

    record_type = record.get("type") if isinstance(record, dict) else None
    content = record.get("content") if isinstance(record, dict) else None
    if not isinstance(record_type, str) or not isinstance(content, dict):
        problem = Problem(rule=RULE_NOT_JSON, row=row, text="a record needs type (text) and content (object)")
        return Candidate(record_type="", kept=kept, row=row, problems=(problem,))
    try:
        _check_name(record_type)
        value = _value(content, DEPTH_MAX)
    except ValueError as error:
        problem = Problem(rule=RULE_SCHEMA, row=row, text=str(error))
        shown = record_type if record_type.isprintable() else ""
        return Candidate(record_type=shown, kept=kept, row=row, problems=(problem,))
    return Candidate(record_type=record_type, content=value, kept=kept, row=row)


def _value(value: Any, depth: int) -> Any:
    """Return a value as text, mapping or list; raises ValueError when it nests too deep, or for a name of no text."""
    if depth == 0:
        message = f"content nests deeper than {DEPTH_MAX}"
        raise ValueError(message)
    if isinstance(value, dict):
        for name in value:
            _check_name(name)
        return {name: _value(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_value(item, depth - 1) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _check_name(name: str) -> None:
    """Refuse what stands in no name and in no database: half characters, NUL, other control characters."""
    if not name.isprintable():
        message = "a name holds control characters, or is not Unicode"
        raise ValueError(message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; one of two values under the same name would be lost in silence."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _StandsTwiceError
    return found


def _no_constant(name: str) -> Any:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _whole(data: bytes, rule: str, text: str, *, line: int = 1) -> Candidate:
    complete = len(data) <= min(WHOLE_BYTES_MAX, BYTES_MAX)
    return unreadable(
        Problem(rule=rule, text=text, line=line), kept=data[:WHOLE_BYTES_MAX], line=line, complete=complete
    )
