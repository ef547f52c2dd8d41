"""The settings of the kind ``open_api``, and what they come to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import Form, Setting, SourceNeedsPersonError
from adapters.pulling.http_settings import ADDRESS_LENGTH_MAX, HTTP_SETTINGS, HttpPlan, checked_address, http_plan_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.contract import Opening

PATH_DEPTH_MAX: Final = 8
_PATH: Final = re.compile(r"[^.\x00-\x1f]{1,80}(\.[^.\x00-\x1f]{1,80})*\Z")

SETTINGS: Final = (
    Setting(name="url", zh="接口地址", en="address that is asked", length_max=ADDRESS_LENGTH_MAX),
    Setting(
        name="parameters",
        form=Form.TABLE,
        default={},
        zh="每次请求附带的固定参数",
        en="parameters of every request, in its address",
    ),
    Setting(
        name="paging",
        form=Form.CHOICE,
        choices=("none", "cursor", "next", "page", "watermark"),
        default="none",
        zh="分页方式：none 不分页，cursor 应答中的游标，next 下一页链接，page 页码，watermark 水位参数",
        en="how there are pages: none, cursor (a value in the answer), next (a link to the next page), page (numbers), "
        "watermark (everything since)",
    ),
    Setting(
        name="cursor_path",
        default="",
        zh="paging = cursor：游标在应答中的位置，如 data.cursor",
        en="paging = cursor: where the next cursor stands in the answer, such as data.cursor",
        length_max=200,
    ),
    Setting(
        name="cursor_parameter",
        default="cursor",
        zh="paging = cursor：游标参数名",
        en="paging = cursor: the parameter that takes it",
        length_max=80,
    ),
    Setting(
        name="next_path",
        default="",
        zh="paging = next：链接在应答中的位置；留空取 Link 头（RFC 8288）",
        en="paging = next: where the link stands in the answer; empty for the Link header (RFC 8288)",
        length_max=200,
    ),
    Setting(
        name="page_parameter",
        default="page",
        zh="paging = page：页码参数名",
        en="paging = page: the parameter that takes the number",
        length_max=80,
    ),
    Setting(
        name="page_first",
        form=Form.NUMBER,
        default=1,
        highest=1_000_000,
        zh="paging = page：首页的页码",
        en="paging = page: number of the first page",
    ),
    Setting(
        name="watermark_parameter",
        default="since",
        zh="paging = watermark：水位参数名",
        en="paging = watermark: the parameter that takes it",
        length_max=80,
    ),
    Setting(
        name="watermark_path",
        default="",
        zh="paging = watermark：水位在每条数据中的位置，如 updated_at",
        en="paging = watermark: where it stands in each item, such as updated_at",
        length_max=200,
    ),
    Setting(
        name="begin_at",
        default="",
        zh="paging = watermark：首次的水位；留空则首次不带该参数",
        en="paging = watermark: the first one; empty: the first request goes without",
        length_max=100,
    ),
    Setting(
        name="size_parameter",
        default="",
        zh="每页条数的参数名；留空不带",
        en="the parameter for the size of a page; empty for none",
        length_max=80,
    ),
    Setting(
        name="page_size",
        form=Form.NUMBER,
        default=500,
        lowest=1,
        highest=10_000,
        zh="每页条数",
        en="items of a page that are asked for",
    ),
    Setting(
        name="pages_max",
        form=Form.NUMBER,
        default=200,
        lowest=1,
        highest=10_000,
        zh="一轮最多取多少页",
        en="pages of one round at most",
    ),
    Setting(
        name="resume",
        form=Form.CHOICE,
        choices=("last_page", "start"),
        default="last_page",
        zh="下一轮从哪里开始：last_page 上次的最后一页，start 从头（适用于新数据排在前面的接口）",
        en="where the next round begins: last_page, or start (for a list that has its newest first)",
    ),
    Setting(
        name="items",
        default="",
        zh="数据列表在 JSON 应答中的位置，如 data.rows；`.` 表示应答本身就是列表；留空则整个应答原样交出",
        en="where the list of items stands in an answer of JSON, such as data.rows; `.` when the answer is the list; "
        "empty: answers are handed over whole, as they come",
        length_max=200,
    ),
    Setting(
        name="form",
        form=Form.CHOICE,
        choices=("rows", "records"),
        default="rows",
        zh="items 交给节点的形式：rows 为某表的行（up、exinfo 与本地映射），records 为 json 方言的记录",
        en="form in which items are handed over: rows of a table (up, exinfo, a site's mappings), or records of the "
        "dialect json",
    ),
    Setting(
        name="named_table",
        default="",
        zh="rows：表在方言中的名称；留空则由节点的 table 决定",
        en="rows: the table's name in the dialect; empty leaves it to the node's key table",
        length_max=200,
    ),
    Setting(
        name="items_max",
        form=Form.NUMBER,
        default=500,
        lowest=1,
        highest=5000,
        zh="每件来件最多多少条",
        en="items of a delivery at most",
    ),
    Setting(
        name="remembered_max",
        form=Form.NUMBER,
        default=20_000,
        lowest=100,
        highest=1_000_000,
        zh="最多记住多少条已应答的数据，用于识别重复",
        en="answered items that are remembered at most, by which repeats are known",
    ),
    Setting(
        name="deliver_url",
        default="",
        zh="下达文书的回调地址（POST）",
        en="address to which documents that go down are posted",
        length_max=ADDRESS_LENGTH_MAX,
    ),
    Setting(
        name="answers_url",
        default="",
        zh="来件处理结果的回调地址（POST）",
        en="address to which it is posted what became of deliveries",
        length_max=ADDRESS_LENGTH_MAX,
    ),
    Setting(
        name="signing_key",
        default="",
        secret=True,
        zh="回调签名密钥（HMAC-SHA-256）；留空不签名",
        en="key by which what is posted is signed (HMAC-SHA-256); empty: it is not",
    ),
    *HTTP_SETTINGS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the settings come to; paths are names from the outside inward."""

    http: HttpPlan
    settings: Mapping[str, Any]
    signing_key: bytes
    items: tuple[str, ...] | None
    cursor_path: tuple[str, ...]
    next_path: tuple[str, ...]
    watermark_path: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        """Return a setting."""
        return self.settings[name]


def plan_of(opening: Opening) -> Plan:
    """Return what the settings come to; raises SourceNeedsPersonError when they do not fit together."""
    settings = opening.settings
    for name in ("url", "deliver_url", "answers_url"):
        if settings[name] or name == "url":
            checked_address(name, settings[name], unencrypted=settings["unencrypted"])
    paging = settings["paging"]
    if paging == "cursor" and not settings["cursor_path"]:
        raise SourceNeedsPersonError("paging is cursor: cursor_path has to say where the next cursor stands")
    if paging == "watermark" and not (settings["watermark_path"] and settings["items"]):
        raise SourceNeedsPersonError("paging is watermark: items and watermark_path have to say where it stands")
    return Plan(
        http=http_plan_of(opening),
        settings=settings,
        signing_key=opening.secrets.get("signing_key", "").encode(),
        items=None if not settings["items"] else () if settings["items"] == "." else _path("items", settings),
        cursor_path=_path("cursor_path", settings),
        next_path=_path("next_path", settings),
        watermark_path=_path("watermark_path", settings),
    )


def _path(name: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    text = settings[name]
    if not text:
        return ()
    parts = tuple(text.split("."))
    if not _PATH.match(text) or len(parts) > PATH_DEPTH_MAX:
        raise SourceNeedsPersonError(f"{name} is {text[:80]!r}: write names with a dot between them, such as data.rows")
    return parts
