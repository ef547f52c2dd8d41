"""The registry: which dialects a node reads, by name, by variant, by what a file looks like, and the site's own."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from node.departments.candidates import Candidate
from node.departments.dialects import BUILT_IN, DIALECTS, Dialect, DialectOptions, Dialects, registry
from node.departments.dialects.dialect import KINDS, ROWS
from node.departments.refused import list_refused, offer_refused
from node.departments.sources import OPERATOR
from node.errors import UsageError
from tests.support.intake import generated, intake_on, offer, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from node.journal.store import Store


def read_told(stream: BinaryIO, options: DialectOptions) -> Iterator[Candidate]:
    """Yield one candidate that says what the reader was told."""
    told = f"{options.variant} {options.table} {options.system} {stream.read().decode()}"
    yield Candidate(record_type=told, content={}, kept=lambda: b"")


TOLD = Dialect(
    name="told", label="样例", english="sample", kind=ROWS, endings=(".t",), reads=read_told, variants=("hunan",)
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of a site's dialects, whose files ``*.t`` are read."""
    monkeypatch.setitem(registry.LOADERS, ".t", lambda name, path: replace(TOLD, name=name, label=path.read_text()))
    folder = tmp_path / "mappings"
    folder.mkdir()
    return folder


def test_every_built_in_dialect_has_its_two_names_a_kind_and_endings() -> None:
    assert tuple(BUILT_IN) == DIALECTS
    for name, dialect in BUILT_IN.items():
        assert (dialect.name, dialect.site) == (name, False)
        assert dialect.kind in KINDS
        assert dialect.label
        assert dialect.english
        assert all(ending.startswith(".") for ending in dialect.endings)


def test_no_two_dialects_claim_the_same_media_type() -> None:
    claimed = [media for dialect in BUILT_IN.values() for media in dialect.media_types]
    assert len(claimed) == len(set(claimed)) == len(Dialects().by_media_type())


def test_a_file_of_the_site_is_a_dialect_read_anew_at_each_use(site: Path) -> None:
    (site / "hall-2.t").write_text("大厅")
    dialects = Dialects(folder=site)
    assert dialects.names() == (*DIALECTS, "hall-2")
    found = dialects.find("hall-2")
    assert (found.label, found.site) == ("大厅", True)
    (site / "hall-2.t").write_text("窗口")
    assert dialects.find("hall-2").label == "窗口"
    assert [one.name for one in dialects.every()] == [*DIALECTS, "hall-2"]


def test_a_site_cannot_hide_a_built_in_dialect_nor_use_a_name_that_is_none(site: Path) -> None:
    for name in ("csv", "Hall", "a b", "x" * 41, "@"):
        (site / f"{name}.t").write_text("大厅")
    (site / "hall.exe").write_text("大厅")
    dialects = Dialects(folder=site)
    assert dialects.names() == DIALECTS
    assert dialects.find("csv") is BUILT_IN["csv"]


def test_a_folder_that_is_not_there_has_no_dialects(tmp_path: Path) -> None:
    assert Dialects(folder=tmp_path / "none").names() == DIALECTS


def test_the_variant_behind_the_name_reaches_the_reader(site: Path) -> None:
    (site / "hall.t").write_text("")
    options = DialectOptions(table="SB", system="land")
    (candidate,) = Dialects(folder=site).read("hall@hunan", BytesIO(b"x"), options)
    assert candidate.record_type == "hunan SB land x"
    (candidate,) = Dialects(folder=site).read("hall", BytesIO(b"x"), options)
    assert candidate.record_type == " SB land x"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hall@guizhou", "the variants of hall are hunan"),
        ("hall@", "the variants of hall are hunan"),
        ("csv@hunan", "it has none"),
        ("soap", "no reader has that name"),
        ("", "no reader has that name"),
    ],
)
def test_a_name_or_variant_that_does_not_exist_is_told(site: Path, name: str, said: str) -> None:
    (site / "hall.t").write_text("")
    with pytest.raises(UsageError) as caught:
        Dialects(folder=site).find(name)
    assert said in caught.value.why


def test_a_dialect_may_tell_its_own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(TOLD, recognises=lambda name, begin: name.endswith(".t") and begin.startswith(b"<t"))
    monkeypatch.setattr(registry, "BUILT_IN", {**BUILT_IN, "told": mine})
    assert registry.recognise("a.t", b"\xef\xbb\xbf <t>") == "told"
    assert registry.recognise("a.xml", b"<t>") == "standard"


def test_a_refused_row_of_the_sites_dialect_is_offered_again_in_it(memory: Store, site: Path) -> None:
    (site / "hall.t").write_text("")
    intake = intake_on(memory, dialects=Dialects(folder=site))
    candidates = intake.dialects.read("hall@hunan", BytesIO(b"x"))
    intake.accept(candidates, source=OPERATOR, dialect="hall@hunan")
    with memory.reading() as connection:
        (refused,) = list_refused(connection)
    report = offer_refused(intake, refused.id, by="tester")
    assert report.verdicts[0].record_type == "hunan  import "


def test_a_refused_row_of_a_table_keeps_the_type_that_was_said_beside_it(memory: Store) -> None:
    intake = intake_on(memory)
    record = generated(1)[0]
    text = table([record]).replace("RecordType", "#", 1).replace(",1,", ",x,", 1)
    offer(intake, text.encode(), "csv", record_type=record.record_type)
    with memory.reading() as connection:
        (refused,) = list_refused(connection)
    assert offer_refused(intake, refused.id, by="tester").verdicts[0].record_type == record.record_type
