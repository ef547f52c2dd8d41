"""Reading a stream's name from the command line."""

from __future__ import annotations

import click

from node.standard.seals import StreamName


def stream_name(text: str) -> StreamName:
    """Return the stream named ``ORIGIN/AUDIENCE``; a wrong name is a usage error."""
    try:
        return StreamName.parse(text)
    except ValueError as cause:
        raise click.BadParameter(f"{cause}; a stream is named ORIGIN/AUDIENCE, for example 360102/ancestors") from cause
