"""``yizhan adapters kinds|list|show|logs``: what there is, and how it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import config_of, home_of, is_running, node_of
from node.cli.output import say, shown, write_json, write_table

if TYPE_CHECKING:
    from node.departments.doors.adapters_file import ListedAdapter


@click.command(cls=LazyCommand)
@pass_frame
def kinds(frame: Frame) -> None:
    """List the kinds of adapters that are installed; those that cannot be used with the reason."""
    from node.departments.doors.kinds import find_kinds

    found = find_kinds().values()
    if frame.json:
        write_json({"schema": "yizhan.adapter-kinds/1", "kinds": [one.as_json() for one in found]})
        return
    rows = [(one.name, one.package, one.spoken(frame.language), one.reason) for one in found]
    write_table(frame, "种类 Kinds", ("name", "package", "text", "problem"), rows)


@click.command("list", cls=LazyCommand)
@pass_frame
def list_command(frame: Frame) -> None:
    """List the adapters of this node with their states."""
    from node.departments.doors.adapters_file import read_adapters
    from node.departments.doors.overview import listed_status

    home = home_of(frame)
    with node_of(frame) as node, node.store.reading() as connection:
        found = listed_status(read_adapters(home, os.environ), connection, running=is_running(home))
    if frame.json:
        write_json({"schema": "yizhan.adapters/1", "adapters": found})
        return
    rows = [
        (
            one["name"],
            one["kind"],
            one["source"],
            _spoken(frame, one["state"]),
            one["since"] or "",
            one["deliveries"],
            one["refused"],
            one["text"],
        )
        for one in found
    ]
    columns = ("name", "kind", "source", "state", "since", "deliveries", "refused", "text")
    write_table(frame, "适配器 Adapters", columns, rows)


@click.command(cls=LazyCommand)
@click.argument("name")
@pass_frame
def show(frame: Frame, name: str) -> None:
    """Show the adapter NAME: its settings, state and counts; secrets are never shown."""
    from node.departments.doors.by_hand import find_adapter
    from node.departments.doors.overview import listed_status

    home = home_of(frame)
    config_of(frame)
    listed = find_adapter(home, name, os.environ)
    with node_of(frame) as node, node.store.reading() as connection:
        (status,) = listed_status({name: listed}, connection, running=is_running(home))
    settings = _settings(listed)
    if frame.json:
        write_json({"schema": "yizhan.adapter/1", **status, "settings": settings})
        return
    known = [(key, _spoken(frame, value) if key == "state" else value) for key, value in status.items()]
    rows = [(key, _told(value)) for key, value in (*known, *settings.items())]
    write_table(frame, f"适配器 Adapter {name}", ("name", "value"), rows)


@click.command(cls=LazyCommand)
@click.argument("name")
@click.option("-n", "--lines", type=click.IntRange(1, 5000), default=50, show_default=True, help="The last so many.")
@pass_frame
def logs(frame: Frame, name: str, lines: int) -> None:
    """Show the last events of the adapter NAME, oldest first; secrets in them are masked."""
    from node.departments.doors.by_hand import find_adapter
    from node.departments.doors.events import last_events
    from node.departments.doors.folders import folder_of

    home = home_of(frame)
    config_of(frame)
    find_adapter(home, name, os.environ)
    found = last_events(folder_of(home, name), lines)
    if frame.json:
        write_json({"schema": "yizhan.adapter-events/1", "name": name, "events": found})
        return
    if not found:
        say(frame, f"适配器 {name} 还没有事件。", f"The adapter {name} has no events yet.")
    for event in found:
        fields = " ".join(f"{key}={value!r}" for key, value in event.get("fields", {}).items())
        click.echo(shown(f"{event.get('at')} {event.get('level')} {event.get('event')} {fields}").rstrip())


def _spoken(frame: Frame, state: str) -> str:
    from node.web.words import word

    return word(state).spoken(frame.language)


def _told(value: Any) -> str:
    """Return a value as people read it: entries of a list and of a table behind commas, nothing for none."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _settings(listed: ListedAdapter) -> dict[str, Any]:
    """Return the settings of an adapter by their names in ``adapters.toml``; of secrets only whether they are given."""
    from node.config.keys import ADAPTER_KEYS
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.secrets import MASK

    config = listed.config
    if config is None:
        return {}
    common = [key.name for key in ADAPTER_KEYS if key.name in AdapterConfig.__dataclass_fields__]
    common = [name for name in common if name not in {"kind", "source"}]
    down = {} if config.route is None else {"deliver_organisations": sorted(config.route.organisations)}
    own = {f"settings.{key}": value for key, value in config.settings.items()}
    secrets = {f"secrets.{key}": MASK for key in config.secrets}
    return {**{name: getattr(config, name) for name in common}, **down, **own, **secrets}
