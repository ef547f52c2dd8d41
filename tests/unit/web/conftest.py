"""A county with second entry switched on, a department's source, and a clerk who is signed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from node.departments.sources import add_source
from node.web.app import create_face_app
from tests.support.web_forms import Page, opened
from tests.support.whole_nodes import whole_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient

    from node.bootstrap import Node
    from node.clock import SetClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The window of a department: its node, its browser, and the key of its source."""

    node: Node
    clock: SetClock
    client: FlaskClient
    key: str

    def sign_in(self) -> Page:
        """Sign the clerk in."""
        return opened(self.client, "/entry/").form("登录").fill({"key": self.key}).press("登录")


def with_entry(node: Node) -> Node:
    """Return the node as its level with second entry would make it."""
    level = replace(node.config.level, features=replace(node.config.level.features, entry=True))
    return replace(node, config=replace(node.config, level=level))


@pytest.fixture
def counter() -> Iterator[Counter]:
    """A window at which nobody is signed in."""
    node = with_entry(whole_node("360102"))
    made = add_source(
        node.store,
        "hall",
        clock=node.clock,
        randomness=node.randomness,
        label="城管局窗口",
        divisions=["360102"],
    )
    clock: SetClock = node.clock  # type: ignore[assignment] # A whole node has a clock that is set.
    application = create_face_app(node)
    yield Counter(node=node, clock=clock, client=application.test_client(), key=made.key)
    sessions = application.extensions["yizhan.entry"].sessions
    for session in list(sessions._open.values()):
        sessions.end(session)
    node.close()


@pytest.fixture
def window(counter: Counter) -> Counter:
    """A window at which the clerk is signed in."""
    assert counter.sign_in().status == 200
    return counter
