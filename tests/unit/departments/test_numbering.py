"""Cases that have only a number of their own system: they get one of ours, always the same, and keep it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from node.cases.penalties import penalty_projection
from node.cases.projection import CaseProjection
from node.departments import case_headers, numbering, serials
from node.departments.candidates import Candidate
from node.departments.numbering import ForeignNumber, known_numbers, number_cases
from node.departments.sources import OPERATOR
from node.errors import Problem
from node.standard.codec import SHAPES, parse_record
from node.standard.compose import compose, content_of
from node.standard.facts import facts_of
from node.standard.identifiers import is_case_number
from tests.support.intake import NODE, generated, intake_on
from tests.support.samples import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.departments.accept import Intake
    from node.departments.report import ImportReport
    from node.journal.store import Store

FOREIGN = "10131300500698857411409161687"
"""A number in the form of 29 digits that a provincial system gives."""


def content(record_type: str = "Application", **changes: Any) -> dict[str, Any]:
    """Return generated content of a type without a case number of ours."""
    found = next(one for one in generated(60) if one.record_type == record_type)
    return {**found.content, "OrigCaseNo": FOREIGN, **changes}


def without_number(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "CaseNo"}


def candidate(given: dict[str, Any], record_type: str = "Application") -> Candidate:
    return Candidate(record_type=record_type, content=given, kept=lambda: b"kept", row=1)


@pytest.fixture
def intake(memory: Store) -> Intake:
    """An intake at a node that keeps cases: what stands in its stream is known by them."""
    return intake_on(memory, CaseProjection(), penalty_projection())


def take(intake: Intake, candidates: Sequence[Candidate], source: str = "") -> ImportReport:
    chosen = replace(OPERATOR, name=source) if source else OPERATOR
    return intake.accept(candidates, source=chosen, dialect="json", keep_verdicts=True)


def numbers(intake: Intake) -> list[tuple[str | None, str | None, str | None]]:
    """Return case number, system and foreign number of every record in the stream."""
    with intake.store.reading() as connection:
        held = intake.journal.held(connection, intake.stream)
        if held is None:
            return []
        bodies = [one.body for one in intake.journal.stored(connection, intake.stream, 1, held.size)]
    found = [facts_of(parse_record(body or b"")) for body in bodies]
    return [(facts.case_no, facts.orig_system, facts.orig_case_no) for facts in found]


def problem_of(report: ImportReport) -> tuple[str, str]:
    problem = report.verdicts[0].problems[0]
    return problem.rule, problem.text


def test_records_of_one_foreign_case_get_one_number_of_ours(intake: Intake) -> None:
    records = [candidate(without_number(content())), candidate(without_number(content("Acceptance")), "Acceptance")]
    assert take(intake, records, "registry").accepted == 2
    (first, system, foreign), second = numbers(intake)
    assert second[0] == first
    assert first is not None
    assert is_case_number(first)
    assert first[:6] == NODE
    assert (system, foreign) == ("registry", FOREIGN)


def test_the_same_delivery_again_is_repeated(intake: Intake) -> None:
    records = [candidate(without_number(content()))]
    take(intake, records)
    assert take(intake, records).repeated == 1
    assert len(numbers(intake)) == 1


def test_serials_count_and_systems_are_apart(intake: Intake) -> None:
    given = without_number(content())
    for system in ("one", "two"):
        take(intake, [candidate({**given, "OrigSystem": system})])
    take(intake, [candidate({**given, "OrigSystem": "one", "OrigCaseNo": "A-2"})])
    found = [number for number, _, _ in numbers(intake) if number is not None]
    assert [number[42:47] for number in found] == ["00001", "00002", "00003"]
    assert len(set(found)) == 3


def test_markup_gets_its_number_too(intake: Intake) -> None:
    body = compose("Application", {**content(), "Channel": "FILE"}, salt=bytes(16))
    begin, end = body.index(b"<CaseNo>"), body.index(b"</CaseNo>") + len(b"</CaseNo>")
    markup = body[:begin] + body[end:]
    report = take(
        intake, [Candidate(record_type="Application", markup=markup, kept=lambda: markup, line=1)], "registry"
    )
    assert report.accepted == 1
    ((number, system, foreign),) = numbers(intake)
    assert is_case_number(number or "")
    assert (system, foreign) == ("registry", FOREIGN)


def test_a_record_with_both_numbers_is_remembered(intake: Intake) -> None:
    given = content(OrigSystem="registry")
    take(intake, [candidate(given)])
    with intake.store.reading() as connection:
        pair = ForeignNumber("registry", FOREIGN)
        assert known_numbers(connection, [pair]) == {pair: given["CaseNo"]}
    later = without_number(content("Acceptance", OrigSystem="registry"))
    take(intake, [candidate(later, "Acceptance")])
    assert [number for number, _, _ in numbers(intake)] == [given["CaseNo"]] * 2


def test_a_foreign_number_names_one_case(intake: Intake) -> None:
    given = content(OrigSystem="registry")
    take(intake, [candidate(given)])
    report = take(intake, [candidate({**given, "CaseNo": "A2026"})])
    rule, text = problem_of(report)
    assert rule == "foreign-number"
    assert given["CaseNo"] in text
    assert len(numbers(intake)) == 1


@pytest.mark.parametrize("number_first", [True, False])
def test_a_number_given_out_for_what_was_refused_is_free_again(intake: Intake, *, number_first: bool) -> None:
    """The number that a delivery brings counts for all its records of the case, and for those that follow."""
    refused = candidate(without_number(content(OrigSystem="registry", ApplicantType="99")))
    assert take(intake, [refused]).refused == 1
    both = candidate(content(OrigSystem="registry"))
    foreign = candidate(without_number(content("Acceptance", OrigSystem="registry")), "Acceptance")
    assert take(intake, [both, foreign] if number_first else [foreign, both]).accepted == 2
    assert {number for number, _, _ in numbers(intake)} == {content()["CaseNo"]}
    follows = candidate(without_number(content("ReviewStep", OrigSystem="registry")), "ReviewStep")
    assert take(intake, [follows]).accepted == 1
    assert [number for number, _, _ in numbers(intake)] == [content()["CaseNo"]] * 3


def test_a_number_on_its_way_into_the_stream_is_not_free(intake: Intake) -> None:
    """The batch before waits to be written with the number that it got; what comes behind it gets the same."""
    foreign = candidate(without_number(content("Acceptance", OrigSystem="registry")), "Acceptance")
    first = candidate(without_number(content(OrigSystem="registry")))
    both = candidate(content("ReviewStep", OrigSystem="registry"), "ReviewStep")
    stream = intake.stream
    (given,) = number_cases(intake.store, [first], source="hall", stream=stream)
    _, behind = number_cases(intake.store, [both, foreign], source="hall", before=[first], stream=stream)
    assert given.content is not None
    assert behind.content is not None
    assert behind.content["CaseNo"] == given.content["CaseNo"] != content("ReviewStep")["CaseNo"]


def test_a_number_that_records_have_is_not_free(intake: Intake) -> None:
    assert take(intake, [candidate(without_number(content(OrigSystem="registry")))]).accepted == 1
    ((given, _, _),) = numbers(intake)
    both = candidate(content("ReviewStep", OrigSystem="registry"), "ReviewStep")
    foreign = candidate(without_number(content("Acceptance", OrigSystem="registry")), "Acceptance")
    report = take(intake, [both, foreign])
    assert [one.outcome for one in report.verdicts] == ["refused", "accepted"]
    assert [number for number, _, _ in numbers(intake)] == [given] * 2


def test_two_cases_of_one_batch_cannot_share_a_foreign_number(intake: Intake) -> None:
    given = content(OrigSystem="registry")
    report = take(intake, [candidate(given), candidate({**given, "CaseNo": "A2026"})])
    assert (report.accepted, report.refused) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DivisionCode": ""}, "DivisionCode is missing"),
        ({"DivisionCode": "3699"}, "6, 9 or 12 digits"),
        ({"OrgCode": "006988574"}, "GB 32100"),
        ({"EventTime": "yesterday"}, "EventTime is no time"),
        ({"TaskCode": ""}, "TaskCode is missing"),
    ],
)
def test_what_a_number_is_made_of_has_to_be_there(intake: Intake, changes: dict[str, str], said: str) -> None:
    report = take(intake, [candidate(without_number(content(**changes)))])
    rule, text = problem_of(report)
    assert rule == "case-number"
    assert said in text


def test_a_record_with_neither_number_is_told_what_is_missing(intake: Intake) -> None:
    given = without_number(content())
    del given["OrigCaseNo"]
    rule, text = problem_of(take(intake, [candidate(given)]))
    assert rule == "case-number"
    assert "CaseNo is missing, and so is OrigCaseNo" in text


def test_a_penalty_without_an_item_gets_its_number_too(intake: Intake) -> None:
    """TaskCode may be missing in a penalty's header: what the schema does not ask, the number does not ask either."""
    clue = without_number(dict(content_of(parse_record(record("PenaltyClue", DivisionCode=NODE, TaskCode=None)))))
    report = take(intake, [candidate({**clue, "OrigSystem": "cf", "OrigCaseNo": "CF-1"}, "PenaltyClue")])
    assert report.accepted == 1
    number = numbers(intake)[0][0] or ""
    assert is_case_number(number)
    assert number[24:34] == "0" * 10


