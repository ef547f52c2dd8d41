"""Each finding: a history that has it, worked by hand, and the same history put right that has not."""

from __future__ import annotations

from typing import Any

import pytest

from node.cases import findings
from node.cases.findings import FINDING_LABELS, ItemTerms, terms_on
from node.cases.history import CASE_RECORDS_MAX, FINDINGS, INCOMPLETE, Recorded, replay
from node.cases.states import State
from tests.support.case_records import WORDS, facts

FREE_ITEM = ItemTerms(version=1, valid_from="2026-01-01", valid_to=None, charges=False, required_materials=3)


def codes(*records: tuple[str, dict[str, Any]], items: tuple[ItemTerms, ...] = ()) -> list[str]:
    """Return the finding codes of records given as (word, changes), an hour apart unless they say so."""
    made = []
    for hour, (word, changes) in enumerate(records):
        record_type, own = WORDS[word]
        made.append(Recorded(hour + 1, facts(record_type, **{"hour": hour, **own, **changes}), quarantined=False))
    return [code for code, _ in replay(made, items).findings]


def plain(line: str, **changes: Any) -> list[tuple[str, dict[str, Any]]]:
    counts: dict[str, int] = {}
    made = []
    for word in line.split():
        record_type = WORDS[word][0]
        counts[record_type] = counts.get(record_type, 0) + 1
        made.append((word, {"sequence": counts[record_type], **changes}))
    return made


FULL = "apply accept handle review decide grant"


def test_a_whole_legal_history_has_no_findings() -> None:
    assert codes(*plain(FULL + " collect")) == []
    assert codes(*plain("apply notice receipt accept extend handle special end review decide deny")) == []


def test_a_result_that_was_only_sent_makes_no_later_step_look_early() -> None:
    assert codes(*plain("apply accept send handle")) == [findings.TRANSITION]


