"""What every command shares: the global options, before or after the command's name, and lazily loaded commands.

Each command's module is imported only when it is called, so that ``yizhan status`` does not pay for what ``run``
needs.
"""

from __future__ import annotations

import importlib
import locale
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES = ("zh", "en")


@dataclass(slots=True, kw_only=True)
class Frame:
    """The global options of this call. ``verbosity``: -1 quiet, 0 usual, 1 or more talkative."""

    home: Path | None = None
    json: bool = False
    lang: str | None = None
    verbosity: int = 0
    color: bool = True
    no_input: bool = False
    yes: bool = False

    @property
    def language(self) -> str:
        """``zh`` or ``en``: as asked for, else by the locale."""
        if self.lang:
            return self.lang
        spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
        return "zh" if (spoken or locale.getlocale()[0] or "").startswith("zh") else "en"

    @property
    def may_ask(self) -> bool:
        """Whether a question may be put to a person: only on a terminal, and not with --no-input."""
        return not self.no_input and sys.stdin.isatty()

    @property
    def colorful(self) -> bool:
        """Whether colours may be used on standard output."""
        return self.color and not os.environ.get("NO_COLOR") and sys.stdout.isatty()


class LazyCommand(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.extend(_options())


class LazyGroup(click.Group):
    """A group whose commands are named by ``module:attribute`` and imported when called; it takes the options too."""

    command_class = LazyCommand

    def __init__(self, *arguments: Any, commands: Mapping[str, str] | None = None, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.extend(_options())
        self._lazy = dict(commands or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table, then those defined in place."""
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported now if it was not yet."""
        place = self._lazy.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table is ours; a test imports every entry.
        return command


LazyGroup.group_class = LazyGroup

pass_frame = click.make_pass_decorator(Frame)


def _options() -> list[click.Option]:
    return [
        click.Option(["--home"], type=click.Path(path_type=Path), **_kept("The node's folder [env: YIZHAN_HOME].")),
        click.Option(["--json"], is_flag=True, default=None, **_kept("Write one JSON document.")),
        click.Option(["--lang"], type=click.Choice(LANGUAGES), **_kept("Language of words: zh or en.")),
        click.Option(["-q", "--quiet"], is_flag=True, default=None, **_kept("Fewer words.")),
        click.Option(["-v", "--verbose"], count=True, default=None, **_kept("More words; -vv for the log's details.")),
        click.Option(["--no-color"], is_flag=True, default=None, **_kept("No colours [env: NO_COLOR].")),
        click.Option(["--no-input"], is_flag=True, default=None, **_kept("Never ask.")),
        click.Option(["-y", "--yes"], is_flag=True, default=None, **_kept("Answer yes to every question.")),
    ]


def _kept(help_text: str) -> dict[str, Any]:
    return {"help": help_text, "expose_value": False, "callback": _keep}


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Put a given option into the frame; one that stands after the command's name wins."""
    frame = context.find_object(Frame)
    if frame is None or value is None or value is False or value == 0:
        return
    if option.name == "quiet":
        frame.verbosity = -1
    elif option.name == "verbose":
        frame.verbosity = value
    elif option.name == "no_color":
        frame.color = False
    else:
        setattr(frame, str(option.name), value)
