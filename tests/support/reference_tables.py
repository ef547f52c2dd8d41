"""The tables of docs/reference/cases.md, penalties.md and indicators.md as the program's own data say them.

Run as a program (``python -m tests.support.reference_tables``) it writes them into the pages.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.cases.findings import FINDING_LABELS
from node.cases.life_cycle import Effect
from node.cases.penalty_codes import PENALTY_FINDING_LABELS
from node.cases.penalty_states import PENALTY_STATE_LABELS, PENALTY_TRANSITIONS, PENALTY_TRIGGERS
from node.cases.states import STATE_LABELS, TRANSITIONS, TRIGGERS
from node.statistics.indicators import DERIVED_INDICATORS, INDICATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from node.cases.life_cycle import Label, Transition, Trigger

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def states(labels: Mapping[Any, Label]) -> list[str]:
    """Return a table of states."""
    rows = [f"| {state.value} | {state.name} | {label.chinese} | {label.english} |" for state, label in labels.items()]
    return ["| number | state | 中文 | English |", "|---|---|---|---|", *rows]


def transitions(table: Iterable[Transition[Any, Any]], triggers: Mapping[Any, Trigger]) -> list[str]:
    """Return a table of legal transitions."""
    rows = []
    for row in table:
        trigger = triggers[row.event]
        record = " ".join([trigger.record_type, *trigger.codes])
        target = row.target.value if isinstance(row.target, Effect) else row.target.name
        note = " (即办件 only)" if row.instant_only else ""
        rows.append(
            f"| {row.source.name} | {trigger.label.chinese} {row.event.name} | {target}{note} | {record} "
            f"| {row.clock} | {row.support} |"
        )
    return ["| from | event | to | record | clock | support |", "|---|---|---|---|---|---|", *rows]


def findings(labels: Mapping[str, Label]) -> list[str]:
    """Return a table of findings."""
    rows = [f"| `{code}` | {label.chinese} | {label.english} |" for code, label in labels.items()]
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


TABLES: dict[str, dict[str, Callable[[], list[str]]]] = {
    "cases.md": {
        "states": partial(states, STATE_LABELS),
        "transitions": partial(transitions, TRANSITIONS, TRIGGERS),
        "findings": partial(findings, FINDING_LABELS),
    },
    "penalties.md": {
        "states": partial(states, PENALTY_STATE_LABELS),
        "transitions": partial(transitions, PENALTY_TRANSITIONS, PENALTY_TRIGGERS),
        "findings": partial(findings, PENALTY_FINDING_LABELS),
    },
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


if __name__ == "__main__":
    for page in TABLES:
        path = PAGES / page
        path.write_text(expected_page(page, path.read_text(encoding="utf-8")), encoding="utf-8")
