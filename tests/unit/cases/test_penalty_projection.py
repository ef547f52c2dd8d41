"""Penalties on a journal: their own tables beside those of cases, quarantine, versions, rebuild, any cut and order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from node.cases import penalty_codes as codes
from node.cases.penalty_states import PenaltyState
from node.cases.states import State
from node.cases.tables import PENALTY_TABLES
from node.cases.view import (
    CaseView,
    count_cases,
    count_findings,
    count_penalties,
    count_penalty_findings,
    list_records,
    show_case,
    show_penalty,
)
from node.journal.entries import NO_AUTHORITY, read_entry
from node.journal.tables import HELD_BACK, QUARANTINED
from node.standard.seals import StreamName
from node.statistics.recount import figures_from_records
from node.statistics.summaries import stream_ids
from tests.support.case_nodes import CaseNode
from tests.support.case_records import bodies as case_bodies
from tests.support.penalty_records import PENALTY_NO, bodies, body
from tests.support.samples import CREDIT_CODE
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.journal.store import Store

COUNTY = "360102"
FULL = "clue file investigate review notify decide serve pay close"


def shown(node: CaseNode, number: str = PENALTY_NO, origin: str | None = None) -> CaseView:
    with node.store.reading() as connection:
        found = show_penalty(connection, number, origin)
    assert found is not None
    return found


def finding_codes(node: CaseNode) -> list[str]:
    return [one.code for one in shown(node).findings]


def test_a_penalty_goes_from_clue_to_closing(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    for one in bodies(FULL):
        node.append([one])
    penalty = shown(node)
    assert (penalty.state, penalty.label.chinese, penalty.incomplete) == (PenaltyState.CLOSED, "已结案", False)
    assert [one.state.chinese if one.state else "" for one in penalty.records] == [
        "线索", "已立案", "调查取证", "已审查", "已告知", "已决定", "已送达", "执行完毕", "已结案",
    ]  # fmt: skip
    assert (penalty.findings, penalty.requests) == ((), ())
    assert (penalty.organisation, penalty.channel) == (CREDIT_CODE, "FILE")
    at_once = CaseNode(new_memory_store(), COUNTY)
    at_once.append(bodies(FULL))
    assert at_once.tables() == node.tables()


def test_what_the_law_forbids_is_kept_and_found(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append(bodies("clue file investigate review notify defend decide", decide={"PenaltyFine": "500"}))
    assert shown(node).state is PenaltyState.DECIDED
    assert [(one.code, one.position) for one in shown(node).findings] == [(codes.HEAVIER_AFTER_DEFENCE, 7)]
    with any_store.reading() as connection:
        assert (count_penalties(connection), count_penalty_findings(connection)) == (1, 1)
        assert (count_cases(connection), count_findings(connection)) == (0, 0)
    # The decision is corrected: what was found goes with what it was found in.
    node.append([body("decide", day=6, DataVersion="2")])
    assert finding_codes(node) == []


def test_nothing_of_a_penalty_is_counted_among_approvals(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append([*case_bodies("apply accept"), *bodies(FULL)])
    indicators = {key[-1]: amount for key, amount in node.tables()["counters"].items()}
    assert indicators == {"applied": 1, "accepted": 1}


def test_a_penalty_and_a_case_of_the_same_number_do_not_touch(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append(
        [*case_bodies("apply", case_no=PENALTY_NO), *bodies("clue"), *case_bodies("accept", case_no=PENALTY_NO)]
    )
    node.append(bodies("file"))
    assert node.case(PENALTY_NO).state == State.ACCEPTED
    assert shown(node).state is PenaltyState.FILED
    with any_store.reading() as connection:
        case = show_case(connection, PENALTY_NO)
        assert case is not None
        assert [one.position for one in case.records] == [1, 3]
        listed = list_records(connection, StreamName(COUNTY, "ancestors"))
    assert [one.position for one in shown(node).records] == [2, 4]
    assert [one.state.chinese if one.state else "" for one in listed] == ["已申请", "线索", "已受理", "已立案"]


def test_a_quarantined_penalty_record_holds_back_its_penalty_and_no_case(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    entries = [read_entry(one) for one in [*bodies("clue file investigate"), *case_bodies("apply", case_no=PENALTY_NO)]]
    entries[1].quarantine = NO_AUTHORITY
    node.receive(entries, "360103")
    assert shown(node).incomplete
    assert shown(node).state is PenaltyState.CLUE
    assert [flags for *_, flags in node.tables()["records"]] == [0, QUARANTINED, HELD_BACK, 0]
    assert node.case(PENALTY_NO).state == State.APPLIED
    with any_store.reading() as connection:
        # The independent fold over records counts the application too.
        figures = figures_from_records(connection, stream_ids(connection)["360103"], 10_000)
    assert [key[-1] for day in figures.values() for key in day] == ["applied"]


def test_a_requeued_record_sets_its_penalty_right(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    entries = [read_entry(one) for one in bodies(FULL)]
    entries[1].quarantine = NO_AUTHORITY
    for one in entries:
        node.receive([one], "360103")
    node.store.write(lambda transaction: node.journal.requeue(transaction, [entries[1].key]))
    straight = CaseNode(new_memory_store(), COUNTY)
    straight.receive([read_entry(one) for one in bodies(FULL)], "360103")
    assert node.tables() == straight.tables()
    before = node.tables()
    node.journal.rebuild()
    assert node.tables() == before


def test_a_record_of_a_later_version_that_is_named_like_a_penalty_holds_back_a_penalty(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    strange = body("clue").replace(b"PenaltyClue", b"PenaltyMediation")
    node.receive([read_entry(strange), read_entry(body("clue"))], "360103")
    assert shown(node).incomplete
    with any_store.reading() as connection:
        assert show_case(connection, PENALTY_NO) is None


def test_two_origins_never_share_a_penalty(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append(bodies("clue"))
    node.receive([read_entry(one) for one in bodies("clue file")], "360103")
    assert shown(node).also_at == ("360103",)
    assert shown(node, origin="360103").state is PenaltyState.FILED


def test_personal_data_of_a_party_are_masked(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append(bodies("clue file"))
    content = shown(node).records[1].content
    assert content is not None
    assert content["PartyName"] == "测***"
    assert content["PartyIdNo"].startswith("913***")
    assert [officer["Name"] for officer in content["Officer"]] == ["测**", "测**"]
    assert content["Cause"] == "无证经营"


def test_ids_of_penalties_are_no_ids_of_cases(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append([*bodies("clue", case_no="CF1"), *bodies("clue", case_no="CF2")])
    with any_store.reading() as connection:
        ids = sorted(connection.execute(PENALTY_TABLES.fact.select()).scalars())
    assert ids == [1 << 48, (1 << 48) + 1]


WORDS = ["clue", "file", "investigate", "review", "notify", "defend", "decide", "serve", "pay", "close", "terminate"]


@st.composite
def histories(draw: st.DrawFn) -> list[bytes]:
    """Records of two penalties and a case in any order, with versions and quarantined ones among them."""
    made = []
    for word, case_no, version, sequence in draw(
        st.lists(
            st.tuples(st.sampled_from(WORDS), st.sampled_from(["CF1", "CF2"]), st.integers(1, 2), st.integers(1, 2)),
            max_size=12,
        )
    ):
        changes: dict[str, Any] = {"case_no": case_no, "sequence": sequence, "DataVersion": str(version)}
        made.append(body(word, day=draw(st.integers(0, 3)), **changes))
    return [*made, *case_bodies("apply accept", case_no="CF1")]


@given(histories(), st.lists(st.integers(1, 5), max_size=6), st.sets(st.integers(0, 13)))
@settings(deadline=None, max_examples=40)
def test_any_cut_and_a_rebuild_give_the_same_tables(records: list[bytes], cuts: list[int], bad: set[int]) -> None:
    whole, pieces = CaseNode(new_memory_store(), "360100"), CaseNode(new_memory_store(), "360100")

    def entries() -> list[Any]:
        made = [read_entry(one) for one in records]
        for place, entry in enumerate(made):
            entry.quarantine = NO_AUTHORITY if place in bad else None
        return made

    whole.receive(entries(), COUNTY)
    rest = entries()
    for cut in [*cuts, len(records)]:
        piece, rest = rest[:cut], rest[cut:]
        if piece:
            pieces.receive(piece, COUNTY)
    assert pieces.tables() == whole.tables()
    before = whole.tables()
    whole.journal.rebuild()
    assert whole.tables() == before
