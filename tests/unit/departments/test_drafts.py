"""Drafts are kept per source within bounds, on both stores, and are gone when they are gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from node.departments.entry import drafts
from node.departments.entry.drafts import (
    AGE_MAX,
    Draft,
    drop_draft,
    drop_old_drafts,
    list_drafts,
    load_draft,
    save_draft,
)
from node.errors import StateConflictError

if TYPE_CHECKING:
    from node.journal.store import Store

AT = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)


def draft(number: int, **values: str) -> Draft:
    return Draft(id=f"D{number}", record_type="Application", values=values, title=f"A{number}")


def titles(store: Store, source: str = "hall") -> list[str]:
    with store.reading() as connection:
        return [one.title for one in list_drafts(connection, source)]


def test_a_draft_is_kept_as_it_was_typed_replaced_listed_and_dropped(any_store: Store) -> None:
    store = any_store
    save_draft(store, "hall", draft(1, ApplicantName="测试甲\n\ud800"), at=AT)
    save_draft(store, "hall", draft(2), at=AT + timedelta(minutes=1))
    save_draft(store, "other", draft(1), at=AT)
    save_draft(store, "hall", draft(1, ApplicantName="测试乙"), at=AT + timedelta(minutes=2))
    assert titles(store) == ["A1", "A2"]
    with store.reading() as connection:
        found = load_draft(connection, "hall", "D1")
        assert found == draft(1, ApplicantName="测试乙")
        assert load_draft(connection, "hall", "D3") is None
        assert load_draft(connection, "nobody", "D1") is None
        (head, _) = list_drafts(connection, "hall")
    assert (head.id, head.record_type, head.saved_at) == ("D1", "Application", AT + timedelta(minutes=2))
    store.write(lambda transaction: drop_draft(transaction, "hall", "D1"))
    store.write(lambda transaction: drop_draft(transaction, "hall", "D1"))
    assert (titles(store), titles(store, "other")) == (["A2"], ["A1"])


def test_drafts_that_nobody_saved_for_long_go(any_store: Store) -> None:
    save_draft(any_store, "hall", draft(1), at=AT)
    save_draft(any_store, "hall", draft(2), at=AT + timedelta(days=1))
    assert any_store.write(lambda transaction: drop_old_drafts(transaction, at=AT + AGE_MAX)) == 0
    save_draft(any_store, "other", draft(3), at=AT + AGE_MAX + timedelta(seconds=1))
    assert titles(any_store) == ["A2"]


def test_drafts_are_bounded_in_number_and_length(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "DRAFTS_MAX", 2)
    monkeypatch.setattr(drafts, "BYTES_MAX", 100)
    for number in (1, 2):
        save_draft(memory, "hall", draft(number), at=AT)
    with pytest.raises(StateConflictError, match="2 drafts already"):
        save_draft(memory, "hall", draft(3), at=AT)
    save_draft(memory, "hall", draft(2, Remark="一"), at=AT)
    save_draft(memory, "other", draft(3), at=AT)
    with pytest.raises(StateConflictError, match="too long"):
        save_draft(memory, "hall", draft(2, Remark="长" * 100), at=AT)
    assert titles(memory) == ["A1", "A2"]
