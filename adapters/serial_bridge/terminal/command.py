"""The terminal's command line: key set, send, type, run, status, discard, ports, dictionary, copy."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Sequence

from adapters.record_line.dictionary import DICTIONARY
from adapters.record_line.key_text import KEY_BYTES, key_text
from adapters.record_line.limits import ENTRY_BYTES_MAX
from adapters.serial_bridge.terminal.form import NAMES, fill_in, remembered, table_of
from adapters.serial_bridge.terminal.outbox import OUTBOX_NAME, SENT_NAME, media_type_of
from adapters.serial_bridge.terminal.ports import SerialPort, list_ports
from adapters.serial_bridge.terminal.running import Running
from adapters.serial_bridge.terminal.settings import (
    TerminalError,
    change_settings,
    read_key,
    read_settings,
    set_key,
    terminal_folder,
    write_private,
)
from adapters.serial_bridge.terminal.spool import CONFIRMED, Spool

if TYPE_CHECKING:
    from adapters.record_line.port import BytePort

FAILED: Final = 1
STATUS_LINES: Final = 20
SPEED: Final = 115_200
WORDS: Final = {
    "port": ("串口已打开，正在呼叫节点", "the port is open, calling the node"),
    "no-port": ("串口不可用，稍后自动再试", "the port cannot be used, trying again by itself"),
    "open": ("已与节点相互验证，线路畅通", "the node and we have proved our keys; the line is up"),
    "closed": ("线路中断，恢复后自动续传", "the line is down; it goes on by itself"),
    "trouble": ("节点未准许连接", "the node does not let us in"),
    "confirmed": ("已入节点日志", "in the node's journal"),
    "refused": ("节点拒收", "refused by the node"),
    "taken": ("已收入待发", "taken to be sent"),
    "too-long": ("文件过大，不能经线路发送", "too long for a line"),
    "unread": ("文件暂不能读取或移走，稍后自动再试", "a file cannot be read or moved yet, trying again by itself"),
    "disk": (
        "磁盘读写出错，请检查剩余空间；稍后自动再试",
        "the disk fails: see that it has room; trying again by itself",
    ),
    "document": ("收到下行文书", "a document came"),
}
REASONS: Final = {
    "unknown-terminal": ("节点没有登记这个终端名", "the node does not know this terminal's name"),
    "other-key": ("节点与本机的密钥不一致", "the node has another key than we"),
    "nothing-in-common": ("节点的协议版本不同", "the node speaks another version"),
    "silent": ("久无回音", "nothing was heard for long"),
    "bye": ("节点主动结束", "the node said good-bye"),
    "unplugged": ("串口断开", "the port was unplugged"),
    "protocol": ("对方未按协议应答", "the other end did not keep to the protocol"),
    "node-restarted": ("节点已重启", "the node has restarted"),
    "worn-out": ("例行更换会话密钥", "keys are changed, as after every 2 GiB"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for what went wrong, 2 for a mistake in the call."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    given = _parser().parse_args(arguments)
    try:
        return int(given.work(given, terminal_folder(given.folder)))
    except TerminalError as error:
        say_error(str(error))
    except (OSError, ValueError, sqlite3.Error) as error:
        say_error(f"出错 / something went wrong: {error}")
    except (KeyboardInterrupt, EOFError):
        say_error("已中断 / interrupted")
    return FAILED


def say(zh: str, en: str) -> None:
    """Write a line for people, Chinese first."""
    sys.stdout.write(f"{zh} / {en}\n")
    sys.stdout.flush()


def say_error(text: str) -> None:
    """Write a line about what went wrong."""
    sys.stderr.write(text + "\n")


def tell(word: str, what: str) -> None:
    """Write what happens on the line."""
    zh, en = WORDS[word]
    if what in REASONS:
        what = " / ".join(REASONS[what])
    say(zh, f"{en}: {what}" if what else en)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="yizhan-terminal",
        description="驿站终端：经串口向节点报送申办、办结等记录 / Yizhan terminal: hands records to a node over a line",
    )
    parser.add_argument("--folder", help="终端文件夹 / the terminal's folder [YIZHAN_TERMINAL, ~/.yizhan-terminal]")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True

    def command(name: str, work: Any, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(work=work)
        return made

    key = command("key", _key, "保存终端名与密钥，或生成新密钥 / keep name and key, or make a new key")
    key.add_argument(
        "action", choices=["set", "new"], help="set 从标准输入读取密钥 / set reads the key from standard input"
    )
    key.add_argument("name", nargs="?", default="", help="终端名，与节点上登记的一致 / the name, as the node has it")
    command("send", _send, "把文件放入待发 / put files into the spool").add_argument("files", nargs="+", metavar="FILE")
    typed = command("type", _type, "填表报送申办或办结 / fill in a form and send it")
    typed.add_argument("form", nargs="?", choices=sorted(NAMES), help="申办 / 办结")
    run = command("run", _run, "连接节点，收发文件 / serve the line: send what waits, receive what comes")
    run.add_argument("--port", help="串口，如 COM3 或 /dev/ttyUSB0 / the port; remembered")
    run.add_argument("--speed", type=int, help="波特率，默认 115200 / bits a second; remembered")
    run.add_argument("--once", action="store_true", help="全部应答后退出 / leave when everything is answered")
    status = command("status", _status, "待发与应答情况 / what waits and what was answered")
    status.add_argument("--json", action="store_true", help="一份 JSON / one JSON document")
    discard = command("discard", _discard, "丢弃被拒收的条目 / throw refused entries away")
    discard.add_argument("numbers", nargs="+", type=int, metavar="NUMBER")
    command("ports", _ports, "列出串口 / list the serial ports")
    dictionary = command("dictionary", _dictionary, "写出压缩字典 / write the dictionary of the compression to a file")
    dictionary.add_argument("file")
    command("copy", _copy, "把本程序复制到文件夹 / copy this program to a folder").add_argument(
        "target", metavar="FOLDER"
    )
    return parser


def _key(given: argparse.Namespace, folder: Path) -> int:
    if given.action == "new":
        sys.stdout.write(key_text(os.urandom(KEY_BYTES)) + "\n")
        return 0
    if sys.stdin.isatty():
        say("请输入密钥后按回车", "type the key, then Enter")
    set_key(folder, given.name, sys.stdin.readline())
    say(f"已保存，终端名 {given.name}；run 正在运行的，请重新启动", "kept; start run again where it is running")
    return 0


def _send(given: argparse.Namespace, folder: Path) -> int:
    spool = Spool(folder)
    failed = 0
    for name in given.files:
        path = Path(name)
        if path.stat().st_size > ENTRY_BYTES_MAX:
            say_error(f"{name}：{' / '.join(WORDS['too-long'])}")
            failed = FAILED
            continue
        number = spool.put(path.name, media_type_of(path.name), path.read_bytes())
        say(f"{number}：{path.name} 已收入待发", "taken to be sent")
    spool.close()
    return failed


def _type(given: argparse.Namespace, folder: Path) -> int:
    form = NAMES.get(given.form or "")
    while form is None:
        form = NAMES.get(input("1 申办 / application   2 办结 / conclusion: ").strip())
    known = read_settings(folder).get("form", {})
    now = time.strftime("%Y-%m-%d %H:%M")
    values = fill_in(form, input, say, known if isinstance(known, dict) else {}, now)
    for heading, value in values.items():
        sys.stdout.write(f"  {heading}  {value}\n")
    if input("报送？ / send it? (y/n): ").strip().lower() not in {"y", "yes", "是"}:
        say("未报送", "not sent")
        return FAILED
    change_settings(folder, form={**known, **remembered(form, values)})
    spool = Spool(folder)
    table = table_of(form, values)
    number = spool.put(f"{form}.csv", "text/csv", table)
    spool.close()
    # Beside the files that were sent: there is no other copy, should the node lose what it has confirmed.
    write_private(folder / OUTBOX_NAME / SENT_NAME / f"{number}-{form}.csv", table)
    say(f"{number}：已收入待发", "taken to be sent")
    return 0


def _run(given: argparse.Namespace, folder: Path) -> int:
    name, key = read_key(folder)
    settings = read_settings(folder)
    port = given.port or settings.get("port")
    speed = given.speed or settings.get("speed") or SPEED
    if not port:
        raise TerminalError("请用 --port 指明串口，ports 可列出", "say --port; ports lists them")
    change_settings(folder, port=port, speed=speed)

    def open_port() -> BytePort:
        return SerialPort(port, speed)

    spool = Spool(folder)
    running = Running(folder, spool, name=name, key=key, open_port=open_port, tell=tell)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.stop())
    try:
        running.run(once=given.once)
    finally:
        spool.close()
    return 0


def _status(given: argparse.Namespace, folder: Path) -> int:
    spool = Spool(folder)
    waiting, answered = spool.waiting_count(), list(spool.answered(STATUS_LINES))
    spool.close()
    if given.json:
        document = {
            "schema": "yizhan.terminal/1",
            "waiting": waiting,
            "answered": [one._asdict() for one in answered],
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        return 0
    say(f"待发 {waiting} 条", f"{waiting} waiting")
    for one in answered:
        zh, en = WORDS["confirmed" if one.state == CONFIRMED else "refused"]
        counts = f" {one.offered - one.refused}/{one.offered}" if one.offered else ""
        sys.stdout.write(f"{one.number} {one.name} {zh} / {en}{counts} {one.text}".rstrip() + "\n")
    return 0


def _discard(given: argparse.Namespace, folder: Path) -> int:
    spool = Spool(folder)
    missing = [number for number in given.numbers if not spool.discard(number)]
    spool.close()
    for number in missing:
        say_error(f"{number}：不是被拒收的条目 / not a refused entry")
    return FAILED if missing else 0


def _ports(_given: argparse.Namespace, _folder: Path) -> int:
    found = list(list_ports())
    for name, about in found:
        sys.stdout.write(f"{name}\t{about}\n")
    if not found:
        say("没有找到串口", "no serial port was found")
    return 0


def _dictionary(given: argparse.Namespace, _folder: Path) -> int:
    Path(given.file).write_bytes(DICTIONARY)
    sys.stdout.write(f"{len(DICTIONARY)} {hashlib.sha256(DICTIONARY).hexdigest()}\n")
    return 0


def _copy(given: argparse.Namespace, _folder: Path) -> int:
    target = os.path.join(given.target, os.path.basename(__file__))
    shutil.copyfile(__file__, target)
    say(f"已复制到 {target}", "copied")
    return 0
