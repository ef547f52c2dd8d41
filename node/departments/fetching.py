"""Fetching: a delivery from an address, into a temporary file, with a bound on everything.

For looking at what a vendor's system gives out; nothing is taken in from here.
"""

from __future__ import annotations

from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import urljoin, urlsplit

import httpx

from node.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTES_MAX: Final = 256 * 1024 * 1024
TIMEOUT_S: Final = 60.0
REDIRECTS_MAX: Final = 3
"""Bounds of one fetch: bytes, seconds without an answer, and redirects. Our own choice."""
SCHEMES: Final = frozenset({"http", "https"})


def is_address(text: str) -> bool:
    """Tell whether a text is an address and not the name of a file."""
    return "://" in text


@contextmanager
def fetched(address: str, *, bytes_max: int = BYTES_MAX, client: httpx.Client | None = None) -> Iterator[BinaryIO]:
    """Give the body behind an address as a file, positioned at its begin.

    Raises UsageError for an address with a password in it or a redirect from https to http, NotFoundError when it
    cannot be fetched, answers with an error, or is larger than ``bytes_max``.
    """
    with client or httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as opened, TemporaryFile() as file:
        target = _checked(address)
        for _ in range(REDIRECTS_MAX + 1):
            following = _read(opened, target, file, bytes_max)
            if following is None:
                file.seek(0)
                yield file
                return
            if urlsplit(target).scheme == "https" and urlsplit(following).scheme != "https":
                raise UsageError("The address leads from https to http", why="what comes could be anybody's")
            target = _checked(following)
        raise NotFoundError("The address cannot be fetched", why=f"more than {REDIRECTS_MAX} redirects")


def _checked(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme.lower() not in SCHEMES or not parts.hostname:
        raise UsageError("This is no address that can be fetched", why="it has to begin with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "The address holds a name or password",
            why="it would be seen by everybody on this machine",
            action="fetch the delivery with a program that keeps secrets, and give the file",
        )
    return address


def _read(client: httpx.Client, address: str, file: BinaryIO, bytes_max: int) -> str | None:
    """Write the body into ``file``; return where a redirect leads, None when the body has come."""
    try:
        with client.stream("GET", address) as answer:
            if answer.is_redirect:
                return str(urljoin(address, answer.headers.get("Location", "")))
            if answer.status_code != httpx.codes.OK:
                raise NotFoundError("The address cannot be fetched", why=f"it answered {answer.status_code}")
            size = 0
            for block in answer.iter_bytes():
                size += len(block)
                if size > bytes_max:
                    raise NotFoundError(
                        "The delivery is too large to be fetched",
                        why=f"more than {bytes_max} bytes",
                        action="fetch it with another program, and give the file",
                    )
                file.write(block)
    except httpx.HTTPError as error:
        raise NotFoundError("The address cannot be fetched", why=type(error).__name__) from error
    return None
