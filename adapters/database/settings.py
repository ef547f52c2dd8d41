"""The settings of the kind ``database``, and what they come to: a plan that is checked before anything is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from adapters.contract import Form, Setting, SourceNeedsPersonError
from adapters.database.statements import SQLITE, check_query
from adapters.pulling.tls_settings import TLS_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL

    from adapters.contract import Opening

_DRIVERS: Final = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "sqlite": "sqlite",
}
_URL_OPTIONS: Final = frozenset({"unix_socket", "host"})
_HERE: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
_TIME: Final = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d)?)?"
ID_COLUMNS_MAX: Final = 4
"""Columns of an id: as many as the longest keys of exchange tables. Our own choice."""

SETTINGS: Final = (
    Setting(
        name="url",
        zh="数据库地址，不含口令：mysql://账号@主机:3306/库、postgresql://账号@主机:5432/库、sqlite:////路径/文件",
        en="address without password: mysql://USER@HOST:3306/DB, postgresql://USER@HOST:5432/DB, sqlite:////PATH/FILE",
        length_max=1000,
    ),
    Setting(name="password", default="", secret=True, zh="数据库账号的口令", en="password of the database account"),
    Setting(
        name="table",
        default="",
        zh="要读的表或视图，可写作 模式.表；与 query 二选一",
        en="table or view to read, SCHEMA.TABLE if need be; either this or query",
        length_max=200,
    ),
    Setting(
        name="columns",
        form=Form.LIST,
        default=(),
        zh="要交出的列；留空表示全部",
        en="columns to hand over; none means all",
    ),
    Setting(
        name="query",
        default="",
        zh="本地自写的一条 SELECT，只可使用参数 :watermark_at 与 :watermark_id；与 table 二选一",
        en="one SELECT of the site's own, with no parameters but :watermark_at and :watermark_id; either this or table",
        length_max=20_000,
        several_lines=True,
    ),
    Setting(
        name="watermark",
        zh="水位列：每次修改都会增大的时间或数字",
        en="the watermark: a column with a time or number that grows with every change",
        length_max=200,
    ),
    Setting(
        name="watermark_form",
        form=Form.CHOICE,
        choices=("time", "number"),
        default="time",
        zh="水位列是时间还是数字",
        en="whether the watermark is a time or a number",
    ),
    Setting(
        name="id_columns",
        form=Form.LIST,
        default=(),
        zh=f"区分同一水位各行的列，最多 {ID_COLUMNS_MAX} 列；没有可留空",
        en=f"columns that tell rows of one watermark apart, at most {ID_COLUMNS_MAX}; none if there are none",
    ),
    Setting(
        name="overlap_s",
        form=Form.NUMBER,
        default=600,
        highest=30 * 86_400,
        zh="时间水位：每次回读多少秒，以取得提交较晚的行；应长于对方最长的事务",
        en="watermark of time: seconds that are read again each time, for rows whose commit became visible late; "
        "longer than the longest transaction there",
    ),
    Setting(
        name="overlap_steps",
        form=Form.NUMBER,
        default=1000,
        highest=10**9,
        zh="数字水位：每次回读多少个数，作用同上",
        en="watermark of numbers: how many numbers are read again each time, as above",
    ),
    Setting(
        name="remembered_max",
        form=Form.NUMBER,
        default=20_000,
        lowest=100,
        highest=1_000_000,
        zh="回读窗口内最多记住多少行；超过时窗口缩短",
        en="rows of the window that are remembered at most; beyond that the window gets shorter",
    ),
    Setting(
        name="begin_at",
        default="",
        zh="首次从哪个水位读起；留空表示全部",
        en="watermark to begin with the first time; empty for everything",
        length_max=40,
    ),
    Setting(
        name="page_rows",
        form=Form.NUMBER,
        default=5000,
        lowest=1,
        highest=5000,
        zh="每页与每件来件最多多少行",
        en="rows of a page and of a delivery at most",
    ),
    Setting(
        name="form",
        form=Form.CHOICE,
        choices=("rows", "csv", "documents"),
        default="rows",
        zh="交给节点的形式：rows 为按表分组的 JSON 行（up、exinfo 与本地映射），csv 为带表头的表格文本，"
        "documents 为一列中每行一份完整文档",
        en="form in which rows are handed over: rows (JSON by table: up, exinfo, a site's mappings), csv (a table with "
        "headings), documents (one column holds a whole document in each row)",
    ),
    Setting(
        name="named_table",
        default="",
        zh="rows：表在方言中的名称；留空即 table",
        en="rows: the table's name in the dialect; empty for that of table",
        length_max=200,
    ),
    Setting(
        name="document_column",
        default="",
        zh="documents：存放文档的列",
        en="documents: the column that holds the document",
        length_max=200,
    ),
    Setting(
        name="time_zone",
        default="Asia/Shanghai",
        zh="库中不带时区的时间所在时区；带时区的时间也换算到此时区写出",
        en="zone of times without one in the database; times with a zone are written in this one",
        length_max=60,
    ),
    Setting(
        name="offsets",
        form=Form.FLAG,
        default=False,
        zh="时间写出时是否带时差（2026-11-03T09:12:00+08:00）",
        en="whether times are written with their offset (2026-11-03T09:12:00+08:00)",
    ),
    Setting(
        name="zero_dates",
        form=Form.CHOICE,
        choices=("empty", "kept"),
        default="empty",
        zh="MySQL 的 0000-00-00 视为空值，还是原样交出",
        en="whether 0000-00-00 of MySQL means no value, or is handed over as it is",
    ),
    Setting(
        name="text_encoding",
        default="",
        zh="文本的实际编码（如 gb18030），用于声明的字符集不实的库；留空即由服务器换算",
        en="what texts are really encoded in (gb18030) where it is declared wrongly; empty: the server converts",
        length_max=20,
    ),
    Setting(
        name="statement_timeout_s",
        form=Form.NUMBER,
        default=30,
        lowest=1,
        highest=120,
        zh="一次查询最长多少秒",
        en="seconds that one query may take",
    ),
    Setting(
        name="connect_timeout_s",
        form=Form.NUMBER,
        default=10,
        lowest=1,
        highest=60,
        zh="连接最长多少秒",
        en="seconds that connecting may take",
    ),
    Setting(
        name="tls",
        form=Form.CHOICE,
        choices=("verified", "encrypted", "off"),
        default="verified",
        zh="连接加密：verified 核验证书，encrypted 只加密，off 不加密；本机连接不加密",
        en="encryption: verified checks the certificate, encrypted does not, off is none; none within one machine",
    ),
    *TLS_FILES,
    Setting(
        name="account_may_write",
        form=Form.FLAG,
        default=False,
        zh="允许使用可写该表的账号；默认检查时拒绝",
        en="whether the account may be one that can write the table; otherwise the check refuses it",
    ),
    Setting(
        name="deliver_table",
        default="",
        zh="下达文书写入的表：delivery_key、record_type、organisation、content、text、delivered_at",
        en="table for documents that go down: delivery_key, record_type, organisation, content, text, delivered_at",
        length_max=200,
    ),
    Setting(
        name="answers_table",
        default="",
        zh="来件处理结果写入的表：delivery_key、answered_at、offered、accepted、repeated、refused、received、reason、problems",
        en="table for what became of deliveries: delivery_key, answered_at, offered, accepted, repeated, refused, "
        "received, reason, problems",
        length_max=200,
    ),
)


COLUMNS_MAX: Final = 400
"""Columns of a row, as many as the node's readers take."""
ROW_CHARACTERS_MAX: Final = 500_000
"""Characters of one row, a little less than the node's readers take. Our own choice."""
CSV_ROW_CHARACTERS_MAX: Final = 80_000
"""Characters of one row as a table: its line may have 262,144 bytes there, and a character has up to three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the settings come to. ``url`` has no password; ``system`` is one of those of statements.py.

    ``columns`` are those that are read (none: all), and the first ``handed_over`` of a row's are what the site wants.
    """

    url: URL
    system: str
    password: str = field(repr=False)
    settings: Mapping[str, Any]
    columns: tuple[str, ...]
    handed_over: int
    ids: tuple[str, ...]
    zone: ZoneInfo
    row_characters_max: int
    zero_is_none: bool

    @property
    def timed(self) -> bool:
        """True when the watermark is a time."""
        return bool(self.settings["watermark_form"] == "time")

    @property
    def encrypted(self) -> bool:
        """True when the connection leaves this machine and has to be encrypted."""
        return self.system != SQLITE and (self.url.host or "") not in _HERE and self.settings["tls"] != "off"

    def __getitem__(self, name: str) -> Any:
        """Return a setting."""
        return self.settings[name]


