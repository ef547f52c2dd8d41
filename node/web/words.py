"""The words and shapes of states and names, in Chinese and English: one table for pages and the command line.

Colour is never alone: each state has a word, a shape and one of four grounds (good, late, bad, rest).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A word in both languages; ``shape`` and ``ground`` are given for states only."""

    zh: str
    en: str
    shape: str = ""
    ground: str = "rest"

    @property
    def both(self) -> str:
        """Shape, Chinese and English, for a page that shows both."""
        return " ".join(part for part in (self.shape, self.zh, self.en) if part)

    def spoken(self, language: str) -> str:
        """Shape and word in one language (``zh`` or ``en``)."""
        # A code has no English form of its own.
        return " ".join(part for part in (self.shape, self.zh if language == "zh" else self.en or self.zh) if part)


WORDS: dict[str, Word] = {
    # States of a link.
    "up": Word("正常", "up", "●", "good"),
    "catching up": Word("同步中", "catching up", "●", "good"),
    "lagging": Word("滞后", "lagging", "▲", "late"),
    "down": Word("离线", "down", "■", "bad"),
    "new": Word("未连接", "not yet connected", "？", "rest"),
    "stopped": Word("已停止", "stopped", "■", "bad"),
    # States of an adapter; those that are not here are states of a link, too.
    "starting": Word("启动中", "starting", "▲", "late"),
    "working": Word("处理中", "working", "●", "good"),
    "waiting": Word("正常等待", "waiting for deliveries", "●", "good"),
    "outside_hours": Word("时段之外", "outside its hours", "‖", "rest"),
    "paused": Word("已暂停", "paused", "‖", "rest"),
    "held": Word("本节点暂不接收", "this node takes nothing in now", "▲", "late"),
    "away": Word("对方无应答", "the system does not answer", "■", "bad"),
    "needs_person": Word("需人工处理", "a person must act", "■", "bad"),
    "broken": Word("进程故障，将重启", "its process broke; it is started again", "■", "bad"),
    "off": Word("种类不可用", "its kind cannot be used", "■", "bad"),
    # Whether a process runs the node.
    "running": Word("运行中", "running", "●", "good"),
    "not running": Word("未运行", "not running", "■", "bad"),
    # States of the statistics of this node's children, or of its own summaries.
    "agreed": Word("一致", "agreed", "●", "good"),
    "disputed": Word("不一致", "disputed", "■", "bad"),
    "pending": Word("待核对", "pending", "▲", "late"),
    "erased": Word("因擦除无法复核", "not to be recomputed after a redaction", "▲", "late"),
    "none": Word("尚无", "none yet", "？", "rest"),
    # What is said of a summary that nobody here judges.
    "own": Word("本节点", "own"),
    "unpublished": Word("未发布", "not published", "▲", "late"),
    # How a comparison of a disputed figure ended, and whose count of a case is wrong.
    "NAMED": Word("差异已全部列出", "all differences are named"),
    "MORE": Word("差异超出所列", "there are more differences than are named"),
    "EQUAL": Word("逐件一致，公布数与各办件之和不符或已更正", "no case differs: the sum was wrong, or is corrected"),
    "UNFIT": Word("答复与所问不符", "an answer does not fit its question"),
    "ORIGIN": Word("来源节点计数有误", "the origin counts wrongly"),
    "HOLDER": Word("核对节点计数有误", "the asking node counts wrongly"),
    "QUARANTINED": Word("核对节点有记录在隔离中", "quarantined at the asking node"),
    "UNCLEAR": Word("两方均与记录不符", "neither counts what the records say"),
    # Why a child does not count in a figure.
    "not reported": Word("未上报", "not reported"),
    "not held": Word("此处未收到", "not held here"),
    "no child": Word("不是其直接下级", "not its child"),
    # What became of a record.
    "applied": Word("已应用", "applied"),
    "quarantined": Word("隔离", "quarantined"),
    "held back": Word("暂缓", "held back"),
    "redacted": Word("已擦除", "redacted"),
    "awaited": Word("缺原文", "bytes missing"),
    # Roles and audiences.
    "parent": Word("上级", "parent"),
    "child": Word("下级", "child"),
    "ancestors": Word("上报", "ancestors"),
    "descendants": Word("下发", "descendants"),
    "trust": Word("信任", "trust"),
    "directed": Word("定向", "directed"),
}


def word(name: str) -> Word:
    """Return the words of ``name``; a name without an entry (a node code, a foreign state) stands for itself."""
    return WORDS.get(name) or Word(name, "", "", "rest")
