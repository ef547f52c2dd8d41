"""``yizhan adapters add|remove``: an adapter is tried before it is saved, and asked for before it goes."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import DialectName
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import home_of, node_of
from node.cli.output import say, write_json
from node.errors import AdapterAwayError, AdapterBrokenError, AdapterRefusedError, ConfigurationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.clock import Clock
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.kinds import FoundKind

SECRET_LENGTH_MAX = 65_536


class Assignment(click.ParamType[tuple[str, str]]):
    """``NAME=VALUE``."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return name and value; anything else is a usage error."""
        if isinstance(value, tuple):
            return value
        name, mark, text = str(value).partition("=")
        return (name, text) if mark and name else self.fail(f"{value!r} is not NAME=VALUE", param, ctx)


@click.command(cls=LazyCommand)
@click.argument("name")
@click.option("--kind", required=True, help="A kind of `yizhan adapters kinds`.")
@click.option("--source", required=True, help="The source for which it delivers.")
@click.option(
    "--set", "settings", type=Assignment(), multiple=True, help="A setting of the kind; lists and tables: repeatedly."
)
@click.option(
    "--secret", "asked", multiple=True, help="A secret of the kind: asked for, or a line of standard input. Repeatable."
)
@click.option("--secret-file", "files", type=Assignment(), multiple=True, help="SECRET=FILE that holds it. Repeatable.")
@click.option("--dialect", type=DialectName(), help="In what form deliveries come; default: told by the content.")
@click.option("--type", "record_type", help="Record type of rows that do not say theirs.")
@click.option("--table", help="The source's table, of rows that do not say theirs.")
@click.option("--every-s", type=float, help="Seconds between two rounds; default: the kind's.")
@click.option("--hours", multiple=True, help="When the source may be asked, such as 22:00-06:00. Repeatable.")
@click.option(
    "--deliver-organisation",
    "deliver_organisations",
    multiple=True,
    help="Code of a department whose documents go down through it. Repeatable.",
)
@click.option("--check/--no-check", default=True, help="Try the source before anything is saved (the default).")
@click.option("--paused", is_flag=True, help="Add it paused: look with `run --dry-run` first, then `resume`.")
@pass_frame
def add(
    frame: Frame,
    /,
    name: str,
    kind: str,
    source: str,
    *,
    settings: tuple[tuple[str, str], ...],
    asked: tuple[str, ...],
    files: tuple[tuple[str, str], ...],
    check: bool,
    **keys: Any,
) -> None:
    """Add the adapter NAME to adapters.toml, once its source has answered; a running node takes it up by itself.

    With --paused it takes nothing in before `yizhan adapters resume NAME`.

    Secrets go into adapters.secrets.toml (mode 0600) and are never given as arguments.
    """
    from node.departments.doors.book import set_paused
    from node.departments.doors.by_hand import add_adapter
    from node.departments.sources import find_source

    home, paused = home_of(frame), bool(keys.pop("paused"))
    with node_of(frame) as node:
        with node.store.reading() as connection:
            find_source(connection, source)
        chosen = _kind(kind)
        secrets = _secrets(frame, chosen, asked, files)
        table = _table(chosen, source, settings, keys)
        config = _checked(frame, name, chosen, table, secrets)
        if config.dialect != "auto":
            node.intake.dialects.find(config.dialect)
        if check:
            _tried(config, home, node.clock)
        # Before the file names it: a running node looks at the file every second. A table that was taken out by hand
        # may have left an adapter of this name paused.
        at = node.clock.now()
        set_paused(node.store, name, kind=kind, source=source, paused_at=at if paused else None, at=at)
        add_adapter(home, name, table, secrets)
    if frame.json:
        added = {"name": name, "kind": kind, "source": source, "checked": check, "paused": paused}
        write_json({"schema": "yizhan.adapter-added/1", **added})
    _say_added(frame, name, check=check, paused=paused)


def _tried(config: AdapterConfig, home: Path, clock: Clock) -> None:
    """Have the adapter try its source; what stands in the way says also that nothing was saved."""
    from node.departments.doors.by_hand import check_live

    try:
        check_live(config, home, clock=clock, environment=os.environ)
    except (AdapterAwayError, AdapterRefusedError) as error:
        raise type(error)(
            error.what,
            why=error.why,
            action="Nothing was saved. Put that right, then add it again; with --no-check it is saved untried",
        ) from error
    except AdapterBrokenError as error:
        raise AdapterBrokenError(
            error.what,
            why=error.why,
            action="Nothing was saved. Tell whoever made the kind, with what its process said (above)",
        ) from error


def _say_added(frame: Frame, name: str, *, check: bool, paused: bool) -> None:
    if check:
        say(frame, f"对方系统已应答，适配器 {name} 已保存。", f"The system answered; the adapter {name} is saved.")
    else:
        say(frame, f"适配器 {name} 已保存（未检查）。", f"The adapter {name} is saved, unchecked.")
    if paused:
        say(
            frame,
            f"已暂停。接下来：yizhan adapters run {name} --dry-run；无误后 yizhan adapters resume {name}",
            f"It is paused. Next: yizhan adapters run {name} --dry-run; if all is right: yizhan adapters resume {name}",
        )


