"""What every kind that we ship says of itself, its settings and the scale; and that opening one does nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import CONTRACT_VERSION, REQUIRED, Form
from tests.support.adapter_events import events_of_opening

if TYPE_CHECKING:
    from adapters.contract import Setting
    from tests.contract.adapters.doors import Door

DOCS = Path(__file__).resolve().parents[3] / "docs"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def rules_of_the_scale() -> list[str]:
    page = (DOCS / "reference/adapter-scale.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([a-z_]+)` \| (?:bronze|silver|gold) \|", page, re.MULTILINE)


def test_every_kind_answers_every_rule_of_the_scale(door: Door) -> None:
    answers = dict(door.kind.scale)
    assert sorted(answers) == sorted(rules_of_the_scale())
    assert len(answers) > 10
    assert [rule for rule, answer in answers.items() if not re.fullmatch(r"done|exempt: .{10,}", answer)] == []
    assert (answers["delivers_downward"] == "done") == door.kind.delivers


@pytest.mark.parametrize("page", ["troubleshoot-adapters.md", "troubleshoot-adapters.zh.md"])
def test_every_kind_has_its_part_of_the_page_for_trouble(door: Door, page: str) -> None:
    if door.kind.scale["troubleshooting"] != "done":
        pytest.skip(door.kind.scale["troubleshooting"])
    headings = re.findall(r"^#+ .*", (DOCS / "how-to" / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in headings if f"`{door.kind.name}`" in heading]


def test_a_kind_is_named_in_both_languages_and_made_for_this_contract(door: Door) -> None:
    kind = door.kind
    assert kind.contract_version == CONTRACT_VERSION
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name)
    assert CHINESE.search(kind.zh)
    assert not CHINESE.search(kind.en)
    assert kind.every_s >= 0
    assert kind.patience_s > 0


def test_every_setting_says_in_both_languages_what_it_is_and_has_a_default_that_it_takes(door: Door) -> None:
    names = [setting.name for setting in door.kind.settings]
    assert len(names) == len(set(names)) > 0
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []
    assert [one.name for one in door.kind.settings if not CHINESE.search(one.zh) or len(one.zh) < 3] == []
    assert [one.name for one in door.kind.settings if CHINESE.search(one.en) or len(one.en) < 10] == []
    assert [one.name for one in door.kind.settings if one.default is not REQUIRED and not takes(one)] == []


def takes(setting: Setting) -> bool:
    """Tell whether the default of a setting is a value of its form, within its bounds."""
    value: Any = setting.default
    if setting.form is Form.NUMBER:
        return isinstance(value, int | float) and setting.lowest <= value <= setting.highest
    if setting.form is Form.CHOICE:
        return value in setting.choices
    if setting.form is Form.FLAG:
        return isinstance(value, bool)
    if setting.form is Form.LIST:
        return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    if setting.form is Form.TABLE:
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    return isinstance(value, str) and len(value) <= setting.length_max


def test_secrets_are_texts_apart_from_other_settings(door: Door) -> None:
    known = {setting.name: setting for setting in door.kind.settings}
    secret = {name for name, setting in known.items() if setting.secret}
    assert door.source.secrets.keys() <= secret
    assert not door.source.settings.keys() & secret
    assert [name for name in secret if known[name].form is not Form.TEXT] == []
    assert [name for name in secret if known[name].default not in {"", REQUIRED}] == []


def test_opening_does_no_input_or_output(door: Door) -> None:
    door.source.go_away()
    assert events_of_opening(door.source.entry, door.folder, door.source.settings, door.source.secrets) == []
