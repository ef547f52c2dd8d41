"""PostgreSQL stopped and started under running nodes: a county's and the city's, in order and as after a crash.

While it is away the doors answer clearly that the same may be tried again, and the link rests; afterwards everything
goes on in the same processes.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from node.demo.program import call
from tests.support.fault_trees import CITY, COUNTY, FaultTree, fault_tree
from tests.support.postgres import NoServerError, PostgresServer, postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.demo.raising import DemoNode

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

AWAY_S = 4.0
ANSWERED_S = 12.0
"""A request that finds the server gone is answered within the time that a connection may take to be made."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    try:
        with postgres_server() as found:
            yield found
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[FaultTree]:
    def prepare(nodes: dict[str, DemoNode]) -> None:
        for code in (COUNTY, CITY):
            nodes[code].options = ("--database", server.database())

    with fault_tree(tmp_path_factory.mktemp("away"), seed="away", prepare=prepare, pause_s=0.05) as found:
        yield found


def refused(tree: FaultTree, key: str) -> httpx.Response:
    """Offer a record to the county whose database is away; return what it answers."""
    return httpx.post(
        f"{tree.nodes[COUNTY].face}/api/v1/records",
        params={"dialect": "json"},
        content=json.dumps([]),
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "away"},
        timeout=ANSWERED_S,
    )


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_all_goes_on_by_itself_when_the_database_is_back(tree: FaultTree, server: PostgresServer, mode: str) -> None:
    key = str(call(tree.nodes[COUNTY].home, "sources", "add", f"away-{mode}")["key"])
    before = {code: node.process.process for code, node in tree.nodes.items()}
    with tree.feeding():
        threading.Event().wait(1.5)
        server.stop(mode)
        try:
            accepted = tree.feeders[0].accepted
            answer = refused(tree, key)
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "YZ-STORE-002"
            assert int(answer.headers["Retry-After"]) > 0
            assert "yizhan" not in answer.json()["what"], "no table, statement or URL is shown"
            ready = httpx.get(f"{tree.nodes[COUNTY].face}/readyz", timeout=ANSWERED_S)
            assert ready.status_code == 503
            threading.Event().wait(AWAY_S)
            assert tree.feeders[0].accepted == accepted
        finally:
            server.start()
        threading.Event().wait(1)
    tree.verify()
    assert {code: node.process.process for code, node in tree.nodes.items()} == before
    assert all(node.process.running for node in tree.nodes.values())
    ready = httpx.get(f"{tree.nodes[COUNTY].face}/readyz", timeout=ANSWERED_S)
    assert ready.status_code == 200, ready.text
