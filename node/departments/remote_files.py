"""A delivery that lies at an address: fetched whole into a temporary file, with a limit on bytes, time and redirects.

Called by ``yizhan conformance`` before the file is checked. Nothing secret is ever sent: no credentials, no cookies.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from posixpath import basename
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import httpx

from node.errors import PeerUnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.clock import Clock

BYTES_MAX: Final = 67_108_864
"""64 MiB; a larger file is fetched by its owner and checked from the disk. Our own choice."""
SECONDS_MAX: Final = 120.0
"""Time for the whole fetch, redirects included. Our own choice."""
REDIRECTS_MAX: Final = 3
SCHEMES: Final = ("http", "https")

_ANSWER_S: Final = 30.0
_IN_MEMORY_BYTES: Final = 1_048_576
_PIECE_BYTES: Final = 65_536


def checked_address(address: str) -> httpx.URL:
    """Return an address that may be fetched.

    Raises UsageError for another scheme, a missing host, and credentials, which would end up in logs and histories;
    what was given is not repeated in the error for the same reason.
    """
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise _unusable("it is not a URL") from error
    if url.scheme not in SCHEMES or not url.host:
        raise _unusable("only http:// and https:// with a host can be fetched")
    if url.userinfo:
        raise _unusable("it holds a name or a password")
    return url


@contextmanager
def fetched(
    address: str,
    *,
    clock: Clock,
    bytes_max: int = BYTES_MAX,
    seconds_max: float = SECONDS_MAX,
    transport: httpx.BaseTransport | None = None,
) -> Iterator[tuple[BinaryIO, str]]:
    """Yield the file at ``address``, at its start, and its name; the file is gone afterwards.

    Raises UsageError for an address that may not be fetched and for a file that is too large, PeerUnavailableError
    when it cannot be fetched.
    """
    url = checked_address(address)
    deadline = clock.monotonic_s() + seconds_max
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        with httpx.Client(trust_env=False, follow_redirects=False, timeout=_ANSWER_S, transport=transport) as client:
            try:
                name = _fetch(client, url, cast("BinaryIO", file), clock, deadline, bytes_max)
            except httpx.HTTPError as error:
                raise _unreachable(url, type(error).__name__) from error
        file.seek(0)
        yield cast("BinaryIO", file), name


def _fetch(client: httpx.Client, url: httpx.URL, file: BinaryIO, clock: Clock, deadline: float, bytes_max: int) -> str:
    """Write what is found at ``url`` into ``file`` and return its name."""
    for _ in range(REDIRECTS_MAX + 1):
        with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
            if answer.has_redirect_location:
                url = _next_address(url, answer)
                continue
            if answer.status_code != httpx.codes.OK:
                raise _unreachable(url, f"it answers {answer.status_code}")
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise _unreachable(url, "it answers with a compressed body that was not asked for")
            _write(answer, url, file, clock, deadline, bytes_max)
            return basename(url.path)
    raise _unreachable(url, f"it leads on more than {REDIRECTS_MAX} times")


def _write(
    answer: httpx.Response, url: httpx.URL, file: BinaryIO, clock: Clock, deadline: float, bytes_max: int
) -> None:
    size = 0
    for piece in answer.iter_raw(_PIECE_BYTES):
        size += len(piece)
        if size > bytes_max:
            raise UsageError(
                f"The file at {url.host} is too large",
                why=f"at most {bytes_max} bytes are fetched",
                action="Fetch it yourself and name the file",
            )
        if clock.monotonic_s() > deadline:
            raise _unreachable(url, "it takes too long")
        file.write(piece)


def _next_address(url: httpx.URL, answer: httpx.Response) -> httpx.URL:
    """Return where a redirect leads: to the same scheme, or to https; never from https to http."""
    following = checked_address(str(url.join(answer.headers["Location"])))
    if following.scheme not in {url.scheme, "https"}:
        raise _unreachable(url, "it leads from https to http")
    return following


def _unusable(why: str) -> UsageError:
    return UsageError("The address cannot be used", why=why, action="Name a file, or a plain http:// or https:// URL")


def _unreachable(url: httpx.URL, why: str) -> PeerUnavailableError:
    return PeerUnavailableError(
        f"The file at {url.host} cannot be fetched", why=why, action="Fetch it yourself and name the file"
    )
