"""Spreadsheets that LibreOffice made, put into a folder, through the door into a node, and what stands there then.

The files stand beside this one (``tests.support.office_samples`` says how they were made); where LibreOffice is
installed they are made anew at night and have to give the same.
"""

from __future__ import annotations

import codecs
import csv
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.folder_halls import FolderHall, hall_on
from tests.support.office_samples import HEADINGS, SAMPLES, UTF_8_TEXT, converted, make_samples, soffice
from tests.support.stores import file_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.journal.store import Store

__all__ = ["file_store"]

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def made_anew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("office")
    make_samples(installed(), folder)
    return folder


def installed() -> str:
    program = soffice()
    if program is None:
        pytest.skip("LibreOffice is not installed: scripts/setup packages libreoffice-calc-nogui")
    return program


@pytest.fixture(params=["kept", pytest.param("anew", marks=pytest.mark.nightly)])
def samples(request: pytest.FixtureRequest) -> Path:
    return SAMPLES if request.param == "kept" else request.getfixturevalue("made_anew")


@pytest.fixture
def hall(file_store: Store, tmp_path: Path) -> Iterator[FolderHall]:
    """A door to which spreadsheets come, whose sheets are named after record types."""
    with hall_on(file_store, tmp_path) as made:
        yield made


@pytest.fixture
def text_hall(file_store: Store, tmp_path: Path) -> Iterator[FolderHall]:
    """A door to which tables as text come, which do not say their record type."""
    with hall_on(file_store, tmp_path, record_type="办结") as made:
        yield made


def counts(told: dict[str, Any]) -> tuple[int, int, int]:
    return told["accepted"], told["repeated"], told["refused"]


def problems(told: dict[str, Any]) -> list[tuple[int | None, int, str | None]]:
    """Return row, line and element of every problem."""
    return [(one["row"], one["line"], one["element"]) for one in told["problems"]]


def test_a_formula_costs_its_row_whatever_it_shows_and_comes_back_as_none(hall: FolderHall, samples: Path) -> None:
    told = hall.hand_in("formulas.xlsx", (samples / "formulas.xlsx").read_bytes())
    assert counts(told) == (2, 0, 4)
    assert problems(told) == [
        (2, 3, "ResultText"), (3, 4, "EventTime"), (4, 5, "CertificateNo"), (5, 6, "DivisionCode"),
    ]  # fmt: skip
    assert all("a formula stands where a value should be" in one["text"] for one in told["problems"])
    assert sorted(hall.held("ResultText")) == ["1", "6"]
    failed = hall.failed(told["failed_rows"])
    again = hall.hand_in("formulas.failed.xlsx", failed)
    assert (counts(again), problems(again)) == (
        (0, 0, 4),
        [(1, 2, "ResultText"), (2, 3, "EventTime"), (3, 4, "CertificateNo"), (4, 5, "DivisionCode")],
    )


def test_merged_cells_are_what_people_see_or_refused(hall: FolderHall, samples: Path) -> None:
    told = hall.hand_in("merged.xlsx", (samples / "merged.xlsx").read_bytes())
    assert (counts(told), problems(told)) == ((5, 0, 1), [(4, 7, "ResultCode")])
    assert "a merged cell lies over several columns" in told["problems"][0]["text"]
    assert set(hall.held("OrgName").values()) == {"测试局"}
    assert {case: actor["Role"] for case, actor in hall.held("Actor").items()} == {
        "1": "科员", "2": "科员", "3": "科长", "5": "科长", "6": "科长",
    }  # fmt: skip
    assert counts(hall.hand_in("merged.failed.xlsx", hall.failed("merged.failed.xlsx"))) == (0, 0, 1)


def test_days_and_numbers_are_taken_as_meant_and_what_was_lost_is_refused(hall: FolderHall, samples: Path) -> None:
    told = hall.hand_in("numbers.xlsx", (samples / "numbers.xlsx").read_bytes())
    assert (counts(told), problems(told)) == (
        (6, 0, 3),
        [(3, 4, "EventTime"), (4, 5, "CaseNo"), (9, 10, "CertificateNo")],
    )
    said = [one["text"] for one in told["problems"]]
    assert "a day without a time of day" in said[0]
    assert all("more than 15 digits, which a spreadsheet rounds" in text for text in said[1:])
    assert set(hall.held("EventTime").values()) == {"2026-11-03T09:12:00+08:00"}
    # The validity is a text: a day that was typed as one is that day, a text stays as it is.
    validity = hall.held("CertificateValidity")
    assert (validity.pop("2"), set(validity.values())) == ("2029年12月31日", {"2029-12-31"})
    # Zeros that a format shows are kept; those that were lost when somebody typed 000123 are not made up.
    assert hall.held("CertificateNo") == {"1": "ZJ1", "2": "ZJ2", "5": "000123", "6": "123", "7": "000123", "8": "ZJ8"}
    assert {str(one["CaseNo"]) for one in hall.records()} >= {"20261103001", "A20261103002"}


