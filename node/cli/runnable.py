"""What ``run`` asks of the settings before it takes the home: ``yizhan config check`` asks the same.

The files that the settings name are read, nothing is opened, bound or written. What only the running node can find out
(a port that is taken, a database that is away) is not looked at.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from node.errors import ConfigurationError

if TYPE_CHECKING:
    from node.config import NodeConfig, ParentAddress
    from node.trust.identity import Identity

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never listened at from here.


def check_runnable(config: NodeConfig) -> None:
    """Raise ConfigurationError, naming the key, or IdentityError when ``run`` could not work with these settings."""
    from node.journal.engines import check_database_url
    from node.scheduler import checked_times
    from node.trust.identity import has_identity, load_identity
    from node.trust.keys import read_passphrase
    from node.web.listeners import face_context

    _check_ports(config)
    face_context(config.face)
    check_database_url(config.database_url)
    for name, cron in asdict(config.level.schedules).items():
        checked_times(name, cron, time_zone=config.time_zone)
    read_passphrase(config.key_passphrase_file)
    if has_identity(config.home):
        identity = load_identity(config.home, passphrase_file=config.key_passphrase_file)
        _check_code(config, identity)
        parent_place(config, identity.parent)


def parent_place(config: NodeConfig, parent: str | None) -> ParentAddress | None:
    """Return where ``parent`` is, None for the root; ConfigurationError when node.toml does not say it."""
    place = config.parent
    if parent is None or (place is not None and place.code == parent):
        return None if parent is None else place
    raise ConfigurationError(
        f"The address of the parent {parent} is not known",
        why=f"node.toml names {'no parent' if place is None else place.code}",
        action="Give [parent] code, host and port in node.toml, or run yizhan join again",
    )


def _check_code(config: NodeConfig, identity: Identity) -> None:
    if config.code != identity.code:
        raise ConfigurationError(
            f"The node in {config.home} is {identity.code}, not {config.code}",
            why="its keys and its certificate were made for that code; another code is another node",
            action=f'Set node.code = "{identity.code}" again, or make a home of its own for {config.code}',
        )


def _check_ports(config: NodeConfig) -> None:
    """Refuse one port for both listeners: the second would be told that another program listens there."""
    face, link = config.face, config.link
    meet = face.host == link.host or not _EVERYWHERE.isdisjoint((face.host, link.host))
    if face.port and face.port == link.port and meet:
        raise ConfigurationError(
            f"The face and the link listener cannot both have port {face.port}",
            why="each needs a port of its own",
            action="Give face.port or link.port another number in node.toml",
        )
