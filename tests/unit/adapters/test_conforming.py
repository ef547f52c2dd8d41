"""The report on an adapter: what keeps the contract passes, and each way of breaking it is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapters.conforming import CLOCK_OFF_S_MAX, conform, declared, objections
from adapters.contract import (
    AdapterKind,
    Delivery,
    DeliveryRejectedError,
    Form,
    Opening,
    Setting,
    SourceNeedsPersonError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)
SECRET = "open sesame"
GOOD = Delivery(
    source_id="hall", delivery_key="1", content=b"x", media_type="text/csv", fetched_at=NOW, name="one.csv", cursor="1"
)


class Door:
    """An adapter that does what a test wants of it."""

    def __init__(self, opening: Opening, deliveries: list[Delivery]) -> None:
        self.opening = opening
        self.deliveries = deliveries

    def check(self) -> None:
        """Find everything in order."""

    def fetch(self, limit: int) -> Iterator[Delivery]:
        yield from self.deliveries[:limit]

    def acknowledge(self, delivery: Delivery, outcome: object) -> None:
        raise AssertionError(delivery, outcome)

    def reject(self, delivery: Delivery, reason: str) -> None:
        raise AssertionError(delivery, reason)

    def deliver(self, document: object, key: str) -> None:
        raise AssertionError(document, key)

    def close(self) -> None:
        """Nothing is held."""


class Talkative(Door):
    def __repr__(self) -> str:
        return f"Talkative({self.opening.secrets['password']})"


class Generous(Door):
    def fetch(self, limit: int) -> Iterator[Delivery]:
        yield from (replace(GOOD, delivery_key=str(number)) for number in range(limit + 3))


class Forgetful(Door):
    openings = 0

    def fetch(self, limit: int) -> Iterator[Delivery]:
        Forgetful.openings += 1
        yield from [replace(GOOD, delivery_key=f"{Forgetful.openings}")][:limit]


def failing(error: Exception) -> type[Door]:
    class Failing(Door):
        def check(self) -> None:
            raise error

    return Failing


class Called(Door):
    """One that the other end calls: the first time the check waits for that, the second time it takes longer."""

    def check(self) -> None:
        is_first = self.opening.monotonic_s() == 0.0
        self.opening.wait(1.0)
        self.comes_at_s = self.opening.monotonic_s() + (0.0 if is_first else 3.0)

    def fetch(self, limit: int) -> Iterator[Delivery]:
        if self.opening.monotonic_s() >= self.comes_at_s:
            yield from super().fetch(limit)


class Unclosing(Door):
    def close(self) -> None:
        raise RuntimeError


class Slow(Door):
    def fetch(self, limit: int) -> Iterator[Delivery]:
        self.opening.wait(500.0)
        yield from super().fetch(limit)


def kind_of(make: Callable[[Opening, list[Delivery]], Any], deliveries: list[Delivery], **changes: Any) -> AdapterKind:
    settings = (
        Setting(name="host", zh="主机", en="Host"),
        Setting(name="password", zh="口令", en="Password", secret=True),
    )
    kind = AdapterKind(
        name="door", zh="门", en="Door", settings=settings, open=lambda opening: make(opening, deliveries)
    )
    return replace(kind, **changes)


class Waits:
    """A clock that moves only when an adapter waits."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def wait(self, seconds: float) -> bool:
        self.passed_s += seconds
        return False


def openings(folder: Path) -> Callable[[], Opening]:
    waits = Waits()
    return lambda: Opening(
        name="hall",
        source_id="hall",
        settings={"host": "h"},
        secrets={"password": SECRET},
        folder=folder,
        now=lambda: NOW,
        monotonic_s=lambda: waits.passed_s,
        wait=waits.wait,
        token=bytes,
    )


def verdicts(kind: AdapterKind, folder: Path) -> dict[str, bool | None]:
    return {one.rule: one.passed for one in conform(kind, openings(folder), limit=3)}


def texts(kind: AdapterKind, folder: Path) -> dict[str, str]:
    return {one.rule: one.text for one in conform(kind, openings(folder), limit=3)}


def test_a_door_that_keeps_the_contract_passes_every_rule(tmp_path: Path) -> None:
    found = verdicts(kind_of(Door, [GOOD, replace(GOOD, delivery_key="2")]), tmp_path)
    assert found == {
        "contract_version": True,
        "settings_documented": True,
        "settings": True,
        "secrets_apart": True,
        "opens": True,
        "checked_before_saving": True,
        "bounded": True,
        "delivery": True,
        "closes": True,
        "secrets_masked": True,
        "stable_key": True,
    }


def test_who_has_to_call_anew_is_given_the_time_for_it(tmp_path: Path) -> None:
    assert texts(kind_of(Called, [GOOD]), tmp_path)["stable_key"] == "the same 1 keys came again"


