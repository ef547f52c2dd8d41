"""``yizhan scrub`` on a county with six cases: what it tells, in both forms, and how it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from tests.support.homes import Home


def damage(home: Home, statement: str) -> None:
    node = home.node()
    node.work()
    node.store.write(lambda transaction: transaction.connection.execute(text(statement)))
    node.close()


def test_nothing_found_leaves_with_0_and_is_noted(fed: Home) -> None:
    document = fed.call("scrub", "--all").document
    assert document["schema"] == "yizhan.scrub/1"
    assert document["done"] is True
    assert document["found"] == document["open"] == []
    assert document["records"] >= 6
    assert fed.call("scrub").document["records"] == document["records"]
    shown = fed.call("status", code=3).document["scrub"]
    assert (shown["found"], shown["open"]) == (0, 0)
    assert shown["done_at"] is not None


def test_what_was_mended_leaves_with_3(fed: Home) -> None:
    damage(fed, "UPDATE record SET leaf = zeroblob(32) WHERE key = (SELECT max(key) FROM record)")
    answer = fed.call("scrub", "--all", "--lang", "zh", json_wanted=False, code=3)
    assert "leaf\t360102/ancestors/6\t" in answer.out
    assert "发现 1 处损坏，修复 1 处" in answer.err
    assert fed.call("scrub", "--all").document["found"] == []


def test_what_cannot_be_mended_leaves_with_7_and_stands_in_the_status(fed: Home) -> None:
    damage(fed, "UPDATE record SET body = zeroblob(32) WHERE key = (SELECT max(key) FROM record)")
    document = fed.call("scrub", "--all", code=7).document
    assert [one["kind"] for one in document["open"]] == ["record"]
    assert fed.call("status", code=3).document["scrub"]["open"] == 1
