"""Results: one line a record, as a table that spreadsheets open or as a document."""

from __future__ import annotations

import csv
import json
from io import BytesIO, StringIO

import pytest

from node.departments.report import Verdict
from node.departments.results import COLUMNS, FORMS, SCHEMA
from node.errors import Problem

VERDICTS = [
    Verdict(
        outcome="accepted", record_type="Fee", key="Fee:A1:1:1", row=1, line=2, stream="369902/ancestors", position=7
    ),
    Verdict(
        outcome="refused",
        record_type="Fee",
        row=2,
        line=3,
        refused_id=4,
        problems=(Problem(rule="schema", text='a, "b"\n c'), Problem(rule="conflict", text="d")),
    ),
]


def written(ending: str, verdicts: list[Verdict]) -> bytes:
    output = BytesIO()
    results = FORMS[ending](output)
    for verdict in verdicts:
        results.add(verdict)
    results.end()
    assert not output.closed
    return output.getvalue()


def test_a_table_has_a_row_per_record_with_all_problems_in_one_cell() -> None:
    data = written(".csv", VERDICTS)
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows == [
        list(COLUMNS),
        ["1", "2", "accepted", "Fee", "Fee:A1:1:1", "369902/ancestors", "7", "", ""],
        ["2", "3", "refused", "Fee", "", "", "", "4", 'schema: a, "b" c; conflict: d'],
    ]


def test_no_cell_of_a_table_is_a_formula() -> None:
    data = written(".csv", [Verdict(outcome="refused", record_type="=1+1", key="@x", row=1)])
    assert data.splitlines()[1] == b"1,,refused,'=1+1,'@x,,,,"
    # Spreadsheets set to Chinese or Japanese take full-width characters too, and a tab is passed over.
    data = written(".csv", [Verdict(outcome="refused", record_type="＝1", key="\t=1", row=1)])
    assert data.decode().splitlines()[1] == "1,,refused,'＝1,'\t=1,,,,"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_document_has_a_verdict_per_record(count: int) -> None:
    document = json.loads(written(".json", VERDICTS[:count]))
    assert document == {"schema": SCHEMA, "results": [one.as_json() for one in VERDICTS[:count]]}
