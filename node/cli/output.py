"""How results and errors reach people and programs: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.cli.frame import Frame
    from node.errors import YizhanError

HEADINGS: Final = {
    "address": "地址",
    "adds_up": "相加相符",
    "answered": "答复时间",
    "audience": "受众",
    "bytes": "字节",
    "case_no": "办件编号",
    "cause": "原因",
    "certificate": "证书",
    "channel": "渠道",
    "clock_offset_s": "时钟偏差（秒）",
    "code": "代码",
    "codes": "代码表",
    "column": "列",
    "computed": "核对节点计数",
    "count": "数量",
    "counted": "按记录重算",
    "created": "建立",
    "day": "日期",
    "disabled": "停用",
    "document": "文号",
    "due": "应收",
    "deliveries": "来件",
    "description": "设备",
    "differing": "差异",
    "division": "行政区划",
    "element": "元素",
    "ends": "失效",
    "endings": "扩展名",
    "field": "项目",
    "fine": "罚款",
    "first": "首批",
    "error": "错误",
    "flags": "标记",
    "grade": "满意度",
    "held_by": "持有",
    "indicator": "指标",
    "is_paired": "已配对",
    "key": "键",
    "kind": "种类",
    "label": "名称",
    "lag_records": "未确认记录",
    "lag_s": "时延（秒）",
    "leaf": "叶散列",
    "line": "文件行",
    "mode": "认证方式",
    "modes": "认证方式",
    "name": "名称",
    "node": "节点",
    "number": "编号",
    "offers_service": "提供终端服务",
    "organisation": "部门",
    "origin": "来源",
    "outcome": "结果",
    "own": "本级",
    "package": "软件包",
    "paid": "实收",
    "path": "路径",
    "peer": "对方",
    "plus_fine": "加处罚款",
    "position": "位置",
    "problem": "问题",
    "reason": "原因",
    "record": "记录",
    "replaced_by": "替代代码",
    "required": "必填",
    "receiver": "接收人",
    "refused": "拒收",
    "rssi": "信号（dBm）",
    "role": "关系",
    "root": "根",
    "row": "表格行",
    "rows": "行数",
    "rule": "规则",
    "scope": "范围",
    "sealed": "已封签",
    "serial_number": "序列号",
    "since": "自",
    "size": "记录数",
    "source": "来源",
    "step": "等级",
    "stable": "固定名称",
    "standing": "处理",
    "stated": "来源节点计数",
    "state": "状态",
    "stream": "数据流",
    "subtree": "全域",
    "systems": "来源系统",
    "table": "表",
    "task": "事项",
    "text": "说明",
    "time": "业务时间",
    "times": "次数",
    "title": "标题",
    "type": "类型",
    "usb": "USB 标识",
    "valid_to": "有效期止",
    "value": "值",
    "variants": "变体",
    "verdict": "核对",
    "way": "方式",
}
"""Chinese headings of every column of a table."""
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What may move the cursor, change colours or titles, or turn the order of letters; tabs and line ends may stand."""


def write_json(document: Mapping[str, Any]) -> None:
    """Write the one JSON document of this call; ``document`` begins with its ``schema``."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def say(frame: Frame, zh: str, en: str) -> None:
    """Tell a person something on standard error, in the language asked for; silent with --quiet."""
    if frame.verbosity >= 0:
        click.echo(shown(zh if frame.language == "zh" else en), err=True)


def shown(text: str) -> str:
    """Return a text as it may be written to a terminal: systems of others have put names and errors into it."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def _cell(value: object) -> str:
    """Return a value as a cell of a table, which is one line without tabs."""
    return shown(re.sub(r"[\t\r\n]+", " ", str(value)))


def write_table(frame: Frame, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write rows to standard output as a table; without a terminal as tab-separated lines under one heading.

    ``columns`` are names that programs may rely on: a terminal shows them in the language asked for. That there are no
    rows is said on standard error.
    """
    if not rows:
        say(frame, f"{title}：没有", f"{title}: none")
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            click.echo("\t".join(map(_cell, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    headings = [HEADINGS[name] if frame.language == "zh" else name.replace("_", " ") for name in columns]
    table = Table(*headings, title=title, title_justify="left")
    for row in rows:
        # As text: in a string square brackets would be read as markup.
        table.add_row(*(Text(_cell(value)) for value in row))
    Console(no_color=not frame.colorful).print(table)


def place_of(row: int | None, line: int | None) -> str:
    """Return where a record stands in its delivery as lines for programs write it: ``row:line``, ``-`` for neither."""
    return f"{row or '-'}:{line or '-'}"


def report_error(frame: Frame, error: YizhanError) -> None:
    """Write an error as three lines to standard error and, with --json, as one document to standard output."""
    say_error(error)
    if frame.json:
        write_json(
            {
                "schema": "yizhan.error/1",
                "code": error.code,
                "exit": error.exit_code,
                "what": error.what,
                "why": error.why,
                "action": error.action,
            }
        )


def say_error(error: YizhanError) -> None:
    """Write an error as three lines to standard error: what happened, why (with its code), what to do."""
    click.echo(shown(f"{error.what}\n{error.why} ({error.code})\n{error.action}"), err=True)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    message = f"no JSON form for {type(value).__name__}"
    raise TypeError(message)
