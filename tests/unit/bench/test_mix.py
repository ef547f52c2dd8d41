from __future__ import annotations

from collections import Counter

from node.cases.history import Recorded, replay
from node.standard.codec import check_canonical, parse_record, record_type
from node.standard.facts import facts_of
from tests.bench.mix import CaseMix


def test_the_mix_repeats_itself_for_the_same_seed() -> None:
    assert CaseMix(division="360102", seed=1).records(20) == CaseMix(division="360102", seed=1).records(20)
    assert CaseMix(division="360102", seed=1).records(20) != CaseMix(division="360102", seed=2).records(20)


def test_every_record_of_the_mix_follows_the_standard_in_canonical_form() -> None:
    for body in CaseMix(division="360102", seed=1, open_cases=20).records(200):
        check_canonical(body, parse_record(body))


def test_the_mix_has_eight_types_and_about_a_kilobyte_and_a_half_a_record() -> None:
    bodies = CaseMix(division="360102", seed=1, open_cases=50).records(2_000)
    assert len({record_type(parse_record(body)) for body in bodies}) == 8
    assert 1_300 < sum(map(len, bodies)) / len(bodies) < 1_800


def test_no_case_of_the_mix_is_illogical() -> None:
    cases: dict[str, list[Recorded]] = {}
    for key, body in enumerate(CaseMix(division="360102", seed=1, open_cases=30).records(1_000)):
        facts = facts_of(parse_record(body))
        cases.setdefault(facts.case_no or "", []).append(Recorded(key, facts, quarantined=False))
    found = Counter(finding.code for records in cases.values() for finding in replay(records, ()).findings)
    assert not found
    ended = [len(records) for records in cases.values() if records[-1].facts.code == "GRANT"]  # type: ignore[union-attr]
    assert 4 <= sum(ended) / len(ended) <= 8
