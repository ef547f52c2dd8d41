"""What is shown of cases and records, and what is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.cases.findings import STEPS_INCOMPLETE
from node.cases.states import State
from node.cases.view import count_cases, count_findings, findings_by_code, list_records, mask_text, show_case
from node.journal.entries import INVALID, NO_AUTHORITY, Entry
from node.standard.seals import StreamName
from tests.support.case_nodes import CaseNode
from tests.support.case_records import bodies, entry
from tests.support.samples import CASE_NO, CITIZEN, record

if TYPE_CHECKING:
    from node.journal.store import Store


def test_a_case_is_shown_with_its_history_and_findings(memory: Store) -> None:
    node = CaseNode(memory, "360102")
    node.append(bodies("apply accept decide"))
    node.receive([entry("Application")], "360103")
    with memory.reading() as connection:
        case = show_case(connection, CASE_NO)
        other = show_case(connection, CASE_NO, "360103")
        assert show_case(connection, "NONE") is None
        assert show_case(connection, CASE_NO, "360104") is None
        assert count_cases(connection) == 2
        assert count_findings(connection) == 1
        assert findings_by_code(connection) == {STEPS_INCOMPLETE: 1}
    assert case is not None
    assert (case.origin, case.state, case.also_at, case.incomplete) == ("360102", State.DECIDING, ("360103",), False)
    assert [(one.position, one.record_type) for one in case.records] == [
        (1, "Application"),
        (2, "Acceptance"),
        (3, "ReviewStep"),
    ]
    assert [(one.code, one.position) for one in case.findings] == [(STEPS_INCOMPLETE, 3)]
    assert case.began_at is not None
    assert case.began_at.isoformat() == "2026-01-05T01:00:00+00:00"
    assert other is not None
    assert other.state is State.APPLIED


def test_personal_data_are_masked_by_the_mark_in_the_schema(memory: Store) -> None:
    node = CaseNode(memory, "360102")
    node.append(bodies("apply"))
    with memory.reading() as connection:
        case = show_case(connection, CASE_NO)
    assert case is not None
    content = case.records[0].content
    assert content is not None
    assert content["ApplicantIdNo"] == "110*************2X"
    assert content["ApplicantName"] == "测**"
    assert content["Actor"]["Name"] == "测**"
    assert content["TaskName"] == "测试许可"
    assert CITIZEN not in repr(case)


def test_masks() -> None:
    assert mask_text("甲", "name") == "甲*"
    assert mask_text("1234567", "contact") == "*******"
    assert mask_text("13900000000", "contact") == "139******00"


def test_records_are_listed_with_their_standing(memory: Store) -> None:
    node = CaseNode(memory, "360100")
    forbidden = entry("Application")
    forbidden.quarantine = NO_AUTHORITY
    behind = entry("Acceptance", hour=1)
    unreadable = Entry(record_type="", body=b"<?", leaf=behind.leaf, quarantine=INVALID)
    missing = Entry(record_type="Fee", body=b"", leaf=behind.leaf)
    node.receive([forbidden, behind, unreadable, missing], "360102")
    stream = StreamName("360102", "ancestors")
    with memory.reading() as connection:
        shown = list_records(connection, stream)
        assert [one.standing for one in shown] == ["quarantined", "held back", "quarantined", "awaited"]
        assert [one.position for one in list_records(connection, stream, first=2, limit=2)] == [2, 3]
        assert shown[2].content is None
        assert shown[3].content is None
        assert shown[3].label == "收费"
        case = show_case(connection, CASE_NO)
        assert case is not None
        assert case.incomplete
        with pytest.raises(LookupError, match="360103"):
            list_records(connection, StreamName("360103", "ancestors"))


def test_a_record_of_no_case_has_no_state(memory: Store) -> None:
    node = CaseNode(memory, "360000")
    node.append([record("Division")], audience="descendants")
    with memory.reading() as connection:
        (shown,) = list_records(connection, StreamName("360000", "descendants"))
    assert shown.state is None
    assert shown.standing == "applied"