def test_the_day_is_that_of_the_tree_s_zone(intake: Intake) -> None:
    take(intake, [candidate(without_number(content(EventTime="2026-11-02T17:00:00Z")))])
    number = numbers(intake)[0][0] or ""
    assert number[34:42] == "20261103"


def test_a_number_of_ours_given_as_a_foreign_one_is_a_foreign_number(intake: Intake) -> None:
    """Nobody guesses that a system means our case when it says that the number is its own."""
    given = content(OrigSystem="registry")
    take(intake, [candidate(without_number(given))])
    ours = numbers(intake)[0][0]
    take(intake, [candidate(without_number({**given, "OrigCaseNo": ours}))])
    found = numbers(intake)
    assert found[1] == (found[1][0], "registry", ours)
    assert found[1][0] != ours


def test_a_foreign_number_is_the_same_however_it_is_written(intake: Intake) -> None:
    """The same characters in JSON, and escaped in two ways in XML, are one number."""
    given = without_number(content(OrigSystem="a&b", OrigCaseNo="1<2&3"))
    body = compose("Application", {**given, "CaseNo": "X", "Channel": "FILE"}, salt=bytes(16))
    markup = body.replace(b"<CaseNo>X</CaseNo>", b"")
    other = markup.replace(b"1&lt;2&amp;3", b"&#49;&#x3c;2&#38;3")
    assert other != markup
    assert take(intake, [candidate(given)]).accepted == 1
    for text in (markup, other):
        one = Candidate(record_type="Application", markup=text, kept=lambda: b"kept", line=1)
        assert take(intake, [one]).repeated == 1
    assert len(numbers(intake)) == 1


