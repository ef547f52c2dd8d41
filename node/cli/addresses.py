"""Options that name a place: HOST:PORT, and CODE@HOST:PORT."""

from __future__ import annotations

from typing import Any

import click

PORT_MAX = 65_535


class HostPort(click.ParamType[tuple[str, int]]):
    """``HOST:PORT``, with the host in brackets when it is an IPv6 address; becomes a pair."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return host and port; anything else is a usage error."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isascii() or not port.isdigit() or int(port) > PORT_MAX:
            self.fail(f"{value!r} is not HOST:PORT, for example 127.0.0.1:8441", param, ctx)
        return host, int(port)


class CodeAtPlace(click.ParamType[tuple[str, tuple[str, int] | None]]):
    """``CODE@HOST:PORT``, or a code alone; becomes the code and a pair or None."""

    name = "CODE@HOST:PORT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[str, int] | None]:
        """Return the code, and host and port when they are given."""
        if isinstance(value, tuple):
            return value
        code, at, place = str(value).rpartition("@")
        return (code, HostPort().convert(place, param, ctx)) if at else (place, None)
