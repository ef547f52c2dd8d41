"""Cumulative deliveries: the node counts the versions of what changed; what did not change is repeated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from node.departments import deciding
from node.departments.candidates import AUTOMATIC, Candidate
from node.departments.deciding import VERSIONS_ASKED
from node.departments.sources import OPERATOR
from node.journal.source_keys import lookup_many
from node.standard.codec import parse_record
from node.standard.facts import facts_of
from tests.support.intake import generated, intake_on
from tests.support.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.departments.accept import Intake
    from node.journal.source_keys import SourceKey
    from node.journal.store import Store


def conclusion(**changes: Any) -> Candidate:
    found = next(one for one in generated(60) if one.record_type == "Conclusion")
    given = {**found.content, "DataVersion": "1", **changes}
    return Candidate(record_type="Conclusion", content=given, kept=lambda: b"kept", versioning=AUTOMATIC)


def take(intake: Intake, candidates: Sequence[Candidate]) -> tuple[int, int, int]:
    report = intake.accept(candidates, source=OPERATOR, dialect="cooperation", keep_verdicts=True)
    return report.accepted, report.repeated, report.refused


def versions(intake: Intake) -> list[int | None]:
    with intake.store.reading() as connection:
        held = intake.journal.held(connection, intake.stream)
        assert held is not None
        stored = intake.journal.stored(connection, intake.stream, 1, held.size)
    return [facts_of(parse_record(one.body or b"")).data_version for one in stored]


def test_a_change_makes_a_version_and_the_same_is_repeated(intake: Intake) -> None:
    for text in ("一", "一", "二", "二", "三"):
        take(intake, [conclusion(ResultText=text)])
    assert versions(intake) == [1, 2, 3]


def test_what_goes_back_to_an_older_content_is_a_version_of_its_own(intake: Intake) -> None:
    for text in ("一", "二", "一"):
        take(intake, [conclusion(ResultText=text)])
    assert versions(intake) == [1, 2, 3]


def test_several_changes_in_one_batch_are_counted(intake: Intake) -> None:
    batch = [conclusion(ResultText=text) for text in ("一", "二", "二", "三")]
    assert take(intake, batch) == (3, 1, 0)
    assert versions(intake) == [1, 2, 3]


def test_a_cumulative_delivery_offered_thrice_with_growth(intake: Intake) -> None:
    """Each time it repeats everything and brings one record more; the third time one that it had brought changed."""
    known = {one.record_type: one for one in generated(60)}
    names = ("Application", "Acceptance", "Conclusion")
    records = [
        Candidate(record_type=name, content=known[name].content, kept=bytes, versioning=AUTOMATIC) for name in names
    ]
    assert take(intake, records[:1]) == (1, 0, 0)
    assert take(intake, records[:2]) == (1, 1, 0)
    changed = replace(records[1], content={**known["Acceptance"].content, "OrgName": "改名的部门"})
    assert take(intake, [records[0], changed, records[2]]) == (2, 1, 0)
    assert take(intake, [records[0], changed, records[2]]) == (0, 3, 0)
    assert versions(intake) == [1, 1, 2, 1]


def test_the_same_at_once_makes_one_version_of_each_content(any_store: Store) -> None:
    intakes = [intake_on(any_store, seed="one"), intake_on(any_store, seed="two")]
    take(intakes[0], [conclusion(ResultText="一")])
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda at: take(intakes[at % 2], [conclusion(ResultText="二")]), range(8)))
    assert sorted(results) == [(0, 1, 0)] * 7 + [(1, 0, 0)]
    assert versions(intakes[0]) == [1, 2]


def test_many_versions_are_looked_up_together(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2 * VERSIONS_ASKED + 2):
        take(intake, [conclusion(ResultText=f"第{number}稿")])
    asked: list[int] = []

    def counted(connection: Connection, source: str, keys: Iterable[str]) -> dict[str, SourceKey]:
        asked.append(len(set(keys)))
        return lookup_many(connection, source, keys)

    monkeypatch.setattr(deciding, "lookup_many", counted)
    assert take(intake, [conclusion(ResultText="终稿")]) == (1, 0, 0)
    assert asked == [VERSIONS_ASKED] * 3
    assert versions(intake) == list(range(1, 2 * VERSIONS_ASKED + 4))


def test_a_try_that_failed_leaves_nothing_behind(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    take(intake, [conclusion(ResultText="一")])

    def broken(*_: Any, **__: Any) -> None:
        message = "the disk is full"
        raise OSError(message)

    with monkeypatch.context() as patched:
        patched.setattr(intake.journal, "append", broken)
        with pytest.raises(OSError, match="full"):
            take(intake, [conclusion(ResultText="二")])
    assert take(intake, [conclusion(ResultText="二")]) == (1, 0, 0)
    assert versions(intake) == [1, 2]


def test_a_source_that_counts_itself_still_hears_of_a_conflict(intake: Intake) -> None:
    first = conclusion(ResultText="一")
    given = Candidate(record_type="Conclusion", content=dict(first.content or {}), kept=lambda: b"kept")
    other = Candidate(
        record_type="Conclusion", content={**(first.content or {}), "ResultText": "二"}, kept=lambda: b"kept"
    )
    assert take(intake, [given]) == (1, 0, 0)
    assert take(intake, [other]) == (0, 0, 1)


def test_a_record_whose_type_has_no_versions_is_repeated_or_refused(any_store: Store) -> None:
    intake = intake_on(any_store)
    given = sample("Organisation", DivisionCode="369902")
    one = Candidate(record_type="Organisation", content=given, kept=bytes, versioning=AUTOMATIC)
    assert take(intake, [one]) == (1, 0, 0)
    assert take(intake, [one]) == (0, 1, 0)
    other = replace(one, content={**given, "OrgName": "改名的部门"})
    assert take(intake, [other]) == (0, 0, 1)