CASES = {
    # 受理 at 12 h, 办结 at 4 h.
    findings.ACCEPT_AFTER_CONCLUSION: (
        [*plain("apply"), ("accept", {"hour": 12}), *plain("withdraw", hour=4)],
        [*plain("apply"), ("accept", {"hour": 2}), *plain("withdraw", hour=4)],
    ),
    # 承办 dated before 受理.
    findings.STEP_BEFORE_PREVIOUS: (
        [*plain("apply"), ("accept", {"hour": 5}), ("handle", {"hour": 4})],
        [*plain("apply"), ("accept", {"hour": 5}), ("handle", {"hour": 5})],
    ),
    findings.SUPP_RECEIPT_BEFORE_NOTICE: (
        [*plain("apply"), ("notice", {"hour": 5}), ("receipt", {"hour": 4})],
        plain("apply notice receipt"),
    ),
    findings.SUPP_TOO_OFTEN: (plain("apply notice receipt notice receipt"), plain("apply notice receipt")),
    findings.SUPP_AFTER_ACCEPT: (plain("apply accept notice"), plain("apply notice")),
    findings.SPECIAL_END_BEFORE_START: (
        [*plain("apply accept"), ("special", {"hour": 5}), ("end", {"hour": 4})],
        plain("apply accept special end"),
    ),
    findings.CERTIFIED_UNGRANTED: (
        plain("apply accept handle review decide deny certify"),
        plain("apply accept handle review decide grant certify"),
    ),
    findings.STEPS_INCOMPLETE: (plain("apply accept handle decide"), plain("apply accept handle review decide")),
    findings.REASON_MISSING: (
        [*plain("apply"), ("refuse", {"Reason": None})],
        plain("apply refuse"),
    ),
    findings.TRANSITION: (plain("apply handle handle accept"), plain("apply accept handle handle")),
    findings.NO_APPLICATION: (plain("accept"), plain("apply accept")),
    findings.FEE_UNPAID: (
        plain("apply accept unpaid handle review decide grant"),
        plain("apply accept unpaid paid handle review decide grant"),
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_the_finding_shows_and_goes_when_the_history_is_put_right(code: str) -> None:
    wrong, right = CASES[code]
    assert code in codes(*wrong)
    assert code not in codes(*right)


@pytest.mark.parametrize("word", ["prereject", "refuse", "withdraw", "void", "conclude_refused"])
def test_what_must_be_explained_and_is_not_is_found(word: str) -> None:
    record_type, changes = WORDS[word]
    bare = facts(record_type, **{**changes, "Reason": None})
    assert findings.needs_reason(bare)
    assert not findings.needs_reason(facts(record_type, **changes))


def test_a_blank_reason_is_none() -> None:
    assert findings.needs_reason(facts("Acceptance", AcceptanceState="2", Reason=" "))


@pytest.mark.parametrize("channel", ["SERIAL", "BLUETOOTH", "MANUAL"])
def test_closed_systems_may_send_application_and_conclusion_only(channel: str) -> None:
    assert codes(*plain("apply grant", Channel=channel)) == []
    assert codes(*plain("apply grant", Channel="API")) == [findings.STEPS_INCOMPLETE]


def test_too_few_materials_are_found_only_when_the_item_is_known() -> None:
    # The application brings 2, the item requires 3; a Material record or a supplement brings the third.
    assert codes(*plain("apply accept")) == []
    assert codes(*plain("apply accept"), items=(FREE_ITEM,)) == [findings.MATERIALS_INCOMPLETE]
    assert codes(*plain("apply accept material"), items=(FREE_ITEM,)) == []
    # The notice is before acceptance, and its receipt brings 1.
    assert codes(*plain("apply notice receipt accept"), items=(FREE_ITEM,)) == []


def test_a_fee_for_a_free_item_is_found() -> None:
    history = plain("apply material accept paid")
    assert codes(*history) == []
    assert codes(*history, items=(FREE_ITEM,)) == [findings.FREE_ITEM_CHARGED]
    assert codes(*plain("apply material accept unpaid"), items=(FREE_ITEM,)) == []


def test_a_fee_that_the_acceptance_asked_for_must_be_paid() -> None:
    asked = [*plain("apply"), ("accept", {"FeeDue": "12.5"}), *plain("handle review decide grant")]
    assert codes(*asked) == [findings.FEE_UNPAID]
    assert codes(*asked, ("paid", {"hour": 9})) == []


def test_the_item_version_that_holds_on_the_day_counts() -> None:
    old = ItemTerms(version=1, valid_from="2020-01-01", valid_to="2025-12-31", charges=True, required_materials=0)
    new = ItemTerms(version=2, valid_from="2026-01-01", valid_to=None, charges=True, required_materials=1)
    newer = ItemTerms(version=3, valid_from="2026-06-01", valid_to=None, charges=True, required_materials=2)
    assert terms_on((old, new, newer), "2025-06-01") is old
    assert terms_on((old, new, newer), "2026-01-05") is new
    assert terms_on((old, new, newer), "2026-06-01") is newer
    assert terms_on((old, new, newer), "2019-01-01") is None
    assert terms_on((old,), None) is None


def test_a_higher_data_version_takes_the_place_of_the_earlier_record() -> None:
    # 受理 first dated after 办结, then corrected: the finding goes, and the state stays.
    wrong = [*plain("apply"), ("accept", {"hour": 12}), ("withdraw", {"hour": 4})]
    assert codes(*wrong, ("accept", {"hour": 1, "data_version": 2})) == []


def test_a_lower_version_that_comes_late_changes_nothing_and_is_found() -> None:
    late = [*plain("apply"), ("refuse", {"data_version": 2}), ("accept", {"data_version": 1})]
    assert codes(*late) == [findings.VERSION_ORDER]


def test_the_same_version_twice_is_found() -> None:
    assert codes(*plain("apply"), ("apply", {"hour": 9})) == [findings.VERSION_REPEATED]


def test_a_supplement_received_without_a_notice_is_out_of_order_only() -> None:
    assert codes(*plain("apply receipt")) == [findings.TRANSITION]


def test_records_without_a_known_code_are_out_of_order() -> None:
    assert codes(*plain("apply"), ("accept", {"AcceptanceState": "9"})) == [findings.TRANSITION]


def test_a_case_beyond_the_limit_is_not_evaluated_further() -> None:
    records = [Recorded(1, facts("Application"), quarantined=False)]
    records += [
        Recorded(key, facts("Material", sequence=key), quarantined=False) for key in range(2, CASE_RECORDS_MAX + 1)
    ]
    records += [Recorded(key, facts("Acceptance"), quarantined=False) for key in (5001, 5002)]
    outcome = replay(records, ())
    assert outcome.findings == ((findings.CASE_TOO_LONG, 5001),)
    assert outcome.memory.state == State.APPLIED
    assert outcome.memory.flags & FINDINGS


def test_from_the_first_quarantined_record_on_everything_is_held_back() -> None:
    records = [
        Recorded(1, facts("Application"), quarantined=False),
        Recorded(2, None, quarantined=True),
        Recorded(3, facts("Acceptance", hour=1), quarantined=False),
    ]
    outcome = replay(records, ())
    assert outcome.held_back == {3}
    assert outcome.memory.flags & INCOMPLETE
    assert outcome.memory.state == State.APPLIED
    assert outcome.states == {1: State.APPLIED, 2: State.APPLIED, 3: State.APPLIED}


def test_every_finding_has_both_names() -> None:
    named = {value for name, value in vars(findings).items() if name.isupper() and str(value).startswith("LOGIC-")}
    assert named == set(FINDING_LABELS)
    assert all(label.chinese and label.english for label in FINDING_LABELS.values())


def test_a_refusal_of_acceptance_told_in_both_forms_is_one_ending() -> None:
    # The conclusion is sent first, the refused acceptance an hour later: nothing was accepted after the end.
    assert codes(*plain("apply conclude_refused refuse")) == codes(*plain("apply refuse conclude_refused"))
    assert findings.ACCEPT_AFTER_CONCLUSION not in codes(*plain("apply conclude_refused refuse"))
