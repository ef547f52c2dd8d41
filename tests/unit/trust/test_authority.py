from __future__ import annotations

import pytest

from node.standard.codec import parse_record
from node.standard.compose import compose
from node.standard.facts import Facts, facts_of
from node.standard.families import RECORD_TYPES
from node.standard.seals import StreamName
from node.trust.authority import check_authority
from node.trust.issued import RECORD_TYPE
from tests.support.identities import identities, issued_by_code, tree_of

TREE = tree_of(identities(7))
PROVINCE, CITY, COUNTY, SIBLING, OTHER_CITY = "360000", "360100", "360102", "360103", "360200"
HEADER = {"RecordKey": "k", "EventTime": "2026-01-05T12:00:00+08:00"}


def reason(origin: str, audience: str, record_type: str, **content: object) -> str | None:
    """Ask with facts and element of a record when content is given, else without."""
    stream = StreamName(origin, audience)
    if not content:
        return check_authority(TREE, stream, record_type)
    element = parse_record(compose(record_type, {**HEADER, **content}, salt=bytes(16)))  # type: ignore[dict-item]
    return check_authority(TREE, stream, record_type, facts_of(element), element)


def organisation(division: str) -> dict[str, object]:
    return {"OrgCode": "91350100M000100Y43", "OrgName": "某局", "DivisionCode": division}


@pytest.mark.parametrize("record_type", sorted(RECORD_TYPES))
@pytest.mark.parametrize("audience", ["ancestors", "descendants", "trust", COUNTY])
def test_a_type_stands_only_in_the_audiences_of_the_table(record_type: str, audience: str) -> None:
    kind = "directed" if audience == COUNTY else audience
    refused = (check_authority(TREE, StreamName(PROVINCE, audience), record_type) or "").startswith(
        f"{record_type} may not stand"
    )
    assert refused is (kind not in RECORD_TYPES[record_type].audiences)


@pytest.mark.parametrize(
    ("origin", "division", "allowed"),
    [
        (COUNTY, COUNTY, True),
        (CITY, CITY, True),
        (CITY, COUNTY, True),
        (PROVINCE, COUNTY, True),
        (COUNTY, SIBLING, False),
        (COUNTY, CITY, False),
        (OTHER_CITY, COUNTY, False),
        (COUNTY, "440100", False),
    ],
)
def test_an_origin_writes_for_its_own_divisions_and_those_below(origin: str, division: str, *, allowed: bool) -> None:
    found = check_authority(TREE, StreamName(origin, "ancestors"), "Application", facts_with(division))
    assert (found is None) is allowed
    if not allowed:
        assert found == f"{origin} does not serve division {division}"


def facts_with(division: str) -> Facts:
    facts = Facts("Application", "1.0")
    facts.division = division
    return facts


def test_a_record_without_division_is_the_origins_own() -> None:
    assert reason(COUNTY, "ancestors", "Application") is None


@pytest.mark.parametrize(
    ("origin", "audience", "record_type", "expected"),
    [
        (PROVINCE, "descendants", "Division", None),
        (CITY, "descendants", "Division", f"only the root {PROVINCE} may write it"),
        (CITY, "descendants", "Calendar", f"only the root {PROVINCE} may write it"),
        (PROVINCE, COUNTY, "SupervisionNotice", None),
        (CITY, COUNTY, "SupervisionNotice", None),
        (COUNTY, CITY, "SupervisionNotice", f"{COUNTY} does not stand above {CITY}"),
        (SIBLING, COUNTY, "SupervisionNotice", f"{SIBLING} does not stand above {COUNTY}"),
        (COUNTY, PROVINCE, "NoticeReply", None),
        (PROVINCE, COUNTY, "NoticeReply", f"{PROVINCE} does not stand below {COUNTY}"),
        (CITY, COUNTY, "SummaryVerdict", None),
        (CITY, COUNTY, "FigureComparison", None),
        (COUNTY, CITY, "FigureComparison", f"{COUNTY} does not stand above {CITY}"),
        (COUNTY, CITY, "ComparisonAnswer", None),
        (CITY, COUNTY, "ComparisonAnswer", f"{CITY} does not stand below {COUNTY}"),
        (COUNTY, "ancestors", "StatisticsSummary", None),
        (COUNTY, SIBLING, "Rejection", None),
        (COUNTY, COUNTY, "Rejection", f"{COUNTY} is not another node of the tree"),
        (COUNTY, "999999", "Rejection", "999999 is not another node of the tree"),
        ("999999", "ancestors", "Application", "999999 is not in the tree"),
        (CITY, "trust", RECORD_TYPE, f"only the root {PROVINCE} writes into trust"),
        (CITY, "trust", "StreamReturn", f"only the root {PROVINCE} writes into trust"),
        (COUNTY, "ancestors", "NotYetKnown", None),
    ],
)
def test_the_table_of_record_types_decides(origin: str, audience: str, record_type: str, expected: str | None) -> None:
    assert reason(origin, audience, record_type) == expected


def certificate_reason(origin: str, audience: str, subject: str, parent: str | None) -> str | None:
    content = {**issued_by_code(identities(7))[COUNTY].content(), "NodeCode": subject, "ParentCode": parent or ""}
    return reason(origin, audience, RECORD_TYPE, **content)


@pytest.mark.parametrize(
    ("origin", "audience", "subject", "parent", "expected"),
    [
        (CITY, "ancestors", COUNTY, CITY, None),
        (CITY, "ancestors", "360104", CITY, None),
        (PROVINCE, "trust", COUNTY, CITY, None),
        (PROVINCE, "trust", PROVINCE, None, None),
        (PROVINCE, "trust", PROVINCE, CITY, f"nobody issues certificates to the root {PROVINCE}"),
        (CITY, "ancestors", PROVINCE, CITY, f"nobody issues certificates to the root {PROVINCE}"),
        (CITY, "ancestors", "360104", OTHER_CITY, f"{CITY} is not the parent named, {OTHER_CITY}"),
        (CITY, "ancestors", "360202", CITY, f"360202 stands below {OTHER_CITY}"),
        (CITY, "ancestors", "360104", None, f"{CITY} is not the parent named, None"),
        (CITY, "ancestors", COUNTY, None, None),
    ],
)
def test_an_issuer_speaks_of_its_own_children_only(
    origin: str, audience: str, subject: str, parent: str | None, expected: str | None
) -> None:
    assert certificate_reason(origin, audience, subject, parent) == expected


@pytest.mark.parametrize(
    ("origin", "audience", "divisions", "expected"),
    [
        (CITY, "ancestors", ["360104", SIBLING], None),
        (CITY, "ancestors", ["360202"], "division 360202 is served by 360202, which does not stand below 360100"),
        (PROVINCE, "trust", ["360202"], None),
    ],
)
def test_an_issuer_gives_no_divisions_of_another_branch(
    origin: str, audience: str, divisions: list[str], expected: str | None
) -> None:
    content = {**issued_by_code(identities(7))[COUNTY].content(), "NodeCode": "360104", "Division": divisions}
    assert reason(origin, audience, RECORD_TYPE, **content) == expected


def test_catalogue_records_are_judged_by_their_division() -> None:
    assert reason(COUNTY, "ancestors", "Organisation", **organisation(COUNTY)) is None
    assert reason(COUNTY, "ancestors", "Organisation", **organisation(SIBLING)) is not None
