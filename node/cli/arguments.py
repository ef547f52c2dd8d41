"""What the values of options and arguments may be, where it is checked before anything is opened: a mistake exits 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from node.errors import IdentityError
from node.standard.seals import StreamName

READABLE_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
"""A file that is there and that this account may read."""


class StreamArgument(click.ParamType[StreamName]):
    """``ORIGIN/AUDIENCE``, for example ``360102/ancestors``."""

    name = "ORIGIN/AUDIENCE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> StreamName:
        """Return the stream's name; anything else is a usage error."""
        if isinstance(value, StreamName):
            return value
        try:
            return StreamName.parse(str(value))
        except ValueError:
            return self.fail(f"{value!r} is not ORIGIN/AUDIENCE, for example 360102/ancestors", param, ctx)


class NodeCode(click.ParamType[str]):
    """The code of a node or of a division: 6, 9 or 12 digits."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the code; anything else is a usage error."""
        from node.trust.names import checked_code

        try:
            return checked_code(str(value))
        except IdentityError:
            return self.fail(f"{value!r} is not a code of 6, 9 or 12 digits, for example 360102", param, ctx)


class Words(click.ParamType[str]):
    """A text that says something: not empty, not blanks alone."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is; an empty one is a usage error."""
        return str(value) if str(value).strip() else self.fail("it is empty", param, ctx)
