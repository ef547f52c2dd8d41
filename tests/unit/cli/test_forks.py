"""``yizhan forks``: what is shown of two versions, and the root's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.journal.checkpoints import newest
from node.journal.forks import keep_fork
from node.standard.seals import ANCESTORS, StreamName

if TYPE_CHECKING:
    from node.journal.store import Transaction
    from tests.support.homes import Home

STREAM = StreamName("360102", ANCESTORS)


def test_a_fork_is_listed_shown_and_decided(root: Home, fed: Home) -> None:
    node = fed.node()
    try:
        node.seal()
        with node.store.reading() as connection:
            held = node.journal.held(connection, STREAM)
            assert held is not None
            checkpoint = newest(connection, STREAM)
            (body,) = [one.body for one in node.journal.stored(connection, STREAM, 2, 2)]
        assert checkpoint is not None

        def work(transaction: Transaction) -> bool:
            tree, other = node.identity.tree, b"<Other/>"
            return keep_fork(
                transaction, held, checkpoint, tree=tree, standing=None, at=node.clock.now(), position=2, body=other
            )

        assert node.store.write(work)
        assert not node.store.write(work)
    finally:
        node.close()
    listed = fed.call("forks", "list").document["forks"]
    assert [(one["stream"], one["size"], one["position"], one["state"]) for one in listed] == [
        ("360102/ancestors", 6, 2, "stopped")
    ]
    assert "360102/ancestors" in fed.call("forks", "list", json_wanted=False).out
    shown = fed.call("forks", "show", "360102/ancestors").document["forks"][0]
    assert (shown["held"], shown["other"]) == ((body or b"").decode(), "<Other/>")
    people = fed.call("forks", "show", "360102/ancestors", "--lang", "zh", json_wanted=False)
    assert "<Other/>" in people.out
    assert fed.call("forks", "show", "360103/ancestors", code=1).document["code"] == "YZ-NAME-001"
    decision = ("forks", "resolve", "360102/ancestors", "--size", "6", "--root", listed[0]["root"])
    assert root.call(*decision, "--reason", "x", "--by", "测试").document["new"] is True
    assert root.call(*decision, "--reason", "x", "--by", "测试").document["new"] is False
    assert fed.call(*decision, "--reason", "x", "--by", "测试", code=None).code != 0
