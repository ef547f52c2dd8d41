"""The contract of adapters: a door can be written with it alone, and its errors say who must act."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from adapters.contract import (
    Adapter,
    AdapterError,
    Delivery,
    DeliveryRejectedError,
    Document,
    Outcome,
    SourceNeedsPersonError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class ShelfAdapter:
    """A door to a shelf of deliveries: what is not acknowledged comes again."""

    def __init__(self, contents: list[bytes]) -> None:
        self.waiting = {str(number): content for number, content in enumerate(contents)}
        self.delivered: dict[str, Document] = {}
        self.closed = False

    def check(self) -> None:
        if self.closed:
            raise SourceUnavailableError("the shelf is gone", retry_after_s=3.0)

    def fetch(self, limit: int) -> Iterator[Delivery]:
        for key in sorted(self.waiting)[:limit]:
            yield Delivery(
                source_id="shelf",
                delivery_key=key,
                content=self.waiting[key],
                media_type="application/xml",
                fetched_at=datetime(2026, 11, 3, tzinfo=UTC),
            )

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        assert outcome.offered
        self.waiting.pop(delivery.delivery_key, None)

    def reject(self, delivery: Delivery, reason: str) -> None:
        if not reason:
            raise DeliveryRejectedError("a reason is needed")
        self.waiting.pop(delivery.delivery_key, None)

    def deliver(self, document: Document, key: str) -> None:
        self.delivered.setdefault(key, document)

    def close(self) -> None:
        self.closed = True


def test_what_is_not_acknowledged_comes_again_under_the_same_key() -> None:
    adapter: Adapter = ShelfAdapter([b"a", b"b", b"c"])
    first = list(adapter.fetch(2))
    assert first == list(adapter.fetch(2))
    outcome = Outcome(offered=1, accepted=1, repeated=0, refused=0)
    adapter.acknowledge(first[0], outcome)
    adapter.acknowledge(first[0], outcome)
    adapter.reject(first[1], "not readable")
    assert [one.content for one in adapter.fetch(9)] == [b"c"]


def test_the_three_errors_are_one_family_and_carry_when_to_come_again() -> None:
    adapter: Adapter = ShelfAdapter([])
    adapter.close()
    adapter.close()
    with pytest.raises(AdapterError) as caught:
        adapter.check()
    assert isinstance(caught.value, SourceUnavailableError)
    assert caught.value.retry_after_s == 3.0
    assert {error.__base__ for error in (DeliveryRejectedError, SourceNeedsPersonError)} == {AdapterError}


def test_a_document_is_delivered_once() -> None:
    adapter = ShelfAdapter([])
    first, again = (Document(content=content, record_type="SupervisionNotice") for content in (b"first", b"again"))
    adapter.deliver(first, "k")
    adapter.deliver(again, "k")
    assert adapter.delivered == {"k": first}
