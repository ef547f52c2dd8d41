"""The worker: what it prepares is what would be prepared here, and nothing is lost when it is."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import threading
from io import BytesIO
from itertools import count
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from node.beside import READY, Line
from node.departments import batches, preparing
from node.departments.dialects import read
from node.departments.prepare import Prepared, new_salts, prepare, prepare_salted
from node.departments.preparing import Preparer, Worker, prepared_batches, serve
from node.randomness import SeededRandomness
from node.standard.facts import Facts
from tests.support.intake import generated, offer, standard_records, table, wrapped
from tests.support.samples import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from node.departments.accept import Intake
    from node.departments.candidates import Candidate

READY_WITHIN_S = 20.0
GONE_WITHIN_S = 10.0


def candidates_of_all_kinds() -> list[Candidate]:
    """Return rows, elements, what is wrong in a dialect, and what is wrong in the standard."""
    good = table(generated(6))
    lines = good.splitlines(keepends=True)
    return [
        *read("csv", BytesIO(good.encode())),
        *read("csv", BytesIO((lines[0] + lines[1].replace(",", ",=", 3)).encode())),
        *read("standard", BytesIO(wrapped(standard_records(generated(4))))),
        *read("standard", BytesIO(record("Fee", FeeState="9"))),
        *read("standard", BytesIO(record("Fee").replace(b"<CaseNo>", b"<No>").replace(b"</CaseNo>", b"</No>"))),
        *read("standard", BytesIO(b"<Package/>")),
    ]


def plain(prepared: Sequence[Prepared]) -> list[Any]:
    return [
        (
            one.source_key,
            one.content_hash,
            one.problems,
            one.entry and (one.entry.record_type, one.entry.body, one.entry.leaf, one.entry.packed),
            one.entry and one.entry.facts and {name: getattr(one.entry.facts, name) for name in Facts.__slots__},
        )
        for one in prepared
    ]


def batched(size: int) -> Iterator[list[Candidate]]:
    candidates = candidates_of_all_kinds()
    return (candidates[start : start + size] for start in range(0, len(candidates), size))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "HERE_MAX", 0)
    monkeypatch.setattr(preparing, "processors", lambda: 2)
    honest = Worker.is_ready

    def is_ready(worker: Worker) -> bool:
        """Tell whether the worker has started, once it has."""
        if worker._is_ready or worker._line is None:
            return honest(worker)
        return worker._line.has_news(READY_WITHIN_S) and honest(worker)

    monkeypatch.setattr(Worker, "is_ready", is_ready)


def expected() -> list[Any]:
    return plain(prepare(candidates_of_all_kinds(), channel="IMPORT", randomness=SeededRandomness(7)))


@pytest.mark.usefixtures("at_once")
def test_a_worker_prepares_what_would_be_prepared_here() -> None:
    candidates = candidates_of_all_kinds()
    prepared = [
        one for batch in prepared_batches(batched(3), channel="IMPORT", randomness=SeededRandomness(7)) for one in batch
    ]
    assert plain(prepared) == expected()
    assert sum(bool(one.problems) for one in prepared) >= 3
    assert [one.candidate.kept() for one in prepared] == [one.kept() for one in candidates]


def test_what_a_worker_does_is_done_until_its_input_ends() -> None:
    candidates = candidates_of_all_kinds()
    salts = new_salts(candidates, SeededRandomness(7))
    (requests, outgoing), (incoming, answers) = Pipe(duplex=False), Pipe(duplex=False)
    starter = Line(incoming, outgoing)
    thread = threading.Thread(target=serve, args=(Line(requests, answers),))
    thread.start()
    assert starter.hear() == READY
    for _ in range(2):
        starter.tell(("IMPORT", salts, [preparing._told(one) for one in candidates]))
    for _ in range(2):
        told = starter.hear()
        prepared = [preparing._prepared(one, answer) for one, answer in zip(candidates, told, strict=True)]
        assert plain(prepared) == expected()
    outgoing.close()
    thread.join()
    assert not starter.has_news()


@pytest.mark.parametrize("killed_after", [0, 1, 2])
@pytest.mark.usefixtures("at_once")
def test_what_a_lost_worker_had_is_prepared_here(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, killed_after: int
) -> None:
    begun, begin = count(), Worker.begin

    def begin_and_lose(worker: Worker, candidates: Sequence[Candidate], salts: list[bytes]) -> None:
        if next(begun) == killed_after and worker._process is not None:
            worker._process.kill()
            worker._process.wait()
        begin(worker, candidates, salts)

    monkeypatch.setattr(Worker, "begin", begin_and_lose)
    with caplog.at_level(logging.WARNING):
        found = list(prepared_batches(batched(3), channel="IMPORT", randomness=SeededRandomness(7)))
    assert plain([one for batch in found for one in batch]) == expected()
    assert [message for message in caplog.messages if "worker was lost" in message] == caplog.messages
    assert len(caplog.messages) == 1


@pytest.mark.usefixtures("at_once")
def test_a_worker_lost_at_work_is_noticed() -> None:
    candidates = candidates_of_all_kinds()[:2]
    salts = new_salts(candidates, SeededRandomness(7))
    with Worker("IMPORT") as worker:
        assert worker.is_ready()
        worker.begin(candidates, salts)
        assert worker._process is not None
        worker._process.kill()
        assert plain(worker.finish()) == plain(prepare_salted(candidates, salts, channel="IMPORT"))
        worker.begin(candidates, salts)
        assert plain(worker.finish()) == plain(prepare_salted(candidates, salts, channel="IMPORT"))


@pytest.mark.usefixtures("at_once")
def test_without_a_program_to_start_everything_is_prepared_here(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Worker, "command", ("/nowhere/python",))
    found = list(prepared_batches(batched(3), channel="IMPORT", randomness=SeededRandomness(7)))
    assert plain([one for batch in found for one in batch]) == expected()
    assert any("no worker can be started" in message for message in caplog.messages)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the channels of the workers that are started, on two processors."""
    started: list[str] = []

    class Counted(Worker):
        def __init__(self, channel: str) -> None:
            started.append(channel)
            super().__init__(channel)

    monkeypatch.setattr(preparing, "processors", lambda: 2)
    monkeypatch.setattr(preparing, "Worker", Counted)
    return started


