"""The command line: the outermost room. It reads options, calls one function of an inner room, and prints.

``main`` is the program ``yizhan``. The contract that scripts rely on: data on standard output, words and errors on
standard error; ``--json`` writes exactly one document with a ``schema``; errors, mistakes in the call among them, are
three lines (what happened · why, with its code · what to do); exit codes as in docs/reference/exit-codes.md; no prompt
without a terminal.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click

from node.cli.frame import Frame, LazyGroup
from node.cli.output import report_error
from node.errors import UsageError, YizhanError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
COMMANDS = {
    "init": "node.cli.init:init",
    "run": "node.cli.run:run",
    "invite": "node.cli.joining:invite",
    "join": "node.cli.joining:join",
    "sources": "node.cli.sources:sources",
    "adapters": "node.cli.adapters:adapters",
    "bluetooth": "node.cli.bluetooth:bluetooth",
    "import": "node.cli.importing:import_command",
    "refused": "node.cli.refused:refused",
    "dialects": "node.cli.dialects:dialects",
    "mapping": "node.cli.mapping:mapping",
    "conformance": "node.cli.conformance:conformance",
    "publish": "node.cli.publish:publish",
    "status": "node.cli.status:status",
    "records": "node.cli.records:records",
    "redact": "node.cli.redact:redact",
    "terminal": "node.cli.terminal:terminal",
    "evidence": "node.cli.evidence:evidence",
    "verify": "node.cli.evidence:verify",
    "divisions": "node.cli.divisions:divisions",
    "cases": "node.cli.cases:cases",
    "penalties": "node.cli.penalties:penalties",
    "statistics": "node.cli.statistics:statistics",
    "settle": "node.cli.settle:settle",
    "forks": "node.cli.forks:forks",
    "backup": "node.cli.backup:backup",
    "restore": "node.cli.backup:restore",
    "quarantine": "node.cli.quarantine:quarantine",
    "rebuild": "node.cli.rebuild:rebuild",
    "scrub": "node.cli.scrub:scrub",
    "standard": "node.cli.standard:standard",
    "config": "node.cli.config:config",
    "demo": "node.cli.demo:demo",
}


@click.group(
    name="yizhan",
    cls=LazyGroup,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "YIZHAN", "max_content_width": 100},
)
@click.version_option(None, "-V", "--version", package_name="yizhan", prog_name="yizhan")
def yizhan() -> None:
    """驿站 Yizhan: one node of a three-level exchange.

    A new node: init, then join with the code from the level above, then run. Records come in by import or over the open
    API (sources add makes its key); status tells how everything is. See docs/quickstart.md.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with ``arguments`` (default: those of the process) and leave with its exit code."""
    sys.exit(run_program(arguments))


def run_program(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error that people can act on has been printed."""
    frame = Frame()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with yizhan.make_context("yizhan", given, obj=frame) as context:
            outcome = yizhan.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("\n")
        return INTERRUPTED
    except click.UsageError as mistake:
        return _report_mistake(frame, given, mistake)
    except YizhanError as error:
        report_error(frame, error)
        return error.exit_code
    except BrokenPipeError:
        _discard_output()
        return 0
    return outcome if isinstance(outcome, int) else 0


def _report_mistake(frame: Frame, given: list[str], mistake: click.UsageError) -> int:
    """Write a mistake in the call like any other error; a group called with nothing behind it shows its help."""
    if isinstance(mistake, click.exceptions.NoArgsIsHelpError):
        mistake.show()
        return mistake.exit_code
    # The mistake may stand before the option, which then was not read yet.
    frame.json = frame.json or "--json" in given[: given.index("--") if "--" in given else None]
    error = _usage_error(mistake)
    report_error(frame, error)
    return error.exit_code


def _usage_error(mistake: click.UsageError) -> UsageError:
    """Return a mistake in the call in the words that every error has."""
    context = mistake.ctx or click.Context(yizhan, info_name="yizhan")
    command = context.command_path
    return UsageError(
        f"`{command}` cannot be called like this",
        why=" ".join(mistake.format_message().split()).rstrip("."),
        action=f"{' '.join(context.get_usage().split())} · its options: {command} --help",
    )


def _discard_output() -> None:
    """Let nothing more be written: the reader of our output went away (``… | head``), which is no error of ours."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
