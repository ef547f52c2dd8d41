"""``yizhan rebuild`` on a county with six cases: what it tells, in both forms, and how it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    import pytest

    from tests.support.homes import Home


def damage(home: Home) -> None:
    node = home.node()
    node.store.write(
        lambda transaction: transaction.connection.execute(text("UPDATE case_state SET state = 13 WHERE id = 2"))
    )
    node.close()


def test_identical_leaves_with_0(fed: Home) -> None:
    document = fed.call("rebuild", "--check").document
    assert document["schema"] == "yizhan.rebuild/1"
    assert document["identical"] is True
    assert document["records"] >= 6
    assert next(one for one in document["tables"] if one["name"] == "case_fact")["rows"] == 6
    assert fed.call("rebuild").document["put_right"] == 0


def test_a_difference_leaves_with_3_until_it_is_put_right(fed: Home) -> None:
    damage(fed)
    document = fed.call("rebuild", "--check", code=3).document
    found = next(one for one in document["tables"] if one["differing"])
    assert (found["name"], found["differing"]) == ("case_fact", 1)
    assert found["first"][0].startswith("360102/ancestors ")
    shown = fed.call("rebuild", "--check", "--lang", "zh", json_wanted=False, code=3)
    assert "case_fact\t6\t1\t360102/ancestors" in shown.out
    assert "存在差异" in shown.err
    put = fed.call("rebuild", "--lang", "en", json_wanted=False)
    assert "rows were put right" in put.err
    again = fed.call("rebuild", "--check", "--lang", "zh", json_wanted=False)
    assert "完全一致" in again.err


def test_a_disk_without_room_for_the_copy_is_told(fed: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.journal.room._free_bytes", lambda _: 1_000_000_001)
    answer = fed.call("rebuild", "--check", code=6)
    assert answer.document["code"] == "YZ-STORE-004"
    assert "no room for a copy" in answer.document["what"]