@pytest.mark.parametrize("apart", [0, 500])
@pytest.mark.parametrize("number_first", [True, False])
def test_a_number_that_the_delivery_brings_counts_for_the_whole_case(
    intake: Intake, apart: int, *, number_first: bool
) -> None:
    """One record brings both numbers, another of the case only the foreign one, perhaps in the next batch.

    The next batch is numbered while this one is written. A record that comes a batch before the one with the number has
    a number already, and the pair names one case: the later one is refused.
    """
    both = candidate(content(OrigSystem="registry"))
    foreign = candidate(without_number(content("Acceptance", OrigSystem="registry")), "Acceptance")
    between = [Candidate(record_type="", kept=lambda: b"", problems=(Problem(rule="x", text="x"),))] * apart
    first, last = (both, foreign) if number_first else (foreign, both)
    report = take(intake, [first, *between, last])
    if apart and not number_first:
        assert report.accepted == 1
        assert report.verdicts[-1].problems[0].rule == "foreign-number"
    else:
        assert report.accepted == 2
        assert {number for number, _, _ in numbers(intake)} == {content()["CaseNo"]}


def test_what_brings_no_proper_number_brings_none(intake: Intake) -> None:
    wrong = candidate({**content(OrigSystem="registry"), "CaseNo": "not a number"})
    foreign = candidate(without_number(content("Acceptance", OrigSystem="registry")), "Acceptance")
    report = take(intake, [wrong, foreign])
    assert (report.accepted, report.refused) == (1, 1)
    assert is_case_number(numbers(intake)[0][0] or "")


