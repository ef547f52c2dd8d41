"""The tables of docs/reference/cases.md and indicators.md as the program's own data say them.

Run as a program (``python -m tests.support.reference_tables``) it writes them into the pages.
"""

from __future__ import annotations

from pathlib import Path

from node.cases.findings import FINDING_LABELS
from node.cases.life_cycle import Effect, Label
from node.cases.states import STATE_LABELS, TRANSITIONS, TRIGGERS, State
from node.statistics.indicators import DERIVED_INDICATORS, INDICATORS

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def states() -> list[str]:
    """Return the table of states."""
    rows = [f"| {state.value} | {state.name} | {label.chinese} | {label.english} |" for state, label in _labels()]
    return ["| number | state | 中文 | English |", "|---|---|---|---|", *rows]


def transitions() -> list[str]:
    """Return the table of legal transitions."""
    rows = []
    for row in TRANSITIONS:
        trigger = TRIGGERS[row.event]
        record = " ".join([trigger.record_type, *trigger.codes])
        target = row.target.value if isinstance(row.target, Effect) else row.target.name
        note = " (即办件 only)" if row.instant_only else ""
        rows.append(
            f"| {row.source.name} | {trigger.label.chinese} {row.event.name} | {target}{note} | {record} "
            f"| {row.clock} | {row.support} |"
        )
    return ["| from | event | to | record | clock | support |", "|---|---|---|---|---|---|", *rows]


def findings() -> list[str]:
    """Return the table of findings."""
    rows = [f"| `{code}` | {label.chinese} | {label.english} |" for code, label in FINDING_LABELS.items()]
    return ["| code | 中文 | English |", "|---|---|---|", *rows]


def indicators() -> list[str]:
    """Return the table of additive indicators."""
    rows = [
        f"| {one.number} | `{one.name}` | {one.chinese} | {one.definition} | {one.unit} "
        f"| {' '.join([one.record_type, *one.codes])} |"
        for one in INDICATORS
    ]
    return ["| number | indicator | 中文 | definition | unit | counted from |", "|---|---|---|---|---|---|", *rows]


def derived_indicators() -> list[str]:
    """Return the table of derived indicators."""
    rows = [f"| `{one.name}` | {one.chinese} | {one.definition} | {one.unit} |" for one in DERIVED_INDICATORS]
    return ["| indicator | 中文 | definition | unit |", "|---|---|---|---|", *rows]


TABLES = {
    "cases.md": {"states": states, "transitions": transitions, "findings": findings},
    "indicators.md": {"indicators": indicators, "derived": derived_indicators},
}


def expected_page(name: str, text: str) -> str:
    """Return a page's text with every marked table replaced by what the program says."""
    for mark, table in TABLES[name].items():
        begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = before + begin + "\n".join(table()) + "\n" + end + after
    return text


def _labels() -> list[tuple[State, Label]]:
    return list(STATE_LABELS.items())


if __name__ == "__main__":
    for page in TABLES:
        path = PAGES / page
        path.write_text(expected_page(page, path.read_text(encoding="utf-8")), encoding="utf-8")
