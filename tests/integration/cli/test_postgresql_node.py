"""A whole node on PostgreSQL, by URL, through the command line: what works on SQLite works here."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from node.cli.serving import Service
from tests.support.homes import Home, applications

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_a_root_on_postgresql_is_made_fed_sealed_and_shown(tmp_path: Path, postgres_url: str) -> None:
    home = Home(tmp_path / "360000")
    made = home.init("province", "360000", "江西省", "--database", postgres_url).document
    assert made["joined"] is True
    assert home.init("province", "360000", "江西省", "--database", postgres_url).document["made"] is False
    assert home.call("publish", "calendar").document["published"] > 0
    node = home.node()
    service = Service(node)
    service.start()
    try:
        face = service.addresses()["face"]
        assert httpx.get(f"{face}/readyz").status_code == 200
        # Written by the command line beside the running node: heard through LISTEN, sealed, shown.
        path = tmp_path / "applications.csv"
        path.write_bytes(applications(3).decode("gb18030").encode("utf-8-sig"))
        home.call("import", str(path), code=None)
        assert home.call("publish", "divisions").document["published"] > 100
        for _ in range(100):
            streams = httpx.get(f"{face}/status.json").json()["streams"]
            if all(one["sealed"] == one["size"] for one in streams):
                break
            threading.Event().wait(0.1)
        assert all(one["sealed"] == one["size"] > 0 for one in streams)
    finally:
        service.stop()
        node.close()
