"""Three running nodes at three levels: a county redacts, and the bytes leave the database files of all of them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_three_levels import RealNode, delivery, tree_of, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

__all__ = ["delivery"]
STREAM = "360102/ancestors"
HOLDERS = ("360000", "360100", "360102")


def packed(node: RealNode) -> bytes:
    """Return the stored form of the county's first record."""
    query = (
        "SELECT body FROM record JOIN stream ON record.key = (stream.id << 40) + 1 "
        "WHERE origin = '360102' AND audience = 'ancestors'"
    )
    connection = sqlite3.connect(f"file:{node.home}/yizhan.sqlite?mode=ro", uri=True)
    try:
        (body,) = connection.execute(query).fetchone()
    finally:
        connection.close()
    return bytes(body)


def lies_in_files(node: RealNode, content: bytes) -> bool:
    return any(content in path.read_bytes() for path in node.home.glob("yizhan.sqlite*") if path.exists())


def test_the_bytes_leave_the_files_of_every_holder(tmp_path: Path, delivery: Path) -> None:
    with tree_of(tmp_path) as tree:
        county = tree["360102"]
        county.call("sources", "add", "hall")
        county.call("import", str(delivery), "--dialect", "csv", "--source", "hall")
        size = county.stream(STREAM)
        assert size is not None
        for node in tree.values():
            wait_for(lambda node=node: (node.stream(STREAM) or {}).get("sealed") == size["size"], 60, node.log)  # type: ignore[misc]
        bodies = {code: packed(node) for code, node in tree.items()}
        assert all(lies_in_files(tree[code], body) for code, body in bodies.items())
        done = county.call("redact", f"{STREAM}/1", "--approval", "赣〔2026〕1号", "--reason", "误填", "--yes")
        assert done["ordered"] is False
        for code in HOLDERS:
            node = tree[code]
            wait_for(lambda node=node: node.status()["redacted"] == 1, 60, node.log)  # type: ignore[misc]
            wait_for(lambda node=node, code=code: not lies_in_files(node, bodies[code]), 30, node.log)  # type: ignore[misc]
        roots = {(one["size"], one["root"]) for one in (node.stream(STREAM) for node in tree.values()) if one}
        assert len(roots) == 1
        shown = tree["360000"].call("records", "show", STREAM, "1")
        assert (shown["flags"], shown["body"], shown["redaction"]["approval"]) == (["redacted"], None, "赣〔2026〕1号")
        assert [node.status()["alarms"] for node in tree.values()] == [0, 0, 0]
