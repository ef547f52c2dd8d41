"""Taking bytes away: what is left of a record, in the tables and in the files, and what never is redacted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from node.journal import alarms, hash_only, quarantine
from node.journal.entries import NO_AUTHORITY, read_entry
from node.journal.erasing import ERASED_HASH
from node.journal.redactions import KEPT_TYPES, orders
from node.journal.source_keys import SourceKey, lookup_many, remember_many
from node.journal.tables import REDACTED, record_key
from node.journal.tables import hash_only as hash_only_table
from node.randomness import SeededRandomness
from node.standard.compose import compose
from node.standard.families import RECORD_TYPES
from node.standard.seals import ANCESTORS, StreamName
from tests.support.case_nodes import CaseNode
from tests.support.case_records import MINIMAL, bodies, case_no, entry
from tests.support.samples import CASE_NO, record, sample
from tests.support.stores import new_file_store, new_memory_store

if TYPE_CHECKING:
    from pathlib import Path

    from node.journal.records import StoredRecord
    from node.journal.store import Store

COUNTY, CITY = "360102", "360100"
STREAM = StreamName(COUNTY, ANCESTORS)
WINDOW = 24
"""Compressed records of the same shape share no run of so many bytes by chance, but for those that others hold too."""


def stored(node: CaseNode, position: int) -> StoredRecord:
    with node.store.reading() as connection:
        return node.journal.stored(connection, STREAM, position, position)[0]


def alarm_texts(node: CaseNode) -> list[str]:
    with node.store.reading() as connection:
        return [one.text for one in alarms.alarms(connection)]


def test_a_redacted_record_is_a_leaf_hash_and_nothing_else(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append(bodies("apply accept"))
    key = record_key(1, 1)
    known = SourceKey(source="hall", key="Application:1", content_hash=b"h" * 32, record_key=key)
    node.store.write(lambda transaction: remember_many(transaction, [known]))
    before = stored(node, 1)
    root = held_root(node)
    at = node.redact(1)
    after = stored(node, 1)
    assert (after.leaf, after.length) == (before.leaf, before.length)
    assert (after.body, after.record_type, after.flags) == (None, "", REDACTED)
    assert (after.case_id, after.previous, after.state_after) == (None, None, None)
    with any_store.reading() as connection:
        assert node.journal.root_at(connection, STREAM, 2) == root
        assert lookup_many(connection, "hall", ["Application:1"])["Application:1"].content_hash == ERASED_HASH
        gone = hash_only.at_key(connection, key)
        assert gone is not None
        assert gone.redaction == record_key(1, at)
        assert hash_only.counts(connection) == (1, 0)
    assert node.finding_codes(CASE_NO) == ["LOGIC-NO-APPLICATION", "LOGIC-STEPS-INCOMPLETE"]


def held_root(node: CaseNode) -> bytes:
    with node.store.reading() as connection:
        held = node.journal.held(connection, STREAM)
    assert held is not None
    return held.root


def test_a_case_of_which_nothing_is_left_is_gone_with_its_figures(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append(bodies("apply"))
    assert node.tables()["counters"]
    node.redact(1)
    tables = node.tables()
    assert (tables["cases"], tables["findings"], tables["counters"]) == ([], [], {})


def test_what_a_quarantined_record_held_back_goes_on_without_it(any_store: Store) -> None:
    county, city = CaseNode(new_memory_store(), COUNTY), CaseNode(any_store, CITY)
    county.append(bodies("apply accept handle"))
    entries = [read_entry(one) for one in bodies("apply accept handle")]
    entries[1].quarantine = NO_AUTHORITY
    city.receive(entries, COUNTY)
    county.redact(2)
    city.copy_from(county)
    with any_store.reading() as connection:
        assert quarantine.count(connection) == 0
    assert stored(city, 3).flags == 0
    assert {name: city.tables()[name] for name in ("cases", "findings", "counters")} == {
        name: county.tables()[name] for name in ("cases", "findings", "counters")
    }


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"LeafHash": "ab" * 32}, "has the leaf hash"),
        ({"Position": "9"}, "record 9 does not stand before it"),
        ({"Position": "3"}, "record 3 does not stand before it"),
    ],
)
def test_a_redaction_that_does_not_fit_erases_nothing_and_alarms(
    any_store: Store, changes: dict[str, str], why: str
) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append(bodies("apply accept"))
    node.redact(1, **changes)
    assert [why in text for text in alarm_texts(node)] == [True]
    assert stored(node, 1).body is not None
    node.journal.rebuild()
    assert len(alarm_texts(node)) == 1
    node.redact(1)
    assert stored(node, 1).body is None


@pytest.mark.parametrize("record_type", ["Alarm", "Redaction", "Takeover"])
def test_what_the_exchange_rests_on_is_never_redacted(memory: Store, record_type: str) -> None:
    node = CaseNode(memory, COUNTY)
    node.append([record(record_type, Stream="360103/ancestors") if record_type == "Redaction" else record(record_type)])
    node.redact(1)
    assert [f"is a {record_type}, which is never redacted" in text for text in alarm_texts(node)] == [True]
    assert stored(node, 1).body is not None


def test_which_types_are_never_redacted() -> None:
    about_people = {name for name, known in RECORD_TYPES.items() if known.family in {"case", "penalty", "supervision"}}
    assert set(RECORD_TYPES) - KEPT_TYPES == about_people - {"DataChangeApproval"}


def test_the_second_redaction_of_a_record_changes_nothing(memory: Store) -> None:
    node = CaseNode(memory, COUNTY)
    node.append(bodies("apply accept"))
    first = node.redact(1)
    node.redact(1)
    assert alarm_texts(node) == []
    with memory.reading() as connection:
        gone = hash_only.at_key(connection, record_key(1, 1))
    assert gone is not None
    assert gone.redaction == record_key(1, first)


def test_a_redaction_of_another_stream_erases_nothing_and_is_an_order_for_its_addressee_only(memory: Store) -> None:
    city = CaseNode(memory, CITY)
    city.receive([entry("Application")], COUNTY)
    order = read_entry(record("Redaction", Stream=str(STREAM), Position="1", LeafHash=entry("Application").leaf.hex()))
    city.receive([order], "360000", COUNTY)
    assert stored(city, 1).body is not None
    with memory.reading() as connection:
        assert orders(connection, limit=9) == []
    county = CaseNode(new_memory_store(), COUNTY)
    county.receive([order], "360000", COUNTY)
    with county.store.reading() as connection:
        assert orders(connection, limit=9) == [record_key(1, 1)]
    county.journal.rebuild()
    with county.store.reading() as connection:
        assert orders(connection, limit=9) == [record_key(1, 1)]


def test_bytes_that_come_later_take_their_place_in_the_case(any_store: Store) -> None:
    city, whole = CaseNode(any_store, CITY), CaseNode(new_memory_store(), CITY)
    entries = [read_entry(one) for one in bodies("apply accept handle review decide grant")]
    whole.receive(entries, COUNTY)
    bare = [read_entry(one) for one in bodies("apply accept handle review decide grant")]
    for position in (1, 4):
        missing = bare[position - 1]
        missing.record_type, missing.body, missing.facts, missing.element = "", b"", None, None
    city.receive(bare, COUNTY)
    assert city.tables() != whole.tables()
    for position in (4, 1):
        found = read_entry(entries[position - 1].body)
        found.position = position
        assert city.store.write(lambda transaction, found=found: city.journal.fill(transaction, STREAM, [found])) == 1  # type: ignore[misc]
    assert city.tables() == whole.tables()
    city.journal.rebuild()
    assert city.tables() == whole.tables()


def windows(packed: bytes) -> set[bytes]:
    return {packed[at : at + WINDOW] for at in range(len(packed) - WINDOW + 1)}


def packed_bodies(store: Store) -> dict[int, bytes]:
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT key, body FROM record WHERE body IS NOT NULL")
        return {key: bytes(packed) for key, packed in rows}


@pytest.mark.parametrize("materials", [0, 20], ids=["small", "in overflow pages"])
def test_the_bytes_leave_the_files_of_the_database(tmp_path: Path, materials: int) -> None:
    chance = SeededRandomness(f"erasing/{materials}")
    store = new_file_store(tmp_path)
    node = CaseNode(store, COUNTY)
    for turn in range(25):
        # Two streams that grow side by side: pages of the table are split over and over.
        node.append([secret_body(chance, 100 * turn + at, materials) for at in range(1, 5)])
        other = [read_entry(secret_body(chance, 100 * turn + at)) for at in range(11, 15)]
        node.receive(other, "360103")
    before = packed_bodies(store)
    plain = {position: stored(node, position).body or b"" for position in range(1, 101)}
    targets = range(3, 101, 8)
    for position in targets:
        node.redact(position)
    assert store.empty_log()
    assert (tmp_path / "journal.db-wal").stat().st_size == 0
    after = packed_bodies(store)
    content = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    shared = set().union(*map(windows, after.values()))
    for position in targets:
        packed = before[record_key(1, position)]
        assert plain[position] not in content
        pieces = [packed[at : at + WINDOW] for at in range(0, len(packed) - WINDOW, max(1, len(packed) // 200))]
        assert [piece for piece in pieces if piece not in shared and piece in content] == []
    assert all(packed in content for key, packed in after.items() if len(packed) < 1_000 and key in before)
    store.close()


def secret_body(chance: SeededRandomness, number: int, materials: int = 0) -> bytes:
    """An application with texts that stand nowhere else; some 300 bytes for each material."""
    more: dict[str, Any] = {"CaseNo": case_no(number), "ApplicantName": secret(chance, 20)}
    if materials:
        like = sample("Application")["MaterialItem"][0]
        more["MaterialItem"] = [{**like, "MaterialName": secret(chance, 60)} for _ in range(materials)]
    return compose("Application", {**MINIMAL["Application"], **more}, salt=chance.token(16))


def secret(chance: SeededRandomness, length: int) -> str:
    token = chance.token(2 * length)
    return "".join(chr(0x4E00 + (256 * token[at] + token[at + 1]) % 20_000) for at in range(0, 2 * length, 2))


def test_the_log_of_a_store_without_a_file_is_empty(memory: Store) -> None:
    assert memory.empty_log()
    with memory.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(hash_only_table)) == 0


def test_a_log_that_a_reader_needs_is_not_emptied_yet(tmp_path: Path) -> None:
    store = new_file_store(tmp_path, lock_wait_s=0.05)
    node = CaseNode(store, COUNTY)
    with store.reading() as connection:
        hash_only.counts(connection)
        node.append(bodies("apply"))
        assert not store.empty_log()
    assert store.empty_log()
    store.close()
