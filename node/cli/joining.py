"""``yizhan invite`` and ``yizhan join``: how a node gets into its tree, by a code that one person gives another."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from node.cli.addresses import CodeAtPlace, HostPort
from node.cli.arguments import NodeCode, Words
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import alone_in, config_of, home_of, level_named, node_of
from node.cli.output import say, write_json
from node.clock import MachineClock
from node.config import Level, ParentAddress, level_folders, level_names, load_level, write_parent
from node.errors import StateConflictError, UsageError
from node.standard.resources import level_folder

if TYPE_CHECKING:
    from pathlib import Path

    from node.trust.identity import Identity

UNITS = {"m": 60, "h": 3600, "d": 86_400}
SECRET_BYTES = 16


class Duration(click.ParamType[timedelta]):
    """A time to live such as ``15m``, ``24h`` or ``7d``."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration; anything else is a usage error."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is not a duration, for example 15m, 24h, 7d", param, ctx)
        return timedelta(seconds=int(found[1]) * UNITS[found[2]])


@click.command(cls=LazyCommand)
@click.option(
    "--org", "--code", "code", type=NodeCode(), required=True, help="The child's code: the division code of its area."
)
@click.option("--name", type=Words(), required=True, help="The child's name.")
@click.option("--level", help="The child's level; default: the one just below this node's.")
@click.option(
    "--division",
    "divisions",
    type=NodeCode(),
    multiple=True,
    help="Division it serves; default: its code. Repeatable.",
)
@click.option("--ttl", type=Duration(), default="24h", show_default=True, help="How long the code can be used.")
@click.option("--qr", is_flag=True, help="Show the code as a QR picture too.")
@pass_frame
def invite(
    frame: Frame, *, code: str, name: str, level: str | None, divisions: tuple[str, ...], ttl: timedelta, qr: bool
) -> None:
    """Make a code by which one child can join below this node, once."""
    from node.cases.divisions import published_divisions
    from node.trust.invitations import invite as make_invitation
    from node.trust.issuing import Admission

    config = config_of(frame)
    chosen = child_level(config.home, config.level, level)
    admission = Admission(
        code=code,
        name=name,
        level=chosen.name,
        divisions=divisions or (code,),
        children_depth=chosen.children_depth,
    )
    at = MachineClock().now()
    day = at.astimezone(ZoneInfo(config.time_zone)).date().isoformat()
    with node_of(frame) as node:
        secret = node.randomness.token(SECRET_BYTES)
        text = node.store.write(
            lambda transaction: make_invitation(
                transaction,
                identity=node.identity,
                tree=node.tree(transaction.connection),
                admission=admission,
                secret=secret,
                at=at,
                validity=ttl,
                above=published_divisions(transaction.connection, day),
            )
        )
    if frame.json:
        document = {"schema": "yizhan.invitation/1", "invitation": text, "code": text, "node": code}
        write_json({**document, "level": chosen.name, "expires_at": at + ttl})
    else:
        click.echo(text)
    if qr:
        _show_qr(text)
    say(
        frame,
        f"邀请 {name} {code}（{chosen.label_zh}），有效期至 {at + ttl:%Y-%m-%d %H:%M} UTC，只能用一次。",
        f"Invites {code} {name} ({chosen.label_en}) until {at + ttl:%Y-%m-%d %H:%M} UTC, once.",
    )


@click.command(cls=LazyCommand)
@click.argument("invitation", type=CodeAtPlace(), metavar="CODE[@HOST:PORT]")
@click.option("--parent", type=HostPort(), help="The parent's link listener, when CODE names none.")
@pass_frame
def join(frame: Frame, invitation: tuple[str, tuple[str, int] | None], parent: tuple[str, int] | None) -> None:
    """Join the tree with the CODE that the level above gave. Doing it again changes nothing."""
    from node.exchange.carriers.join_https import JoinOverHttps
    from node.trust.joining import join as join_tree

    config = config_of(frame)
    text, place = invitation
    host, port = _place_of(parent or place, config.parent)
    if config.level.root:
        raise StateConflictError(
            f"{config.code} is the root of a tree",
            why=f"the level {config.level.name} has no parent",
            action="Invite children instead: yizhan invite",
        )
    with alone_in(config.home, "join"):
        identity = join_tree(
            config.home,
            code=config.code,
            level=config.level.name,
            children_depth=config.level.children_depth,
            invitation=text,
            address=f"{host}:{port}",
            carrier=JoinOverHttps(),
            at=MachineClock().now(),
            passphrase_file=config.key_passphrase_file,
        )
        _finish(frame, identity, ParentAddress(code=str(identity.parent), host=host, port=port))


def child_level(home: Path, own: Level, name: str | None) -> Level:
    """Return the level of a child: the one named, else the only one that fits just below this node's.

    Raises UsageError when there is no such level, or not exactly one fits.
    """
    if name is not None:
        return level_named(home, name)
    folders = level_folders(home, level_folder())
    levels = [load_level(each, folders) for each in level_names(folders)]
    fitting = [each for each in levels if not each.root and each.children_depth == own.children_depth - 1]
    if len(fitting) != 1:
        names = ", ".join(each.name for each in levels if not each.root)
        raise UsageError(
            "The level of the child is not clear",
            why=f"{len(fitting)} levels fit just below {own.name}",
            action=f"Give --level, one of: {names}",
        )
    return fitting[0]


def _place_of(given: tuple[str, int] | None, known: ParentAddress | None) -> tuple[str, int]:
    if given is not None:
        return given
    if known is not None:
        return known.host, known.port
    raise UsageError(
        "The parent's address is missing", why="the code names none", action="Give CODE@HOST:PORT or --parent HOST:PORT"
    )


def _finish(frame: Frame, identity: Identity, parent: ParentAddress) -> None:
    write_parent(home_of(frame), parent)
    with node_of(frame) as node:
        node.learn_own_certificates()
    if frame.json:
        write_json(
            {
                "schema": "yizhan.join/1",
                "node": identity.code,
                "tree": identity.tree,
                "parent": parent.code,
                "certificate": identity.fingerprint,
            }
        )
    say(
        frame,
        f"{identity.code} 已加入 {parent.code}。下一步：yizhan run",
        f"{identity.code} has joined below {parent.code}. Next: yizhan run",
    )


def _show_qr(text: str) -> None:
    import sys

    import segno

    segno.make(text.replace("-", ""), error="m").terminal(out=sys.stderr, compact=True)
