"""A department without a system: a clerk fills forms in and hands a table in, in a browser (second entry)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from node.demo.writers import delivery
from node.departments.entry.filling import NUMBERING
from tests.doors_demonstration.department import COUNTS, no_counts
from tests.support.http_browser import HttpBrowser
from tests.support.web_forms import opened, typed_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from node.demo.generator import GeneratedRecord
    from tests.doors_demonstration.department import Access

TAKEN_IN = "已接收"
TILES = "//dl[@class='tiles']//dd"
"""The figures of an upload, in the order of ``FIGURES``."""
FIGURES = ("offered", "accepted", "repeated", "refused")


class TypingDepartment:
    """The first case is typed record by record, the others are handed in as a spreadsheet."""

    adapter = None
    place = ""

    def hand_over(self, records: Sequence[GeneratedRecord], access: Access) -> Mapping[str, int]:
        # A case that is whole: what no node may accept stands in the table, and is shown before anything is taken.
        number = next(str(one.content["CaseNo"]) for one in records if one.valid)
        typed = [one for one in records if one.content["CaseNo"] == number]
        with HttpBrowser(access.face) as browser:
            opened(browser, "/entry/").form("登录").fill({"key": access.key}).press("登录")
            for record in typed:
                type_in(browser, record)
            counts = upload(browser, [one for one in records if one not in typed])
        return {name: counts[name] + (len(typed) if name in {"offered", "accepted"} else 0) for name in COUNTS}

    def documents(self) -> Sequence[bytes]:
        return []


@contextmanager
def typing_department(_folder: Path) -> Iterator[TypingDepartment]:
    """Give a clerk with a browser."""
    yield TypingDepartment()


def type_in(browser: HttpBrowser, record: GeneratedRecord) -> None:
    """Fill one form in and hand it in; raises AssertionError when it is not taken in."""
    values = {**typed_values(record.content), NUMBERING: "own"}
    page = opened(browser, f"/entry/new/{record.record_type}")
    for name, value in record.content.items():
        if isinstance(value, list) and isinstance(value[0], dict):
            for _ in value[1:]:
                page = page.form("提交").press(f"add:{name}")
    page = page.form("提交").fill(values).press("提交")
    assert TAKEN_IN in page.heading, f"{record.record_type}: {page.heading}: {page.errors()}"


def upload(browser: HttpBrowser, records: Sequence[GeneratedRecord]) -> Mapping[str, int]:
    """Hand a spreadsheet in, look at it, confirm it; return what the page says of it."""
    if not records:
        return no_counts()
    page = opened(browser, "/entry/").follow("批量导入")
    page = page.form("预览").attach("file", delivery("xlsx", records), "登记.xlsx").press("预览")
    page = page.form("确认导入").press("确认导入")
    told = [int(str(one.text)) for one in page.root.xpath(TILES)]
    return dict(zip(FIGURES, told[: len(FIGURES)], strict=True))
