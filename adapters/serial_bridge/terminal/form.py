"""A form on the screen for a department without any system: 申办 (an application) or 办结 (its end), one row.

The headings are the standard's own labels, so that the node's dialect ``csv`` reads the row; what the values mean is
checked there. What is the same every time is remembered: division, department, item.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Callable, Final, NamedTuple


class Field(NamedTuple):
    """One question: the heading, an English word for it, choices by their labels, whether it is remembered."""

    heading: str
    english: str
    choices: tuple[str, ...] = ()
    remembered: bool = False
    pattern: str = r".{1,500}"


NUMBER: Final = Field("来源系统办件编号", "your own number of the case", pattern=r".{1,100}")
TIME: Final = Field(
    "业务发生时间",
    "when it happened, such as 2026-11-03 09:12",
    pattern=r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}(:\d{2})?",
)
SHARED: Final = (
    Field("行政区划代码", "division code", remembered=True, pattern=r"\d{6}(\d{3}){0,2}"),
    Field("办理机构代码", "credit code of the department", remembered=True, pattern=r"[0-9A-Z]{18}"),
    Field("办理机构名称", "name of the department", remembered=True),
    Field("实施编码", "code of the item", remembered=True, pattern=r"[0-9A-Za-z]{1,50}"),
    NUMBER,
    TIME,
)
IDENTITY: Final = ("居民身份证", "统一社会信用代码", "普通护照", "其他")
FORMS: Final[dict[str, tuple[Field, ...]]] = {
    "申办": (
        *SHARED,
        Field("事项名称", "name of the item", remembered=True),
        Field("申请提交方式", "how it was handed in", ("窗口", "网上", "信函")),
        Field("申请人类型", "kind of applicant", ("个人", "企业", "其他")),
        Field("申请人名称", "applicant"),
        Field("申请人证件类型", "kind of document", IDENTITY),
        Field("申请人证件号码", "number of the document", pattern=r"\S{1,50}"),
    ),
    "办结": (
        *SHARED,
        Field("办结结果代码", "result", ("准予", "不予许可", "退回", "作废")),
        Field("办结结果描述", "words for the result"),
        Field("办理人姓名", "who decided"),
    ),
}
NAMES: Final = {
    "1": "申办",
    "申请": "申办",
    "申办": "申办",
    "application": "申办",
    "2": "办结",
    "办结": "办结",
    "conclusion": "办结",
}
Ask = Callable[[str], str]


def fill_in(form: str, ask: Ask, say: Callable[[str, str], None], known: dict[str, str], now: str) -> dict[str, str]:
    """Ask for every field of ``form`` and return the values by heading; an empty answer takes what stands in brackets.

    ``known`` are remembered values; ``now`` is offered as the time.
    """
    values: dict[str, str] = {}
    for field in FORMS[form]:
        offered = now if field is TIME else known.get(field.heading, "")
        values[field.heading] = _asked(field, offered, ask, say)
    return values


def table_of(form: str, values: dict[str, str]) -> bytes:
    """Return the row with its headings as the dialect ``csv`` reads them, in UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["记录类型", *values])
    writer.writerow([form, *values.values()])
    return text.getvalue().encode("utf-8")


def remembered(form: str, values: dict[str, str]) -> dict[str, str]:
    """Return what should be offered the next time."""
    return {field.heading: values[field.heading] for field in FORMS[form] if field.remembered}


def _asked(field: Field, offered: str, ask: Ask, say: Callable[[str, str], None]) -> str:
    question = f"{field.heading} / {field.english}"
    if field.choices:
        question += " (" + " ".join(f"{place} {label}" for place, label in enumerate(field.choices, start=1)) + ")"
    if offered:
        question += f" [{offered}]"
    while True:
        value = ask(question + ": ").strip() or offered
        if field.choices and value.isdecimal() and 1 <= int(value) <= len(field.choices):
            value = field.choices[int(value) - 1]
        if value in field.choices if field.choices else re.fullmatch(field.pattern, value):
            return value
        say("不对，请再填", "this does not fit, please again")
