"""The kind example_door keeps the contract, against a real folder."""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from example_door import KIND

from adapters.conforming import conform
from adapters.contract import Document, Opening, Outcome, SourceNeedsPersonError, SourceUnavailableError
from adapters.scale import Step, standing

if TYPE_CHECKING:
    from pathlib import Path

TAKEN = Outcome(offered=2, accepted=1, repeated=0, refused=1)


def opening(folder: Path, **settings: object) -> Opening:
    """Return what the node would open the adapter with."""
    own = folder.parent / "own"
    own.mkdir(exist_ok=True)
    return Opening(
        name="door",
        source_id="hall",
        settings={"folder": str(folder), "bytes_max": 1000, **settings},
        folder=own,
        now=lambda: datetime.now(tz=UTC),
        monotonic_s=time.monotonic,
        wait=lambda _seconds: False,
        token=secrets.token_bytes,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder in which two deliveries wait."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "b.csv").write_bytes(b"second")
    (shelf / "a.csv").write_bytes(b"first")
    return shelf


def test_it_keeps_the_contract(folder: Path) -> None:
    """Nothing that the report tries fails."""
    found = conform(KIND, lambda: opening(folder))
    assert [f"{one.rule}: {one.text}" for one in found if one.passed is False] == []
    assert standing(KIND).step >= Step.BRONZE


def test_what_is_answered_does_not_come_again(folder: Path) -> None:
    """What is taken or refused is put away with a word about it; answering twice changes nothing."""
    door = KIND.open(opening(folder))
    first, second = door.fetch(9)
    assert [one.content for one in (first, second)] == [b"first", b"second"]
    assert [one.delivery_key for one in door.fetch(1)] == [first.delivery_key]
    door.acknowledge(first, TAKEN)
    door.acknowledge(first, TAKEN)
    door.reject(second, "no table")
    assert list(door.fetch(9)) == []
    assert (folder / "a.csv.taken.txt").read_text(encoding="utf-8") == "accepted 1, repeated 0, refused 1\n"
    assert (folder / "b.csv.refused.txt").read_text(encoding="utf-8") == "no table\n"


def test_who_must_act_is_told(folder: Path) -> None:
    """A folder that is gone may come back; a file that is too large waits for somebody."""
    with pytest.raises(SourceUnavailableError):
        KIND.open(opening(folder / "gone")).check()
    with pytest.raises(SourceNeedsPersonError, match="raise bytes_max"):
        list(KIND.open(opening(folder, bytes_max=3)).fetch(9))
    if os.geteuid() != 0:
        folder.chmod(0)
        with pytest.raises(SourceNeedsPersonError, match="closed to this account"):
            KIND.open(opening(folder)).check()


def test_a_document_is_handed_over_once(folder: Path) -> None:
    """The same key again changes nothing."""
    door = KIND.open(opening(folder))
    for content in (b"<a/>", b"<b/>"):
        door.deliver(Document(content=content, record_type="SupervisionNotice"), "360000-360102-7")
    assert (folder / "360000-360102-7.xml").read_bytes() == b"<a/>"
    door.close()
    door.close()
