"""Fetching a delivery from an address: limits on bytes, time and redirects; nothing secret in it."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from node.clock import SetClock
from node.departments.remote_files import checked_address, fetched
from node.errors import PeerUnavailableError, UsageError

PLACES = {
    "/cases.xml": httpx.Response(200, content=b"<Records/>"),
    "/once": httpx.Response(302, headers={"Location": "/cases.xml"}),
    "/for-ever": httpx.Response(302, headers={"Location": "/for-ever"}),
    "/down": httpx.Response(302, headers={"Location": "http://example.cn/cases.xml"}),
    "/file": httpx.Response(302, headers={"Location": "file:///etc/passwd"}),
    "/secret": httpx.Response(302, headers={"Location": "https://name:word@example.cn/cases.xml"}),
    "/packed": httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=b""),
}


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/broken":
        raise httpx.ConnectError("refused", request=request)
    found = PLACES.get(request.url.path, httpx.Response(404))
    return httpx.Response(found.status_code, headers=found.headers, stream=httpx.ByteStream(b"<Records/>"))


def fetch(address: str, bytes_max: int = 100, seconds_max: float = 10) -> tuple[bytes, str]:
    clock = SetClock(datetime(2026, 11, 2, tzinfo=UTC))
    transport = httpx.MockTransport(answer)
    with fetched(address, clock=clock, bytes_max=bytes_max, seconds_max=seconds_max, transport=transport) as (
        stream,
        name,
    ):
        return stream.read(), name


@pytest.mark.parametrize("path", ["/cases.xml", "/once"])
def test_a_file_is_fetched_with_its_name(path: str) -> None:
    assert fetch(f"https://example.cn{path}") == (b"<Records/>", "cases.xml")


@pytest.mark.parametrize("path", ["/for-ever", "/down", "/packed", "/nothing", "/broken"])
def test_what_cannot_be_fetched_is_told(path: str) -> None:
    with pytest.raises(PeerUnavailableError):
        fetch(f"https://example.cn{path}")


@pytest.mark.parametrize("path", ["/file", "/secret"])
def test_a_redirect_to_what_may_not_be_fetched_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        fetch(f"https://example.cn{path}")


def test_a_file_beyond_the_limit_is_refused() -> None:
    assert fetch("https://example.cn/cases.xml", bytes_max=10)[0] == b"<Records/>"
    with pytest.raises(UsageError, match="too large"):
        fetch("https://example.cn/cases.xml", bytes_max=9)


def test_a_fetch_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(PeerUnavailableError) as raised:
        fetch("https://example.cn/cases.xml", seconds_max=-1)
    assert raised.value.why == "it takes too long"


@pytest.mark.parametrize(
    "address", ["ftp://example.cn/x", "https:///x", "https://name:geheim@example.cn/x", "http://a:b/"]
)
def test_an_address_that_may_not_be_fetched_is_not_repeated_in_the_error(address: str) -> None:
    with pytest.raises(UsageError) as raised:
        checked_address(address)
    assert "geheim" not in str(raised.value)
