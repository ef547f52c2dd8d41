"""docs/reference/command-line.md as the program itself says it; ``python -m tests.support.command_page`` writes it."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli import yizhan

PAGE = Path(__file__).parents[2] / "docs/reference/command-line.md"
HEAD = """# Command line

Made from the program by `python -m tests.support.command_page`; a test compares.

Data go to standard output, words and errors to standard error. With `--json` exactly one JSON document with a `schema`
is written, for errors too. An error is three lines: what happened, why (with its code), what to do; a mistake in the
call is one as well, and leaves with 2. No question is asked without a terminal.
[exit codes](exit-codes.md) · [errors](errors.md) · [configuration](configuration.md)

## Options of every command

They may stand before or after the command's name.

"""
ENVIRONMENT = """
Every option can also be given as `YIZHAN_<COMMAND>_<OPTION>`, for example `YIZHAN_RUN_READY_FILE=/run/ready`;
`YIZHAN_HOME` names the home for all commands.
"""


def page() -> str:
    """Return the whole page."""
    context = click.Context(yizhan, info_name="yizhan")
    shared = [one for one in yizhan.params if isinstance(one, click.Option)]
    names = {str(one.name) for one in shared}
    parts = [HEAD, "\n".join(_option(one, context) for one in shared), "\n", ENVIRONMENT]
    for name in yizhan.list_commands(context):
        command = yizhan.get_command(context, name)
        assert command is not None
        parts += _command(command, click.Context(command, info_name=name, parent=context), names, depth=2)
    return "".join(parts)


def _command(command: click.Command, context: click.Context, shared: set[str], depth: int) -> list[str]:
    text = (command.help or "").strip().replace("\n    ", "\n")
    parts = [f"\n{'#' * depth} {context.command_path}\n\n{text}\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            parts += _command(inner, click.Context(inner, info_name=name, parent=context), shared, depth + 1)
        return parts
    arguments = " ".join(one.make_metavar(context) for one in command.params if isinstance(one, click.Argument))
    own = [one for one in command.params if isinstance(one, click.Option) and one.name not in shared]
    parts.append(f"\n`{context.command_path}{f' {arguments}' if arguments else ''}{' [OPTIONS]' if own else ''}`\n")
    if own:
        parts.append("\n" + "\n".join(_option(one, context) for one in own) + "\n")
    return parts


def _option(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag or option.count else f" `{option.make_metavar(context)}`"
    needed = " Required." if option.required else ""
    default = f" Default: `{option.default}`." if option.show_default and option.default is not None else ""
    return f"- {names}{value}: {(option.help or '').strip()}{needed}{default}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