def test_where_nothing_waits_what_could_not_be_tried_is_left_open(tmp_path: Path) -> None:
    found = verdicts(kind_of(Door, []), tmp_path)
    assert (found["delivery"], found["stable_key"], found["bounded"]) == (None, None, True)


@pytest.mark.parametrize(
    ("make", "rule", "text"),
    [
        (Talkative, "secrets_masked", "password"),
        (Generous, "bounded", "4 of at most 3"),
        (Forgetful, "stable_key", "did not come again: one.csv"),
        (Unclosing, "closes", "RuntimeError"),
        (Slow, "bounded", "500.0 s"),
        (failing(SourceUnavailableError("no route")), "checked_before_saving", "away: no route"),
        (failing(SourceNeedsPersonError("wrong password")), "checked_before_saving", "person has to act: wrong"),
        (failing(DeliveryRejectedError("never")), "checked_before_saving", "refuses: never"),
        (failing(KeyError("x")), "checked_before_saving", "KeyError, which is none of the three"),
    ],
)
def test_each_way_of_breaking_the_contract_is_named(make: type[Door], rule: str, text: str, tmp_path: Path) -> None:
    kind = kind_of(make, [GOOD])
    assert verdicts(kind, tmp_path)[rule] is False
    assert text in texts(kind, tmp_path)[rule]


def test_a_source_that_cannot_be_checked_is_not_fetched_from(tmp_path: Path) -> None:
    found = verdicts(kind_of(failing(SourceUnavailableError("away")), [GOOD]), tmp_path)
    assert "bounded" not in found
    assert found["closes"] is True


def test_an_error_that_names_a_secret_is_seen(tmp_path: Path) -> None:
    kind = kind_of(failing(SourceNeedsPersonError(f"refused: {SECRET}")), [])
    assert verdicts(kind, tmp_path)["secrets_masked"] is False


def test_what_cannot_be_opened_or_is_no_adapter_is_told(tmp_path: Path) -> None:
    def broken(_opening: Opening, _deliveries: list[Delivery]) -> Door:
        raise SourceNeedsPersonError("host and port do not fit")

    assert verdicts(kind_of(broken, []), tmp_path)["opens"] is False
    assert "person has to act" in texts(kind_of(broken, []), tmp_path)["opens"]
    assert "without check, fetch" in texts(kind_of(lambda *_: object(), []), tmp_path)["opens"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"source_id": "other"}, "source_id"),
        ({"delivery_key": ""}, "delivery_key"),
        ({"delivery_key": "x" * 201}, "delivery_key"),
        ({"delivery_key": "a\nb"}, "delivery_key"),
        ({"cursor": "x" * 4001}, "cursor"),
        ({"media_type": "csv"}, "media_type"),
        ({"fetched_at": datetime(2026, 11, 3, 1, 0)}, "aware UTC"),  # noqa: DTZ001 - that is what is refused.
        ({"fetched_at": NOW - timedelta(seconds=2 * CLOCK_OFF_S_MAX)}, "time of fetching"),
    ],
)
def test_a_delivery_that_breaks_the_contract_is_told(change: dict[str, Any], text: str, tmp_path: Path) -> None:
    (objection,) = objections(replace(GOOD, **change), openings(tmp_path)())
    assert text in objection


def test_a_delivery_has_its_content_in_one_place_that_exists(tmp_path: Path) -> None:
    there = tmp_path / "one.csv"
    assert objections(replace(GOOD, content=b"", file=there), openings(tmp_path)()) == ["file does not exist"]
    there.write_bytes(b"x")
    assert objections(replace(GOOD, content=b"", file=there), openings(tmp_path)()) == []
    assert objections(replace(GOOD, file=there), openings(tmp_path)()) == ["content and file are both given"]


@pytest.mark.parametrize(
    ("changes", "rule", "text"),
    [
        ({"contract_version": 2}, "contract_version", "2, this node's is 1"),
        ({"settings": (Setting(name="host", zh="Host", en="Host"),)}, "settings_documented", "host"),
        ({"zh": "Door"}, "settings_documented", "the kind itself"),
        ({"settings": (Setting(name="api_token", zh="令牌", en="Token"),)}, "secrets_apart", "api_token"),
        ({"settings": (Setting(name="mode", zh="方式", en="Way", form=Form.CHOICE),)}, "settings", "mode: choices"),
        (
            {"settings": (Setting(name="mode", zh="方式", en="Way", form=Form.CHOICE, choices=("a",), default="b"),)},
            "settings",
            "not among",
        ),
        (
            {"settings": (Setting(name="count", zh="数", en="Count", form=Form.NUMBER, secret=True),)},
            "settings",
            "a secret is a text",
        ),
    ],
)
def test_how_a_kind_declares_itself_is_judged_without_opening_it(changes: dict[str, Any], rule: str, text: str) -> None:
    (found,) = [one for one in declared(kind_of(Door, [], **changes)) if one.rule == rule]
    assert found.passed is False
    assert text in found.text
