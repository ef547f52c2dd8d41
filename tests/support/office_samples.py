"""Spreadsheets that real LibreOffice makes, of tables that are typed as people type them.

Making them takes LibreOffice, half a gigabyte and a minute; so what it made stands in
``tests/integration/adapters/office``, and is made anew, version told, by ``python -m tests.support.office_samples``
(Debian: libreoffice-calc-nogui). ``tests/integration/adapters/test_libreoffice.py`` reads both.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.support.open_documents import OpenSheet, Row, Rows, Special, open_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.open_documents import Cell

SAMPLES: Final = Path(__file__).parents[1] / "integration/adapters/office"
VERSION_FILE: Final = "made-by.txt"
DIVISION: Final = 369902
HEADINGS: Final = (
    "办件编号",
    "行政区划代码",
    "办理机构代码",
    "办理机构名称",
    "实施编码",
    "业务发生时间",
    "办结结果",
    "结果描述",
    "证件编号",
    "证件有效期限",
    "办理人姓名",
)
AT: Final = datetime(2026, 11, 3, 9, 12)  # noqa: DTZ001 - a cell has no zone.
_CSV: Final = "csv:Text - txt - csv (StarCalc)"
_COMMA, _SEMICOLON, _TAB, _QUOTE = 44, 59, 9, 34
_UTF_8, _GB_18030, _UTF_16 = 76, 85, 65_535
"""Numbers of encodings in LibreOffice (rtl/textenc.h)."""


def typed(number: int, **other: Cell) -> list[Cell]:
    """Return a row that is right, but for the cells named in ``other``."""
    row: dict[str, Cell] = {
        "办件编号": f"A2026110300{number}",
        "行政区划代码": DIVISION,
        "办理机构代码": "91350100M000100Y43",
        "办理机构名称": "测试局",
        "实施编码": "XK00131001",
        "业务发生时间": AT,
        "办结结果": "准予",
        "结果描述": "准予许可",
        "证件编号": f"ZJ{number}",
        "证件有效期限": date(2029, 12, 31),
        "办理人姓名": "测试甲",
    }
    return list({**row, **other}.values())


def _formulas() -> str:
    text = Special(formula='"准予"&"许可"', value="准予许可")
    rows: list[Row] = [
        HEADINGS,
        typed(1),
        typed(2, 结果描述=text),
        typed(3, 业务发生时间=Special(formula="NOW()", style="time", value=AT)),
        typed(4, 证件编号=Special(formula="NA()")),
        typed(5, 行政区划代码=Special(formula="369900+2", value=DIVISION)),
        typed(6),
    ]
    return open_document(OpenSheet(name="办结", rows=rows))


def _merged() -> str:
    parts = [*HEADINGS[:-1], "姓名"]
    head = [*(Special(value=name, rows=2) for name in HEADINGS[:-1]), Special(value="经办人", columns=2), None]
    rows: list[Row] = [
        [Special(value="某某县某某局办结登记表（2026年11月）", columns=len(HEADINGS) + 1)],
        head,
        [*[None] * (len(parts) - 1), "姓名", "职务"],
        [*typed(1, 办理机构名称=Special(value="测试局", rows=3)), "科员"],
        [*typed(2, 办理机构名称=None), "科员"],
        [*typed(3, 办理机构名称=None), "科长"],
        [*typed(4, 办结结果=Special(value="准予", columns=2), 结果描述=None), "科长"],
        [*typed(5), Special(value="科长", rows=2)],
        [*typed(6), None],
    ]
    return open_document(OpenSheet(name="办结", rows=rows))


def _numbers() -> str:
    rows: list[Row] = [
        HEADINGS,
        typed(1, 办件编号=20261103001),
        typed(2, 业务发生时间="2026/11/3 9:12", 证件有效期限="2029年12月31日"),
        typed(3, 业务发生时间=date(2026, 11, 3)),
        typed(4, 办件编号=369902202611030004),
        typed(5, 证件编号=Special(value=123, style="zeros")),
        typed(6, 证件编号=123),
        typed(7, 证件编号=Special(value="000123", style="text")),
        typed(8, 业务发生时间=46329.3833333333),
        typed(9, 证件编号=310101199001011234),
    ]
    return open_document(OpenSheet(name="办结", rows=rows))


def _hidden() -> str:
    rows: list[Row] = [
        HEADINGS,
        typed(1),
        Rows(cells=typed(2), visibility="collapse"),
        Rows(cells=typed(3), visibility="filter"),
        typed(4),
    ]
    return open_document(
        OpenSheet(name="办结", rows=rows),
        OpenSheet(name="#填表说明", rows=[HEADINGS, typed(7)]),
        OpenSheet(name="代码", rows=[["准予"], ["不予"]], hidden=True),
        OpenSheet(name="上月", rows=[HEADINGS, typed(8)], hidden=True),
    )


def _empty_rows() -> str:
    bare = [Special(style="text"), *[Special(style="day")] * (len(HEADINGS) - 1)]
    rows: list[Row] = [HEADINGS, typed(1), typed(2), Rows(cells=bare, count=1_000_000), typed(3)]
    return open_document(OpenSheet(name="办结", rows=rows))


def _plain() -> str:
    rows: list[Row] = [
        HEADINGS,
        typed(1),
        typed(2, 结果描述="准予，\n“许可”"),
        typed(3, 办结结果="也许"),
        typed(4, 证件编号="000123"),
    ]
    return open_document(OpenSheet(name="办结", rows=rows))


def _csv(delimiter: int, encoding: int) -> str:
    return f"{_CSV}:{delimiter},{_QUOTE},{encoding},1"


UTF_8_TEXT: Final = _csv(_COMMA, _UTF_8)
SOURCES: Final[Mapping[str, str]] = {
    "formulas": _formulas(),
    "merged": _merged(),
    "numbers": _numbers(),
    "hidden": _hidden(),
    "empty-rows": _empty_rows(),
    "plain": _plain(),
}
MADE: Final[Mapping[str, tuple[str, str]]] = {
    **{f"{name}.xlsx": (name, "xlsx:Calc MS Excel 2007 XML") for name in SOURCES},
    "plain.ods": ("plain", "ods"),
    "plain.xls": ("plain", "xls:MS Excel 97"),
    "plain.csv": ("plain", UTF_8_TEXT),
    "plain-gb18030.csv": ("plain", _csv(_SEMICOLON, _GB_18030)),
    "plain-tabs.csv": ("plain", _csv(_TAB, _UTF_8)),
    "plain-utf16.csv": ("plain", _csv(_COMMA, _UTF_16)),
    "numbers.csv": ("numbers", UTF_8_TEXT),
}
"""Every sample: the table of which it is made, and the filter of LibreOffice that makes it."""


def soffice() -> str | None:
    """Return LibreOffice's program, None where it is not installed."""
    return shutil.which("soffice") or shutil.which("libreoffice")


def converted(program: str, document: Path, form: str, folder: Path) -> None:
    """Have LibreOffice make a file in ``folder`` of a document, named after it, with a profile that goes afterwards."""
    with TemporaryDirectory() as profile:
        command = [program, f"-env:UserInstallation=file://{profile}", "--headless", "--convert-to", form]
        subprocess.run([*command, "--outdir", folder, document], check=True, capture_output=True, timeout=300)


def make_samples(program: str, folder: Path) -> None:
    """Have LibreOffice make every sample."""
    with TemporaryDirectory() as place:
        for name, (source, form) in MADE.items():
            document = Path(place) / f"{Path(name).stem}.fods"
            document.write_text(SOURCES[source], encoding="utf-8")
            converted(program, document, form, folder)
            assert (folder / name).is_file(), name


def main() -> None:
    """Make the samples anew where they stand in the checkout."""
    program = soffice()
    if program is None:
        raise SystemExit("LibreOffice is not installed: apt-get install --no-install-recommends libreoffice-calc-nogui")
    make_samples(program, SAMPLES)
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    (SAMPLES / VERSION_FILE).write_text(f"{version}\npython -m tests.support.office_samples\n", encoding="utf-8")


if __name__ == "__main__":
    main()
