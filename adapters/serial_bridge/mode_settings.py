"""Settings of what is spoken on the port, in both languages; each says for which modes it is."""

from __future__ import annotations

from typing import Final

from adapters.contract import Form, Setting
from adapters.serial_bridge.capture_mode import ENCODINGS
from adapters.serial_bridge.framing import CHECKS

MODES: Final = ("record_line", "zmodem", "kermit", "capture")
DELIVER_MAX_S: Final = 540.0
"""How long ``deliver`` waits for a document to be over there; what takes longer goes on for the next call."""

_SHARED: Final = (
    Setting(
        name="mode",
        form=Form.CHOICE,
        choices=MODES,
        zh="线路上用什么：record_line 本系统的终端程序；zmodem、kermit 老机器已有的文件传输；capture "
        "设备自行送出的文本",
        en="What is spoken: record_line with our program on a terminal; zmodem or kermit, the file transfers that "
        "old machines know; capture, text that a device sends by itself",
    ),
    Setting(
        name="encoding",
        form=Form.CHOICE,
        default="gb18030",
        choices=ENCODINGS,
        zh="线路上文字的编码；capture 的记录转成 UTF-8 交给节点，bytes 为原样交付",
        en="Encoding of text on the line; records of capture go to the node in UTF-8, with bytes as they came",
    ),
    Setting(
        name="deliver",
        form=Form.CHOICE,
        default="none",
        choices=("none", "text", "xml"),
        zh="下达文书的方式：none 不下达；text 一行文字（capture）或文本文件；xml 文件（zmodem、kermit）；"
        "record_line 总是下达",
        en="How documents go down: none; text, as a line (capture) or a file of text; xml, as a file (zmodem, "
        "kermit); record_line always takes them",
    ),
    Setting(
        name="deliver_wait_s",
        form=Form.NUMBER,
        default=60.0,
        lowest=1,
        highest=400,
        zh="下达时线路这么多秒没有动静即放弃，稍后重试",
        en="A document is given up, and tried again later, when nothing moves on the line for so many seconds",
    ),
)
_RECORD_LINE: Final = (
    Setting(
        name="terminals",
        form=Form.LIST,
        default=(),
        zh="record_line：允许呼叫的终端名称；空为有密钥的所有终端",
        en="record_line: names of the terminals that may call; empty for all that have a key",
    ),
    Setting(
        name="terminal_keys",
        default="",
        secret=True,
        zh="record_line：各终端的密钥，名称=密钥，用空格或换行分隔",
        en="record_line: the keys of the terminals, NAME=KEY, with blanks or new lines between them",
    ),
)
_FILES: Final = (
    Setting(
        name="names",
        form=Form.LIST,
        default=("*",),
        zh="zmodem、kermit：接收哪些文件名（可用 * 和 ?，不分大小写）",
        en="zmodem, kermit: names of files that are received (* and ? may be used; small and capital letters are "
        "the same)",
    ),
    Setting(
        name="file_bytes_max",
        form=Form.NUMBER,
        default=50_000_000,
        lowest=1,
        highest=2_000_000_000,
        zh="zmodem、kermit：单个文件最多多少字节",
        en="zmodem, kermit: bytes of one file at most",
    ),
    Setting(
        name="transfer_idle_s",
        form=Form.NUMBER,
        default=60.0,
        lowest=1,
        highest=600,
        zh="zmodem、kermit：传输中线路静默这么多秒即中断",
        en="zmodem, kermit: a transfer ends when the line is silent for so many seconds",
    ),
    Setting(
        name="transfer_time_max_s",
        form=Form.NUMBER,
        default=21_600.0,
        lowest=1,
        highest=604_800,
        zh="zmodem、kermit：一次传输最多多少秒",
        en="zmodem, kermit: seconds that one transfer may take at most",
    ),
    Setting(
        name="kermit_packet_bytes",
        form=Form.NUMBER,
        default=1000,
        lowest=94,
        highest=9000,
        zh="kermit：数据包长度；线路差时用小的",
        en="kermit: length of packets; less on a bad line",
    ),
    Setting(
        name="kermit_window",
        form=Form.NUMBER,
        default=8,
        lowest=1,
        highest=31,
        zh="kermit：未应答的数据包最多几个",
        en="kermit: packets that may be without an answer",
    ),
)
_CAPTURE: Final = (
    Setting(
        name="record_start",
        default="",
        zh="capture：记录的起始标记，如 <STX>；空为没有",
        en="capture: mark at the beginning of a record, such as <STX>; empty for none",
        length_max=64,
    ),
    Setting(
        name="record_end",
        default="<LF>",
        zh="capture：记录的结束标记，如 <ETX> 或 <CR>；空为静默 record_idle_s 秒后结束",
        en="capture: mark at the end of a record, such as <ETX> or <CR>; empty when record_idle_s of silence end it",
        length_max=64,
    ),
    Setting(
        name="record_idle_s",
        form=Form.NUMBER,
        default=5.0,
        lowest=0.1,
        highest=600,
        zh="capture：静默多少秒后，未结束的记录视为结束（无结束标记）或中断（有结束标记）",
        en="capture: after so many seconds of silence a record has ended (without end mark) or broken off (with one)",
    ),
    Setting(
        name="record_bytes_max",
        form=Form.NUMBER,
        default=65_536,
        lowest=1,
        highest=1_000_000,
        zh="capture：一条记录最多多少字节",
        en="capture: bytes of one record at most",
    ),
    Setting(
        name="check",
        form=Form.CHOICE,
        default="none",
        choices=CHECKS,
        zh="capture：校验字符：xor 异或（BCC），sum 和，lrc 和的补数",
        en="capture: check character: xor of all bytes (BCC), their sum, or lrc, which makes the sum 0",
    ),
    Setting(
        name="check_end_mark",
        form=Form.FLAG,
        default=False,
        zh="capture：校验是否包括结束标记",
        en="capture: whether the check covers the end mark too",
    ),
    Setting(
        name="check_before_end",
        form=Form.FLAG,
        default=False,
        zh="capture：校验字符在结束标记之前（否则在其后；没有结束标记时总在记录末尾）",
        en="capture: whether the check stands before the end mark, not behind it; without one it is always last",
    ),
    Setting(
        name="check_hexadecimal",
        form=Form.FLAG,
        default=False,
        zh="capture：校验字符写成两位十六进制数",
        en="capture: whether the check is written as two hexadecimal digits",
    ),
    Setting(
        name="media_type",
        default="text/csv",
        zh="capture：记录的媒体类型，决定用哪种方言读取",
        en="capture: media type of a record, which decides how the node reads it",
        length_max=100,
    ),
    Setting(
        name="heading",
        default="",
        zh="capture：放在每条记录之前的文字，例如 CSV 的标题行；<LF> 为换行",
        en="capture: text that is put before every record, such as the heading of a CSV; <LF> for a new line",
    ),
    Setting(
        name="deliver_end",
        default="<CR><LF>",
        zh="capture：下达的文字之后送出的字符",
        en="capture: what is sent after the text of a document",
        length_max=64,
    ),
    Setting(
        name="answer_damaged",
        default="",
        zh="capture：收到损坏的记录时立即送出的应答，如 <NAK>",
        en="capture: answer to a record that came damaged, at once, such as <NAK>",
        length_max=200,
    ),
)
_ANSWERS: Final = (
    Setting(
        name="answer_accepted",
        default="",
        zh="记录进入节点的日志后送出的应答，如 <ACK>；{accepted} {repeated} {refused} 为条数；record_line 不用",
        en="Answer once the records are in the node's journal, such as <ACK>; {accepted} {repeated} {refused} are "
        "counts; not with record_line",
        length_max=200,
    ),
    Setting(
        name="answer_refused",
        default="",
        zh="记录全部被退回或无法读取时送出的应答，如 <NAK>；{reason} 为原因，其余同上",
        en="Answer when all records were refused or nothing could be read, such as <NAK>; {reason} is why, the rest "
        "as above",
        length_max=200,
    ),
)
MODE_SETTINGS: Final = (*_SHARED, *_RECORD_LINE, *_FILES, *_CAPTURE, *_ANSWERS)
