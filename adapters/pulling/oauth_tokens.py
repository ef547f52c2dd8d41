"""Access tokens by OAuth 2.0 client credentials (RFC 6749, 4.4): asked for once, kept until shortly before they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlencode

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.pulling.http_values import basic, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.contract import Opening
    from adapters.pulling.http_settings import HttpPlan

EARLY_S: Final = 30.0
"""A token that ends within this time is not used any more. Our own choice."""
LIFE_S: Final = 300.0
"""How long a token is used that does not say when it ends. Our own choice."""
LIFE_S_MAX: Final = 366 * 86_400.0
"""Longest life that is believed. Our own choice."""
TOKEN_LENGTH_MAX: Final = 16_000


class Tokens:
    """The token of one client; it stays in memory only."""

    def __init__(self, plan: HttpPlan, opening: Opening) -> None:
        self._plan = plan
        self._now = opening.now
        self._monotonic_s = opening.monotonic_s
        self._token = ""
        self._ends_s = 0.0

    @property
    def used(self) -> bool:
        """True when a token is held, so that another one may be tried."""
        return bool(self._token)

    def forget(self) -> None:
        """Have the next request ask for a new token."""
        self._token = ""

    def token(self, ask: Callable[..., Any]) -> str:
        """Return the token, asked for by ``ask`` (method, address, headers, content) when there is none that holds."""
        if not self._token or self._monotonic_s() >= self._ends_s:
            self._token = ""
            self._take(ask)
        return self._token

    def _take(self, ask: Callable[..., Any]) -> None:
        plan = self._plan
        form = {"grant_type": "client_credentials", **({"scope": plan["scope"]} if plan["scope"] else {})}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if plan["token_auth"] == "body":  # noqa: S105 - where the secret goes, not what it is.
            form |= {"client_id": plan["client_id"], "client_secret": plan.credential}
        else:
            # RFC 6749, 2.3.1: both are form-encoded before they are put together.
            headers["Authorization"] = basic(quote_plus(plan["client_id"]), quote_plus(plan.credential))
        answer = ask("POST", plan["token_url"], headers, urlencode(form).encode())
        if answer.status >= 500 or answer.status == 429:  # noqa: PLR2004 - RFC 9110.
            wait_s = retry_after_s(answer.headers.get("retry-after", ""), self._now())
            raise SourceUnavailableError(f"no token is handed out now ({answer.status})", retry_after_s=wait_s)
        document = _document(answer.content)
        token = document.get("access_token")
        if answer.status != 200 or not isinstance(token, str) or not _fits(token):  # noqa: PLR2004 - RFC 6749, 5.1.
            said = str(document.get("error", ""))[:60]
            raise SourceNeedsPersonError(
                f"no token is handed out ({answer.status} {said}): check token_url, client_id, scope and the secret "
                "credential"
            )
        told_s = document.get("expires_in")
        life_s = float(told_s) if isinstance(told_s, int | float) and 0 <= told_s <= LIFE_S_MAX else LIFE_S
        self._token = token
        self._ends_s = self._monotonic_s() + life_s - EARLY_S


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _fits(token: str) -> bool:
    return 0 < len(token) <= TOKEN_LENGTH_MAX and token.isascii() and token.isprintable() and " " not in token
