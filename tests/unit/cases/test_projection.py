"""The case projection on a journal: hand-worked cases, versions, quarantine, requeue, rebuild, any cut, any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, select

from node.cases.findings import ACCEPT_AFTER_CONCLUSION, STEPS_INCOMPLETE
from node.cases.history import EMPTY, INCOMPLETE
from node.cases.projection import CaseProjection
from node.cases.states import State
from node.cases.tables import case_fact
from node.journal.entries import INVALID, NO_AUTHORITY, Batch, Entry, read_entry
from node.journal.statements import update_sql
from node.journal.streams import Journal
from node.journal.tables import HELD_BACK, QUARANTINED, quarantine, record
from node.standard.compression import compress_record
from node.standard.seals import StreamName
from node.statistics.indicators import FigureKey, Figures
from node.statistics.recount import figures_from_records
from node.statistics.summaries import stream_ids
from tests.support.case_nodes import CaseNode
from tests.support.case_records import WORDS, bodies, body, case_no, entry
from tests.support.samples import CASE_NO
from tests.support.samples import record as record_body
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.journal.store import Store, Transaction

COUNTY = "360102"
FULL = "apply accept handle review decide grant"


def node_of(store: Store, code: str = COUNTY) -> CaseNode:
    return CaseNode(store, code)


def test_a_whole_case_in_one_batch(any_store: Store) -> None:
    node = node_of(any_store)
    node.append(bodies(FULL))
    assert node.case(CASE_NO).state == State.CONCLUDED
    assert node.finding_codes(CASE_NO) == []
    records = node.tables()["records"]
    # Position, case, previous position, state after, flags: 1已申请 5已受理 7承办 8审核 9批准 13办结.
    assert [(place[1], previous and previous[1], state) for place, _, previous, state, _ in records] == [
        (1, None, 1),
        (2, 1, 5),
        (3, 2, 7),
        (4, 3, 8),
        (5, 4, 9),
        (6, 5, 13),
    ]


def test_a_case_over_many_batches_is_the_same(any_store: Store) -> None:
    node = node_of(any_store)
    for one in bodies(FULL):
        node.append([one])
    other = node_of(new_memory_store())
    other.append(bodies(FULL))
    assert node.tables() == other.tables()


def test_an_illogical_record_is_kept_and_found(any_store: Store) -> None:
    node = node_of(any_store)
    node.append(bodies("apply"))
    # 办结 at 1 h, then 受理 dated 9 h.
    node.append([body("Conclusion", hour=1), body("Acceptance", hour=9)])
    assert node.case(CASE_NO).state == State.CONCLUDED
    assert ACCEPT_AFTER_CONCLUSION in node.finding_codes(CASE_NO)
    assert STEPS_INCOMPLETE in node.finding_codes(CASE_NO)


def test_a_corrected_record_takes_back_what_the_first_one_counted_and_found(any_store: Store) -> None:
    node = node_of(any_store)
    node.append([body("Application"), body("Acceptance", hour=9), body("Conclusion", hour=2, ResultCode="DENY")])
    assert ACCEPT_AFTER_CONCLUSION in node.finding_codes(CASE_NO)
    node.append([body("Acceptance", hour=1, data_version=2), body("Conclusion", hour=2, data_version=2)])
    assert node.finding_codes(CASE_NO) == [STEPS_INCOMPLETE]
    indicators = {key[-1]: amount for key, amount in node.tables()["counters"].items()}
    assert indicators == {"applied": 1, "accepted": 1, "concluded.GRANT": 1}


def test_records_behind_a_quarantined_one_of_their_case_are_held_back(any_store: Store) -> None:
    node = node_of(any_store)
    entries = [read_entry(one) for one in bodies("apply accept handle")]
    entries[1].quarantine = NO_AUTHORITY
    stranger = entry("Application", case_no=case_no(7))
    node.receive([*entries, stranger], "360103")
    case = node.case(CASE_NO)
    assert case.state == State.APPLIED
    assert case.flags & INCOMPLETE
    assert [flags for *_, flags in node.tables()["records"]] == [0, QUARANTINED, HELD_BACK, 0]
    assert node.case(case_no(7)).state == State.APPLIED
    node.receive([entry("ReviewStep", sequence=2, hour=5, StepCode="2")], "360103")
    assert node.case(CASE_NO).state == State.APPLIED
    assert sum(node.tables()["counters"].values()) == 2


def test_a_requeued_record_sets_its_case_right(any_store: Store) -> None:
    node = node_of(any_store)
    entries = [read_entry(one) for one in bodies(FULL)]
    entries[1].quarantine = NO_AUTHORITY
    for one in entries:
        node.receive([one], "360103")
    requeued = node.store.write(lambda transaction: node.journal.requeue(transaction, [entries[1].key]))
    assert requeued == [entries[1].key]
    straight = node_of(new_memory_store())
    straight.receive([read_entry(one) for one in bodies(FULL)], "360103")
    assert node.tables() == straight.tables()
    before = node.tables()
    node.journal.rebuild()
    assert node.tables() == before


def test_a_requeued_record_that_no_case_was_known_for_finds_its_place(any_store: Store) -> None:
    node = node_of(any_store)
    line = [read_entry(one) for one in bodies(FULL)]
    hidden = line[2]
    unreadable = Entry(record_type="", body=b"<?", leaf=hidden.leaf, quarantine=INVALID)
    node.receive([*line[:2], unreadable, *line[3:]], "360103")
    assert node.case(CASE_NO).state == State.CONCLUDED
    readable = read_entry(hidden.body)
    readable.key, readable.position = unreadable.key, unreadable.position

    def upgraded(transaction: Transaction) -> None:
        # What the journal does when a program reads a record that an older one could not.
        transaction.connection.execute(delete(quarantine))
        statement = update_sql(record, transaction.dialect, ("body", "type_number", "flags"))
        transaction.connection.exec_driver_sql(statement, [(compress_record(hidden.body), 4, 0, readable.key)])
        batch = Batch(
            stream=StreamName("360103", "ancestors"),
            stream_id=readable.key >> 40,
            own=False,
            entries=[readable],
            first=3,
            last=3,
        )
        node.cases.requeued(transaction, batch)

    node.store.write(upgraded)
    straight = node_of(new_memory_store())
    straight.receive([read_entry(one) for one in bodies(FULL)], "360103")
    assert node.tables() == straight.tables()


def test_a_requeued_record_that_belongs_to_no_case_leaves_the_history_that_it_held_back(any_store: Store) -> None:
    node = node_of(any_store)
    # 接办 names a case and is none of its records; while nobody knows who may write it, it holds the case back.
    lines = [*bodies("apply accept"), record_body("Takeover"), *bodies("handle review", start=3)]
    entries = [read_entry(one) for one in lines]
    entries[2].quarantine = NO_AUTHORITY
    for one in entries:
        node.receive([one], "360103")
    assert node.case(CASE_NO).flags & INCOMPLETE
    node.store.write(lambda transaction: node.journal.requeue(transaction, [entries[2].key]))
    straight = node_of(new_memory_store())
    straight.receive([read_entry(one) for one in lines], "360103")
    assert node.case(CASE_NO).state == State.REVIEWING
    assert node.tables() == straight.tables()
    before = node.tables()
    node.journal.rebuild()
    assert node.tables() == before


def test_a_case_that_only_a_foreign_record_had_named_is_gone_when_that_is_requeued(any_store: Store) -> None:
    node = node_of(any_store)
    lines = [record_body("Takeover"), *bodies("apply", case_no=case_no(2))]
    entries = [read_entry(one) for one in lines]
    entries[0].quarantine = NO_AUTHORITY
    node.receive(entries, "360103")
    assert node.case(CASE_NO).state == State.NONE
    node.store.write(lambda transaction: node.journal.requeue(transaction, [entries[0].key]))
    straight = node_of(new_memory_store())
    straight.receive([read_entry(one) for one in lines], "360103")
    assert node.tables() == straight.tables()
    node.receive([entry("Application")], "360103")
    assert node.case(CASE_NO).state == State.APPLIED


def test_a_requeue_reads_the_cases_that_it_touches_and_not_their_stream(memory: Store) -> None:
    node = node_of(memory)
    entries = [read_entry(one) for one in bodies(FULL)]
    entries[1].quarantine = NO_AUTHORITY
    node.receive(entries, "360103")
    read: list[str] = []
    event.listen(memory.writer, "before_cursor_execute", lambda *sent: read.append(sent[2]))
    node.store.write(lambda transaction: node.journal.requeue(transaction, [entries[1].key]))
    assert not [one for one in read if "BETWEEN" in one and "record" in one]


def test_a_quarantined_record_of_an_unknown_type_holds_back_by_its_case_number(any_store: Store) -> None:
    node = node_of(any_store)
    strange = body("Acceptance").replace(b"Acceptance ", b"Appraisal ").replace(b"</Acceptance>", b"</Appraisal>")
    first = read_entry(strange)
    assert first.quarantine is not None
    node.receive([first, entry("Application")], "360103")
    case = node.case(CASE_NO)
    assert case.state == State.NONE
    assert case.flags & INCOMPLETE
    assert case.flags & EMPTY
    assert node.tables()["counters"] == {}


def test_re_projecting_changes_nothing_that_was_right(any_store: Store) -> None:
    node = node_of(any_store)
    node.append([*bodies(FULL), *bodies("apply grant", case_no=case_no(3))])
    before = node.tables()
    with node.store.reading() as connection:
        ids = list(connection.execute(select(case_fact.c.id)).scalars())
    for number in [*ids, 999_999]:
        node.store.write(lambda transaction, number=number: node.cases.re_project(transaction, number))  # type: ignore[misc]
    assert node.tables() == before


def test_two_origins_never_share_a_case(any_store: Store) -> None:
    node = node_of(any_store, "360100")
    node.receive([entry("Application")], "360102")
    node.receive([entry("Acceptance", hour=1)], "360103")
    states = [(case[0], case[7]) for case in node.tables()["cases"]]
    assert states == [("360102/ancestors", State.APPLIED), ("360103/ancestors", State.ACCEPTED)]


def test_cases_stand_in_streams_to_ancestors_only(any_store: Store) -> None:
    node = node_of(any_store)
    node.append(bodies("apply"), audience="descendants")
    assert node.tables()["cases"] == []


def test_without_statistics_cases_are_projected_all_the_same(memory: Store) -> None:
    node = node_of(memory)
    cases = CaseProjection()
    journal = Journal(memory, node_code=COUNTY, clock=node.clock, projections=(cases,))
    entries = [read_entry(one) for one in [*bodies(FULL), body("Acceptance", hour=1, data_version=2)]]
    memory.write(lambda transaction: journal.append(transaction, StreamName(COUNTY, "ancestors"), entries))
    assert node.case(CASE_NO).state == State.CONCLUDED
    assert journal.rebuild() == 7
    assert node.case(CASE_NO).contribution == b""


def test_a_failed_transaction_leaves_no_trace_in_the_projection(memory: Store) -> None:
    node = node_of(memory)

    def failing(transaction: Transaction) -> None:
        entries = [read_entry(one) for one in bodies(FULL)]
        node.journal.append(transaction, StreamName(COUNTY, "ancestors"), entries)
        raise LookupError

    for _ in range(2):
        try:
            memory.write(failing)
        except LookupError:
            continue
    assert node.tables()["cases"] == []
    node.append(bodies(FULL))
    assert sum(node.tables()["counters"].values()) == 3


# --- I3: any cut into batches, any interleaving of streams, and a rebuild give the same tables -----------------------

LINES = (FULL, FULL + " collect", "apply notice receipt accept handle grant paid", "apply accept void", "accept apply")


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Give one stream: some cases, interleaved, with odd, corrected and mis-dated records."""
    cases = []
    for number in range(1, draw(st.integers(2, 5))):
        words = draw(st.sampled_from(LINES)).split()
        words += draw(st.lists(st.sampled_from(sorted(WORDS)), max_size=2))
        made = bodies(" ".join(words), case_no=case_no(number))
        if draw(st.booleans()):
            hour = draw(st.sampled_from([1, 30]))
            made.append(body("Acceptance", case_no=case_no(number), hour=hour, data_version=2, AcceptanceState="1"))
        cases.append(made)
    mixed = []
    while any(cases):
        chosen = draw(st.sampled_from([index for index, case in enumerate(cases) if case]))
        mixed.append(cases[chosen].pop(0))
    return mixed


