"""``yizhan conformance``: what is wrong with a delivery, record by record, before it is sent anywhere."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from node.cli.arguments import READABLE_FILE, DialectName
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.output import place_of, say, shown, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.departments.conformance import Checked, Conformance


@click.command(cls=LazyCommand, short_help="Tell what is wrong with a file of records.")
@click.argument("place", metavar="FILE|URL")
@click.option(
    "--dialect", type=DialectName(), default="auto", show_default=True, help="NAME or NAME@VARIANT; auto: by content."
)
@click.option("--type", "record_type", default="", help="Record type of every row, when the file does not say it.")
@click.option("--table", default="", help="The source's table of every row, when the file does not say it.")
@pass_frame
def conformance(frame: Frame, place: str, dialect: str, record_type: str, table: str) -> int:
    """Tell record by record what is wrong with FILE, or with the file at URL; needs no node and keeps nothing.

    Leaves with 0 when all records conform, 9 when some do, 1 when none does. With --home the site's own dialects are
    known too.
    """
    from node.departments.conformance import check_delivery
    from node.departments.dialects import FOLDER, Dialects
    from node.randomness import SystemRandomness

    dialects = Dialects(folder=None if frame.home is None else frame.home / FOLDER)
    if dialect != "auto":
        dialects.find(dialect)
    with _opened(place) as (stream, name):
        found = check_delivery(
            stream,
            name,
            randomness=SystemRandomness(),
            dialects=dialects,
            dialect=dialect,
            record_type=record_type,
            table=table,
            told=(lambda _: None) if frame.json else teller(),
        )
    if frame.json:
        write_json(found.as_json())
    else:
        summarise(frame, found)
    return found.exit_code


@contextmanager
def _opened(place: str) -> Iterator[tuple[BinaryIO, str]]:
    """Yield the file that is meant, and its name."""
    if "://" in place:
        from node.clock import MachineClock
        from node.departments.remote_files import fetched

        with fetched(place, clock=MachineClock()) as found:
            yield found
        return
    path = Path(READABLE_FILE.convert(place, None, None))
    with path.open("rb") as stream:
        yield stream, path.name


def teller() -> Callable[[Checked], None]:
    """Return what writes a line per record, and one per problem until PROBLEMS_MAX are written."""
    from node.departments.conformance import PROBLEMS_MAX

    written = 0

    def tell(checked: Checked) -> None:
        nonlocal written
        if not checked.problems:
            click.echo(shown(f"ok\t{place_of(checked.row, checked.line)}\t{checked.record_type}\t{checked.key}"))
            return
        for problem in checked.problems[: PROBLEMS_MAX - written]:
            place = place_of(problem.row, problem.line)
            click.echo(
                shown(f"wrong\t{place}\t{problem.element or checked.record_type}\t{problem.rule}\t{problem.text}")
            )
            written += 1

    return tell


def summarise(frame: Frame, found: Conformance) -> None:
    """Tell people what was found: hints on standard output, the rest as words."""
    for hint in found.hints:
        label = hint.label.chinese if frame.language == "zh" else hint.label.english
        click.echo(
            shown(f"hint\t{place_of(hint.row, hint.line)}\t{hint.record_type}\t{hint.code}\t{hint.case_no}\t{label}")
        )
    say(
        frame,
        f"方言 {found.dialect}：记录 {found.records} 条，合格 {found.conforming} 条（规范形式 {found.canonical} 条），"
        f"重复 {found.repeated} 条；办件 {found.cases} 件，疑点提示 {len(found.hints) + found.hints_omitted} 条。",
        f"Dialect {found.dialect}: {found.records} records, {found.conforming} conform ({found.canonical} in canonical "
        f"form), {found.repeated} repeated; {found.cases} cases, {len(found.hints) + found.hints_omitted} hints.",
    )
    if found.rules:
        say(frame, "请先改正：", "Mend first:")
        for rule, count in found.first():
            _say_remedy(frame, rule, count)
    if found.problems_omitted:
        more = found.problems_omitted
        say(frame, f"另有 {more} 个问题未列出", f"{more} more problems are not listed.")
    if found.keys_unchecked or found.records_unplayed:
        keys, records = found.keys_unchecked, found.records_unplayed
        say(
            frame,
            f"超出上限：{keys} 条未查重复，{records} 条未查环节顺序。",
            f"Beyond the limits: {keys} records not compared for repetition, {records} not for their order.",
        )


def _say_remedy(frame: Frame, rule: str, count: int) -> None:
    """Tell what a rule means and how its problems are put right."""
    from node.departments.rules import rule_words

    words = rule_words()[rule]
    say(
        frame,
        f"  {rule} {count}：{words.what[0]}。{words.fix[0]}。",
        f"  {rule} {count}: {words.what[1]}. To put it right: {words.fix[1]}.",
    )
