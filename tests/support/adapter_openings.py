"""Adapters opened as the node opens them, for the contract suite and for the tests of each kind."""

from __future__ import annotations

import secrets as random_bytes
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import REQUIRED, Opening, Outcome, SourceUnavailableError
from node.clock import MachineClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from adapters.contract import Adapter, AdapterKind, Delivery

ADAPTER: Final = "adapter-under-test"
SOURCE_ID: Final = "department-under-test"
WAITING_S: Final = 30.0
"""How long a source may take to show what it holds; a loaded machine is slow."""


def opening(
    kind: AdapterKind,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] | None = None,
    cursor: str | None = None,
    name: str = ADAPTER,
    is_trial: bool = False,
) -> Opening:
    """Return an opening with ``settings`` over the kind's defaults; ``folder`` is made when it is new."""
    known = {setting.name: setting for setting in kind.settings if not setting.secret}
    unknown = settings.keys() - known.keys()
    assert not unknown, f"{kind.name} has no settings {sorted(unknown)}"
    whole = {setting.name: settings.get(setting.name, setting.default) for setting in known.values()}
    missing = [name for name, value in whole.items() if value is REQUIRED]
    assert not missing, f"{kind.name} needs {missing}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Opening(
        name=name,
        source_id=SOURCE_ID,
        settings=whole,
        secrets=dict(secrets or {}),
        folder=folder,
        cursor=cursor,
        now=MachineClock().now,
        monotonic_s=time.monotonic,
        wait=threading.Event().wait,
        token=random_bytes.token_bytes,
        is_trial=is_trial,
    )


def outcome(*, accepted: int = 1, repeated: int = 0, refused: int = 0, received: int = 0, **more: Any) -> Outcome:
    """Return an outcome of so many records; ``more`` are its other fields."""
    offered = accepted + repeated + refused + received
    return Outcome(offered=offered, accepted=accepted, repeated=repeated, refused=refused, received=received, **more)


def content_of(delivery: Delivery) -> bytes:
    """Return what was delivered, wherever it stands."""
    return delivery.content if delivery.file is None else delivery.file.read_bytes()


def gather(
    adapter: Adapter,
    enough: Callable[[list[Delivery]], bool],
    *,
    limit: int = 10,
    answer: Callable[[Delivery], None] | None = None,
) -> list[Delivery]:
    """Ask again and again, as the node does, until what came is ``enough``; each delivery is answered as it comes.

    A source that is away is asked again; one that stays away, or does not bring enough in time, fails the test.
    """
    came: list[Delivery] = []
    until_s = time.monotonic() + WAITING_S
    away: SourceUnavailableError | None = None
    while not enough(came):
        assert time.monotonic() < until_s, f"came: {[one.name for one in came]}; away: {away}"
        before = len(came)
        try:
            for delivery in adapter.fetch(limit):
                came.append(delivery)
                if answer is not None:
                    answer(delivery)
        except SourceUnavailableError as error:
            away = error
        assert len(came) - before <= limit
        if len(came) == before:
            threading.Event().wait(0.02)
    return came
