"""``yizhan terminal``: the program that a department's terminal runs, from here; it knows nothing of a node's home."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.frame import LazyCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "serial_bridge/terminal/yizhan_terminal.py"


@click.command(
    cls=LazyCommand,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="Run the program of a department's terminal.",
)
@click.argument("arguments", metavar="COMMAND...", nargs=-1, type=click.UNPROCESSED)
def terminal(arguments: Sequence[str]) -> int:
    """Run the terminal's program: key, send, type, run, status, discard, ports, dictionary, copy.

    It hands records to a node over a serial line and takes documents back. `yizhan terminal copy FOLDER` writes it as
    one file, for a machine without a node: any Python from 3.8 on with pyserial. `yizhan terminal key new` makes a key.
    Without COMMAND it says what it can do.
    """
    program = runpy.run_path(str(_file()), run_name="yizhan_terminal")
    outcome: int = program["main"](list(arguments) or ["--help"])
    return outcome


def _file() -> Path:
    """Return the program's file, in a checkout and in an installed wheel alike; nothing of it is imported."""
    package = importlib.util.find_spec("adapters")
    if package is None or not package.submodule_search_locations:
        message = "the adapters are not installed"
        raise ModuleNotFoundError(message)
    return Path(next(iter(package.submodule_search_locations))) / FILE