@click.command(cls=LazyCommand)
@click.argument("name")
@pass_frame
def remove(frame: Frame, name: str) -> None:
    """Remove the adapter NAME with its secrets and what it remembers; what it brought stays."""
    from node.departments.doors.adapters_file import ADAPTER_NAME
    from node.departments.doors.by_hand import find_adapter, remove_adapter

    home = home_of(frame)
    with node_of(frame) as node:
        if not ADAPTER_NAME.match(name):
            find_adapter(home, name, os.environ)
        if not _may_remove(frame, name):
            say(frame, "没有改动。", "Nothing was changed.")
            return
        if not remove_adapter(node.store, home, name):
            find_adapter(home, name, os.environ)
    if frame.json:
        write_json({"schema": "yizhan.adapter-removed/1", "name": name})
    say(
        frame,
        f"适配器 {name} 已移除；它带来的记录保留。",
        f"The adapter {name} is removed; the records that it brought stay.",
    )


def _may_remove(frame: Frame, name: str) -> bool:
    """Ask whether an adapter is really to go; without a terminal the answer has to be given: --yes."""
    if frame.yes:
        return True
    if not frame.may_ask:
        raise UsageError(
            f"Whether {name} is to be removed must be said",
            why="its cursor and its secrets are forgotten, and nobody can be asked here",
            action="Say it with --yes",
        )
    zh, en = f"移除适配器 {name}？它的游标和密钥将被删除。", f"Remove the adapter {name}? Its cursor and secrets go."
    return click.confirm(zh if frame.language == "zh" else en, err=True)


def _kind(name: str) -> FoundKind:
    from node.departments.doors.kinds import find_kind

    found = find_kind(name)
    if found.kind is None:
        raise UsageError(f"The kind {name[:40]!r} cannot be used", why=found.reason, action=_other_kind(name))
    return found


def _other_kind(name: str) -> str:
    from node.departments.doors.kinds import kind_names

    meant = "".join(f"Did you mean {near}? " for near in difflib.get_close_matches(name, kind_names(), n=1))
    return f"{meant}`yizhan adapters kinds` lists those that are installed"


def _table(kind: FoundKind, source: str, settings: Sequence[tuple[str, str]], keys: dict[str, Any]) -> dict[str, Any]:
    """Return the table of ``adapters.toml`` that the options stand for; what was not given is left out."""
    from node.departments.doors.kind_settings import SettingError, read_settings

    given = {
        key: list(value) if type(value) is tuple else value for key, value in keys.items() if value not in (None, ())
    }
    try:
        chosen = read_settings(kind.settings, settings)
    except SettingError as mistake:
        raise UsageError(f"--set {mistake.name} {mistake.what}", why=mistake.why, action=mistake.action) from mistake
    return {"kind": kind.name, "source": source, **given, "settings": chosen}


def _checked(frame: Frame, name: str, kind: FoundKind, table: dict[str, Any], secrets: dict[str, str]) -> AdapterConfig:
    from node.departments.doors.adapters_file import read_adapter, read_adapters
    from node.departments.doors.secrets import secrets_file, variables

    home = home_of(frame)
    if name in read_adapters(home, os.environ):
        raise ConfigurationError(
            f"There is an adapter named {name} already",
            why="a table of adapters.toml has that name",
            action="Choose another name, or change the table by hand",
        )
    known = {**secrets_file(home).get(name, {}), **secrets, **variables(name, kind.settings, os.environ)}
    listed = read_adapter(home, name, table, os.environ, secrets=known)
    if listed.config is None:
        assert listed.mistake is not None  # noqa: S101 - a listed adapter has one or the other.
        raise listed.mistake
    return listed.config


def _secrets(frame: Frame, kind: FoundKind, asked: Sequence[str], files: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the secrets that were asked for, or stand in files; never from the arguments."""
    declared = {one.name for one in kind.settings if one.secret}
    for name in (*asked, *(name for name, _ in files)):
        if name not in declared:
            raise UsageError(
                f"The kind {kind.name} has no secret {name[:40]!r}",
                why=f"its secrets are: {', '.join(sorted(declared)) or 'none'}",
                action="Name one of them",
            )
    found = {name: _asked(frame, name) for name in asked}
    return {**found, **{name: _in_file(Path(path)) for name, path in files}}


def _asked(frame: Frame, name: str) -> str:
    if frame.may_ask:
        return str(click.prompt(name, hide_input=True, err=True))
    line = sys.stdin.readline(SECRET_LENGTH_MAX)
    if not line.strip():
        raise UsageError(
            f"The secret {name} is missing", why="standard input has no line for it", action="Give a line for each"
        )
    return line.rstrip("\r\n")


def _in_file(path: Path) -> str:
    try:
        # What editors of Windows put before a text is no part of a secret.
        with path.open(encoding="utf-8-sig") as stream:
            text = stream.read(SECRET_LENGTH_MAX + 1)
    except UnicodeDecodeError as cause:
        raise UsageError(
            f"{path} cannot be read", why="it is not UTF-8", action="Save it in the encoding UTF-8"
        ) from cause
    except OSError as cause:
        raise UsageError(f"{path} cannot be read", why=str(cause), action="Check name and rights") from cause
    if len(text) > SECRET_LENGTH_MAX:
        raise UsageError(
            f"{path} holds no secret",
            why=f"it is longer than {SECRET_LENGTH_MAX:,} characters, and no secret is",
            action="Name the file of the secret",
        )
    return text.rstrip("\r\n")
