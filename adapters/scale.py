"""The scale of adapters: how far a kind has come, rule by rule (docs/reference/adapter-scale.md).

A kind answers each rule in ``AdapterKind.scale``; what a program can tell by itself is not taken on trust
(``adapters.conforming.declared``). The contract suite asks the others of a real peer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from adapters.conforming import declared

if TYPE_CHECKING:
    from adapters.contract import AdapterKind

DONE: Final = "done"
EXEMPT: Final = "exempt: "
"""Begins the answer to a rule that does not apply to a kind; the reason follows."""


class Step(IntEnum):
    """The steps of the scale; NONE is below the first."""

    NONE = 0
    BRONZE = 1
    SILVER = 2
    GOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its name, the step to which it belongs, and what it asks in both languages."""

    name: str
    step: Step
    zh: str
    en: str


def _rules(step: Step, *rows: tuple[str, str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(name=name, step=step, zh=zh, en=en) for name, en, zh in rows)


RULES: Final = (
    *_rules(
        Step.BRONZE,
        (
            "checked_before_saving",
            "`check` finds wrong settings, an absent source and refused credentials, and changes nothing there",
            "保存前检查：能发现设置错误、对方不通、凭据无效，且不改动对方",
        ),
        (
            "stable_key",
            "the same thing has the same `delivery_key` however often it is fetched, by whichever opening",
            "同一来件的键始终不变",
        ),
        (
            "answered_after_commit",
            "nothing is removed, moved or marked at the source before `acknowledge` or `reject`",
            "应答之前不删除、不移动、不标记",
        ),
        (
            "bounded",
            "a limit on everything that comes from the source: sizes, counts, waits",
            "对来自对方的一切都有上限",
        ),
        (
            "secrets_apart",
            "secrets are settings of their own, and stand in no log, error or name",
            "密钥单列，不出现在日志、错误与名称中",
        ),
        (
            "settings_documented",
            "every setting is explained in Chinese and English, with its range and default",
            "每项设置有中英文说明、范围与默认值",
        ),
    ),
    *_rules(
        Step.SILVER,
        (
            "away_and_back",
            "a source that goes away and comes back is taken up again without hand work",
            "对方中断后恢复，自动继续",
        ),
        ("needs_person", "what only a person can put right is told as such, with what to do", "需人处理的情况明确告知"),
        (
            "resumes",
            "killed at any moment, the next opening goes on where the answers ended",
            "任意时刻被终止后从应答处继续",
        ),
        (
            "nothing_twice",
            "what was answered does not come again, unless the source changed it",
            "已应答的不再取来",
        ),
        (
            "hostile_input",
            "what does not follow the source's form is refused with its reason, and does not stop what comes after it",
            "不合格式者说明原因后拒收，不影响其后",
        ),
        (
            "real_peer",
            "it passes the contract suite against a peer that others wrote",
            "以他人编写的对端通过契约测试",
        ),
    ),
    *_rules(
        Step.GOLD,
        ("delivers_downward", "documents reach the department, once for each key", "文书下达部门，每键一次"),
        ("faults", "each fault that is known of its kind has a test", "已知故障逐一有测试"),
        ("troubleshooting", "a page tells what people see, why, and what to do", "有故障排查页"),
        (
            "speed",
            "its speed stands in docs/performance.md with the command that measures it",
            "速度及测量命令有记录",
        ),
    ),
)
"""In the order of the page, which a test compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a kind answers to one rule: whether that counts, and its reason or what is wrong with it, "" for done."""

    rule: Rule
    counts: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a kind has come: the step reached, and its answer to each rule, in the order of the scale."""

    step: Step
    answers: tuple[Answer, ...]


def standing(kind: AdapterKind) -> Standing:
    """Return how far a kind has come: all rules of a step and of those below it must count."""
    told = {one.rule: one.text for one in declared(kind) if one.passed is False}
    answers = tuple(_answer(kind, rule, told) for rule in RULES)
    step = Step.NONE
    for higher in (Step.BRONZE, Step.SILVER, Step.GOLD):
        if not all(one.counts for one in answers if one.rule.step <= higher):
            break
        step = higher
    return Standing(step=step, answers=answers)


def _answer(kind: AdapterKind, rule: Rule, told: dict[str, str]) -> Answer:
    given = kind.scale.get(rule.name, "")
    if rule.name in told:
        return Answer(rule=rule, counts=False, text=told[rule.name])
    if rule.name == "delivers_downward" and given == DONE and not kind.delivers:
        return Answer(rule=rule, counts=False, text="answered done, but the kind does not deliver")
    if given == DONE:
        return Answer(rule=rule, counts=True, text="")
    if given.startswith(EXEMPT) and given.removeprefix(EXEMPT).strip():
        return Answer(rule=rule, counts=True, text=given)
    return Answer(rule=rule, counts=False, text=f"answered {given!r}" if given else "not answered")
