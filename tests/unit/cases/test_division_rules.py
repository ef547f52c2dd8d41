"""What stands above a division on a day, what took its place, and where its figures go: on versions made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cases.division_rules import (
    DEPTH_MAX,
    HeldDivision,
    code_for_new_cases,
    county_of,
    has_lapsed,
    parents_on,
    reporting_parents,
    successors,
    version_for,
    version_in_force,
)

if TYPE_CHECKING:
    from node.cases.division_rules import Held

DAY = "2026-11-03"


def one(code: str, parent: str | None = None, level: int = 4, **values: str | None) -> HeldDivision:
    given_values = {"name": code, "kind": "STATUTORY", "valid_from": "", **values}
    return HeldDivision(code=code, parent=parent, level=level, **given_values)  # type: ignore[arg-type]


def holding(*versions: HeldDivision) -> Held:
    return lambda code: [version for version in versions if version.code == code]


BRANCH = (
    one("369000", level=2),
    one("369900", "369000", level=3),
    one("369902", "369900"),
    # A county under the direct management of the province; the city still owns the area.
    one("369981", "369900", business_parent="369000"),
    one("369972", "369900", kind="MANAGED"),
    one("369902100", "369902", level=5),
    one("369902100201", "369902100", level=6),
    # 369921 became the district 369912 in 2020, which was merged into 369902 in 2026.
    one("369921", "369900", valid_to="2019-12-31", replaced_by="369912"),
    one("369912", "369900", valid_from="2020-01-01", valid_to="2025-12-31", replaced_by="369902"),
)
HELD = holding(*BRANCH)


@pytest.mark.parametrize(
    ("code", "parents"),
    [
        ("369981", ("369900", "369000")),
        ("369902", ("369900",)),
        ("369972", ("369900",)),
        ("369000", ()),
        ("369999", ()),
    ],
)
def test_figures_go_to_the_parent_and_to_who_directs_the_business(code: str, parents: tuple[str, ...]) -> None:
    assert reporting_parents(HELD, DAY, code) == parents


def test_a_business_parent_that_is_the_parent_counts_once() -> None:
    held = holding(one("369981", "369900", business_parent="369900"))
    assert reporting_parents(held, DAY, "369981") == ("369900",)


def test_who_directs_the_business_is_not_what_stands_above() -> None:
    held = holding(one("369900", "369000", level=3), one("369981", "369900", business_parent="368000"))
    assert parents_on(held, DAY, "369981") == ["369900", "369000"]


def test_an_override_has_its_days() -> None:
    held = holding(
        one("369981", "369900", valid_to="2014-06-30"),
        one("369981", "369900", business_parent="369000", valid_from="2014-07-01", valid_to="2021-12-31"),
        one("369981", "369900", valid_from="2022-01-01"),
    )
    assert [reporting_parents(held, day, "369981") for day in ("2014-06-30", "2014-07-01", "2021-12-31", DAY)] == [
        ("369900",),
        ("369900", "369000"),
        ("369900", "369000"),
        ("369900",),
    ]


@pytest.mark.parametrize(
    ("code", "day", "bears"),
    [
        ("369921", "2019-12-31", "369921"),
        ("369921", "2020-01-01", "369912"),
        ("369921", "2026-01-01", "369902"),
        ("369912", "2025-12-31", "369912"),
        ("369912", "2026-01-01", "369902"),
        ("369902", DAY, "369902"),
        ("369999", DAY, "369999"),
    ],
)
def test_a_new_case_bears_the_code_that_holds(code: str, day: str, bears: str) -> None:
    assert code_for_new_cases(HELD, day, code) == bears
    assert has_lapsed(HELD(code), day) == (bears != code)


def test_a_code_that_ended_without_a_successor_stays() -> None:
    held = holding(one("369921", "369900", valid_to="2019-12-31"))
    assert has_lapsed(held("369921"), DAY)
    assert code_for_new_cases(held, DAY, "369921") == "369921"


def test_a_code_that_does_not_hold_yet_has_not_lapsed() -> None:
    assert not has_lapsed([one("369912", valid_from="2027-01-01")], DAY)


def test_a_code_that_pauses_has_lapsed_in_between() -> None:
    versions = [one("369912", valid_to="2019-12-31"), one("369912", valid_from="2025-01-01")]
    assert [has_lapsed(versions, day) for day in ("2019-12-31", "2020-01-01", "2024-12-31", "2025-01-01")] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("code", "county"),
    [
        ("369902100201", "369902"),
        ("369902100", "369902"),
        ("369902", "369902"),
        ("369900", "369900"),
        # Nothing is published of these: their digits say it.
        ("369903100201", "369903"),
        ("369903100", "369903"),
        ("369903", "369903"),
    ],
)
def test_the_county_of_a_township_or_village(code: str, county: str) -> None:
    assert county_of(HELD, DAY, code) == county


def test_a_township_that_was_moved_is_in_the_county_that_its_record_names() -> None:
    held = holding(one("369902100", "369903", level=5), one("369903", "369900"))
    assert county_of(held, DAY, "369902100") == "369903"


def test_a_township_whose_county_is_not_published_is_where_its_digits_say() -> None:
    assert county_of(holding(one("369902100", "369902", level=5)), DAY, "369902100") == "369902"


@st.composite
def versions(draw: st.DrawFn) -> list[HeldDivision]:
    """Give versions of a few codes that replace and stand above one another as they like, circles among them."""
    codes = ["369901", "369902", "369903", "369904"]
    dates = ["2020-01-01", "2022-06-30", "2024-12-31"]
    some = st.one_of(st.none(), st.sampled_from(codes))
    return [
        one(
            code,
            draw(some),
            valid_from=draw(st.sampled_from(["", *dates])),
            valid_to=draw(st.one_of(st.none(), st.sampled_from(dates))),
            replaced_by=draw(some),
        )
        for code in codes
        for _ in range(draw(st.integers(0, 3)))
    ]


@given(versions(), st.sampled_from(["2019-01-01", "2020-01-01", "2022-07-01", "2024-12-31", "2026-01-01"]))
def test_every_question_has_an_end_and_its_answer_holds(made: list[HeldDivision], day: str) -> None:
    held = holding(*made)
    for code in ("369901", "369902", "369903", "369904"):
        assert len(parents_on(held, day, code) or ()) <= DEPTH_MAX
        followed = successors(held, code)
        assert len(followed) == len({code, *followed}) - 1
        bears = code_for_new_cases(held, day, code)
        assert bears == code or (has_lapsed(held(code), day) and version_in_force(held(bears), day) is not None)
        in_force = version_in_force(held(code), day)
        if in_force is not None:
            assert in_force.valid_from <= day <= (in_force.valid_to or day)
            assert version_for(held(code), day) == in_force
            assert not has_lapsed(held(code), day)