def plan_of(opening: Opening) -> Plan:
    """Return what the settings come to; raises SourceNeedsPersonError when they do not fit together."""
    settings = opening.settings
    url, system = _address(settings["url"])
    if bool(settings["table"]) == bool(settings["query"].strip()):
        raise SourceNeedsPersonError("exactly one of table and query has to be set")
    if settings["query"]:
        check_query(settings["query"])
    ids = tuple(settings["id_columns"])
    if len(ids) > ID_COLUMNS_MAX:
        raise SourceNeedsPersonError(f"id_columns names {len(ids)} columns; at most {ID_COLUMNS_MAX} are taken")
    if settings["form"] == "documents" and not settings["document_column"]:
        raise SourceNeedsPersonError("form is documents: document_column has to name the column that holds them")
    _check_beginning(settings["begin_at"], timed=settings["watermark_form"] == "time")
    _check_encoding(settings["text_encoding"])
    wanted = tuple(dict.fromkeys((*settings["columns"], *filter(None, (settings["document_column"],)))))
    return Plan(
        url=url,
        system=system,
        password=opening.secrets.get("password", ""),
        settings=settings,
        columns=tuple(dict.fromkeys((*wanted, settings["watermark"], *ids))) if settings["columns"] else (),
        handed_over=len(wanted) if settings["columns"] else COLUMNS_MAX,
        ids=ids,
        zone=_zone(settings["time_zone"]),
        row_characters_max=CSV_ROW_CHARACTERS_MAX if settings["form"] == "csv" else ROW_CHARACTERS_MAX,
        zero_is_none=settings["zero_dates"] == "empty",
    )


