"""``yizhan backup`` and ``yizhan restore``: one file with home and database, checked, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import READABLE_FILE
from node.cli.frame import Frame, LazyCommand, LazyGroup, pass_frame
from node.cli.home import alone_in, config_of, home_of
from node.cli.output import say, write_json
from node.clock import MachineClock

if TYPE_CHECKING:
    from node.backup.archive import Manifest


@click.group(cls=LazyGroup, short_help="Make and check backups.")
def backup() -> None:
    """Make and check backups of a node. They hold its keys and records: keep them where nobody else reads them."""


@backup.command(cls=LazyCommand)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write."
)
@pass_frame
def create(frame: Frame, output: Path) -> None:
    """Write a backup of this node, running or not, as it is at one moment."""
    from node.backup.making import make_backup
    from node.trust.identity import load_identity

    config = config_of(frame)
    identity = load_identity(config.home, passphrase_file=config.key_passphrase_file)
    made = make_backup(config, output, tree=identity.tree, made_at=MachineClock().now())
    records = sum(size for size, _ in made.streams.values())
    if frame.json:
        write_json({**_document(made), "file": str(output), "bytes": output.stat().st_size})
    say(
        frame,
        f"已备份 {made.node}：{len(made.streams)} 个数据流，{records} 条记录，{output}（含密钥，请妥善保管）",
        f"Backed up {made.node}: {len(made.streams)} streams, {records} records, {output}. It holds the node's keys.",
    )


@backup.command(cls=LazyCommand)
@click.argument("file", type=READABLE_FILE)
@pass_frame
def verify(frame: Frame, file: Path) -> None:
    """Read a whole backup and check every part, and every record of an SQLite database; needs no node."""
    from node.backup.checking import check_backup

    checked = check_backup(file)
    made = checked.manifest
    if frame.json:
        write_json({**_document(made), "file": str(file), "checked_records": checked.records})
    say(
        frame,
        f"备份完好：{made.node}，{made.made_at}，已核对 {checked.records} 条记录",
        f"The backup stands: {made.node}, {made.made_at}, {checked.records} records checked.",
    )


@click.command(cls=LazyCommand)
@click.argument("file", type=READABLE_FILE)
@click.option(
    "--database", metavar="URL", help="Another database than the backup's settings name; empty if PostgreSQL."
)
@pass_frame
def restore(frame: Frame, file: Path, database: str | None) -> None:
    """Put a backup into the home: a new folder, or the home of the same node; then run it.

    The node takes from its neighbours what it had told them since the backup. A database that lies there is renamed.
    """
    from node.backup.restoring import restore as put_back
    from node.config.files import make_home
    from node.trust.identity import has_identity

    home = home_of(frame)
    make_home(home, ours=has_identity(home))
    with alone_in(home, "restore"):
        made = put_back(file, home, now=MachineClock().now(), database_url=_checked(database))
    if frame.json:
        write_json(_document(made))
    say(
        frame,
        f"已恢复 {made.node}（{made.made_at} 的备份）。运行 yizhan run，其后的记录由上下级节点补回。",
        f"Restored {made.node} from {made.made_at}. Start it: yizhan run; its neighbours give back what came since.",
    )


def _checked(database: str | None) -> str | None:
    """Return the database's URL when it can be one; a usage error otherwise, which does not repeat it."""
    from node.config.database import checked_database_url

    if database is None:
        return None
    try:
        return checked_database_url(database)
    except ValueError:
        message = "it is neither sqlite:///FILE nor postgresql+psycopg://USER@HOST/NAME"
        raise click.BadParameter(message, param_hint="--database") from None


def _document(made: Manifest) -> dict[str, Any]:
    return {
        "schema": "yizhan.backup-report/1",
        "node": made.node,
        "tree": made.tree,
        "made_at": made.made_at,
        "database": made.kind,
        "streams": {name: size for name, (size, _) in made.streams.items()},
    }
