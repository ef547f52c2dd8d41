"""Files of every form through a folder into a node: records, results, and only the refused ones handed back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.folder_halls import FolderHall, hall_on
from tests.support.intake import NODE, flat, generated, standard_records, table, wrapped
from tests.support.spreadsheets import sheet_of, spreadsheet
from tests.support.stores import file_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.journal.store import Store

__all__ = ["file_store"]

pytestmark = pytest.mark.integration

COUNT = 6
ELSEWHERE = "110101"
"""Another division in the last record of each file: the check digit of its case number is wrong then."""


@pytest.fixture
def hall(file_store: Store, tmp_path: Path) -> Iterator[FolderHall]:
    with hall_on(file_store, tmp_path) as made:
        yield made


def as_xml() -> bytes:
    *right, last = standard_records(generated(COUNT))
    return wrapped([*right, last.replace(NODE.encode(), ELSEWHERE.encode())])


def as_csv() -> bytes:
    *right, last = table(generated(COUNT)).splitlines(keepends=True)
    return "".join([*right, last.replace(NODE, ELSEWHERE)]).encode()


def as_json() -> bytes:
    records = [{"type": one.record_type, "content": one.content} for one in generated(COUNT)]
    last = json.dumps(records[-1], ensure_ascii=False).replace(NODE, ELSEWHERE)
    return json.dumps({"records": [*records[:-1], json.loads(last)]}, ensure_ascii=False).encode()


def as_xlsx() -> bytes:
    rows = [{"RecordType": one.record_type, **flat(one.content)} for one in generated(COUNT)]
    headings = list(dict.fromkeys(name for row in rows for name in row))
    rows[-1] = {name: text.replace(NODE, ELSEWHERE) for name, text in rows[-1].items()}
    return spreadsheet(sheet_of(headings, *([row.get(name) for name in headings] for row in rows)))


@pytest.mark.parametrize(
    ("name", "content"),
    [("cases.xml", as_xml()), ("cases.csv", as_csv()), ("cases.json", as_json()), ("cases.xlsx", as_xlsx())],
    ids=["xml", "csv", "json", "xlsx"],
)
def test_a_file_of_every_form_is_taken_and_its_refused_record_comes_back_alone(
    hall: FolderHall, name: str, content: bytes
) -> None:
    told = hall.hand_in(name, content)
    assert (told["offered"], told["accepted"], told["refused"]) == (COUNT, COUNT - 1, 1)
    assert told["problems"][0]["rule"] == "check-digit"
    assert [one["DivisionCode"] for one in hall.records()] == [NODE] * (COUNT - 1)
    assert (hall.folder / "done" / name).read_bytes() == content
    ending = name.partition(".")[2]
    assert told["failed_rows"] == f"cases.failed.{ending}"
    again = hall.hand_in(f"again.{ending}", hall.failed(told["failed_rows"]))
    assert (again["offered"], again["refused"]) == (1, 1)
    twice = hall.hand_in(name, content)
    assert (twice["accepted"], twice["repeated"], twice["refused"]) == (0, COUNT - 1, 1)
    assert len(hall.records()) == COUNT - 1
