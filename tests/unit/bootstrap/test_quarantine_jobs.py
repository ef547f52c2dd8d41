"""What a node does about quarantined records, however many: tells each run once, and looks again when it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.bootstrap import WorkDone, rejections, reviewing
from node.errors import RecordRefusedError
from node.journal import quarantine
from node.journal.entries import INVALID, NO_AUTHORITY, UNKNOWN_TYPE, read_entry
from node.journal.settings import save_setting
from node.standard.seals import StreamName
from node.trust.tree import DIGEST_SETTING
from tests.support.samples import record
from tests.support.whole_nodes import whole_node
from tests.unit.bootstrap.test_node import bodies, quarantined_entry, receive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from node.bootstrap import Node
    from node.journal.entries import Entry

TOLD = StreamName("360100", "360102")


@pytest.fixture
def city() -> Iterator[Node]:
    made = whole_node("360100")
    yield made
    made.close()


def alarm(number: int, reason: str) -> Entry:
    entry = read_entry(record("Alarm", RecordKey=f"alarm/{number}"))
    entry.quarantine, entry.detail = reason, "why not"
    return entry


def reasons(node: Node) -> list[str]:
    with node.store.reading() as connection:
        return [one.reason for one in quarantine.each(connection, reasons=())]


def tree_changes(node: Node, digest: str) -> None:
    node.store.write(lambda transaction: save_setting(transaction, DIGEST_SETTING, digest))


def test_all_runs_are_told_and_then_nothing_is_written(city: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejections, "TOLD_MAX", 3)
    monkeypatch.setattr(quarantine, "LISTED_MAX", 2)
    # Every second record has another reason, so each is a run of its own.
    receive(city, *(quarantined_entry(NO_AUTHORITY if n % 2 else INVALID, n) for n in range(1, 9)))
    city.store.write(lambda transaction: save_setting(transaction, reviewing.REVIEWED_SETTING, ""))
    assert [city.rejections.write(city.produce) for _ in range(4)] == [3, 3, 2, 0]
    commits = city.store.commits
    assert city.rejections.write(city.produce) == 0
    assert city.store.commits == commits
    assert len(bodies(city, TOLD)) == 8


def test_a_run_that_cannot_be_told_keeps_no_other_back(city: Node) -> None:
    receive(city, quarantined_entry(INVALID, 1), quarantined_entry(NO_AUTHORITY, 2))

    def produce(*given: Any, **_: Any) -> bool:
        if given[-1].endswith("/INVALID"):
            raise RecordRefusedError("no", ())
        return city.produce(*given)

    assert city.rejections.write(produce) == 1
    assert city.rejections.write(produce) == 0


def test_all_deferred_records_are_read_again_at_start(city: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewing, "PAGE", 2)
    receive(city, *(alarm(number, UNKNOWN_TYPE) for number in range(5)))
    assert city.start() == 5
    assert city.start() == 0


def test_a_deferred_record_that_is_valid_by_now_may_lack_authority(city: Node) -> None:
    entry = read_entry(record("Division"))
    entry.quarantine = UNKNOWN_TYPE
    receive(city, entry)
    assert city.start() == 0
    assert reasons(city) == [NO_AUTHORITY]


def test_a_change_of_the_tree_lets_records_stand(city: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewing, "PAGE", 2)
    receive(city, *(alarm(number, NO_AUTHORITY) for number in range(5)))
    # As if they had been looked at with this tree.
    assert city.work().reviewed == 5
    assert reasons(city) == []
    receive(city, alarm(9, NO_AUTHORITY))
    assert city.work().reviewed == 0
    assert city.work() == WorkDone()
    tree_changes(city, "another")
    assert city.work().reviewed == 1


def test_a_look_at_very_many_records_goes_on_at_the_next_call(city: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewing, "PAGE", 1)
    monkeypatch.setattr(reviewing, "PAGES_MAX", 2)
    bad = [read_entry(record("Division", RecordKey=f"division/{number}")) for number in range(3)]
    for entry in bad:
        entry.quarantine = NO_AUTHORITY
    receive(city, *bad, alarm(1, NO_AUTHORITY))
    assert [city.reviewing.after_tree_change() for _ in range(3)] == [0, 1, 0]
    commits = city.store.commits
    assert city.reviewing.after_tree_change() == 0
    assert city.store.commits == commits
    assert reasons(city) == [NO_AUTHORITY] * 3
