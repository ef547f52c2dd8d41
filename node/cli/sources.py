"""``yizhan sources``: the systems of departments that may hand in records, and by what they are known."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import NodeCode, Words
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.cli.source_options import Certificate, given_limits, limit_options, mode_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from node.bootstrap import Node
    from node.departments.credentials import Issuer
    from node.departments.sources import Activity, NewSource, Source
    from node.trust.kept_secrets import KeptSecrets

KEEP_HOURS = 24
"""How long an old key counts beside the new one when nothing else is said: a day to change it everywhere."""


@click.group(cls=LazyGroup)
def sources() -> None:
    """Add, show, change, limit or close the sources of records."""


@sources.command()
@click.argument("name")
@click.option("--label", default="", help="What people call it.")
@click.option("--channel", help="Code of the channel that its records come through; default: API.")
@click.option(
    "--division",
    "divisions",
    type=NodeCode(),
    multiple=True,
    help="Only records of this division and those within it. Repeatable.",
)
@click.option("--organisation", "organisations", multiple=True, help="Only records of this department. Repeatable.")
@click.option(
    "--system",
    "systems",
    type=Words(),
    multiple=True,
    help="A system whose own numbers it brings (OrigSystem), beside its name; no other source may then. Repeatable.",
)
@mode_option("How its requests prove where they come from: any one of these is enough. Repeatable; default: key.")
@click.option(
    "--certificate",
    "certificates",
    type=Certificate(),
    multiple=True,
    help="For the mode certificate: a PEM file, SHA256:DIGITS, or a name such as DNS:hall.example.cn. Repeatable.",
)
@limit_options
@pass_frame
def add(frame: Frame, /, name: str, *, label: str, channel: str | None, **settings: Any) -> None:
    """Add a source NAME and make its API key, or the secret of its signatures, which is shown this once."""
    from node.departments.sources import API_CHANNEL, SourceLimits, add_source

    limits = SourceLimits(**given_limits(settings))
    with node_of(frame) as node:
        made = add_source(
            node.store,
            name,
            clock=node.clock,
            randomness=node.randomness,
            secrets=_secrets(node),
            label=label,
            channel=channel or API_CHANNEL,
            limits=limits,
            **settings,
        )
    _show_made(frame, made)


@sources.command("list")
@pass_frame
def list_command(frame: Frame) -> None:
    """List the sources; keys are never shown."""
    from node.departments.sources import list_sources

    with node_of(frame) as node, node.store.reading() as connection:
        found = list_sources(connection)
    if frame.json:
        write_json({"schema": "yizhan.sources/1", "sources": [one.as_json() for one in found]})
        return
    rows = [
        (
            one.name,
            one.label,
            one.channel,
            ", ".join(one.systems),
            ", ".join(one.modes),
            _moment(one.created_at),
            _moment(one.disabled_at),
        )
        for one in found
    ]
    write_table(frame, "来源 Sources", ("name", "label", "channel", "systems", "modes", "created", "disabled"), rows)


@sources.command()
@click.argument("name")
@pass_frame
def show(frame: Frame, name: str) -> None:
    """Show the source NAME: what it may do, by what it is known, and what it handed in; never a key."""
    from node.departments.credentials import credentials_of
    from node.departments.sources import Activity, activity_by_source, known_source

    with node_of(frame) as node, node.store.reading() as connection:
        source = known_source(connection, name)
        credentials = credentials_of(connection, name)
        activity = activity_by_source(connection).get(name, Activity())
    if frame.json:
        shown = [one.as_json() for one in credentials]
        write_json({"schema": "yizhan.source/1", **source.as_json(), "credentials": shown, **activity.as_json()})
        return
    write_table(frame, f"来源 {name} Source", ("field", "value"), _fields(source, activity))
    rows = [
        (one.key_id, one.mode, one.certificate or "", _moment(one.created_at), _moment(one.ends_at))
        for one in credentials
    ]
    write_table(frame, "凭据 Credentials", ("name", "mode", "certificate", "created", "ends"), rows)


@sources.command()
@click.argument("name")
@click.option("--label", help="What people call it from now on.")
@click.option("--channel", help="Code of the channel that its records come through from now on.")
@mode_option("The modes from now on, all of them; what belonged to another is forgotten. Repeatable.")
@click.option("--add-division", type=NodeCode(), multiple=True, help="A division more. Repeatable.")
@click.option("--remove-division", type=NodeCode(), multiple=True, help="A division less. Repeatable.")
@click.option("--every-division", is_flag=True, help="From now on every division that the node serves.")
@click.option("--add-organisation", multiple=True, help="A department more. Repeatable.")
@click.option("--remove-organisation", multiple=True, help="A department less. Repeatable.")
@click.option("--every-organisation", is_flag=True, help="From now on every department.")
@click.option("--add-system", type=Words(), multiple=True, help="A system more for which it speaks. Repeatable.")
@click.option("--remove-system", type=Words(), multiple=True, help="A system less. Repeatable.")
@click.option("--add-certificate", type=Certificate(), multiple=True, help="A certificate more. Repeatable.")
@click.option("--remove-certificate", type=Certificate(), multiple=True, help="A certificate less. Repeatable.")
@pass_frame
def change(frame: Frame, /, name: str, *, modes: Sequence[str], **options: Any) -> None:
    """Change the source NAME; what is not given stays. A running node follows at its next request."""
    from node.departments.source_changes import Change, Names, change_source

    kinds = ("division", "organisation", "system", "certificate")
    add_names, remove_names = (
        Names(**{f"{kind}s": options.pop(f"{way}_{kind}") for kind in kinds}) for way in ("add", "remove")
    )
    wanted = Change(modes=modes, add=add_names, remove=remove_names, **options)
    with node_of(frame) as node:
        changed = change_source(node.store, name, wanted, clock=node.clock, issuer=_issuer(node))
    _show_made(frame, changed)
    say(frame, f"来源 {name} 已更改。", f"The source {name} is changed.")


@sources.command()
@click.argument("name")
@limit_options
@pass_frame
def limit(frame: Frame, /, name: str, **options: Any) -> None:
    """Set limits of the source NAME; 0 is none, and what is not given stays."""
    from node.departments.source_changes import limit_source

    with node_of(frame) as node:
        source = limit_source(node.store, name, given_limits(options))
    if frame.json:
        write_json({"schema": "yizhan.source/1", **source.as_json()})
    else:
        write_table(frame, f"来源 {name} Source", ("field", "value"), list(source.as_json()["limits"].items()))


@sources.command()
@click.argument("name")
@mode_option("Only this: key or hmac. Default: each that the source has.")
@click.option(
    "--keep-hours",
    type=click.IntRange(0),
    default=KEEP_HOURS,
    show_default=True,
    help="How long the old one counts too; 0: it ends now.",
)
@pass_frame
def rotate(frame: Frame, name: str, *, modes: Sequence[str], keep_hours: int) -> None:
    """Make a new key, or a new secret, for the source NAME, which is shown this once; the old one ends later."""
    from node.departments.source_changes import rotate_source

    with node_of(frame) as node:
        made = rotate_source(
            node.store,
            name,
            modes=modes,
            keep=timedelta(hours=keep_hours),
            clock=node.clock,
            issuer=_issuer(node),
        )
    _show_made(frame, made)


@sources.command()
@click.argument("name")
@pass_frame
def disable(frame: Frame, name: str) -> None:
    """Close the source NAME: nothing of it is taken until it is enabled again."""
    from node.departments.source_changes import disable_source

    with node_of(frame) as node:
        closed = disable_source(node.store, name, clock=node.clock)
    if frame.json:
        write_json({"schema": "yizhan.source/1", **closed.as_json()})
    say(frame, f"来源 {name} 已停用。", f"The source {name} is closed.")


@sources.command()
@click.argument("name")
@pass_frame
def enable(frame: Frame, name: str) -> None:
    """Open the source NAME again that was closed; its keys count as before."""
    from node.departments.source_changes import enable_source

    with node_of(frame) as node:
        opened = enable_source(node.store, name)
    if frame.json:
        write_json({"schema": "yizhan.source/1", **opened.as_json()})
    say(frame, f"来源 {name} 已启用。", f"The source {name} is open.")


def _show_made(frame: Frame, made: NewSource) -> None:
    """Show a source with what was made for it: a line for the key, and one for a secret behind its identifier."""
    issued = made.issued
    if frame.json:
        write_json({"schema": "yizhan.source/1", **made.source.as_json(), **issued.as_json()})
    else:
        if issued.key:
            click.echo(issued.key)
        if issued.secret:
            click.echo(f"{issued.key_id} {issued.secret}")
    if issued.key or issued.secret:
        say(frame, "密钥只显示这一次，请妥善保存。", "The key is shown only now; keep it safe.")


def _fields(source: Source, activity: Activity) -> list[tuple[str, str]]:
    document = source.as_json()
    limits = document.pop("limits")
    shown = {**document, **limits, **activity.as_json()}
    return [
        (name, ", ".join(value) if isinstance(value, list) else "" if value is None else str(value))
        for name, value in shown.items()
    ]


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds")


def _secrets(node: Node) -> KeptSecrets:
    from node.trust.kept_secrets import KeptSecrets

    return KeptSecrets(node.config.home, passphrase_file=node.config.key_passphrase_file)


def _issuer(node: Node) -> Issuer:
    from node.departments.credentials import Issuer

    return Issuer(randomness=node.randomness, secrets=_secrets(node))
