"""``yizhan mapping``: whether a mapping file is right, and what it makes of a sample."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import READABLE_FILE, DialectName
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.output import say, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.departments.dialects.mapping_check import CheckedRow
    from node.departments.dialects.mapping_file import MappingFile

ENDING = ".toml"
COLUMNS = ("element", "column", "value", "error")
EXIT_NOTHING_RIGHT = 1
EXIT_SOME_WRONG = 9


@click.group(cls=LazyGroup)
def mapping() -> None:
    """Check mapping files: how rows of other systems become records."""


@mapping.command(short_help="Show what a mapping makes of a sample.")
@click.argument("sample", type=READABLE_FILE)
@click.option("--mapping", "name", required=True, help="A mapping file (.toml), or the name of a dialect of rows.")
@click.option("--variant", default="", help="Whose codes are meant, where provinces differ.")
@click.option("--table", default="", help="The source's table of every row, when the sample does not say it.")
@click.option("--source", "system", default="sample", show_default=True, help="The system whose numbers these are.")
@click.option("--rows", type=click.IntRange(1, 1000), default=20, show_default=True, help="Rows that are looked at.")
@pass_frame
def check(frame: Frame, sample: Path, name: str, variant: str, table: str, system: str, rows: int) -> int:
    """Show each row of SAMPLE, each element with its value or error; nothing is taken in.

    Values of persons are masked. Leaves with 0 when all rows are right, 9 when some are not, 1 when none is.
    """
    from node.departments.dialects.dialect import DialectOptions
    from node.departments.dialects.mapping_check import check_sample
    from node.randomness import SystemRandomness

    found, chosen = _mapping(frame, name, variant)
    options = DialectOptions(table=table, variant=chosen, system=system)
    with sample.open("rb") as stream:
        checked = list(check_sample(found, stream, options, rows=rows, randomness=SystemRandomness()))
    right = sum(one.right for one in checked)
    if frame.json:
        write_json(_document(found, chosen, checked, right))
    else:
        _show(frame, checked)
        say(frame, f"检查 {len(checked)} 行，正确 {right} 行。", f"Checked {len(checked)} rows; {right} are right.")
    if right == len(checked):
        return 0
    return EXIT_SOME_WRONG if right else EXIT_NOTHING_RIGHT


def _mapping(frame: Frame, name: str, variant: str) -> tuple[MappingFile, str]:
    """Return a mapping by file or by name, and the variant that is meant."""
    from node.departments.dialects.mapped import mapping_named
    from node.departments.dialects.mapping_loading import load_mapping
    from node.errors import UsageError

    if name.endswith(ENDING):
        found, chosen = load_mapping(Path(name).stem, Path(name)), variant
    else:
        base, _, behind = DialectName().convert(name, None, None).partition("@")
        from node.departments.dialects import FOLDER

        found = mapping_named(base, None if frame.home is None else frame.home / FOLDER)
        chosen = variant or behind
    if chosen and chosen not in found.variants:
        raise UsageError(
            f"The mapping {found.name} has no variant {chosen[:40]!r}",
            why=f"its variants are {', '.join(found.variants)}" if found.variants else "it has none",
            action="Name one of them, or leave it out",
        )
    return found, chosen


def _show(frame: Frame, checked: Sequence[CheckedRow]) -> None:
    """Show people a table of each record; programs one line for each element, with row and record type."""
    lines: list[tuple[object, ...]] = []
    for one in checked:
        place = f"{one.table} {one.row or ''}".strip() or "-"
        for problem in one.problems:
            say(frame, *(f"{place} {problem.rule}: {problem.text}",) * 2)
        for record in one.records:
            rows = [(field.element, field.column or field.source, field.value, field.error) for field in record.fields]
            if sys.stdout.isatty():
                write_table(frame, f"{place} {record.record_type}", COLUMNS, rows)
            lines += [(one.table, one.row or "", record.record_type, *row) for row in rows]
            for problem in record.problems:
                text = f"{place} {record.record_type} {problem.rule} {problem.element or ''}: {problem.text}"
                say(frame, text, text)
    if not sys.stdout.isatty():
        write_table(frame, "记录" if frame.language == "zh" else "records", ("table", "row", "type", *COLUMNS), lines)


def _document(found: MappingFile, variant: str, checked: Sequence[CheckedRow], right: int) -> dict[str, Any]:
    from node.departments.report import problem_json

    return {
        "schema": "yizhan.mapping-check/1",
        "mapping": found.name,
        "variant": variant,
        "checked": len(checked),
        "right": right,
        "rows": [
            {
                "row": one.row,
                "line": one.line,
                "table": one.table,
                "right": one.right,
                "problems": [problem_json(problem) for problem in one.problems],
                "records": [
                    {
                        "type": record.record_type,
                        "right": record.right,
                        "fields": [field.as_json() for field in record.fields],
                        "problems": [problem_json(problem) for problem in record.problems],
                    }
                    for record in one.records
                ],
            }
            for one in checked
        ],
    }
