"""``yizhan init``: a home for a node — settings, keys folder, database, and for the root of a tree its identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from node.cli.addresses import CodeAtPlace, HostPort
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import alone_in, config_of, home_of, level_named, node_of
from node.cli.output import say, write_json
from node.clock import MachineClock
from node.config import NODE_FILE, check_node_values, write_node_config
from node.config.database import masked_url
from node.config.files import make_home
from node.errors import ConfigurationError, UsageError
from node.randomness import SystemRandomness

if TYPE_CHECKING:
    from pathlib import Path

    from node.config import NodeConfig

SALT_BYTES = 16


@click.command(cls=LazyCommand)
@click.option("--level", required=True, help="Name of a level file, for example county.")
@click.option("--org", "--code", "code", required=True, help="The node's code: the division code of its area.")
@click.option("--name", required=True, help="The node's name, for example 东湖区.")
@click.option("--division", "divisions", multiple=True, help="Division that the root serves; default: its code.")
@click.option("--parent", type=CodeAtPlace(), help="The parent, when it is known already: CODE@HOST:PORT.")
@click.option("--link", type=HostPort(), help="Where the link listener waits.")
@click.option("--face", type=HostPort(), help="Where the face listener waits.")
@click.option("--link-port", type=click.IntRange(0, 65535), help="Only the port of the link listener.")
@click.option("--face-port", type=click.IntRange(0, 65535), help="Only the port of the face listener.")
@click.option("--face-certificate", help="PEM file: the face listener's server certificate with its chain.")
@click.option("--face-key", help="PEM file: its key. Beyond loopback the face speaks TLS.")
@click.option("--database", help="URL of the database; default: a file in the home.")
@pass_frame
def init(frame: Frame, /, level: str, code: str, name: str, divisions: tuple[str, ...], **options: Any) -> None:
    """Make the home of a node. Doing it again changes nothing."""
    home = home_of(frame)
    values = {"node.code": code, "node.name": name, "node.level": level, **_settings(options)}
    _check(home, values)
    make_home(home, ours=(home / NODE_FILE).is_file())
    with alone_in(home, "init"):
        made = write_node_config(home, values)
        config = config_of(frame)
        _make_database(config)
        tree = _found(frame, config, divisions or (code,)) if config.level.root else None
    if frame.json:
        document = {"schema": "yizhan.init/1", "made": made, "code": code, "home": config.home, "tree": tree}
        write_json({**document, "database": made, "joined": tree is not None})
    _say_next(frame, config)


def _check(home: Path, values: dict[str, object]) -> None:
    """Tell what is wrong before anything is written."""
    level_named(home, str(values["node.level"]))
    url = values.get("database.url", "")
    if masked_url(url) != url:
        raise UsageError(
            "A password does not belong into --database",
            why="every account of the machine can see the options of a program",
            action="Name a password file: ?passfile=/PATH in the URL, or PGPASSFILE (docs/reference/configuration.md)",
        )
    try:
        check_node_values(home, values)
    except ConfigurationError as error:
        if (home / NODE_FILE).is_file():
            raise
        # Nothing stands in a file yet: it is the call that is wrong.
        raise UsageError(error.what, why=error.why, action=error.action) from error


def _settings(options: dict[str, Any]) -> dict[str, object]:
    """Return the settings that the options give, by dotted name."""
    values: dict[str, object] = {}
    for table in ("link", "face"):
        if options[table]:
            values[f"{table}.host"], values[f"{table}.port"] = options[table]
        if options[f"{table}_port"] is not None:
            values[f"{table}.port"] = options[f"{table}_port"]
    if options["parent"]:
        parent, place = options["parent"]
        if place is None:
            raise click.BadParameter("give CODE@HOST:PORT", param_hint="--parent")
        values |= {"parent.code": parent, "parent.host": place[0], "parent.port": place[1]}
    named = {"face.certificate_file": "face_certificate", "face.key_file": "face_key", "database.url": "database"}
    return values | {key: options[option] for key, option in named.items() if options[option]}


def _make_database(config: NodeConfig) -> None:
    from node.journal.schema import upgrade_schema
    from node.journal.store import open_store
    from node.trust.keys import keys_folder

    keys_folder(config.home)
    store = open_store(config.database_url, home=config.home)
    try:
        upgrade_schema(store)
    finally:
        store.close()


def _found(frame: Frame, config: NodeConfig, divisions: tuple[str, ...]) -> str:
    """Make the root of a tree, and its first record; return the tree's name. Goes on where an earlier try stopped."""
    from node.trust.identity import has_identity
    from node.trust.issuing import Admission, found_tree, record_founding

    clock = MachineClock()
    level = config.level
    if not has_identity(config.home):
        admission = Admission(
            code=config.code,
            name=config.name,
            level=level.name,
            divisions=divisions,
            children_depth=level.children_depth,
        )
        found_tree(
            config.home,
            admission,
            at=clock.now(),
            passphrase_file=config.key_passphrase_file,
            time_zone=config.time_zone,
        )
    with node_of(frame) as node:
        node.learn_own_certificates()
        salt = SystemRandomness().token(SALT_BYTES)
        node.store.write(
            lambda transaction: record_founding(
                node.journal,
                transaction,
                node.tree(transaction.connection),
                node.identity,
                at=clock.now(),
                salt=salt,
            )
        )
        return node.identity.tree


def _say_next(frame: Frame, config: NodeConfig) -> None:
    if config.level.root:
        say(
            frame,
            f"{config.name} {config.code} 已就绪。下一步：yizhan run，再用 yizhan invite 邀请下级。",
            f"{config.code} {config.name} is ready. Next: yizhan run, then yizhan invite for each child.",
        )
    else:
        say(
            frame,
            f"{config.name} {config.code} 已就绪。下一步：用上级给的邀请码 yizhan join CODE@HOST:PORT。",
            f"{config.code} {config.name} is ready. Next: yizhan join CODE@HOST:PORT with the code from above.",
        )
