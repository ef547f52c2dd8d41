"""Options that several commands of ``yizhan sources`` share: modes, certificates and limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

CERTIFICATE_FILE_BYTES_MAX = 65_536
LIMITS = {
    "requests_per_minute": "Requests that it may send in a minute; 0: no limit.",
    "records_per_minute": "Records that it may send in a minute; 0: no limit.",
    "records_per_day": "Records that it may send in 24 hours; 0: no limit.",
    "bytes_per_day": "Bytes of bodies, as sent, in 24 hours; 0: no limit.",
}


class Certificate(click.ParamType[str]):
    """What names a certificate: a kind and a name, or a PEM file with the one that is meant."""

    name = "FILE|NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name in its one spelling; anything else is a usage error."""
        from node.departments.certificates import certificate_name, name_of_file

        text = str(value)
        try:
            path = Path(text)
            if path.is_file():
                with path.open("rb") as file:
                    return name_of_file(file.read(CERTIFICATE_FILE_BYTES_MAX))
            return certificate_name(text)
        except UsageError as error:
            return self.fail(f"{error.what}: {error.why}", param, ctx)
        except OSError as error:
            return self.fail(f"{text} cannot be read: {error.strerror}", param, ctx)


def mode_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``--mode``, which may be repeated; ``text`` is its help."""
    # Written out: the module that knows them is loaded only when a command runs.
    modes = click.Choice(["key", "hmac", "certificate"])
    return click.option("--mode", "modes", type=modes, multiple=True, help=text)


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that set limits; ``given_limits`` takes them out again."""
    for name, text in reversed(LIMITS.items()):
        command = click.option(f"--{name.replace('_', '-')}", name, type=click.IntRange(0), help=text)(command)
    return command


def given_limits(options: dict[str, Any]) -> dict[str, int]:
    """Take the limits out of the options of a call and return those that were given."""
    found = {name: options.pop(name) for name in LIMITS}
    return {name: value for name, value in found.items() if value is not None}