def _address(text: str) -> tuple[URL, str]:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SourceNeedsPersonError("url is not an address: write mysql://USER@HOST/DATABASE") from None
    if url.password is not None:
        raise SourceNeedsPersonError("url holds a password: take it out, and give it as the secret password")
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise SourceNeedsPersonError(f"url begins with {url.drivername[:40]}://; use one of {', '.join(_DRIVERS)}")
    if unknown := url.query.keys() - _URL_OPTIONS:
        raise SourceNeedsPersonError(f"url has options that are not taken: {', '.join(sorted(unknown))[:200]}")
    if not url.database:
        raise SourceNeedsPersonError("url names no database: write it behind the host, /DATABASE")
    return url.set(drivername=driver), driver.partition("+")[0]


def _check_beginning(text: str, *, timed: bool) -> None:
    if text and not re.fullmatch(_TIME if timed else r"-?\d{1,18}", text):
        form = "2026-11-03 or 2026-11-03 09:12:00" if timed else "a whole number"
        raise SourceNeedsPersonError(f"begin_at is {text!r}; write {form}")


def _check_encoding(name: str) -> None:
    try:
        bytes(4).decode(name or "utf-8")
    except (LookupError, UnicodeError):
        raise SourceNeedsPersonError(f"text_encoding is {name!r}; write for example gb18030") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise SourceNeedsPersonError(f"time_zone is {name!r}; write for example Asia/Shanghai") from None
