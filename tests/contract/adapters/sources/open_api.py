"""The real source of the kind ``open_api``: Datasette, page by page, and a receiver for what is posted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapters.open_api import KIND
from tests.support.datasette_service import TOKEN, Datasette
from tests.support.http_receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextmanager
def open_api_source(folder: Path) -> Iterator[OpenApiSource]:
    """Start both, and stop them at the end."""
    source = OpenApiSource(folder)
    try:
        yield source
    finally:
        source.close()


class OpenApiSource:
    """A table that is handed out in pages of one row."""

    kind = KIND
    entry = "adapters.open_api:KIND"
    repeats = True

    def __init__(self, folder: Path) -> None:
        self._datasette = Datasette(folder)
        self._receiver = Receiver()

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "url": self._datasette.address,
            "parameters": {"_shape": "objects", "_size": "1"},
            "paging": "next",
            "next_path": "next_url",
            "items": "rows",
            "auth": "bearer",
            "deliver_url": f"{self._receiver.address}/notices",
            "answers_url": f"{self._receiver.address}/answers",
            "request_timeout_s": 20,
        }

    @property
    def secrets(self) -> dict[str, str]:
        return {"credential": TOKEN, "signing_key": "signing-key-93"}

    def offer(self, texts: Sequence[str]) -> None:
        self._datasette.add(texts)

    def snapshot(self) -> object:
        return self._datasette.rows(), {key: content for key, (_, content) in self._receiver.posted.items()}

    def go_away(self) -> None:
        self._datasette.stop()
        self._receiver.stop()

    def come_back(self) -> None:
        self._receiver.start()
        self._datasette.start()

    def lock_out(self) -> str:
        self._datasette.change_token()
        return "credential"

    def refusals(self) -> Sequence[str]:
        return [str(answer["reason"]) for answer in self._receiver.answers()]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        posted = self._receiver.posted.items()
        return [(key, content) for key, (_, content) in posted if not key.startswith("answer:")]

    def close(self) -> None:
        self._datasette.stop()
        self._receiver.stop()