@pytest.mark.parametrize(("processors", "size", "started"), [(1, 5, 0), (2, 100, 0), (2, 5, 1)])
def test_a_worker_is_for_long_deliveries_on_more_than_one_processor(
    monkeypatch: pytest.MonkeyPatch, workers: list[str], processors: int, size: int, started: int
) -> None:
    monkeypatch.setattr(preparing, "processors", lambda: processors)
    found = list(prepared_batches(batched(size), channel="IMPORT", randomness=SeededRandomness(7)))
    assert plain([one for batch in found for one in batch]) == expected()
    assert len(workers) == started


def test_a_round_of_short_deliveries_gets_a_worker_once_they_are_many_records(
    monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    records = len(candidates_of_all_kinds())
    monkeypatch.setattr(preparing, "HERE_MAX", 2 * records)
    started = []
    with Preparer() as preparer:
        for _ in range(4):
            made = preparer.prepared(batched(100), channel="IMPORT", randomness=SeededRandomness(7))
            assert plain([one for batch in made for one in batch]) == expected()
            started.append(len(workers))
    assert started == [0, 0, 1, 1]


@pytest.mark.usefixtures("at_once")
def test_a_delivery_that_is_left_early_leaves_no_worker() -> None:
    before = children_of(os.getpid())
    made = prepared_batches(batched(2), channel="IMPORT", randomness=SeededRandomness(7))
    next(made)
    children = children_of(os.getpid()) - before
    assert len(children) == 1
    made.close()  # type: ignore[attr-defined]
    assert not children & children_of(os.getpid())


@pytest.mark.usefixtures("at_once")
def test_the_worker_of_a_round_stays_for_the_deliveries_behind() -> None:
    before = children_of(os.getpid())
    with Preparer() as preparer:
        seen = set()
        for _ in range(3):
            made = preparer.prepared(batched(3), channel="IMPORT", randomness=SeededRandomness(7))
            assert plain([one for batch in made for one in batch]) == expected()
            seen |= children_of(os.getpid()) - before
    assert len(seen) == 1
    assert not seen & children_of(os.getpid())


@pytest.mark.usefixtures("at_once")
def test_what_broke_off_is_not_taken_for_what_comes_behind_it() -> None:
    with Preparer() as preparer:
        broken = preparer.prepared(batched(2), channel="IMPORT", randomness=SeededRandomness(8))
        next(broken)
        made = preparer.prepared(batched(3), channel="IMPORT", randomness=SeededRandomness(7))
        assert plain([one for batch in made for one in batch]) == expected()


@pytest.mark.usefixtures("at_once")
def test_a_delivery_of_another_channel_is_prepared_for_that() -> None:
    candidates = candidates_of_all_kinds()
    with Preparer() as preparer:
        for channel in ("SFTP", "IMPORT"):
            made = preparer.prepared(batched(3), channel=channel, randomness=SeededRandomness(7))
            wanted = prepare(candidates, channel=channel, randomness=SeededRandomness(7))
            assert plain([one for batch in made for one in batch]) == plain(wanted)


def test_a_worker_leaves_when_the_process_that_started_it_is_killed() -> None:
    program = (
        "import sys, time; from node.departments.preparing import Worker\n"
        "worker = Worker('IMPORT'); print(worker._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        seen = os.pidfd_open(worker)
        assert not select.select([seen], [], [], 0)[0]
        parent.send_signal(signal.SIGKILL)
    assert select.select([seen], [], [], GONE_WITHIN_S)[0]
    os.close(seen)


@pytest.mark.usefixtures("at_once")
def test_a_long_delivery_stands_in_the_stream_in_its_order(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_MAX", 4)
    report = offer(intake, table(generated(30)).encode(), "csv")
    assert (report.accepted, report.refused) == (30, 0)
    assert [verdict.position for verdict in report.verdicts] == list(range(1, 31))
    assert offer(intake, table(generated(30)).encode(), "csv").repeated == 30


def test_until_the_worker_has_started_batches_are_prepared_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "HERE_MAX", 0)
    monkeypatch.setattr(preparing, "processors", lambda: 2)
    asked: list[int] = []
    begun: list[int] = []
    honest = Worker.begin

    def is_ready(worker: Worker) -> bool:
        asked.append(1)
        if len(asked) < 3:
            return False
        assert worker._line is not None
        return worker._line.has_news(READY_WITHIN_S) and worker._line.hear() == READY

    def begin(worker: Worker, candidates: Sequence[Candidate], salts: list[bytes]) -> None:
        begun.append(len(candidates))
        honest(worker, candidates, salts)

    monkeypatch.setattr(Worker, "is_ready", is_ready)
    monkeypatch.setattr(Worker, "begin", begin)
    found = list(prepared_batches(batched(2), channel="IMPORT", randomness=SeededRandomness(7)))
    assert plain([one for batch in found for one in batch]) == expected()
    assert sum(begun) == len(candidates_of_all_kinds()) - 4


def test_a_worker_that_has_not_started_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.beside.LEAVE_S", GONE_WITHIN_S)
    with Worker("IMPORT") as worker:
        process = worker._process
        assert process is not None
    assert process.returncode == -signal.SIGKILL


def children_of(process: int) -> set[int]:
    return {int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()}
