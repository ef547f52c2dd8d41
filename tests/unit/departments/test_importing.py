"""Import: one file, one report, and an exit code that a script can rely on."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from node.departments import batches
from node.departments.importing import import_file
from node.departments.report import PROBLEMS_MAX, ImportReport, Verdict
from node.departments.sources import add_source
from node.errors import NotFoundError, Problem, UsageError
from tests.support.intake import NODE, generated, intake_on, standard_records, table, wrapped
from tests.support.samples import record

if TYPE_CHECKING:
    from pathlib import Path

    from node.departments.accept import Intake


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_the_dialect_is_found_by_itself_and_the_same_file_twice_is_repeated(intake: Intake, tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", table(generated(10)).encode())
    first, second = import_file(intake, path), import_file(intake, path)
    assert first.as_json() == {
        "schema": "yizhan.import/1",
        "offered": 10,
        "accepted": 10,
        "refused": 0,
        "repeated": 0,
        "received": 0,
        "problems": [],
        "problems_omitted": 0,
    }
    assert (second.repeated, first.exit_code, second.exit_code) == (10, 0, 0)
    assert import_file(intake, written(tmp_path, "b", wrapped(standard_records(generated(10))))).repeated == 10


def test_progress_tells_bytes_and_rows_after_each_batch(
    intake: Intake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_MAX", 4)
    path = written(tmp_path, "a.csv", table(generated(10)).encode())
    told: list[tuple[int, int]] = []
    import_file(intake, path, progress=lambda read, rows: told.append((read, rows)))
    assert [rows for _, rows in told] == [4, 8, 10]
    assert [read for read, _ in told] == sorted(read for read, _ in told)
    assert told[-1][0] == path.stat().st_size


def test_a_pipe_is_imported_to_its_end(intake: Intake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_MAX", 4)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writing = threading.Thread(target=path.write_bytes, args=(wrapped(standard_records(generated(10))),))
    writing.start()
    told: list[tuple[int, int]] = []
    report = import_file(intake, path, dialect="standard", progress=lambda size, rows: told.append((size, rows)))
    writing.join(10)
    assert (report.accepted, told) == (10, [(0, 4), (0, 8), (0, 10)])


def test_problems_have_row_line_element_rule_and_text(intake: Intake, tmp_path: Path) -> None:
    path = written(tmp_path, "a.xml", wrapped([record("Fee", DivisionCode=NODE, FeeState="7")]))
    report = import_file(intake, path)
    (problem,) = report.as_json()["problems"]
    assert list(problem) == ["row", "line", "element", "rule", "text"]
    assert (problem["row"], problem["line"], problem["element"], problem["rule"]) == (None, 2, "FeeState", "schema")
    assert report.exit_code == 1


def test_the_channel_is_import_whatever_the_source_has(intake: Intake, tmp_path: Path) -> None:
    made = add_source(intake.store, "hall", clock=intake.clock, randomness=intake.randomness)
    path = written(tmp_path, "a.xml", record("Fee", DivisionCode=NODE))
    assert import_file(intake, path, source=made.source).accepted == 1
    with intake.store.reading() as connection:
        (stored,) = intake.journal.stored(connection, intake.stream, 1, 1)
    assert b"<Channel>IMPORT</Channel>" in (stored.body or b"")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_read_is_named(intake: Intake, tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        import_file(intake, tmp_path / name)


def test_an_unknown_dialect_is_named(intake: Intake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="soap"):
        import_file(intake, written(tmp_path, "a", b"x"), dialect="soap")


@pytest.mark.parametrize(("data", "rule"), [(b"", "empty"), (b"\x00" * 1000, "not-text"), (b"<", "not-xml")])
def test_a_file_with_nothing_usable_leaves_with_1(intake: Intake, tmp_path: Path, data: bytes, rule: str) -> None:
    report = import_file(intake, written(tmp_path, "a.dat", data))
    assert report.exit_code == 1
    assert [problem.rule for problem in report.problems] == [rule]


def test_a_sparse_gigabyte_is_refused_at_once(intake: Intake, tmp_path: Path) -> None:
    path = written(tmp_path, "a.dat", b"")
    with path.open("r+b") as stream:
        stream.truncate(1 << 30)
    assert import_file(intake, path).exit_code == 1


def test_the_report_lists_so_many_problems_and_counts_the_rest() -> None:
    report = ImportReport()
    problem = Problem(rule="schema", text="x")
    for _ in range(PROBLEMS_MAX // 2 + 3):
        report.add(Verdict(outcome="refused", record_type="Fee", problems=(problem, problem)))
    assert (len(report.problems), report.problems_omitted) == (PROBLEMS_MAX, 6)


def test_the_node_beside_sees_what_was_imported(intake: Intake, tmp_path: Path) -> None:
    path = written(tmp_path, "a.xml", record("Fee", DivisionCode=NODE))
    beside = intake_on(intake.store, seed="beside")
    assert (import_file(intake, path).accepted, import_file(beside, path).repeated) == (1, 1)
