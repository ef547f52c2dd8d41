"""The refused records of a ``json`` delivery: the same document with only those records, each with its problems.

Values are copied as they are written, so that ``1.50`` stays ``1.50``; the reader leaves ``problems`` out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, BinaryIO, Final

from node.departments.dialects.json_batch import BYTES_MAX, RECORDS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.departments.dialects.failed_rows import Delivered, Refusals

PROBLEMS_KEY: Final = "problems"
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_decoder: Final = json.JSONDecoder(parse_float=str, parse_int=str)


def write_failed_json(delivered: Delivered, refusals: Refusals, output: BinaryIO) -> int:
    """Write the refused records of a delivery of the dialect ``json``; return how many."""
    data = delivered.stream.read(BYTES_MAX + 1)
    try:
        text = data.decode("utf-8-sig")
        members = dict(_members(text, _behind_blanks(text, 0)))
        records = list(_items(members[RECORDS_KEY], 0))
    except (ValueError, KeyError, RecursionError):
        return 0
    failed = [(record, why) for number, record in enumerate(records, start=1) if (why := refusals.of_row(number))]
    listed = ",\n".join(_with_problem(record, why) for record, why in failed)
    others = (f"{json.dumps(name)}: {value}, " for name, value in members.items() if name != RECORDS_KEY)
    document = f'{{{"".join(others)}"{RECORDS_KEY}": [\n{listed}\n]}}\n'
    output.write(document.encode("utf-8", "surrogatepass"))
    return len(failed)


def _with_problem(record: str, why: str) -> str:
    """Return a record with what is wrong with it; what is no object stays as it came."""
    if not record.startswith("{"):
        return record
    kept = [f"{json.dumps(name)}: {value}" for name, value in _members(record, 0) if name != PROBLEMS_KEY]
    return f"{{{', '.join([*kept, f'{json.dumps(PROBLEMS_KEY)}: {json.dumps(why, ensure_ascii=False)}'])}}}"


def _members(text: str, begin: int) -> Iterator[tuple[str, str]]:
    """Yield name and value, as it is written, of each member of the object that begins here; raises ValueError."""
    for name_at, value_at, end in _parts(text, begin, "{}"):
        yield json.loads(text[name_at:value_at].rstrip(": \t\r\n")), text[value_at:end]


def _items(text: str, begin: int) -> Iterator[str]:
    """Yield each item, as it is written, of the list that begins here; raises ValueError."""
    for _, value_at, end in _parts(text, begin, "[]"):
        yield text[value_at:end]


def _parts(text: str, begin: int, brackets: str) -> Iterator[tuple[int, int, int]]:
    """Yield where each part of an object or a list begins, where its value does, and where that ends."""
    at = _behind_blanks(text, _behind(text, begin, brackets[0]))
    while not text.startswith(brackets[1], at):
        begin = value_at = at
        if brackets == "{}":
            _, end = _decoder.raw_decode(text, at)
            value_at = _behind_blanks(text, _behind(text, _behind_blanks(text, end), ":"))
        _, end = _decoder.raw_decode(text, value_at)
        yield begin, value_at, end
        at = _behind_blanks(text, end)
        if not text.startswith(brackets[1], at):
            at = _behind_blanks(text, _behind(text, at, ","))


def _behind(text: str, at: int, mark: str) -> int:
    if not text.startswith(mark, at):
        message = f"{mark} is expected"
        raise ValueError(message)
    return at + 1


def _behind_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return at if found is None else found.end()
