"""The dialect json: batches of the open API."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects import json_batch
from node.departments.dialects.json_batch import read_json
from tests.support.intake import NODE, generated, intake_on, offer
from tests.support.samples import sample

if TYPE_CHECKING:
    from node.departments.accept import Intake
    from node.journal.store import Store


def fee(**changes: Any) -> dict[str, Any]:
    return {"type": "Fee", "content": sample("Fee", DivisionCode=NODE, **changes)}


def batch(*records: Any) -> bytes:
    return json.dumps({"records": records}).encode()


def test_a_batch_of_generated_records_is_accepted(intake: Intake) -> None:
    records = generated(30)
    report = offer(
        intake,
        json.dumps({"records": [{"type": one.record_type, "content": one.content} for one in records]}).encode(),
        "json",
    )
    assert (report.accepted, report.problems) == (30, [])


def test_numbers_are_taken_as_they_are_written(intake: Intake) -> None:
    content = json.dumps(fee()).replace('"120.50"', "120.50").replace('"DataVersion": "2"', '"DataVersion": 2')
    report = offer(intake, b'{"records": [%b]}' % content.encode(), "json")
    assert report.accepted == 1, report.problems


def test_truth_values_are_written_as_the_standard_writes_them(intake: Intake) -> None:
    acceptance = {"type": "Acceptance", "content": sample("Acceptance", DivisionCode=NODE, Deemed=True)}
    assert offer(intake, batch(acceptance), "json").accepted == 1


@pytest.mark.parametrize(
    ("data", "rule", "line"),
    [
        (b"", "not-json", 1),
        (b'{"records":\n[}', "not-json", 2),
        (b'{"records": NaN}', "not-json", 1),
        (b"[" * 200_000, "not-json", 1),
        (b"[]", "not-json", 1),
        (b'{"records": {}}', "not-json", 1),
        (b'{"records": [], "records": []}', "not-json", 1),
        (b'{"records": [{"type": "Fee", "content": {"CaseNo": "A", "CaseNo": "B"}}]}', "not-json", 1),
        (b'{"records": "\xff"}', "not-text", 1),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(data: bytes, rule: str, line: int) -> None:
    (one,) = read_json(BytesIO(data))
    assert (one.problems[0].rule, one.problems[0].line) == (rule, line)


def test_a_body_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_batch, "BYTES_MAX", 10)
    (one,) = read_json(BytesIO(batch(fee())))
    assert one.problems[0].rule == "too-large"
    assert not one.complete


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ("text", "not-json"),
        ({"type": True, "content": {}}, "not-json"),
        ({"type": "Fee"}, "not-json"),
        ({"type": "Letter", "content": {}}, "unknown-type"),
        (fee(Colour="red"), "schema"),
        (fee(PaymentNo=["1", "2"]), "schema"),
        (fee(PaymentNo={"A": "1"}), "schema"),
        (fee(PaymentNo="\ud800"), "not-utf8"),
        ({"type": "Fee", "content": {"A": {"B": {"C": {"D": {"E": {"F": {"G": {"H": "1"}}}}}}}}}, "schema"),
        ({"type": "Fee", "content": {"CaseNo": None, "A": [[["1"]]]}}, "case-number"),
    ],
)
def test_a_bad_record_costs_itself_only_and_names_its_place(intake: Intake, record: Any, rule: str) -> None:
    report = offer(intake, batch(fee(Sequence="1"), record, fee(Sequence="3")), "json")
    assert [verdict.outcome for verdict in report.verdicts] == ["accepted", "refused", "accepted"]
    assert (report.problems[0].rule, report.problems[0].row) == (rule, 2)


def test_a_refused_record_is_kept_as_a_batch_of_itself() -> None:
    bad = list(read_json(BytesIO(batch(fee(), "text"))))[1]
    assert json.loads(bad.kept()) == {"records": ["text"]}


@pytest.mark.parametrize("name", ["A\0", "\ud800", "A\n", "\ufeffFee"])
def test_names_that_no_store_can_keep_cost_their_record_only(any_store: Store, name: str) -> None:
    intake = intake_on(any_store)
    twisted = [{"type": name, "content": {}}, {"type": "Fee", "content": {name: "1"}}, fee()]
    report = offer(intake, batch(*twisted), "json")
    assert (report.accepted, report.refused) == (1, 2)
    assert {(one.rule, one.text) for one in report.problems} == {
        ("schema", "a name holds control characters, or is not Unicode")
    }
