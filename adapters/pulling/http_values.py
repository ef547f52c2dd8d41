"""Values of HTTP as both ends write them: accounts, addresses, waits; for the kinds that pull, and their client."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from datetime import datetime

RETRY_AFTER_S_MAX: Final = 86_400.0
"""A source that asks us to wait longer is asked again after a day. Our own choice."""


def basic(user: str, password: str) -> str:
    """Return the value of Authorization for an account (RFC 7617, in UTF-8)."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def joined(address: str, reference: str) -> str:
    """Return where a reference in an answer leads; one that is no address leads nowhere ("")."""
    try:
        return urljoin(address, reference)
    except ValueError:
        return ""


def origin_of(address: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address; of one that is none, one that equals no other."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return "", address, 0
    return parts.scheme, parts.hostname or "", port


def retry_after_s(value: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After asks for (RFC 9110, 10.2.3: seconds, or a date); None for none."""
    value = value.strip()
    if value.isdecimal() and value.isascii():
        return min(float(value), RETRY_AFTER_S_MAX)
    try:
        until = parsedate_to_datetime(value)
        moment = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        return min(max(0.0, (moment - now).total_seconds()), RETRY_AFTER_S_MAX)
    except (ValueError, OverflowError):
        return None
