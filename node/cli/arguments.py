"""What the values of options and arguments may be, where it is checked before anything is opened: a mistake exits 2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from node.errors import IdentityError
from node.standard.seals import StreamName

if TYPE_CHECKING:
    from collections.abc import Callable

READABLE_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
"""A file that is there and that this account may read."""
WRITABLE_FILE: Final = click.Path(path_type=Path, dir_okay=False)
"""A file that is written; one that is there is replaced."""
DIALECT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_\-]{0,39}(@[a-z0-9][a-z0-9_\-]{0,39})?\Z")


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


class RecordArgument(click.ParamType[tuple[StreamName, int]]):
    """``ORIGIN/AUDIENCE/POSITION``, for example ``360102/ancestors/17``."""

    name = "ORIGIN/AUDIENCE/POSITION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[StreamName, int]:
        """Return stream and position; anything else is a usage error."""
        stream, _, position = str(value).rpartition("/")
        try:
            found = StreamName.parse(stream)
        except ValueError:
            found = None
        if found is None or not re.fullmatch("[1-9][0-9]{0,11}", position):
            self.fail(f"{value!r} is not ORIGIN/AUDIENCE/POSITION, for example 360102/ancestors/17", param, ctx)
        return found, int(position)


class HashArgument(click.ParamType[str]):
    """A SHA-256: 64 hex digits."""

    name = "HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it in lower case; anything else is a usage error."""
        text = str(value).lower()
        return text if re.fullmatch("[0-9a-f]{64}", text) else self.fail("64 hex digits are expected", param, ctx)


class TreeArgument(HashArgument):
    """The fingerprint of a tree's root key: 64 hex digits."""

    name = "FINGERPRINT"


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


def in_system(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--system``, by which its CASE_NO is the number that another system gave the case."""
    text = "Name of the system whose own number CASE_NO is (OrigSystem of its records, else the source)."
    return click.option("--system", type=Words(), help=text)(command)


class DialectName(click.ParamType[str]):
    """The name of a dialect, or NAME@VARIANT; whether it exists is for the node to say, which may have its own."""

    name = "NAME[@VARIANT]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; what can be none is a usage error."""
        if DIALECT_NAME.match(str(value)):
            return str(value)
        return self.fail(f"{str(value)[:40]!r} is not NAME or NAME@VARIANT, for example csv", param, ctx)
