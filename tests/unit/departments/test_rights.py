"""Rights come before numbers: who may not hand a case in gets none for it, and nobody speaks for another's system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from node.clock import SetClock
from node.departments.numbering import ForeignNumber, known_numbers
from node.departments.sources import OPERATOR, add_source, find_source, list_sources, owners_of
from node.departments.tables import case_serial, foreign_number
from node.errors import UsageError
from node.randomness import SeededRandomness
from tests.support.intake import NODE, NOW
from tests.unit.departments.test_numbering import FOREIGN, candidate, content, without_number

if TYPE_CHECKING:
    from node.departments.accept import Intake
    from node.departments.report import ImportReport
    from node.departments.sources import Source


def added(intake: Intake, name: str, **bounds: tuple[str, ...]) -> Source:
    chance = SeededRandomness(name)
    return add_source(intake.store, name, clock=SetClock(NOW), randomness=chance, **bounds).source  # type: ignore[arg-type]


def offer(intake: Intake, source: Source, record_type: str = "Application", **changes: str) -> ImportReport:
    """Offer a record that has no number of ours."""
    given = candidate(without_number(content(record_type, **changes)), record_type)
    return intake.accept([given], source=source, dialect="json", keep_verdicts=True)


def given_out(intake: Intake) -> int:
    with intake.store.reading() as connection:
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (foreign_number, case_serial)]
    assert counts[0] == counts[1] or not counts[1]
    return counts[0] or 0


def refused_for(report: ImportReport) -> tuple[str, str]:
    (problem,) = report.verdicts[0].problems
    return problem.rule, problem.text


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"divisions": ("369903",)}, "369903 only"),
        ({"organisations": ("11360000014500000X",)}, "may not hand in records of department"),
    ],
)
def test_a_source_without_the_right_gets_no_number(
    intake: Intake, bounds: dict[str, tuple[str, ...]], said: str
) -> None:
    rule, text = refused_for(offer(intake, added(intake, "hall", **bounds)))
    assert rule == "not-this-source"
    assert said in text
    assert given_out(intake) == 0


def test_what_this_node_does_not_answer_for_gets_no_number(intake: Intake) -> None:
    rule, text = refused_for(offer(intake, added(intake, "hall"), DivisionCode="369903"))
    assert (rule, f"{NODE} does not serve division 369903" in text) == ("no-authority", True)
    assert given_out(intake) == 0


def test_a_source_s_name_is_a_system_of_its_own(intake: Intake) -> None:
    registry, hall = added(intake, "registry"), added(intake, "hall")
    rule, text = refused_for(offer(intake, hall, OrigSystem="registry"))
    assert (rule, "belongs to registry" in text) == ("not-this-source", True)
    assert given_out(intake) == 0
    assert offer(intake, registry).accepted == 1
    with intake.store.reading() as connection:
        assert list(known_numbers(connection, [ForeignNumber("registry", FOREIGN)])) == [("registry", FOREIGN)]


def test_a_system_belongs_to_the_sources_that_were_added_for_it(intake: Intake) -> None:
    first = added(intake, "first", systems=("审批系统", "other"))
    second, third = added(intake, "second", systems=("审批系统",)), added(intake, "third")
    assert offer(intake, first, OrigSystem="审批系统").accepted == 1
    assert offer(intake, second, "Acceptance", OrigSystem="审批系统").accepted == 1
    rule, text = refused_for(offer(intake, third, "ReviewStep", OrigSystem="审批系统"))
    assert (rule, "belongs to first, second" in text, "--system" in text) == ("not-this-source", True, True)
    assert offer(intake, third, OrigSystem="nobody's").accepted == 1


def test_a_record_with_both_numbers_is_asked_too(intake: Intake) -> None:
    added(intake, "registry")
    hall = added(intake, "hall")
    both = candidate(content(OrigSystem="registry"))
    report = intake.accept([both], source=hall, dialect="json", keep_verdicts=True)
    assert refused_for(report)[0] == "not-this-source"
    assert given_out(intake) == 0


def test_the_operator_speaks_for_every_system(intake: Intake) -> None:
    added(intake, "registry", systems=("other",))
    assert offer(intake, OPERATOR, OrigSystem="other").accepted == 1


def test_systems_are_told_with_their_source(intake: Intake) -> None:
    made = added(intake, "hall", systems=("b", "a"))
    with intake.store.reading() as connection:
        assert find_source(connection, "hall").systems == made.systems == ("a", "b", "hall")
        assert [one.as_json()["systems"] for one in list_sources(connection)] == [["a", "b", "hall"]]
        assert owners_of(connection, ["a", "hall", "x"]) == {"a": {"hall"}, "hall": {"hall"}}


@pytest.mark.parametrize("system", ["", " ", "x" * 51, "a\nb"])
def test_what_no_record_can_name_is_no_system(intake: Intake, system: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a system"):
        added(intake, "hall", systems=(system,))