def test_hidden_rows_are_read_and_hidden_tables_are_told(hall: FolderHall, samples: Path) -> None:
    told = hall.hand_in("hidden.xlsx", (samples / "hidden.xlsx").read_bytes())
    assert (counts(told), problems(told)) == ((4, 0, 1), [(None, 1, None)])
    assert told["problems"][0]["text"] == (
        "sheet 4: the sheet is hidden and has headings of the standard; show it, or delete it"
    )
    assert sorted(hall.held("ResultText")) == ["1", "2", "3", "4"]


def test_a_million_empty_rows_between_two_full_ones_do_no_harm(hall: FolderHall, samples: Path) -> None:
    assert counts(hall.hand_in("empty-rows.xlsx", (samples / "empty-rows.xlsx").read_bytes())) == (3, 0, 0)


@pytest.mark.parametrize(
    ("sample", "encoding", "delimiter", "mark"),
    [
        ("plain.csv", "utf-8", ",", b""),
        ("plain.csv", "utf-8", ",", codecs.BOM_UTF8),
        ("plain-tabs.csv", "utf-8", "\t", b""),
        ("plain-gb18030.csv", "gb18030", ";", b""),
    ],
)
def test_tables_as_text_are_read_in_their_encoding_and_so_are_their_failed_rows(
    text_hall: FolderHall, samples: Path, sample: str, encoding: str, delimiter: str, mark: bytes
) -> None:
    data = (samples / sample).read_bytes()
    assert data.decode(encoding).splitlines()[0].startswith(f'"办件编号"{delimiter}')
    told = text_hall.hand_in(sample, mark + data)
    assert (counts(told), problems(told)) == ((3, 0, 1), [(3, 5, "ResultCode")])
    assert text_hall.held("CertificateNo") == {"1": "ZJ1", "2": "ZJ2", "4": "000123"}
    assert text_hall.held("ResultText")["2"] == "准予，\n“许可”"
    failed = text_hall.failed(told["failed_rows"]).decode(encoding)
    problem, *cells = list(csv.reader(failed.removeprefix("\ufeff").splitlines(), delimiter=delimiter))[1]
    assert "办结结果代码 ResultCode" in problem
    assert dict(zip(HEADINGS, cells, strict=True))["办结结果"] == "也许"
    corrected = failed.replace("也许", "准予").encode(encoding)
    assert counts(text_hall.hand_in(told["failed_rows"], corrected)) == (1, 0, 0)


def test_an_identifier_that_became_a_power_of_ten_in_a_text_is_refused(text_hall: FolderHall, samples: Path) -> None:
    told = text_hall.hand_in("numbers.csv", (samples / "numbers.csv").read_bytes())
    assert (counts(told), problems(told)) == (
        (5, 0, 4),
        [(3, 4, "EventTime"), (4, 5, "CaseNo"), (8, 9, "EventTime"), (9, 10, "CertificateNo")],
    )
    assert all("a long number that a spreadsheet rounded" in told["problems"][place]["text"] for place in (1, 3))


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        ("plain.ods", "this is no .xlsx spreadsheet; save it as .xlsx or CSV"),
        ("plain.xls", "an old .xls file"),
        ("plain-utf16.csv", "not text in UTF-8 or GB18030"),
    ],
)
def test_other_forms_are_rejected_with_what_to_do(hall: FolderHall, samples: Path, sample: str, why: str) -> None:
    assert hall.hand_in(sample, (samples / sample).read_bytes()) == {}
    assert why in hall.reason(sample)
    assert (hall.folder / "rejected" / sample).read_bytes() == (samples / sample).read_bytes()
    assert hall.records() == []


@pytest.mark.nightly
def test_libreoffice_opens_failed_rows_as_they_were(file_store: Store, tmp_path: Path) -> None:
    with hall_on(file_store, tmp_path) as hall:
        told = hall.hand_in("formulas.xlsx", (SAMPLES / "formulas.xlsx").read_bytes())
        converted(installed(), hall.folder / "results" / told["failed_rows"], UTF_8_TEXT, tmp_path)
    with (tmp_path / "formulas.failed.csv").open(encoding="utf-8", newline="") as stream:
        heading, *rows = csv.reader(stream)
    assert heading[1:] == list(HEADINGS)
    assert [row[1] for row in rows] == [f"A2026110300{number}" for number in (2, 3, 4, 5)]
    # What was a formula is a text that shows it; what was a day or a number still is one.
    assert [row[8] for row in rows] == ['="准予"&"许可"', "准予许可", "准予许可", "准予许可"]
    assert {row[10] for row in rows} == {"2029-12-31"}
