"""The sample of a first delivery: valid and logical in every dialect in which it is written."""

from __future__ import annotations

from io import BytesIO

import pytest

from node.cases.history import Recorded, replay
from node.departments.dialects import Dialects
from node.departments.prepare import prepare
from node.errors import UsageError
from node.randomness import SeededRandomness
from node.standard.codec import parse_record
from node.standard.compose import content_of
from node.web.reference.samples import first_case, sample_delivery, sample_files, writable


@pytest.mark.parametrize("dialect", writable())
def test_the_sample_is_accepted_and_nothing_is_found_in_it(dialect: str) -> None:
    delivery = BytesIO(sample_delivery(dialect, first_case()))
    prepared = prepare(Dialects().read(dialect, delivery), channel="API", randomness=SeededRandomness("sample"))
    assert prepared
    assert [one.problems for one in prepared if one.problems] == []
    facts = [one.entry.facts for one in prepared if one.entry is not None]
    outcome = replay([Recorded(key, fact, quarantined=False) for key, fact in enumerate(facts)], ())
    assert outcome.findings == ()


@pytest.mark.parametrize("dialect", ["standard", "json"])
def test_every_record_of_the_case_comes_through_as_it_was_made(dialect: str) -> None:
    delivery = BytesIO(sample_delivery(dialect, first_case("360102")))
    prepared = prepare(Dialects().read(dialect, delivery), channel="API", randomness=SeededRandomness("sample"))
    read = [content_of(parse_record(one.entry.body)) for one in prepared if one.entry is not None]
    assert read == [{**one.content, "Channel": "API"} for one in first_case("360102")]


def test_there_is_a_file_for_each_dialect_that_is_written() -> None:
    assert [path.split("/")[1] for path, _ in sample_files()] == writable()
    assert {"standard", "json", "csv", "xlsx"} <= set(writable())


def test_a_dialect_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        sample_delivery("nothing", first_case())
    assert "standard" in refused.value.action
