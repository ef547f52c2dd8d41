"""Changes of a source: its bounds, modes, keys and certificates, and what would make it wider than it was said."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import SetClock
from node.departments import credentials
from node.departments.callers import Callers
from node.departments.credentials import Credential, Issuer, credentials_of
from node.departments.source_changes import (
    Change,
    Names,
    change_source,
    disable_source,
    enable_source,
    limit_source,
    rotate_source,
)
from node.departments.sources import NewSource, Source, SourceLimits, add_source, find_source, known_source, owners_of
from node.errors import ConfigurationError, NotFoundError, StateConflictError, UsageError
from node.randomness import SystemRandomness
from node.trust.kept_secrets import KeptSecrets
from tests.support.intake import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from node.journal.store import Store

FINGERPRINT = f"SHA256:{'ab' * 32}"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(randomness=SystemRandomness(), secrets=KeptSecrets(tmp_path))


def add(store: Store, clock: SetClock, issuer: Issuer, name: str = "hall", **settings: Any) -> NewSource:
    return add_source(store, name, clock=clock, randomness=issuer.randomness, secrets=issuer.secrets, **settings)


def change(store: Store, clock: SetClock, issuer: Issuer, **what: Any) -> NewSource:
    return change_source(store, "hall", Change(**what), clock=clock, issuer=issuer)


def source_of(store: Store, name: str = "hall") -> Source:
    with store.reading() as connection:
        return known_source(connection, name)


def credentials_in(store: Store, name: str = "hall") -> list[Credential]:
    with store.reading() as connection:
        return credentials_of(connection, name)


def opens(store: Store, key: str, clock: SetClock) -> bool:
    with store.reading() as connection:
        return Callers(connection, clock.now()).by_key(key) is not None


def test_what_is_not_given_stays(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    made = add(memory, clock, issuer, label="大厅", divisions=["369902"], systems=["a"])
    assert change(memory, clock, issuer).source == made.source == source_of(memory)
    changed = change(memory, clock, issuer, label="新大厅", channel="SERIAL", add=Names(systems=("b",)))
    assert (changed.source.label, changed.source.channel, changed.source.systems) == (
        "新大厅",
        "SERIAL",
        ("a", "b", "hall"),
    )
    assert changed.source == source_of(memory)
    assert changed.source.divisions == ("369902",)
    assert opens(memory, made.key, clock)


def test_names_are_added_and_taken_away(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    add(memory, clock, issuer, divisions=["369902"], organisations=["x"], systems=["a", "b"])
    more = Names(divisions=("369903", "369902"), organisations=("y",), systems=("c",))
    less = Names(divisions=("369902",), organisations=("x", "never"), systems=("a",))
    found = change(memory, clock, issuer, add=more, remove=less).source
    assert (found.divisions, found.organisations, found.systems) == (("369903",), ("y",), ("b", "c", "hall"))
    with memory.reading() as connection:
        assert owners_of(connection, ["a", "b", "c"]) == {"b": {"hall"}, "c": {"hall"}}


@pytest.mark.parametrize("kind", ["division", "organisation"])
def test_the_last_bound_is_not_taken_away_by_the_way(memory: Store, clock: SetClock, issuer: Issuer, kind: str) -> None:
    add(memory, clock, issuer, divisions=["369902"], organisations=["369902"])
    less = Names(**{f"{kind}s": ("369902",)})
    with pytest.raises(UsageError, match=f"last {kind}") as caught:
        change(memory, clock, issuer, remove=less)
    assert f"--every-{kind}" in caught.value.action
    with pytest.raises(UsageError, match="exclude one another"):
        change(memory, clock, issuer, add=less, **{f"every_{kind}": True})
    assert getattr(change(memory, clock, issuer, **{f"every_{kind}": True}).source, f"{kind}s") == ()


@pytest.mark.parametrize(
    "what",
    [
        {"channel": "PIGEON"},
        {"modes": ("pigeon",)},
        {"modes": ("certificate",)},
        {"add": Names(certificates=(FINGERPRINT,))},
        {"add": Names(systems=("a\nb",))},
        {"remove": Names(systems=("hall",))},
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    memory: Store, clock: SetClock, issuer: Issuer, what: dict[str, Any]
) -> None:
    made = add(memory, clock, issuer)
    with pytest.raises(UsageError):
        change(memory, clock, issuer, label="x", **what)
    assert source_of(memory) == made.source
    assert [one.mode for one in credentials_in(memory)] == ["key"]


def test_a_new_mode_brings_its_key_and_one_that_goes_takes_it_along(
    memory: Store, clock: SetClock, issuer: Issuer
) -> None:
    made = add(memory, clock, issuer)
    signing = change(memory, clock, issuer, modes=("hmac", "key")).issued
    assert (signing.key, signing.key_id, signing.secret[:4]) == ("", "hall/2", "yzs_")
    assert opens(memory, made.key, clock)
    only = change(memory, clock, issuer, modes=("hmac",))
    assert only.issued.as_json() == {}
    assert not opens(memory, made.key, clock)
    again = change(memory, clock, issuer, modes=("key", "hmac")).issued
    assert (again.key_id, opens(memory, again.key, clock), opens(memory, made.key, clock)) == ("", True, False)


def test_certificates_come_and_go_with_their_mode(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    add(memory, clock, issuer)
    bound = Names(certificates=(FINGERPRINT, "DNS:a.example.cn", FINGERPRINT))
    change(memory, clock, issuer, modes=("key", "certificate"), add=bound)
    assert [one.certificate for one in credentials_in(memory)] == [None, FINGERPRINT, "DNS:a.example.cn"]
    change(memory, clock, issuer, add=bound, remove=Names(certificates=("DNS:b.example.cn",)))
    change(memory, clock, issuer, remove=Names(certificates=(FINGERPRINT,)))
    assert [one.certificate for one in credentials_in(memory)] == [None, "DNS:a.example.cn"]
    with pytest.raises(UsageError, match="belong together"):
        change(memory, clock, issuer, remove=Names(certificates=("DNS:a.example.cn",)))
    change(memory, clock, issuer, modes=("key",))
    assert [one.mode for one in credentials_in(memory)] == ["key"]


def test_a_certificate_belongs_to_one_source(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    settings: dict[str, Any] = {"modes": ("certificate",), "certificates": (FINGERPRINT,)}
    add(memory, clock, issuer, **settings)
    with pytest.raises(StateConflictError, match="belongs to the source hall"):
        add(memory, clock, issuer, "tax", **settings)
    with memory.reading() as connection, pytest.raises(NotFoundError):
        known_source(connection, "tax")


def test_an_old_key_counts_beside_the_new_one_until_it_ends(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    old = add(memory, clock, issuer).key
    new = rotate_source(memory, "hall", keep=timedelta(hours=2), clock=clock, issuer=issuer).key
    assert (opens(memory, old, clock), opens(memory, new, clock), old != new) == (True, True, True)
    assert [one.as_json()["ends_at"] for one in credentials_in(memory)] == [
        (NOW + timedelta(hours=2)).isoformat(),
        None,
    ]
    clock.advance(2 * 3600)
    assert (opens(memory, old, clock), opens(memory, new, clock)) == (False, True)
    newest = rotate_source(memory, "hall", keep=timedelta(0), clock=clock, issuer=issuer).key
    assert (opens(memory, new, clock), opens(memory, newest, clock)) == (False, True)
    assert len(credentials_in(memory)) == 1


def test_a_key_that_ends_soon_is_not_kept_longer_by_the_next_rotation(
    memory: Store, clock: SetClock, issuer: Issuer
) -> None:
    old = add(memory, clock, issuer).key
    for hours in (1, 100):
        rotate_source(memory, "hall", keep=timedelta(hours=hours), clock=clock, issuer=issuer)
    clock.advance(3600)
    assert not opens(memory, old, clock)


def test_only_what_is_named_is_made_anew(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    made = add(memory, clock, issuer, modes=("key", "hmac"))
    now = timedelta(0)
    signing = rotate_source(memory, "hall", modes=("hmac",), keep=now, clock=clock, issuer=issuer).issued
    assert (signing.key, signing.key_id != made.issued.key_id) == ("", True)
    assert opens(memory, made.key, clock)
    both = rotate_source(memory, "hall", keep=now, clock=clock, issuer=issuer).issued
    assert all((both.key, both.key_id, both.secret))
    assert len(credentials_in(memory)) == 2


def test_what_a_source_does_not_have_cannot_be_made_anew(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    add(memory, clock, issuer, modes=("certificate",), certificates=(FINGERPRINT,))
    add(memory, clock, issuer, "tax")
    for name, modes in (("hall", ()), ("hall", ("certificate",)), ("tax", ("hmac",)), ("tax", ("hmac", "key"))):
        with pytest.raises(UsageError, match="to make anew"):
            rotate_source(memory, name, modes=modes, keep=timedelta(0), clock=clock, issuer=issuer)
    for keep in (timedelta(seconds=-1), timedelta(days=91)):
        with pytest.raises(UsageError, match="kept so long"):
            rotate_source(memory, "tax", keep=keep, clock=clock, issuer=issuer)


def test_there_are_no_more_credentials_than_allowed(
    memory: Store, clock: SetClock, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "CREDENTIALS_MAX", 2)
    add(memory, clock, issuer)
    rotate_source(memory, "hall", keep=timedelta(hours=1), clock=clock, issuer=issuer)
    with pytest.raises(StateConflictError, match="more than 2 credentials"):
        rotate_source(memory, "hall", keep=timedelta(hours=1), clock=clock, issuer=issuer)
    rotate_source(memory, "hall", keep=timedelta(0), clock=clock, issuer=issuer)
    assert len(credentials_in(memory)) == 1


def test_a_closed_source_is_opened_again_with_its_key(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    key = add(memory, clock, issuer).key
    disable_source(memory, "hall", clock=clock)
    assert not opens(memory, key, clock)
    assert enable_source(memory, "hall").disabled_at is None
    assert enable_source(memory, "hall") == source_of(memory)
    assert opens(memory, key, clock)
    with memory.reading() as connection:
        assert find_source(connection, "hall").name == "hall"


def test_limits_that_are_not_given_stay(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    add(memory, clock, issuer, limits=SourceLimits(records_per_day=7, bytes_per_day=8))
    limit_source(memory, "hall", {"records_per_day": 0, "requests_per_minute": 3})
    assert source_of(memory).limits == SourceLimits(requests_per_minute=3, bytes_per_day=8)


def test_what_is_not_there_is_not_changed(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    for act in (
        lambda: change(memory, clock, issuer),
        lambda: limit_source(memory, "hall", {}),
        lambda: enable_source(memory, "hall"),
        lambda: rotate_source(memory, "hall", keep=timedelta(0), clock=clock, issuer=issuer),
    ):
        with pytest.raises(NotFoundError, match="no source named"):
            act()


def test_a_secret_needs_a_home_to_be_wrapped_in(memory: Store, clock: SetClock) -> None:
    with pytest.raises(ConfigurationError, match="no place for the secrets"):
        add(memory, clock, Issuer(randomness=SystemRandomness()), modes=("hmac",))


def test_nothing_secret_is_shown(memory: Store, clock: SetClock, issuer: Issuer) -> None:
    made = add(memory, clock, issuer, modes=("key", "hmac"))
    shown = repr(made) + repr(credentials_in(memory)) + str([one.as_json() for one in credentials_in(memory)])
    assert made.issued.key not in shown
    assert made.issued.secret not in shown