@settings(max_examples=40, deadline=None)
@given(streams(), streams(), st.lists(st.integers(1, 6), max_size=8), st.data())
def test_any_cut_any_interleaving_and_a_rebuild_give_the_same_tables(
    first: list[bytes], second: list[bytes], cuts: list[int], data: st.DataObject
) -> None:
    quarantined = data.draw(st.sets(st.integers(0, 6), max_size=1))

    def entries(made: list[bytes]) -> list[Entry]:
        read = [read_entry(one) for one in made]
        for index in quarantined & set(range(len(read))):
            read[index].quarantine = NO_AUTHORITY
        return read

    whole = node_of(new_memory_store(), "360100")
    whole.receive(entries(first), "360102")
    whole.receive(entries(second), "360103")
    pieces = node_of(new_memory_store(), "360100")
    waiting = [(entries(second), "360103"), (entries(first), "360102")]
    for cut in [*cuts, *[500] * 4]:
        records, origin = waiting.pop(0)
        if records:
            pieces.receive(records[:cut], origin)
        waiting.append((records[cut:], origin))
    assert pieces.tables() == whole.tables()
    pieces.journal.rebuild()
    assert pieces.tables() == whole.tables()
    with pieces.store.reading() as connection:
        for origin, number in stream_ids(connection).items():
            # The independent fold over records knows nothing of cases, counters and their tables.
            counted: dict[str, Figures] = {}
            for (stream, day, *key), amount in pieces.tables()["counters"].items():
                if stream == origin:
                    counted.setdefault(day, {})[FigureKey(*key)] = amount
            assert figures_from_records(connection, number, 10_000) == counted
