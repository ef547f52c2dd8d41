"""The pages of the dialects say what the registry and the stylesheets say."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING

from node.departments.dialects import BUILT_IN, Dialect, DialectOptions, Dialects, read
from node.departments.dialects.dialect import KINDS
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def row(dialect: Dialect) -> str:
    def listed(names: tuple[str, ...]) -> str:
        return ", ".join(f"`{name}`" for name in names) or "–"

    cells = (
        f"`{dialect.name}`",
        dialect.label,
        dialect.english,
        f"`{dialect.kind}`",
        listed(dialect.endings),
        listed(dialect.media_types),
        "yes" if dialect.writes is not None else "no",
        listed(dialect.variants),
    )
    return f"| {' | '.join(cells)} |"


def test_every_dialect_stands_in_the_overview_and_no_other() -> None:
    text = page("dialects.md")
    assert [found for found in (row(dialect) for dialect in BUILT_IN.values()) if found not in text] == []
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == list(BUILT_IN)
    assert all(f"`{kind}`" in text for kind in KINDS)


def test_every_media_type_that_the_open_api_takes_stands_on_its_page() -> None:
    known = Dialects().by_media_type()
    assert {known["text/csv"], known["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]} == {
        "csv",
        "xlsx",
    }
    assert [media_type for media_type in known if f"`{media_type}`" not in page("open-api.md")] == []


def test_what_a_dialect_cannot_carry_stands_on_a_page() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md")).replace("`", "")
    lost = [loss.english for dialect in BUILT_IN.values() for loss in dialect.cannot_carry]
    assert [text for text in lost if f"- {text}".replace(" (xlsx)", "") not in pages] == []


def test_what_a_dialect_cannot_carry_is_said_in_chinese_too() -> None:
    losses = [loss for dialect in BUILT_IN.values() for loss in dialect.cannot_carry]
    assert len(losses) > 20
    assert [loss for loss in losses if not re.search(r"[\u4e00-\u9fff]", loss.chinese)] == []
    assert [loss for loss in losses if "：" in loss.english or loss.english == loss.chinese] == []


def test_every_element_that_cooperation_may_hold_is_read_or_told() -> None:
    schema = (ROOT / "node/departments/dialects/cooperation.xsd").read_text(encoding="utf-8")
    sheet = (ROOT / "node/departments/dialects/cooperation.xsl").read_text(encoding="utf-8")
    names = set(re.findall(r'element name="(\w+)"', schema))
    assert len(names) > 60
    told = {"busistatus"}
    assert {name for name in names if not re.search(rf"\b{name}\b", sheet)} == told


def test_the_example_of_cooperation_is_valid() -> None:
    (example,) = re.findall(r"```xml\n(.*?)```", page("cooperation.md"), re.DOTALL)
    came = list(read("cooperation", BytesIO(example.encode()), DialectOptions(system="land")))
    assert [one.record_type for one in came] == ["Application", "Acceptance"]
    assert [one.problems for one in came] == [(), ()]


def test_the_example_of_a_stylesheet_can_be_used(tmp_path: Path) -> None:
    (example,) = re.findall(r"```xml\n(.*?)```", page("dialects.md"), re.DOTALL)
    (tmp_path / "hall.xsl").write_text(example, encoding="utf-8")
    data = b"<cases>\n<case><number>A1</number><fee><paid>2026/11/3 9:12</paid></fee></case></cases>"
    (candidate,) = Dialects(folder=tmp_path).read("hall", BytesIO(data))
    assert (candidate.record_type, candidate.line) == ("Fee", 2)
    assert candidate.content == {"CaseNo": "A1", "EventTime": "2026-11-03T09:12:00+08:00"}
    assert Dialects(folder=tmp_path).find("hall").label == "大厅"
