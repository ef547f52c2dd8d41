"""docs/reference/adapter-kinds.md as the kinds say it; ``python -m tests.support.adapter_kinds_page`` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from node.departments.doors.kind_settings import allowed_words, is_required
from node.departments.doors.kinds import CHANNELS, find_kinds

if TYPE_CHECKING:
    from adapters.contract import AdapterKind, Setting

PAGE = Path(__file__).parents[2] / "docs/reference/adapter-kinds.md"
PACKAGE = "yizhan"
HEAD = """# Kinds of adapters 适配器种类

Made from the kinds by `python -m tests.support.adapter_kinds_page`; a test compares. What every adapter has beside the
settings of its kind stands in [adapters](adapters.md). A kind of others is listed, with its settings, by
`yizhan adapters kinds --json`.

Settings stand in the table `[NAME.settings]` of `adapters.toml`. Secrets (密钥) never stand there, but in
`adapters.secrets.toml` or in the environment: [secrets](adapters.md#secrets-密钥).
"""


def page() -> str:
    """Return the whole page: the kinds of this package, in the order of their names."""
    kinds = [one.kind for one in find_kinds().values() if one.package.split(" ")[0] == PACKAGE and one.kind is not None]
    return HEAD + "".join(_kind(kind) for kind in kinds)


def _kind(kind: AdapterKind) -> str:
    down = "yes 是" if kind.delivers else "no 否"
    facts = (
        f"| every_s | patience_s | channel 渠道 | documents go down 下达文书 |\n|---|---|---|---|\n"
        f"| {kind.every_s:g} | {kind.patience_s:g} | `{CHANNELS[kind.name]}` | {down} |\n"
    )
    rows = "".join(_row(one) for one in kind.settings)
    heads = "| setting 设置 | default 默认 | allowed 取值 | meaning | 说明 |\n|---|---|---|---|---|\n"
    return f"\n## `{kind.name}`\n\n{kind.zh}\n\n{kind.en}\n\n{facts}\n{heads}{rows}"


def _row(setting: Setting) -> str:
    if setting.secret:
        default = "secret, required 密钥，必填" if is_required(setting) else "secret 密钥"
    elif is_required(setting):
        default = "required 必填"
    else:
        default = _default(setting.default)
    cells = (f"`{setting.name}`", default, allowed_words(setting), setting.en, setting.zh)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _default(value: object) -> str:
    if value in ("", (), [], {}):
        return "none 无"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