def test_damaged_markup_is_named_by_the_parser(intake: Intake) -> None:
    markup = b'<Application xmlns="urn:yizhan:standard:1"><OrigCaseNo>1</Application>'
    one = Candidate(record_type="Application", markup=markup, kept=lambda: markup, line=1)
    assert problem_of(take(intake, [one]))[0] == "not-xml"


def test_serials_that_are_used_up_are_told(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (numbering, serials):
        monkeypatch.setattr(module, "CASE_SERIAL_MAX", 1)
    given = without_number(content())
    take(intake, [candidate(given)])
    rule, text = problem_of(take(intake, [candidate({**given, "OrigCaseNo": "A-2"})]))
    assert rule == "case-number"
    assert "1 cases of this item" in text


def test_several_at_once_agree_on_the_numbers(any_store: Store) -> None:
    """Two intakes on one store are what two processes of a home are; each is asked by several requests at once."""
    intakes = [intake_on(any_store, seed="one"), intake_on(any_store, seed="two")]
    given = without_number(content())
    records = [candidate({**given, "OrigCaseNo": f"A-{place % 5}"}) for place in range(20)]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda at: take(intakes[at % 2], [records[at]]), range(len(records))))
    assert sum(report.accepted for report in reports) == 5
    assert sum(report.repeated for report in reports) == 15
    found = [number for number, _, _ in numbers(intakes[0]) if number is not None]
    assert sorted(number[42:47] for number in found) == [f"{serial:05d}" for serial in range(1, 6)]


def test_a_number_given_out_before_a_crash_is_met_again(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies between numbering and append: nothing is in the stream, and the number is not given twice."""

    def broken(*_: Any, **__: Any) -> None:
        message = "the disk is full"
        raise OSError(message)

    first = candidate(without_number(content(OrigSystem="registry")))
    with monkeypatch.context() as patched:
        patched.setattr(intake.journal, "append", broken)
        with pytest.raises(OSError, match="full"):
            take(intake, [first])
    with intake.store.reading() as connection:
        (number,) = known_numbers(connection, [ForeignNumber("registry", FOREIGN)]).values()
    other = candidate(without_number(content(OrigSystem="registry", OrigCaseNo="A-2")))
    assert take(intake, [other, first]).accepted == 2
    assert [one[0] for one in numbers(intake)][1] == number
    assert numbers(intake)[0][0] != number


def test_a_delivery_without_foreign_numbers_costs_no_transaction(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    write = intake.store.write

    def counted(work: Any) -> Any:
        written.append(work)
        return write(work)

    monkeypatch.setattr(intake.store, "write", counted)
    given = {name: value for name, value in content().items() if name != "OrigCaseNo"}
    take(intake, [candidate(given)])
    assert len(written) == 1


@pytest.mark.parametrize("number", ["A\ud800", "A\x00", "A\n1", "9" * 101])
def test_a_number_that_no_record_can_hold_costs_its_record_only(intake: Intake, number: str) -> None:
    good = candidate(without_number(content()))
    bad = candidate(without_number(content(OrigCaseNo=number)))
    report = take(intake, [bad, good])
    assert (report.accepted, report.refused) == (1, 1)
    rule, text = problem_of(report)
    assert rule == "case-number"
    assert number not in text


def test_the_bounds_of_foreign_numbers_are_those_of_the_schema() -> None:
    header = SHAPES["Application"]
    for name, longest in (
        ("OrigSystem", case_headers.SYSTEM_LENGTH_MAX),
        ("OrigCaseNo", case_headers.NUMBER_LENGTH_MAX),
    ):
        child = header.child(name)
        assert child is not None
        assert child.simple is not None
        assert child.simple.length_max == longest
