"""A browser for ``tests.support.web_forms`` that reaches a node over HTTP, as one on a clerk's machine does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request that was answered, behind every redirect."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, by the names of a test client's."""

    status_code: int
    headers: Mapping[str, str]
    text: str
    request: Asked


class HttpBrowser:
    """Keeps cookies, and follows where it is sent."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, address: str, *, headers: Mapping[str, str], follow_redirects: bool) -> Answer:
        return _answer(self._client.get(address, headers=headers, follow_redirects=follow_redirects))

    def post(
        self, address: str, *, data: Mapping[str, Any], headers: Mapping[str, str], follow_redirects: bool
    ) -> Answer:
        """Send a form; a field with a stream and a name is a file."""
        files = {name: (value[1], value[0]) for name, value in data.items() if isinstance(value, tuple)}
        fields = {name: value for name, value in data.items() if name not in files}
        answer = self._client.post(
            address, data=fields, files=files or None, headers=headers, follow_redirects=follow_redirects
        )
        return _answer(answer)


def _answer(answer: httpx.Response) -> Answer:
    return Answer(
        status_code=answer.status_code,
        headers=answer.headers,
        text=answer.text,
        request=Asked(path=answer.request.url.path),
    )
