"""``yizhan adapters``: doors to departments' systems, each a table of ``adapters.toml`` and a process of its own."""

from __future__ import annotations

import click

from node.cli.frame import LazyGroup

COMMANDS = {
    "kinds": "node.cli.adapters.listing:kinds",
    "list": "node.cli.adapters.listing:list_command",
    "add": "node.cli.adapters.adding:add",
    "ports": "node.cli.adapters.ports:ports",
    "new": "node.cli.adapters.authoring:new",
    "scale": "node.cli.adapters.authoring:scale",
    "show": "node.cli.adapters.listing:show",
    "test": "node.cli.adapters.testing:test",
    "run": "node.cli.adapters.running:run",
    "pause": "node.cli.adapters.pausing:pause",
    "resume": "node.cli.adapters.pausing:resume",
    "remove": "node.cli.adapters.adding:remove",
    "logs": "node.cli.adapters.listing:logs",
    "documents": "node.cli.adapters.documents:documents",
}


@click.group(cls=LazyGroup, commands=COMMANDS)
def adapters() -> None:
    """Connect departments' systems: add, try, run, pause or remove their adapters."""
