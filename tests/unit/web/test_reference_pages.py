"""The reference: everything of the standard has its place in both languages, and every link leads somewhere."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING

import pytest
from lxml import html

from node.departments.dialects.built_in import BUILT_IN
from node.departments.rules import rule_words
from node.standard.codec import SHAPES, check_canonical, diagnose, parse_record
from node.standard.families import RECORD_TYPES
from node.standard.resources import schema_folder
from node.standard.shape import english_of
from node.web.reference.contents import standard_files, write_files
from node.web.reference.rendering import words
from node.web.reference.subjects import note_of, subjects
from tests.tidy.tree import ROOT, python_files

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = ("zh", "en")


@cache
def files() -> dict[str, bytes]:
    return standard_files()


@cache
def page(path: str) -> html.HtmlElement:
    return html.document_fromstring(files()[path].decode())


def pages() -> list[str]:
    return [path for path in files() if path.endswith(".html")]


@cache
def anchors(path: str) -> set[str]:
    found = page(path).xpath("//@id")
    assert len(found) == len(set(found)), f"{path} has an id twice: {sorted(x for x in found if found.count(x) > 1)}"
    return set(found)


def test_a_build_gives_the_same_bytes_every_time() -> None:
    program = (
        "import hashlib; from node.web.reference.contents import standard_files; "
        "print(hashlib.sha256(repr(sorted(standard_files().items())).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == hashlib.sha256(repr(sorted(files().items())).encode()).hexdigest()


def test_every_link_leads_somewhere() -> None:
    broken = []
    for path in pages():
        for target in page(path).xpath("//@href | //@src"):
            address, _, anchor = target.partition("#")
            if address.startswith("data:"):
                continue
            assert "://" not in address, f"{path} needs {address} from outside"
            place = normpath(join(dirname(path), address)) if address else path
            if place not in files() or (anchor and anchor not in anchors(place)):
                broken.append(f"{path}: {target}")
    assert broken == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_record_type_and_each_of_its_elements_has_its_place(language: str) -> None:
    for name, kind in RECORD_TYPES.items():
        path = f"{language}/records/{name}.html"
        paths = {inner.replace("/", ".") for inner, _ in SHAPES[name].paths()}
        assert paths - anchors(path) == set()
        text = page(path).text_content()
        assert kind.label in text
        assert {child.name for child in SHAPES[name].children} - anchors(f"{language}/elements.html") == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_and_simple_type_has_its_place(language: str) -> None:
    known = subjects()
    codes = {f"{simple.name}-{code}" for simple in known.codes for code, _ in simple.codes}
    assert codes - anchors(f"{language}/codes.html") == set()
    assert len(codes) > 100
    assert {simple.name for simple in known.types} - anchors(f"{language}/types.html") == set()
    assert set(known.parts.groups) - anchors(f"{language}/parts.html") == set()
    assert set(rule_words()) - anchors(f"{language}/rules.html") == set()
    assert set(BUILT_IN) - anchors(f"{language}/dialects.html") == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_column_of_a_dialect_is_shown_with_its_element(language: str) -> None:
    mapped = {dialect.name: dialect.tables() for dialect in BUILT_IN.values() if dialect.tables is not None}
    assert {"csv", "xlsx"} <= set(mapped)
    for name, tables in mapped.items():
        rows = page(f"{language}/dialects/{name}.html").xpath("//tbody/tr/th")
        assert [row.text_content() for row in rows] == [column.source for one in tables for column in one.columns]


def test_every_element_with_a_privacy_mark_is_listed_under_it() -> None:
    listed = {(name, row.path) for mark in ("name", "identity", "contact") for name, row in subjects().marked(mark)}
    marked = {
        (name, path) for name in RECORD_TYPES for path, shape in SHAPES[name].paths() if shape.privacy is not None
    }
    assert listed == marked
    assert ("Application", "ApplicantIdNo") in marked


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_found_by_search_is_there(language: str) -> None:
    script = files()[f"{language}/search-index.js"].decode()
    for wanted in ("HandleUserName", "records/Conclusion.html", "codes.html#ResultCode-GRANT", "准予"):
        assert wanted in script


def test_pages_can_be_read_aloud_and_need_no_colour() -> None:
    for path in pages():
        document = page(path)
        assert document.get("lang") in {"zh-CN", "en"}
        assert len(document.xpath("//h1")) == 1
        assert document.xpath("//main")
        assert document.xpath("//th[not(@scope)]") == []
        assert document.xpath("//table[not(caption) and not(../@aria-label)]") == []
        assert document.xpath("//img | //iframe | //style | //@style | //script[not(@src)] | //@onclick") == []


def test_words_are_there_in_both_languages() -> None:
    known = words()
    for table, entries in known.items():
        for name, pair in entries.items():
            assert len(pair) == len(LANGUAGES), f"{table}.{name}"
            assert all(text.strip() for text in pair), f"{table}.{name}"
    kinds = RECORD_TYPES.values()
    assert {kind.authority for kind in kinds} <= set(known["authority_words"])
    assert {audience for kind in kinds for audience in kind.audiences} == set(known["audience"])
    assert {check.standard for check in subjects().checks} == set(known["check_words"])


def test_schema_files_are_the_very_files_that_a_node_uses() -> None:
    shipped = {path.name: path.read_bytes() for path in schema_folder().glob("*.xsd")}
    given = {path.rpartition("/")[2]: data for path, data in files().items() if path.startswith("schemas/xsd/1.0/")}
    assert given == shipped


@pytest.mark.parametrize("folder", ["examples", "examples/minimal"])
def test_examples_among_the_files_are_valid(folder: str) -> None:
    for name in RECORD_TYPES:
        body = files()[f"{folder}/{name}.xml"]
        check_canonical(body, parse_record(body))
    assert diagnose(files()[f"{folder}/Application.xml"]) == ()


def test_both_readmes_name_what_there_is() -> None:
    for name in ("README.md", "README.zh.md"):
        text = files()[name].decode()
        for folder in {path.partition("/")[0] for path in files() if "/" in path} - {"zh", "en", "assets"}:
            assert f"`{folder}/" in text, f"{name} does not name {folder}/"


def test_files_are_written_below_a_folder(tmp_path: Path) -> None:
    write_files({"a/b.txt": b"1", "c.txt": b"2"}, tmp_path / "new")
    assert (tmp_path / "new" / "a" / "b.txt").read_bytes() == b"1"
    assert (tmp_path / "new" / "c.txt").read_bytes() == b"2"


def test_names_and_notes_are_taken_apart() -> None:
    assert english_of("ReviewStep") == "Review step"
    assert english_of("ApplicantIdNo") == "Applicant id no"
    note = note_of("Name of it. GB/T 39046: T4 an..200; up_*: task_name; Guangdong: SXMC. The English name is ours.")
    assert note.text == "Name of it."
    assert note.sources == (("GB/T 39046", "T4 an..200"), ("up_*", "task_name"), ("Guangdong", "SXMC"))
    assert note.ours


def test_every_client_of_the_sender_kit_is_handed_out_and_none_is_imported() -> None:
    handed_out = {path for path in files() if path.startswith("sender-kit/")}
    # By the lines that each has at most: signing takes some thirty more.
    endings = (".cs", ".java", ".py", ".sh")
    simple = {f"{'send_records' if one in {'.py', '.sh'} else 'SendRecords'}{one}": 35 for one in endings}
    signing = {f"{'send_signed' if one in {'.py', '.sh'} else 'SendSigned'}{one}": 75 for one in endings}
    clients = simple | signing
    assert handed_out == {f"sender-kit/{name}" for name in {*clients, "README.md", "README.zh.md"}}
    for name, lines_max in clients.items():
        assert name in files()["sender-kit/README.md"].decode()
        assert name in files()["sender-kit/README.zh.md"].decode()
        client = files()[f"sender-kit/{name}"].decode()
        assert len(client.splitlines()) <= lines_max
        known = ("application/xml", "application/json", "text/csv", "openxmlformats-officedocument.spreadsheetml.sheet")
        assert [media_type for media_type in known if media_type not in client] == []
    importing = [one for one in python_files("node", "adapters") if "import send_" in (ROOT / one).read_text()]
    assert importing == []
