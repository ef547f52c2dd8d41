"""How results and errors reach people and programs: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.cli.frame import Frame
    from node.errors import YizhanError


def write_json(document: Mapping[str, Any]) -> None:
    """Write the one JSON document of this call; ``document`` begins with its ``schema``."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def say(frame: Frame, zh: str, en: str) -> None:
    """Tell a person something on standard error, in the language asked for; silent with --quiet."""
    if frame.verbosity >= 0:
        click.echo(zh if frame.language == "zh" else en, err=True)


def write_table(frame: Frame, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write rows to standard output as a table; without a terminal as tab-separated lines under one heading."""
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            click.echo("\t".join(str(value) for value in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(str(value) for value in row))
    Console(no_color=not frame.colorful).print(table)


def report_error(frame: Frame, error: YizhanError) -> None:
    """Write an error as three lines to standard error and, with --json, as one document to standard output."""
    say_error(error)
    if frame.json:
        write_json(
            {
                "schema": "yizhan.error/1",
                "code": error.code,
                "exit": error.exit_code,
                "what": error.what,
                "why": error.why,
                "action": error.action,
            }
        )


def say_error(error: YizhanError) -> None:
    """Write an error as three lines to standard error: what happened, why (with its code), what to do."""
    click.echo(f"{error.what}\n{error.why} ({error.code})\n{error.action}", err=True)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    message = f"no JSON form for {type(value).__name__}"
    raise TypeError(message)
